# SPDX-License-Identifier: AGPL-3.0-or-later
"""Bytes to readings without doing I/O: the one contract of every decoder, and resynchronisation.

A decoder gets the bytes that lie waiting and says what they mean and how many it has used up; the
rest is handed in again with what arrives next. Bytes that fail their check never become a value:
they are counted, and the search for the next frame starts one byte further on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

from edge.values import Flag

KindName = Literal["modbus", "hj212", "plantower", "sds", "nmea", "line"]
NO_EXTRA: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class InstrumentValue:
    """One value as an instrument sent it; it becomes a Sample once its sensor is known.

    `raw` is the value on the wire, before scaling. `source` tells who of several sent it (Modbus
    address, HJ 212 MN). `at_wall` is the instrument's own time, UTC seconds, where it sends one.
    `why` names the reason of a flag (edge.sensors.reasons).
    """

    channel: str
    value: float | str
    unit: str = ""
    flag: Flag = "ok"
    raw: str = ""
    source: str = ""
    at_wall: float | None = None
    extra: Mapping[str, str] = field(default_factory=lambda: NO_EXTRA)
    why: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """What one call of a decoder made of the bytes it was given.

    used: bytes that need not be handed in again; good, bad: frames accepted and rejected;
    skipped: bytes that belong to no accepted frame; notes: hints for a person, each said once.
    """

    readings: tuple[InstrumentValue, ...] = ()
    used: int = 0
    good: int = 0
    bad: int = 0
    skipped: int = 0
    notes: tuple[str, ...] = ()


class Decoder(Protocol):
    """One instrument language. `final`: nothing more will come, so do not wait for it."""

    kind: str

    def decode(self, data: bytes, *, final: bool = False) -> Step: ...


@dataclass(frozen=True, slots=True)
class DecodedFrame:
    """A frame that passed every check. `frames` 0: bytes in order that are none (a blank line)."""

    size: int
    readings: tuple[InstrumentValue, ...] = ()
    frames: int = 1


@dataclass(frozen=True, slots=True)
class Bad:
    """It began like a frame and is none; bytes before `size` are not counted as a second one.

    `skip`: where to look on; 1 unless the end of the broken frame is certain.
    """

    size: int = 1
    note: str = ""
    skip: int = 1


class _More:
    """It may be a frame once more bytes have come."""


class _Noise:
    """No frame begins here."""


MORE, NOISE = _More(), _Noise()
Look = DecodedFrame | Bad | _More | _Noise


class Scanner:
    """Walks over bytes with `parse(data, offset)`, taking frames and stepping over what is none.

    A decoder is a subclass with `kind` and `parse`; `self.final` tells parse that nothing more
    will come. `mark`: the byte that every frame begins with, if there is one.
    """

    final = False
    mark = b""
    # Whether the check is so short that a frame right after damage is not believed alone.
    weak = False

    def __init__(self) -> None:
        # Bytes ahead that belong to a broken frame already counted.
        self._claimed = 0
        # Whether bytes were thrown away since the last good frame.
        self._damaged = False

    def parse(self, data: bytes, at: int) -> Look:
        raise NotImplementedError

    def decode(self, data: bytes, *, final: bool = False) -> Step:
        """As Decoder.decode; the bytes of a frame that is not complete yet stay unused."""
        self.final = final
        at = good = bad = skipped = 0
        readings: list[InstrumentValue] = []
        notes: dict[str, None] = {}
        while at < len(data):
            look = self.parse(data, at)
            if look is MORE and not final:
                later = self._next_found(data, at + 1)
                if later is None:
                    break
                # What looked unfinished is followed by a whole frame: it was cut off.
                bad, skipped = bad + (not self._claimed), skipped + later[0] - at
                at, look = later
                self._damaged = True
            if isinstance(look, DecodedFrame):
                readings += self._trusted(look.readings)
                good, at, self._claimed = good + look.frames, at + look.size, 0
                continue
            broken = look if isinstance(look, Bad) else Bad(len(data) - at if look is MORE else 0)
            if broken.size and not self._claimed:
                bad, self._claimed = bad + 1, broken.size
            if broken.note:
                notes[broken.note] = None
            passed = self._to_mark(data, at + broken.skip) - at
            self._claimed = max(0, self._claimed - passed)
            at, skipped = at + passed, skipped + passed
            self._damaged = True
        return Step(tuple(readings), at, good, bad, skipped, tuple(notes))

    def _trusted(self, readings: tuple[InstrumentValue, ...]) -> tuple[InstrumentValue, ...]:
        """The readings; after damage those of a weak kind are suspect, for once."""
        torn, self._damaged = self._damaged and self.weak, False
        if not torn:
            return readings
        return tuple(
            replace(r, flag="suspect", why="torn") if r.flag == "ok" else r for r in readings
        )

    def _to_mark(self, data: bytes, at: int) -> int:
        """Where a frame may begin at the earliest."""
        if not self.mark:
            return at
        found = data.find(self.mark, at)
        return found if found >= 0 else len(data)

    def _next_found(self, data: bytes, start: int) -> tuple[int, DecodedFrame] | None:
        """The parse that finds is used, not repeated: a parser may remember what it accepted."""
        at = self._to_mark(data, start)
        while at < len(data):
            look = self.parse(data, at)
            if isinstance(look, DecodedFrame):
                return at, look
            at = self._to_mark(data, at + 1)
        return None


@dataclass(slots=True)
class Totals:
    """Counters of one stream since it was opened."""

    good: int = 0
    bad: int = 0
    bytes_skipped: int = 0
    notes: dict[str, None] = field(default_factory=dict)

    def add(self, step: Step) -> None:
        self.good += step.good
        self.bad += step.bad
        self.bytes_skipped += step.skipped
        self.notes.update(dict.fromkeys(step.notes))


class Stream:
    """A decoder with its unread bytes. Memory is bounded: above `bound` the oldest are dropped."""

    def __init__(self, decoder: Decoder, *, bound: int = 32_768) -> None:
        self.decoder, self.totals = decoder, Totals()
        self._rest, self._bound = b"", bound

    def feed(self, data: bytes, *, final: bool = False) -> tuple[InstrumentValue, ...]:
        """Readings of all frames completed by `data`; `final` gives up waiting for the rest."""
        waiting = self._rest + data
        step = self.decoder.decode(waiting, final=final)
        self.totals.add(step)
        rest = waiting[step.used :]
        if len(rest) > self._bound:
            self.totals.bytes_skipped += len(rest) - self._bound
            rest = rest[-self._bound :]
        self._rest = b"" if final else rest
        return step.readings

    @property
    def waiting(self) -> int:
        """Bytes kept for a frame that is not complete yet."""
        return len(self._rest)
