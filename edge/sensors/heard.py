# SPDX-License-Identifier: AGPL-3.0-or-later
"""The last exchanges of a line, for people: the bytes, and what they meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edge.sensors.frames import InstrumentValue

KEPT = 6
BYTES_MAX = 256
VALUES_MAX = 24


@dataclass(frozen=True, slots=True)
class Exchange:
    """Bytes as they came (the newest, where there were more) and the values in them.

    asked: what was sent for them. `note`: why there is no value.
    """

    wall: float
    data: bytes
    values: tuple[str, ...]
    asked: bytes = b""
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        """Bytes as hex with blanks, as makers print frames, so that a technician can compare."""
        return {
            "wall": round(self.wall, 3),
            "asked": self.asked.hex(" "),
            "hex": self.data.hex(" "),
            "values": list(self.values),
            "note": self.note,
        }


class Heard:
    """Written by the line's thread, read by any: the rows are replaced, never changed."""

    def __init__(self) -> None:
        self.rows: tuple[Exchange, ...] = ()
        self._open = b""

    def stream(self, data: bytes, found: Sequence[InstrumentValue], wall: float) -> None:
        """Bytes of an instrument that talks by itself: kept together until they give a value."""
        self._open = (self._open + data)[-BYTES_MAX:]
        if found:
            whole, self._open = self._open, b""
            self._add(Exchange(wall, whole, values_text(found)))
        elif len(self._open) == BYTES_MAX:
            whole, self._open = self._open, b""
            self._add(Exchange(wall, whole, (), note="no frame in these bytes"))

    def answer(
        self,
        asked: bytes,
        data: bytes,
        found: Sequence[InstrumentValue],
        wall: float,
        note: str = "",
    ) -> None:
        """One question and what came back."""
        self._add(Exchange(wall, data[-BYTES_MAX:], values_text(found), asked, note))

    def _add(self, row: Exchange) -> None:
        self.rows = (*self.rows[-(KEPT - 1) :], row)


def values_text(found: Sequence[InstrumentValue]) -> tuple[str, ...]:
    """`LA 61.2 dB`, with the flag where it is not "ok"."""
    return tuple(
        f"{r.channel} {r.value} {r.unit}".rstrip() + ("" if r.flag == "ok" else f" [{r.flag}]")
        for r in found[:VALUES_MAX]
    )
