# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a release lacks here, from the configured mirror: resumed where it stopped, paced, within
the day's bytes and outside quiet hours.

The platform's signed command named the manifest's hash and the manifest names all others, so the
mirror is trusted with nothing but being there.
"""

from __future__ import annotations

import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from edge.config import ConfigError
from edge.release.software.wheels import file_hash

SILENT_S = 30.0
BLOCK = 1 << 16
MINUTES_DAY = 1440


class Postponed(Exception):
    """Not now: quiet hours, the day's bytes are spent, or the mirror does not answer."""


def fetch_object(
    url: str,
    sha256: str,
    size: int,
    folder: Path,
    *,
    allow: Callable[[int], None],
    sized: bool = True,
) -> Path:
    """The object in `folder`, brought there where it is not; what came before a break counts.

    size: its bytes; not `sized`: at most so many. allow(n) returns once n more bytes may be taken
    and raises Postponed where they may not.
    Raises Postponed, and ConfigError where the mirror sends other bytes than were named.
    """
    path, partial = folder / sha256, folder / f"{sha256}.part"
    if path.exists():
        return path
    if not sized:
        partial.unlink(missing_ok=True)
    have = partial.stat().st_size if partial.exists() else 0
    if have > size:
        partial.unlink()
        have = 0
    if have < size:
        _append(f"{url.rstrip('/')}/{sha256}", partial, have, size, allow, sized)
    if file_hash(partial) != sha256:
        partial.unlink()
        raise ConfigError(f"{url}: what lies under {sha256[:12]}… is something else")
    partial.replace(path)
    return path


def _append(
    address: str,
    partial: Path,
    have: int,
    size: int,
    allow: Callable[[int], None],
    sized: bool,
) -> None:
    """RFC 9110, 14.2: the rest as a range. A server without ranges sends all of it again."""
    asked = urllib.request.Request(address, headers={"Range": f"bytes={have}-"})  # noqa: S310
    try:
        with urllib.request.urlopen(asked, timeout=SILENT_S) as answer:  # noqa: S310  http and https only, by the configuration
            if answer.status != 206:
                have = 0
            with partial.open("r+b" if have else "wb") as out:
                out.seek(have)
                left = _copy(answer, out, size - have, allow)
        if left and sized:
            raise OSError(f"ended {left} bytes early")
    except (urllib.error.URLError, OSError, http.client.HTTPException, ValueError) as error:
        raise Postponed(f"{address}: {error}") from None


def _copy(answer: object, out: object, left: int, allow: Callable[[int], None]) -> int:
    """Returns how many bytes of `left` did not come."""
    while left > 0:
        allow(min(BLOCK, left))
        block = answer.read(min(BLOCK, left))  # type: ignore[attr-defined]
        if not block:
            break
        out.write(block)  # type: ignore[attr-defined]
        left -= len(block)
    # What is still in the file's buffer is on no disk.
    out.flush()  # type: ignore[attr-defined]
    os.fsync(out.fileno())  # type: ignore[attr-defined]
    return left


def quiet(hours: Sequence[str], minute: int) -> bool:
    """Whether a minute of the local day lies in one of the spans "07:00-22:00"; one that ends
    before it begins goes over midnight."""
    return any(_within(span, minute) for span in hours)


def _minutes(text: str) -> int:
    hour, _, minute = text.partition(":")
    return int(hour) * 60 + int(minute)


def _within(span: str, minute: int) -> bool:
    begin, end = map(_minutes, span.split("-"))
    return (minute - begin) % MINUTES_DAY < ((end - begin) % MINUTES_DAY or MINUTES_DAY)
