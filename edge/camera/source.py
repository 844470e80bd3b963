# SPDX-License-Identifier: AGPL-3.0-or-later
"""What every live source gives: pictures with arrival times, and one named way of failing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from edge.camera.quiet import QuietStream
from edge.camera.stream_clock import StreamStatistics
from edge.values import Image, Stamp

# "all": every picture; "nonref": those nothing depends on are skipped; "key": key pictures only;
# "watch": key pictures only while nothing stirs, and all again by itself (edge.camera.quiet).
Want = Literal["all", "nonref", "key", "watch"]

Cause = Literal[
    "unreachable",
    "refused",
    "login",
    "not_found",
    "stall",
    "ended",
    "unsupported",
    "broken",
    "not_analysed",
]

# No picture for this long is a stall: the connection is given up and a fault begins.
STALL_S = 10.0


class SourceError(Exception):
    """The world failed: the source cannot be opened or gives no more pictures.

    One line without credentials; `cause` is a word of docs/cameras.md.
    """

    def __init__(self, cause: Cause, text: str) -> None:
        super().__init__(text)
        self.cause = cause


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What is known once a source is open; 0 or "" where the source does not say.

    packets: it hands its encoded packets on, so that clips need no encoding.
    """

    codec: str = ""
    width: int = 0
    height: int = 0
    fps: float = 0.0
    packets: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """One decoded picture, converted to BGR only when somebody wants it.

    at: when its data arrived; time_s: when it came out of the decoder (mono), for choosing
    pictures at a rate. held: it waited undecoded, and several come at once: none is to be lost.
    `bgr` and `grey` are to be called before the next picture is asked for; grey: (height, width),
    where that costs no conversion, of a picture that came in a row with others.
    """

    at: Stamp
    time_s: float
    bgr: Callable[[], Image]
    held: bool = False
    grey: Callable[[], Image | None] = lambda: None


class Source(Protocol):
    """A live source. `want` may be set at any time by another thread; `statistics` are of
    what has arrived. `quiet` is what is held back while it is watched; None where it cannot be.
    `behind_s` is how far reading has fallen behind. `every_s`, seconds between the pictures that
    are due, may be set at any time: where each stands alone no other need be decoded."""

    facts: SourceFacts
    want: Want
    statistics: StreamStatistics
    behind_s: float
    every_s: float

    @property
    def quiet(self) -> QuietStream | None: ...

    def pictures(self) -> Iterator[Picture]:
        """Pictures until the source fails; always ends with SourceError."""
        ...

    def close(self) -> None: ...
