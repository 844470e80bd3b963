# SPDX-License-Identifier: AGPL-3.0-or-later
"""HJ 212 frames and packets: bytes to packets and back. No socket, no clock.

After HJ 212-2017 污染物在线监控（监测）系统数据传输标准. HJ 212-2025 keeps the frame
and raises the version bits of Flag. The check has only 8 bits of state, so that 1 in 256 damages of
two bytes passes it: the grammar is checked as well, and no evidence may rest on it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Literal

# Stations and platforms write Beijing time without saying so.
LOCAL = timezone(timedelta(hours=8))
HEAD, END = b"##", b"\r\n"
SEGMENT_MAX = 1024
# The length field has four digits; from the wild comes what exceeds the standard's 1024.
SEGMENT_MAX_TOLERANT = 9999
CRC_DIGITS = 4
# The longest field of a header (MN), and digits of a number there.
FIELD_MAX, NUMBER_DIGITS = 32, 4
# The bit of Flag that says that PNUM and PNO follow.
SPLIT = 2
VERSIONS = {0: "2005", 1: "2017", 2: "2025"}
CrcName = Literal["hj212", "modbus"]


def crc(data: bytes) -> str:
    """Four hexadecimal digits over the data segment (HJ 212-2017 Annex A).

    Not the Modbus check: each step keeps only the high byte of the register.
    """
    register = 0xFFFF
    for byte in data:
        register = _TABLE[(register >> 8) ^ byte]
    return f"{register:04X}"


def modbus_crc(data: bytes) -> str:
    """What some public software writes instead; accepted only where configured."""
    register = 0xFFFF
    for byte in data:
        register = (register >> 8) ^ _TABLE[(register ^ byte) & 0xFF]
    return f"{register:04X}"


def _shifted(register: int) -> int:
    for _ in range(8):
        register = (register >> 1) ^ (0xA001 if register & 1 else 0)
    return register


_TABLE = tuple(_shifted(value) for value in range(256))
CRCS: dict[CrcName, Callable[[bytes], str]] = {"hj212": crc, "modbus": modbus_crc}


@dataclass(frozen=True, slots=True)
class Hj212Packet:
    """One data segment. `cp` is the text between the `&&`; `pnum` and `pno` where it is split."""

    qn: str
    st: str
    cn: str
    mn: str
    flag: int
    cp: str = ""
    pw: str = "123456"
    pnum: int = 1
    pno: int = 1

    @property
    def wants_answer(self) -> bool:
        return bool(self.flag & 1)

    @property
    def split(self) -> bool:
        return bool(self.flag & SPLIT) and self.pnum > 1

    @property
    def version(self) -> str:
        """ "2005", "2017" or "2025" by bits 7..2 of Flag."""
        return VERSIONS.get(self.flag >> 2, f"unknown ({self.flag >> 2})")


class BadPacket(Exception):
    """The bytes are no valid packet; the text says why."""


def _segment(packet: Hj212Packet) -> bytes:
    numbers = f"PNUM={packet.pnum};PNO={packet.pno};" if packet.flag & SPLIT else ""
    return (
        f"QN={packet.qn};ST={packet.st};CN={packet.cn};PW={packet.pw};MN={packet.mn};"
        f"Flag={packet.flag};{numbers}CP=&&{packet.cp}&&"
    ).encode()


def parts(packet: Hj212Packet) -> tuple[Hj212Packet, ...]:
    """The packet; where it is too long for one frame, its parts, cut between groups of the CP."""
    if len(_segment(packet)) <= SEGMENT_MAX:
        return (packet,)
    empty = replace(packet, flag=packet.flag | SPLIT, pnum=9999, pno=9999, cp="")
    room = SEGMENT_MAX - len(_segment(empty))
    texts: list[str] = []
    for group in packet.cp.split(";"):
        longer = f"{texts[-1]};{group}" if texts else group
        if texts and len(longer.encode()) <= room:
            texts[-1] = longer
        else:
            texts.append(group)
    return tuple(replace(empty, pnum=len(texts), pno=n, cp=text) for n, text in enumerate(texts, 1))


def encode(packet: Hj212Packet) -> bytes:
    """A whole frame. Length and check count bytes (UTF-8). Raises ValueError above 1024 bytes."""
    segment = _segment(packet)
    if len(segment) > SEGMENT_MAX:
        raise ValueError(f"data segment of {len(segment)} bytes; HJ 212 allows {SEGMENT_MAX}")
    return b"##%04d" % len(segment) + segment + crc(segment).encode() + END


_STRICT = re.compile(
    r"QN=(?P<QN>\d{17});ST=(?P<ST>\d{2});CN=(?P<CN>\d{4});(?:PW=(?P<PW>[^;=&]{1,16});)?"
    r"MN=(?P<MN>[0-9A-Za-z_-]{1,32});Flag=(?P<Flag>\d{1,3});"
    r"(?:PNUM=(?P<PNUM>\d{1,4});PNO=(?P<PNO>\d{1,4});)?CP=&&(?P<CP>.*)&&",
    re.DOTALL,
)
# The standard's own examples have `,` for `;`, blanks after `;` and no `;` before CP.
_TOLERANT = re.compile(r"(?P<head>.*?)[;,\s]*CP=\s*&&(?P<CP>.*?)(?:&&\s*)?", re.DOTALL)
_HEAD_KEY = re.compile(r"(?:^|[;,\s])\s*(QN|ST|CN|PW|MN|Flag|PNUM|PNO)=([^;,\s]*)")


def parse_segment(segment: bytes, *, tolerant: bool = False) -> Hj212Packet:
    """The packet in a data segment whose check has passed. Raises BadPacket."""
    text = _text(segment, tolerant)
    fields = _tolerant_fields(text) if tolerant else None
    if fields is None:
        match = _STRICT.fullmatch(text)
        if match is None:
            raise BadPacket("the data segment does not follow the standard")
        fields = {key: value or "" for key, value in match.groupdict().items()}
    packet = _packet(fields)
    if not tolerant and local_time(packet.qn[:14]) is None:
        raise BadPacket(f"QN={packet.qn}: no time")
    if not 1 <= packet.pno <= packet.pnum:
        raise BadPacket(f"PNO={packet.pno} of PNUM={packet.pnum}")
    return packet


def _text(segment: bytes, tolerant: bool) -> str:
    try:
        return segment.decode("utf-8")
    except UnicodeDecodeError:
        if not tolerant:
            raise BadPacket("not UTF-8") from None
        return segment.decode("gb18030", errors="replace")


def _tolerant_fields(text: str) -> dict[str, str]:
    match = _TOLERANT.fullmatch(text)
    if match is None:
        raise BadPacket("no CP=&&...&&")
    return {**dict(_HEAD_KEY.findall(match["head"])), "CP": match["CP"]}


def _packet(fields: dict[str, str]) -> Hj212Packet:
    def number(key: str, default: int) -> int:
        text = fields.get(key) or str(default)
        if not text.isdecimal() or len(text) > NUMBER_DIGITS:
            raise BadPacket(f"{key}={text[:FIELD_MAX]}: no number")
        return int(text)

    for key in ("QN", "ST", "CN", "PW", "MN"):
        # Each of them stands in the answer, which must fit into a frame.
        if len(fields.get(key, "")) > FIELD_MAX:
            raise BadPacket(f"{key}: more than {FIELD_MAX} characters")
    if not fields.get("CN") and not fields.get("CP"):
        raise BadPacket("neither CN nor CP")
    return Hj212Packet(
        qn=fields.get("QN", ""),
        st=fields.get("ST", ""),
        cn=fields.get("CN", ""),
        mn=fields.get("MN", ""),
        flag=number("Flag", 0),
        cp=fields["CP"],
        pw=fields.get("PW", ""),
        pnum=number("PNUM", 1),
        pno=number("PNO", 1),
    )


@dataclass(frozen=True, slots=True)
class Item:
    """One group of a CP: `LA-Rtd=50.1,LA-Flag=N` is ("LA", {"Rtd": "50.1", "Flag": "N"}).

    A field without a dash (`QnRtn=1`) has the empty name: ("QnRtn", {"": "1"}).
    """

    name: str
    fields: dict[str, str]


_FIELD = re.compile(r"\s*([A-Za-z0-9_]+)(?:-([A-Za-z0-9_]+))?=(.*)", re.DOTALL)
# Nothing of the frame itself may stand in a value; a cut frame run into the next one would.
_FORBIDDEN = ("##", "&&", "CP=", "QN=")


def parse_sections(cp: str, *, tolerant: bool = False) -> tuple[tuple[Item, ...], ...]:
    """The groups of a CP, those of each DataTime together: a packet may hold several.

    An unreadable group raises BadPacket, or is left out if tolerant; so does one field with two
    values at one time, for nobody can say which of them holds.
    """
    if any(word in cp for word in _FORBIDDEN):
        raise BadPacket("frame marks inside CP")
    fields = [match for part in re.split("[;,]", cp) if (match := _field(part, tolerant))]
    several = sum(_begins(match) for match in fields) > 1
    by_time: dict[str, dict[str, dict[str, str]]] = {}
    time = "" if several else next((m[3].strip() for m in fields if _begins(m)), "")
    for match in fields:
        if several and _begins(match):
            time = match[3].strip()
        elif several and not time:
            raise BadPacket(f"{match[0][:40]!r} stands before the first of several DataTime")
        _put(by_time.setdefault(time, {}), match)
    return tuple(
        tuple(Item(name, found) for name, found in by_name.items()) for by_name in by_time.values()
    )


def _field(part: str, tolerant: bool) -> re.Match[str] | None:
    match = _FIELD.fullmatch(part)
    if match is None and part.strip() and not tolerant:
        raise BadPacket(f"{part[:40]!r} in CP")
    return match


def _begins(match: re.Match[str]) -> bool:
    return match[1] == "DataTime" and not match[2]


def _put(by_name: dict[str, dict[str, str]], match: re.Match[str]) -> None:
    """The flag of a value may stand in a group of its own: same name, same item."""
    found, name, value = by_name.setdefault(match[1], {}), match[2] or "", match[3].strip()
    if found.setdefault(name, value) != value:
        raise BadPacket(f"{match[1]} has two values at one time")


def local_time(text: str) -> float | None:
    """UTC seconds of `YYYYMMDDhhmmss` in Beijing time, None where it is no such time."""
    if not re.fullmatch(r"[0-9]{14}", text):
        return None
    try:
        wall = datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=LOCAL).timestamp()
    except ValueError:
        return None
    return wall if wall >= 0.0 else None


def time_text(wall: float) -> str:
    """`YYYYMMDDhhmmss` in Beijing time."""
    return datetime.fromtimestamp(wall, LOCAL).strftime("%Y%m%d%H%M%S")


def request_number(wall: float) -> str:
    """A QN: time to the millisecond."""
    return f"{time_text(wall)}{int(wall * 1000) % 1000:03d}"
