# SPDX-License-Identifier: AGPL-3.0-or-later
"""One instrument tried on its port as somebody has just written it down, before it is saved.

What came is summed up as one cause, so that the page can say in one sentence what to look at:
wiring and address where nothing answers, speed and model where bytes come that mean nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from edge.config import ConfigError, Site
from edge.sensors.check import check_sensors
from edge.sensors.frames import InstrumentValue
from edge.sensors.kinds import KINDS, Options
from edge.sensors.maps import Block, Map, blocks, readings
from edge.sensors.modbus import SlaveReply, answer, request
from edge.sensors.port import Port, PortGone
from edge.sensors.settings import Sensor, SensorSettings

TriedCause = Literal[
    "well", "odd", "silent", "garbled", "refused", "stranger", "port", "held", "calls_in", "config"
]
# Stations report once a minute or more often; everything else talks every second or is asked.
LISTEN_S, STATION_S = 4.0, 65.0
LOOK_S, TRIES = 0.5, 3
SHOWN = 8


@dataclass(frozen=True, slots=True)
class TriedInstrument:
    """What came. values: the last of each channel; detail: what the port, the check or the
    instrument said, or the number of the station that was heard."""

    cause: TriedCause
    values: tuple[InstrumentValue, ...] = ()
    detail: str = ""

    def facts(self) -> dict[str, Any]:
        """As plain data for the page."""
        last = {one.channel: one for one in self.values}
        rows = [[one.channel, one.value, one.unit] for one in list(last.values())[:SHOWN]]
        return {"cause": self.cause, "values": rows, "told": self.detail}


def try_instrument(
    entry: Mapping[str, Any], base: Path | None = None, held: Iterable[str] = ()
) -> TriedInstrument:
    """Open the port of one entry of `sensors`, listen or ask, close it. base: where its map is
    looked for; held: ports that this program reads itself. Never raises for what a person wrote."""
    try:
        settings = check_sensors(Site(sensors=(dict(entry),)), where="", base=base)
    except ConfigError as error:
        return TriedInstrument("config", detail=str(error).removeprefix(": "))
    (sensor,) = settings.sensors.values()
    if sensor.port.startswith("listen://"):
        return TriedInstrument("calls_in")
    if sensor.port in held:
        return TriedInstrument("held")
    port = Port(sensor.port, settings.line(sensor.port))
    try:
        port.open()
        return _on_port(port, sensor, settings)
    except PortGone as error:
        return TriedInstrument("port", detail=str(error).removeprefix(f"{sensor.port}: "))
    finally:
        port.close()


def _on_port(port: Port, sensor: Sensor, settings: SensorSettings) -> TriedInstrument:
    own = settings.maps.get(sensor.id)
    if sensor.kind == "modbus" and own is not None:
        return _asked(port, own, settings.address(sensor))
    return _listened(port, sensor, own)


def _asked(port: Port, own: Map, address: int) -> TriedInstrument:
    """Every block of the map."""
    found: list[InstrumentValue] = []
    for block in blocks(own.registers):
        reply, heard = _reply(port, own, address, block)
        if reply is None:
            return TriedInstrument("garbled" if heard else "silent")
        if not reply.data:
            return TriedInstrument("refused", detail=reply.exception)
        found += readings(own.registers, block, reply.data, "")
        time.sleep(own.serial.turnaround_s)
    return _judged(tuple(found))


def _reply(port: Port, own: Map, address: int, block: Block) -> tuple[SlaveReply | None, bytes]:
    """The answer, asked for up to three times, and what was heard of it."""
    got = b""
    for _ in range(TRIES):
        port.discard()
        got, until = b"", time.monotonic() + own.serial.timeout_s
        port.write(request(address, block))
        while (left_s := until - time.monotonic()) > 0:
            got += port.read(left_s)
            if (found := answer(got, address, block)) is not None:
                return found, got
    return None, got


def _listened(port: Port, sensor: Sensor, own: Map | None) -> TriedInstrument:
    """What talks by itself, or once it was asked to."""
    options = Options(own, sensor.tolerant, sensor.crc, sensor.units)
    if own is not None and (words := own.start + own.ask):
        port.write(words.encode("ascii", "ignore"))
    heard = b""
    try:
        for heard in _growing(port, STATION_S if sensor.kind == "hj212" else LISTEN_S):
            step = KINDS[sensor.kind](options).decode(heard)
            if step.good:
                break
        step = KINDS[sensor.kind](options).decode(heard, final=True)
    finally:
        if own is not None and own.stop:
            port.write(own.stop.encode("ascii", "ignore"))
    if not step.good:
        return TriedInstrument("garbled" if heard else "silent")
    strangers = {one.source for one in step.readings} - {sensor.mn}
    if sensor.mn and step.readings and strangers == {one.source for one in step.readings}:
        return TriedInstrument("stranger", detail=", ".join(sorted(strangers)))
    return _judged(step.readings)


def _growing(port: Port, most_s: float) -> Iterator[bytes]:
    """All that was heard so far, after every half second."""
    heard, until = b"", time.monotonic() + most_s
    while (left_s := until - time.monotonic()) > 0:
        heard += port.read(min(LOOK_S, left_s))
        yield heard


def _judged(values: tuple[InstrumentValue, ...]) -> TriedInstrument:
    sound = any(one.flag == "ok" for one in values)
    return TriedInstrument("well" if sound else "odd", values)
