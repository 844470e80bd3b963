# SPDX-License-Identifier: AGPL-3.0-or-later
"""Instruments that write lines of text, such as sound-level meters: a pattern with named groups."""

from __future__ import annotations

import re
from functools import reduce
from operator import xor

from edge.sensors.frames import MORE, Bad, DecodedFrame, InstrumentValue, Look, Scanner
from edge.sensors.maps import LineChannel, Map, group_name

LENGTH_MAX = 1024
# Without a map: `LAeq=65.3 dB, LAFmax: 72.1`, one or more names with their numbers, nothing else.
_PAIR = re.compile(
    r"\s*([A-Za-z][\w.%-]*)\s*[=: ]\s*([-+]?\d+(?:\.\d+)?)\s*([A-Za-z%/µ³0-9()]*)\s*"
)
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?")


class Lines(Scanner):
    """Lines of one instrument. A line must fit the pattern whole; any other is bad.

    Plain text has no check: a line with a lost digit looks like a line. Give `checksum` where the
    instrument sends one (`*hh` at the end: xor or sum of what stands before the star).
    """

    kind = "line"

    def __init__(self, found: Map | None = None) -> None:
        super().__init__()
        self._map = found
        self._pattern = re.compile(found.pattern) if found else None

    def parse(self, data: bytes, at: int) -> Look:
        """One line of text. What does not fit the pattern whole is damage, never half a value."""
        end = _line_end(data, at)
        if end is None and not self.final:
            return MORE if len(data) - at <= LENGTH_MAX else Bad(LENGTH_MAX, skip=LENGTH_MAX)
        line = data[at:end].rstrip(b"\r\n")
        size = (end or len(data)) - at
        if not line.strip():
            return DecodedFrame(size, frames=0)
        readings = self._line(line)
        return Bad(size, skip=size) if readings is None else DecodedFrame(size, readings)

    def _line(self, line: bytes) -> tuple[InstrumentValue, ...] | None:
        encoding = self._map.encoding if self._map else "utf-8"
        try:
            body = self._checked(line)
            text = body.decode(encoding) if body is not None else None
        except UnicodeDecodeError:
            return None
        if text is None:
            return None
        return self._mapped(text) if self._map else _pairs(text)

    def _checked(self, line: bytes) -> bytes | None:
        kind = self._map.checksum if self._map else "none"
        if kind == "none":
            return line
        body, star, digits = line.rpartition(b"*")
        expected = reduce(xor, body, 0) if kind == "xor" else sum(body) & 0xFF
        return body if star and digits.upper() == b"%02X" % expected else None

    def _mapped(self, text: str) -> tuple[InstrumentValue, ...] | None:
        assert self._map is not None and self._pattern is not None
        match = self._pattern.fullmatch(text.strip())
        if match is None:
            return None
        texts = {name: match[group_name(name)] for name in self._map.channels}
        return tuple(
            _reading(name, text, self._map.channels[name])
            for name, text in texts.items()
            if text is not None and _NUMBER.fullmatch(text)
        )


def _line_end(data: bytes, at: int) -> int | None:
    """Offset after a line feed, or after a carriage return alone; None where none has come."""
    ends = [end for end in (data.find(b"\n", at), data.find(b"\r", at)) if end >= 0]
    return min(ends) + 1 if ends else None


def _reading(name: str, text: str, channel: LineChannel) -> InstrumentValue:
    value = round(float(text) * channel.scale + channel.offset, 9)
    limits = channel.range
    inside = limits is None or limits[0] <= value <= limits[1]
    return InstrumentValue(name, value, channel.unit, "ok" if inside else "over_range", text)


def _pairs(text: str) -> tuple[InstrumentValue, ...] | None:
    parts = [part for part in re.split(r"[,;\t]", text) if part.strip()]
    matches = [_PAIR.fullmatch(part) for part in parts]
    if not parts or not all(matches):
        return None
    return tuple(InstrumentValue(m[1], float(m[2]), m[3], "ok", m[2]) for m in matches if m)
