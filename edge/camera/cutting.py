# SPDX-License-Identifier: AGPL-3.0-or-later
"""Where a row of packets may begin and end so that every picture of it is a true one. Pure.

Packets stand in the order of decoding. B-pictures build on pictures that are shown after them, so
a cut by the time of showing drops what they build on, and the decoder then makes up a picture.
"""

from __future__ import annotations

from collections.abc import Sequence

from edge.camera.packets import Encoded

# No codec sends a picture more than so many places away from where it is shown.
REORDER_MOST = 32
# Presentation times further apart than this within REORDER_MOST packets are a new numbering.
NEAR_S = 5.0


def without_leading(packets: list[Encoded]) -> list[Encoded]:
    """Without the pictures shown before the first key picture: they build on what came before
    it (open groups of pictures), and would be false pictures here."""
    end = 1
    while end < len(packets) and _leads(packets[end], packets[0]):
        end += 1
    return [*packets[:1], *packets[end:]]


def _leads(packet: Encoded, key: Encoded) -> bool:
    """Near before the key picture: further away the numbering began anew."""
    if packet.pts is None or key.pts is None or packet.connection is not key.connection:
        return False
    return -NEAR_S < float((packet.pts - key.pts) * packet.time_base) < 0.0


def whole_end(shown_s: Sequence[float | None], last: int) -> int:
    """How many packets to keep so that packet `last` is shown and none is missing before the end.

    shown_s: presentation times in the order of decoding, reaching a few packets beyond `last`
    where there are any. The end is the first place from `last` on behind which nothing is shown
    earlier than what is kept; where there is none, the last such place before.
    """
    holes = _hole_before(shown_s)
    for count in range(last + 1, len(shown_s) + 1):
        if not holes[count]:
            return count
    return next((count for count in range(last, 0, -1) if not holes[count]), len(shown_s))


def _hole_before(shown_s: Sequence[float | None]) -> list[bool]:
    """For each number of packets kept: whether one that is left out is shown before their end."""
    holes, latest = [False] * (len(shown_s) + 1), float("-inf")
    for count, time_s in enumerate(shown_s, 1):
        if time_s is None:
            continue
        latest = time_s if latest - time_s > NEAR_S else max(latest, time_s)
        after = shown_s[count : count + REORDER_MOST]
        holes[count] = any(t is not None and 0.0 < latest - t < NEAR_S for t in after)
    return holes
