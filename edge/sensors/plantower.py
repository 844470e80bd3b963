# SPDX-License-Identifier: AGPL-3.0-or-later
"""Plantower PMS particle sensors: 32-byte (PMS5003, 7003, A003) and 24-byte (PMS3003) frames.

`42 4D`, length, big-endian words, 16-bit sum of all bytes before it (data sheet). Values are
the *atmospheric* ones, µg/m³; the factory (CF=1) ones are left alone. Optical, no TSP, reads high
in humid air: indicative only.
"""

from __future__ import annotations

import struct

from edge.sensors.frames import MORE, NOISE, Bad, DecodedFrame, InstrumentValue, Look, Scanner
from edge.values import Flag

HEAD = b"BM"
# Length field -> total size. 4: the answer to a command, no values.
SIZES = {28: 32, 20: 24, 4: 8}
LONG_BODY = 28
HEADS = tuple(HEAD + length.to_bytes(2, "big") for length in (28, 20))
UNIT = "ug/m3"
# The data sheets give 0..1000 µg/m³ as the range of measurement.
RANGE_MAX = 1000
COMMANDS = {
    "passive": bytes.fromhex("424de100000170"),
    "active": bytes.fromhex("424de100010171"),
    "read": bytes.fromhex("424de200000171"),
    "sleep": bytes.fromhex("424de400000173"),
    "wake": bytes.fromhex("424de400010174"),
}


def checksum(data: bytes) -> int:
    """Sum of the bytes, 16 bits."""
    return sum(data) & 0xFFFF


class Plantower(Scanner):
    """Frames of one sensor in active or passive mode."""

    kind = "plantower"
    mark = HEAD[:1]

    def parse(self, data: bytes, at: int) -> Look:
        """One frame of 24 or 32 bytes, or an 8-byte answer, with its 16-bit sum right. The sum is
        weak, so a head inside the data makes it damage."""
        head = data[at : at + 4]
        if not HEAD.startswith(head[:2]):
            return NOISE
        if len(head) < 4:
            return MORE
        length = int.from_bytes(head[2:4], "big")
        size = SIZES.get(length)
        if size is None:
            return Bad()
        frame = data[at : at + size]
        if len(frame) < size:
            return MORE
        if checksum(frame[:-2]) != int.from_bytes(frame[-2:], "big"):
            return Bad()
        if any(head in frame[2:] for head in HEADS):
            # Two cut frames run together: the sum is weak, a head inside the data is not data.
            return Bad()
        return DecodedFrame(size, () if size == 8 else _readings(frame, length))


def _readings(frame: bytes, length: int) -> tuple[InstrumentValue, ...]:
    words = struct.unpack_from(f">{length // 2 - 1}H", frame, 4)
    failing = length == LONG_BODY and words[12] & 0xFF != 0
    plausible = words[3] <= words[4] <= words[5]
    return tuple(
        _reading(name, word, _flag(word, failing, plausible))
        for name, word in zip(("pm1", "pm25", "pm10"), words[3:6], strict=True)
    )


def _reading(name: str, word: int, flag: Flag) -> InstrumentValue:
    why = {"over_range": "range", "suspect": "order"}.get(flag, "")
    return InstrumentValue(name, float(word), UNIT, flag, str(word), why=why)


def _flag(word: int, failing: bool, plausible: bool) -> Flag:
    if failing:
        return "fault"
    if word > RANGE_MAX:
        return "over_range"
    # Mass up to 1 µm cannot exceed mass up to 10 µm: the sum check is weak, physics is not.
    return "ok" if plausible else "suspect"
