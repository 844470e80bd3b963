# SPDX-License-Identifier: AGPL-3.0-or-later
"""A stream of HJ 212 bytes: find frames, resynchronise, join split messages, name the values."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace

from edge.sensors.frames import MORE, NOISE, Bad, DecodedFrame, InstrumentValue, Look, Scanner, Step
from edge.sensors.hj212 import (
    CRC_DIGITS,
    CRCS,
    END,
    HEAD,
    SEGMENT_MAX,
    SEGMENT_MAX_TOLERANT,
    BadPacket,
    CrcName,
    Hj212Packet,
    Item,
    local_time,
    modbus_crc,
    parse_sections,
    parse_segment,
)
from edge.values import Flag

# Data flags of HJ 212-2017 table: only N is a valid measured value.
FLAGS: dict[str, Flag] = {
    "N": "ok",
    "F": "maintenance",
    "M": "maintenance",
    "S": "suspect",
    "D": "fault",
    "C": "calibrating",
    "T": "over_range",
    "B": "fault",
}
# Units that devices keep to. Particulates are left out: the standard says ng/m³, devices send
# µg/m³ or mg/m³, so a unit for them is said in the configuration or not at all.
UNITS = {
    **dict.fromkeys(("LA", "L5", "L10", "L50", "L90", "L95"), "dB"),
    **dict.fromkeys(("Leq", "Ldn", "Ld", "Ln", "LMx", "LMn"), "dB"),
    "a01001": "C",
    "a01002": "%",
    "a01007": "m/s",
    "a01008": "deg",
    "a01011": "m/s",
    "a01012": "C",
    "a01014": "%",
}
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d{1,2})?")
_BETWEEN = re.compile("[;,]")
_TIMES = ("DataTime", "BeginTime", "EndTime")
# A split message whose parts do not all come is forgotten after this many others.
OPEN_MESSAGES = 16
PARTS_MAX = 64


class Hj212(Scanner):
    """Frames of any number of stations on one line.

    tolerant: also takes frames from the wild (no QN, stray blanks and commas, lone line feed,
    text of the wrong length). crc_name "modbus" is for software that uses the wrong check.
    units: unit by factor code, where the device's is known. `packets` holds what the last call of
    `decode` accepted, for whoever has to answer.
    """

    kind = "hj212"
    mark = HEAD[:1]

    def __init__(
        self,
        *,
        tolerant: bool = False,
        crc_name: CrcName = "hj212",
        units: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self.packets: list[Hj212Packet] = []
        self.forgotten = 0
        self._tolerant, self._check = tolerant, CRCS[crc_name]
        self._units = {**UNITS, **(units or {})}
        self._open: OrderedDict[tuple[str, str, str], dict[int, Hj212Packet]] = OrderedDict()

    @property
    def unfinished(self) -> int:
        """Split messages of which parts are missing."""
        return len(self._open)

    def decode(self, data: bytes, *, final: bool = False) -> Step:
        self.packets = []
        return super().decode(data, final=final)

    def parse(self, data: bytes, at: int) -> Look:
        """One packet, with length, check and line end where they belong; more needed; or damage.

        Makers count the length in different ways, so each of them is tried (`_lengths`).
        """
        if data[at] != HEAD[0]:
            return NOISE
        head = data[at : at + 6]
        if not head.startswith(HEAD[: len(head)]):
            return NOISE
        if not head[2:].isdigit() and len(head) > 2:
            return Bad()
        if len(head) < 6:
            return MORE
        for size, segment in self._segments(data, at, int(head[2:])):
            if self._check(segment) == _crc_text(data, at + 6 + len(segment)):
                return self._accept(segment, size)
        return self._reject(data, at)

    def _segments(self, data: bytes, at: int, length: int) -> list[tuple[int, bytes]]:
        """(frame size, segment) as far as length, check and line end are where they belong."""
        limit = SEGMENT_MAX_TOLERANT if self._tolerant else SEGMENT_MAX
        start = at + 6
        found = []
        line = data.find(END, start)
        for stop in {start + length, line - CRC_DIGITS if line > 0 else start + length}:
            segment = data[start:stop]
            after = stop + CRC_DIGITS
            whole = 0 < stop - start <= limit and len(data) >= after
            if not whole or length not in _lengths(segment):
                continue
            ending = self._ending(data, after)
            if ending is not None:
                found.append((after + ending - at, segment))
        return found

    def _ending(self, data: bytes, after: int) -> int | None:
        """Size of the line end at `after`, None where none is."""
        if data.startswith(END, after):
            return 2
        if not self._tolerant and not (self.final and after == len(data)):
            return None
        rest = data[after : after + 2]
        if rest in (b"", b"\r") and not self.final:
            return None
        return 1 if rest[:1] in (b"\n", b"\r") else 0

    def _accept(self, segment: bytes, size: int) -> Look:
        try:
            packet = parse_segment(segment, tolerant=self._tolerant)
            readings = self._joined(packet)
        except BadPacket as error:
            return Bad(note=f"check right but {error}; is it --tolerant material?")
        self.packets.append(packet)
        return DecodedFrame(size, readings)

    def _reject(self, data: bytes, at: int) -> Look:
        """Wait only while nothing that follows proves the frame broken."""
        line, head = data.find(END, at), _next_head(data, at + 2)
        limit = SEGMENT_MAX_TOLERANT if self._tolerant else SEGMENT_MAX
        if not self.final and line < 0 and head < 0 and len(data) - at < limit + 12:
            return MORE
        if line > 0 and (head < 0 or line < head):
            body = data[at + 6 : line - CRC_DIGITS]
            if modbus_crc(body) == _crc_text(data, line - CRC_DIGITS):
                return Bad(note="frames carry the Modbus check: --crc modbus would take them")
        return Bad()

    def _joined(self, packet: Hj212Packet) -> tuple[InstrumentValue, ...]:
        if not packet.split:
            return self._readings(packet, packet.cp)
        if packet.pnum > PARTS_MAX:
            raise BadPacket(f"PNUM={packet.pnum}")
        key = (packet.mn, packet.qn, packet.cn)
        parts = self._open.setdefault(key, {})
        parts[packet.pno] = packet
        if len(parts) < packet.pnum:
            if len(self._open) > OPEN_MESSAGES:
                self._open.popitem(last=False)
                self.forgotten += 1
            return ()
        del self._open[key]
        return self._readings(packet, join([parts[n].cp for n in sorted(parts)]))

    def _readings(self, packet: Hj212Packet, cp: str) -> tuple[InstrumentValue, ...]:
        extra = {"ST": packet.st, "CN": packet.cn, "QN": packet.qn, "MN": packet.mn}
        return tuple(
            replace(reading, source=packet.mn, at_wall=at_wall, extra={**extra, **reading.extra})
            for items in parse_sections(cp, tolerant=self._tolerant)
            for at_wall in (_data_time(items, packet, tolerant=self._tolerant),)
            for item in items
            if item.name not in _TIMES
            for reading in self._of(item)
        )

    def _of(self, item: Item) -> list[InstrumentValue]:
        letter = item.fields.get("Flag", "N")
        flag, why = FLAGS.get(letter, "suspect"), ""
        if flag == "ok" and not _ordered(item.fields):
            flag, why = "suspect", "minmax"
        marked = {"hj_flag": letter} if "Flag" in item.fields else {}
        return [
            InstrumentValue(
                f"{item.name}-{name}" if name else item.name,
                float(text) if _NUMBER.fullmatch(text) else text,
                self._units.get(item.name, "") if name not in ("Cou", "RS", "RT") else "",
                flag,
                raw=text,
                extra=marked,
                why=why,
            )
            for name, text in item.fields.items()
            if name != "Flag" and text
        ]


def join(parts: list[str]) -> str:
    """The CP of a message split over packets, also where a cut went through a group."""
    whole = parts[0]
    for part in parts[1:]:
        torn = "=" not in _BETWEEN.split(whole)[-1] or "=" not in _BETWEEN.split(part)[0]
        touching = whole.endswith((";", ",")) or part.startswith((";", ","))
        whole += part if torn or touching else f";{part}"
    return whole


def _lengths(segment: bytes) -> tuple[int, int]:
    """Length in bytes, and in characters: the standard says "ASCII 字符数" and counts bytes."""
    if segment.isascii():
        return len(segment), len(segment)
    return len(segment), len(segment.decode("utf-8", errors="replace"))


def _crc_text(data: bytes, at: int) -> str:
    return data[at : at + CRC_DIGITS].decode("ascii", errors="replace").upper()


def _next_head(data: bytes, start: int) -> int:
    match = re.compile(rb"##\d{4}").search(data, start)
    return match.start() if match else -1


def _data_time(items: tuple[Item, ...], packet: Hj212Packet, *, tolerant: bool) -> float | None:
    """The time of these values: their DataTime, else that of the message's number."""
    for item in items:
        if item.name == "DataTime":
            wall = local_time(item.fields.get("", ""))
            if wall is None and not tolerant:
                raise BadPacket("DataTime is no time")
            return wall
    return local_time(packet.qn[:14])


def _ordered(fields: Mapping[str, str]) -> bool:
    """Minimum <= mean <= maximum, where all are given: the frame check alone is weak."""
    texts = [fields[name] for name in ("Min", "Avg", "Max") if name in fields]
    numbers = [float(text) for text in texts if _NUMBER.fullmatch(text)]
    return numbers == sorted(numbers)
