# SPDX-License-Identifier: AGPL-3.0-or-later
"""The table of instrument languages. A new one is a decoder and a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from edge.sensors.frames import Decoder, KindName
from edge.sensors.hj212 import CrcName
from edge.sensors.hj212_stream import Hj212
from edge.sensors.lines import Lines
from edge.sensors.maps import Map
from edge.sensors.modbus import Sniffer
from edge.sensors.nmea import Nmea
from edge.sensors.plantower import Plantower
from edge.sensors.sds import Sds


@dataclass(frozen=True, slots=True)
class Options:
    """What may be said about a stream; a kind takes what concerns it."""

    map: Map | None = None
    tolerant: bool = False
    crc: CrcName = "hj212"
    units: Mapping[str, str] = field(default_factory=dict)


# Instruments that talk by themselves and need no map.
TALKERS: dict[KindName, str] = {
    "plantower": "particles (Plantower) 颗粒物",
    "sds": "particles (SDS) 颗粒物",
    "hj212": "environment station (HJ 212) 环境监测站",
    "nmea": "GNSS receiver (NMEA) 定位",
}

KINDS: dict[KindName, Callable[[Options], Decoder]] = {
    "modbus": lambda options: Sniffer(options.map.registers if options.map else ()),
    "hj212": lambda options: Hj212(
        tolerant=options.tolerant, crc_name=options.crc, units=options.units
    ),
    "plantower": lambda _: Plantower(),
    "sds": lambda _: Sds(),
    "nmea": lambda _: Nmea(),
    "line": lambda options: Lines(options.map),
}
