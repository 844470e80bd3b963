# SPDX-License-Identifier: AGPL-3.0-or-later
"""What hangs on a serial port: listen first, then ask the instruments that are known.

One port at a time, opened exclusively, so a port in use is left alone. Several maps may fit one
Modbus slave (register 0 of a noise transmitter is as good a wind speed): all that give sensible
values are shown, the likelier first, and a person decides.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from serial.tools.list_ports import comports

from edge.config.yamltext import dump
from edge.sensors.frames import Decoder, InstrumentValue
from edge.sensors.kinds import KINDS, TALKERS, Options
from edge.sensors.listing import BY_ID
from edge.sensors.maps import Map, Serial, blocks, map_names, readings
from edge.sensors.modbus import answer, request
from edge.sensors.port import Port, PortGone

LISTEN_S = 1.6
ANSWER_S = 0.35
ADDRESSES = (1, 2, 3)
# The speeds that instruments leave the works with.
BAUDS = (9600, 4800)


@dataclass(frozen=True, slots=True)
class ScannedInstrument:
    """One instrument that a port may have: `snippet` are its lines for the site file."""

    name: str
    values: str
    snippet: str


@dataclass(frozen=True, slots=True)
class PortFound:
    """What a port gave; `error` where it could not be opened (another program holds it)."""

    port: str
    found: tuple[ScannedInstrument, ...] = ()
    error: str = ""


def ports() -> list[str]:
    """Serial ports by their stable names where they have one."""
    stable = {str(p.resolve()): str(p) for p in BY_ID.glob("*")} if BY_ID.is_dir() else {}
    real = (p for p in comports() if p.device in stable or p.hwid != "n/a")
    return [stable.get(port.device, port.device) for port in sorted(real)]


def scan(urls: Iterable[str]) -> list[dict[str, Any]]:
    """All ports, one after the other, as plain data for the page."""
    return [asdict(scan_port(url)) for url in urls]


def scan_port(url: str, bauds: Iterable[int] = BAUDS) -> PortFound:
    """Listen and ask on one port. Never raises for a port that is busy or goes away."""
    known = map_names()
    found: list[ScannedInstrument] = []
    try:
        for baud in bauds:
            found += _on_line(url, baud, known)
            if found:
                break
    except PortGone as error:
        return PortFound(url, tuple(found), error=str(error).removeprefix(f"{url}: "))
    return PortFound(url, tuple(found))


def _on_line(url: str, baud: int, known: Mapping[str, Map]) -> list[ScannedInstrument]:
    port = Port(url, Serial(baud=baud))
    port.open()
    try:
        heard = _listen(port, LISTEN_S)
        talking = list(_talkers(url, baud, heard, known))
        if talking:
            return talking
        return [*_asked_lines(port, baud, known), *_asked_modbus(port, baud, known)]
    finally:
        port.close()


def _listen(port: Port, wait_s: float) -> bytes:
    heard, until = b"", time.monotonic() + wait_s
    while (left_s := until - time.monotonic()) > 0:
        heard += port.read(left_s)
    return heard


def _talkers(
    url: str, baud: int, heard: bytes, known: Mapping[str, Map]
) -> Iterator[ScannedInstrument]:
    """Decoders that find sound frames in what was heard."""
    if not heard:
        return
    for kind, name in TALKERS.items():
        values = _decoded(KINDS[kind](Options()), heard)
        if values:
            yield _heard(name, values, url, kind=kind, baud=baud)
    for name, one in known.items():
        if one.kind == "line" and (values := _decoded(KINDS["line"](Options(map=one)), heard)):
            yield _heard(one.name, values, url, kind="line", map=name)


def _decoded(decoder: Decoder, heard: bytes) -> tuple[InstrumentValue, ...]:
    step = decoder.decode(heard, final=True)
    return step.readings if step.good > step.bad else ()


def _asked_lines(port: Port, baud: int, known: Mapping[str, Map]) -> Iterator[ScannedInstrument]:
    """Meters that write lines once they are told to."""
    for name, one in known.items():
        words = (one.start + one.ask).encode("ascii", "ignore")
        if one.kind != "line" or not words or one.serial.baud != baud:
            continue
        port.write(words)
        values = _decoded(KINDS["line"](Options(map=one)), _listen(port, LISTEN_S))
        if one.stop:
            port.write(one.stop.encode("ascii", "ignore"))
        if values:
            yield _heard(one.name, values, port.url, kind="line", map=name)


def _asked_modbus(port: Port, baud: int, known: Mapping[str, Map]) -> list[ScannedInstrument]:
    """Modbus slaves: every map of this speed at its own address and the first three."""
    found: list[tuple[int, ScannedInstrument]] = []
    for name, one in known.items():
        if one.kind != "modbus" or one.serial.baud != baud:
            continue
        for address in dict.fromkeys((one.address, *ADDRESSES)):
            values = _ask(port, one, address)
            sound = [value for value in values if value.flag == "ok"]
            if values and len(sound) == len(values):
                row = _heard(one.name, values, port.url, kind="modbus", map=name, address=address)
                found.append((len(sound), row))
    return [row for _, row in sorted(found, key=lambda pair: -pair[0])]


def _ask(port: Port, one: Map, address: int) -> tuple[InstrumentValue, ...]:
    """Readings of the map's first block from a slave; () without a sound answer."""
    block = blocks(one.registers)[0]
    port.discard()
    port.write(request(address, block))
    got, until = b"", time.monotonic() + ANSWER_S
    while (left_s := until - time.monotonic()) > 0:
        got += port.read(left_s)
        if (found := answer(got, address, block)) is not None:
            time.sleep(one.serial.turnaround_s)
            return tuple(readings(one.registers, block, found.data, "")) if found.data else ()
    return ()


def _heard(
    name: str, values: tuple[InstrumentValue, ...], url: str, **keys: Any
) -> ScannedInstrument:
    """The last value of each channel, and the entry of the site file."""
    last = {value.channel: value for value in values}
    values_text = ", ".join(f"{c} {v.value} {v.unit}".strip() for c, v in list(last.items())[:6])
    kind = keys.pop("kind")
    if kind == "hj212":
        keys["mn"] = values[-1].source
    entry = {"id": f"{kind}-1", "kind": kind, "port": url, **keys}
    text = dump({"sensors": [entry]})
    return ScannedInstrument(name, values_text, text)
