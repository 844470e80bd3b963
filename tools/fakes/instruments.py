# SPDX-License-Identifier: AGPL-3.0-or-later
"""Instruments on pseudo-terminals: a noise meter, a fume monitor, dust sensors, a station; faults.

    tools/instruments --folder /tmp/ports noise=construction fume=evening pm
    tools/instruments --folder /tmp/ports noise=levels.jsonl --fault 'unplug@20+60'

Each instrument gets a port FOLDER/NAME (a link that stays the same over unplugging, as
/dev/serial/by-id does). Modbus answers are made by pymodbus, not by the code they test.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pymodbus.framer.rtu import FramerRTU
from pymodbus.pdu import DecodePDU
from pymodbus.pdu.register_message import ReadHoldingRegistersResponse

from edge.runtime import Stop
from edge.sensors import plantower
from edge.sensors.hj212 import Hj212Packet, encode, request_number, time_text
from tools.fakes.instruments_line import Instrument, Line, parse_fault


@dataclass
class ModbusSlave:
    """Registers as a function of time; other addresses and bad frames are ignored, as on a line."""

    address: int
    registers: Callable[[float], dict[int, int]]
    function: int = 3
    asked: int = 0

    def __post_init__(self) -> None:
        self._framer = FramerRTU(DecodePDU(True))

    def heard(self, data: bytes, t_s: float) -> bytes:
        """The answer to a request with a right CRC for this slave; exception 2 where a register is
        missing; else silence."""
        if len(data) < 8 or not FramerRTU.check_CRC(data[:6], int.from_bytes(data[6:8], "big")):
            return b""
        if data[0] != self.address or data[1] != self.function:
            return b""
        self.asked += 1
        start, count = (int.from_bytes(data[i : i + 2], "big") for i in (2, 4))
        values = self.registers(t_s)
        wanted = range(start, start + count)
        if any(n not in values for n in wanted):
            body = bytes([self.address, self.function | 0x80, 2])
            return bytes(body + FramerRTU.compute_CRC(body).to_bytes(2, "big"))
        answer = ReadHoldingRegistersResponse(
            registers=[values[n] for n in wanted], dev_id=self.address
        )
        return bytes(self._framer.buildFrame(answer))

    def due(self, t_s: float) -> bytes:
        return b""


@dataclass
class Talker:
    """Says a frame every `every_s`; `frame(t_s)` makes it."""

    frame: Callable[[float], bytes]
    every_s: float = 1.0
    _next_s: float = 0.0

    def heard(self, data: bytes, t_s: float) -> bytes:
        return b""

    def due(self, t_s: float) -> bytes:
        if t_s < self._next_s:
            return b""
        self._next_s = max(self._next_s + self.every_s, t_s)
        return self.frame(t_s)


def noise_meter(levels: Callable[[float], float], *, address: int = 1) -> ModbusSlave:
    """RS-485 transmitter: register 0x0000 in 0.1 dB."""
    return ModbusSlave(address, lambda t_s: {0: round(levels(t_s) * 10)})


def night_construction(seed: int = 4, *, quiet_s: float = 5.0) -> Callable[[float], float]:
    """Quiet street, then an excavator at about 66 dB with hammer blows up to 80 dB."""

    def level(t_s: float) -> float:
        rng = random.Random(f"{seed} {int(t_s)}")
        if t_s < quiet_s:
            return 44.0 + rng.gauss(0, 0.8)
        base = 66.0 + 2.0 * math.sin(t_s / 9.0) + rng.gauss(0, 1.5)
        return base + (12.0 if rng.random() < 0.08 else 0.0)

    return level


def recorded(path: Path) -> Callable[[float], float]:
    """Levels of a file of {"t_s", "db"} lines, played in a loop."""
    rows = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
    levels = [float(row["db"]) for row in rows]
    return lambda t_s: levels[int(t_s) % len(levels)]


# A cook's evening: from when, fan, purifier, fume mg/m³. He opens with the purifier, then turns it
# off to save power, and remembers it when the street is full.
EVENING = (
    (0.0, 0, 0, 0.05),
    (3.0, 1, 1, 0.45),
    (12.0, 1, 0, 2.6),
    (90.0, 1, 1, 0.7),
    (150.0, 0, 0, 0.05),
)


def fume_monitor(
    evening: Sequence[tuple[float, int, int, float]] = EVENING, *, address: int = 2, seed: int = 2
) -> ModbusSlave:
    """Registers of config/sensors/fume-generic.yaml."""

    def registers(t_s: float) -> dict[int, int]:
        """The meter's registers at a second of the evening: fume with 6 % of noise, fan and
        purifier."""
        _, fan, purifier, fume = [row for row in evening if row[0] <= t_s][-1]
        rng = random.Random(f"{seed} {int(t_s)}")
        value = max(0.0, fume * (1.0 + rng.gauss(0, 0.06)))
        return {
            0: round(value * 100),
            1: round(value * 25),
            2: round(value * 300),
            3: fan | purifier << 1,
        }

    return ModbusSlave(address, registers)


def pm_sensor(*, every_s: float = 1.0, seed: int = 6) -> Talker:
    """Plantower frames with a slow wave of dust."""

    def frame(t_s: float) -> bytes:
        """One Plantower frame at a second: dust that rises and falls, with noise."""
        rng = random.Random(f"{seed} {int(t_s)}")
        pm10 = max(3, round(60 + 40 * math.sin(t_s / 40.0) + rng.gauss(0, 4)))
        words = [pm10 // 3, pm10 // 2, pm10] * 2 + [pm10 * 20, pm10 * 8, pm10 * 2, 9, 3, 1, 0x9700]
        body = plantower.HEAD + (28).to_bytes(2, "big")
        body += b"".join(word.to_bytes(2, "big") for word in words)
        return body + plantower.checksum(body).to_bytes(2, "big")

    return Talker(frame, every_s)


def station(mn: str, levels: Callable[[float], float], *, every_s: float = 1.0) -> Talker:
    """An HJ 212 station of a building site: LA and TSP."""

    def frame(t_s: float) -> bytes:
        """One HJ 212 packet at a second: sound level and dust."""
        wall = time.time()
        cp = (
            f"DataTime={time_text(wall)};LA-Rtd={levels(t_s):.1f},LA-Flag=N;"
            f"a34001-Rtd={0.3 + 0.1 * math.sin(t_s / 30):.3f},a34001-Flag=N"
        )
        return encode(Hj212Packet(request_number(wall), "39", "2011", mn, 5, cp))

    return Talker(frame, every_s)


def make(text: str) -> Instrument:
    """`noise`, `noise=construction`, `noise=FILE.jsonl`, `fume`, `pm`, `station`."""
    kind, _, argument = text.partition("=")
    levels = night_construction()
    if kind in ("noise", "station") and argument not in ("", "construction"):
        levels = recorded(Path(argument))
    makers: dict[str, Callable[[], Instrument]] = {
        "noise": lambda: noise_meter(levels),
        "fume": fume_monitor,
        "pm": pm_sensor,
        "station": lambda: station("370215CG0000000000000001", levels),
    }
    if kind not in makers:
        raise ValueError(f"{text!r}: unknown; one of {', '.join(makers)}")
    return makers[kind]()


def main() -> int:
    """Ports appear below --folder and live until a signal. 2 for a word that is no instrument or
    fault."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("instruments", nargs="+", help="noise[=FILE], fume, pm, station[=FILE]")
    parser.add_argument("--folder", type=Path, required=True, help="where the ports appear")
    parser.add_argument("--fault", action="append", default=[], metavar="KIND@START+LENGTH")
    args = parser.parse_args()
    try:
        faults = [parse_fault(text) for text in args.fault]
        made = [(text.partition("=")[0], make(text)) for text in args.instruments]
    except (ValueError, OSError, KeyError) as error:
        print(f"tools/instruments: {error}", file=sys.stderr)
        return 2
    args.folder.mkdir(parents=True, exist_ok=True)
    lines = [Line(args.folder / name, [instrument], faults) for name, instrument in made]
    stop = Stop()
    stop.on_signals()
    for line in lines:
        line.start()
        print(line.link, flush=True)
    while not stop.wait(60.0):
        pass
    for line in lines:
        line.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
