# SPDX-License-Identifier: AGPL-3.0-or-later
"""Nova SDS011 / SDS018 / SDS021 particle sensors: 10-byte frames.

`AA C0`, PM2.5 and PM10 little-endian in 0.1 µg/m³, two id bytes, sum of the six data bytes, `AB`.
Optical, no TSP, reads high in humid air: indicative only. The laser lives some 8,000 h.
"""

from __future__ import annotations

import struct
from dataclasses import replace

from edge.sensors.continuity import Continuity
from edge.sensors.frames import MORE, NOISE, Bad, DecodedFrame, InstrumentValue, Look, Scanner
from edge.values import Flag

SIZE = 10
HEAD, TAIL = 0xAA, 0xAB
# C0: measured values; C5: the answer to a command.
DATA, ANSWER = 0xC0, 0xC5
UNIT = "ug/m3"
# 999.9 µg/m³ by the data sheet.
RAW_MAX = 9999
CHANNELS = ("pm25", "pm10")


def checksum(data: bytes) -> int:
    """Sum of the data bytes, 8 bits."""
    return sum(data) & 0xFF


def command(number: int, *parameters: int) -> bytes:
    """A 19-byte command to every device id, e.g. `command(6, 1, 0)` puts the laser to sleep."""
    body = bytes([number, *parameters]).ljust(13, b"\0") + b"\xff\xff"
    return bytes([HEAD, 0xB4]) + body + bytes([checksum(body), TAIL])


# A sensor with a laser and a fan averages over seconds: from one second to the next it moves by
# less. What moves more is believed once the next frame says the same.
STEP_UG, STEP_SHARE = 20.0, 0.3


class Sds(Scanner):
    """Frames of one sensor. The sum has eight bits, so a frame is asked for more: its sender must
    be the one of the frame before or after, its values near theirs, and no damage right before it.
    """

    kind = "sds"
    mark = bytes([HEAD])
    weak = True

    def __init__(self) -> None:
        super().__init__()
        self._near = {name: Continuity(STEP_UG, STEP_SHARE) for name in CHANNELS}
        self._source = ""

    def parse(self, data: bytes, at: int) -> Look:
        """One frame of ten bytes with its 8-bit sum right and values the instrument can send."""
        if data[at] != HEAD:
            return NOISE
        frame = data[at : at + SIZE]
        if len(frame) > 1 and frame[1] not in (DATA, ANSWER):
            return NOISE
        if len(frame) < SIZE:
            return MORE
        if frame[9] != TAIL or checksum(frame[2:8]) != frame[8]:
            return Bad()
        if frame[1] == DATA and max(struct.unpack_from("<HH", frame, 2)) > RAW_MAX:
            # The instrument cannot send this; the sum of eight bits let damage through.
            return Bad()
        return DecodedFrame(SIZE, self._believed(_readings(frame)) if frame[1] == DATA else ())

    def _believed(self, readings: tuple[InstrumentValue, ...]) -> tuple[InstrumentValue, ...]:
        source = readings[0].source
        known, self._source = self._source or source, source
        near = [self._near[r.channel].fits(float(r.value)) for r in readings]
        if all(near) and source == known:
            return readings
        return tuple(
            replace(r, flag="suspect", why="jump") if r.flag == "ok" else r for r in readings
        )


def _readings(frame: bytes) -> tuple[InstrumentValue, ...]:
    pm25, pm10 = struct.unpack_from("<HH", frame, 2)
    # Mass up to 2.5 µm cannot exceed mass up to 10 µm.
    flag: Flag = "ok" if pm25 <= pm10 else "suspect"
    why = "" if flag == "ok" else "order"
    source = frame[6:8].hex().upper()
    return tuple(
        InstrumentValue(name, word / 10.0, UNIT, flag, str(word), source, why=why)
        for name, word in zip(CHANNELS, (pm25, pm10), strict=True)
    )
