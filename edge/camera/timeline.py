# SPDX-License-Identifier: AGPL-3.0-or-later
"""One timeline for the pictures and the clips of a recording, whatever its stamps do.

Joined pieces run back or leap ahead, the 33 bits of a transport stream wrap after 26.5 hours, raw
streams have no times at all.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from edge.camera.libav import seconds

# A time of decoding that runs back by more than this starts a new piece; less is a muxer's muddle.
JOIN_S = 0.3
# The same where times of showing stand for times of decoding (16 pictures at 5 a second).
REORDER_S = 3.2
# A gap longer than this is no pause of a recorder: another piece was joined.
GAP_MOST_S = 3600.0
# Times kept for pictures still inside the decoder; H.264 allows 16 of them.
_INSIDE_MAX = 64


@dataclass(frozen=True, slots=True)
class Mark:
    """A key packet: when it is shown, where it lies in the file, and how its piece is shifted."""

    shown_s: float
    pos: int
    offset_s: float
    pts: int | None


class Timeline:
    """Times of one pass over a recording, packets in the order of decoding, from 0."""

    def __init__(self, stream: Any, mark: Mark | None = None) -> None:
        self._step_s = 1.0 / rate_of(stream)
        start_s = seconds(stream.start_time, stream.time_base)
        self._offset_s = None if start_s is None else -start_s
        self._last_s: float | None = None
        self._by_dts = False
        if mark is not None:
            self._offset_s, self._last_s = mark.offset_s, mark.shown_s - self._step_s

    def shown_s(self, packet: Any) -> float:
        """When the picture of this packet is shown. A new piece goes on one step after the last
        packet; one without a time gets that too."""
        ticks = packet.dts if packet.dts is not None else packet.pts
        raw_s = seconds(ticks, packet.time_base)
        lasts_s = seconds(packet.duration, packet.time_base) or self._step_s
        following_s = 0.0 if self._last_s is None else self._last_s + lasts_s
        if raw_s is None:
            self._last_s = following_s
            return following_s
        if self._offset_s is None:
            self._offset_s = -raw_s
        time_s = raw_s + self._offset_s
        # Matroska tells some packets no time of decoding: theirs is the one of showing.
        both = packet.dts is not None and self._by_dts
        self._by_dts, back_s = packet.dts is not None, JOIN_S if both else REORDER_S
        if self._last_s is not None and not (
            self._last_s - back_s <= time_s <= self._last_s + GAP_MOST_S
        ):
            self._offset_s += following_s - time_s
            time_s = following_s
        self._last_s = time_s
        shown_s = seconds(packet.pts, packet.time_base)
        return time_s if shown_s is None else shown_s + self._offset_s

    def mark(self, packet: Any, shown_s: float) -> Mark | None:
        """Where to begin again at this packet; None where the file does not tell its place."""
        if packet.pos is None or packet.pos < 0 or self._offset_s is None:
            return None
        return Mark(shown_s, packet.pos, self._offset_s, packet.pts)


class PictureTimes:
    """Times of decoded pictures: each has that of its packet. They never fall."""

    def __init__(self, stream: Any) -> None:
        self._timeline = Timeline(stream)
        self._step_s = 1.0 / rate_of(stream)
        self._inside: deque[tuple[int, float]] = deque(maxlen=_INSIDE_MAX)
        self._last_s: float | None = None

    def enter(self, packet: Any) -> None:
        """Called with each packet before it is decoded."""
        shown_s = self._timeline.shown_s(packet)
        lasts_s = seconds(packet.duration, packet.time_base)
        self._step_s = lasts_s or self._step_s
        if packet.pts is not None:
            self._inside.append((packet.pts, shown_s))

    def of(self, frame: Any) -> float:
        """Seconds from the start of the recording."""
        # The newest of that stamp: an older piece may have used it too.
        known = next((row for row in self._inside if row[0] == frame.pts), None)
        if known is not None:
            self._inside.remove(known)
            time_s = known[1]
        else:
            time_s = 0.0 if self._last_s is None else self._last_s + self._step_s
        self._last_s = max(time_s, self._last_s or 0.0)
        return self._last_s


def rate_of(stream: Any) -> float:
    """Pictures a second as the stream says. Of a raw stream FFmpeg claims 25 whatever its
    parameter sets say, so those come first."""
    coded = stream.codec_context.framerate
    raw = stream.start_time is None and stream.duration is None
    rate = (coded if raw else None) or stream.average_rate or stream.guessed_rate or coded
    return float(rate) if rate else 25.0
