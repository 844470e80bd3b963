# SPDX-License-Identifier: AGPL-3.0-or-later
"""A Modbus line whose time only moves where somebody waits: what depends on milliseconds is exact,
on a machine however busy, and an hour of it takes a second."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable
from types import SimpleNamespace

from edge.sensors.binding import Binding
from edge.sensors.maps import Serial, load_map
from edge.sensors.modbus import valid
from edge.sensors.modbus_bus import ModbusBus, Slave
from edge.sensors.settings import Sensor, SensorSettings
from edge.values import Sample, Stamp
from tests.sensors.frames_of import modbus_answer

# Eight bytes at 9600 baud.
QUESTION_S = 0.008


class OwnTime:
    """Time, stop and port of one line. Slaves: {address: ({register: word}, s until they answer,
    one for each question, over and over)}. `held_up_s`: after each wait and each question the
    master is not run for so long, over and over: another program has the processor."""

    def __init__(
        self,
        slaves: dict[int, tuple[dict[int, int], Iterable[float]]],
        end_s: float,
        held_up_s: Iterable[float] = (0.0,),
    ) -> None:
        self.now_s, self.end_s = 0.0, end_s
        self.url, self.asked = "own-time", list[tuple[float, int]]()
        self._slaves = {at: (words, itertools.cycle(s)) for at, (words, s) in slaves.items()}
        self._free_s = dict.fromkeys(slaves, 0.0)
        self._held_up_s = itertools.cycle(held_up_s)
        self._comes: deque[tuple[float, bytes]] = deque()

    # Of time, and of edge.clock.

    def monotonic(self) -> float:
        return self.now_s

    def now(self) -> Stamp:
        return Stamp(self.now_s, 1.8e9 + self.now_s)

    # Of edge.runtime.Stop.

    def __bool__(self) -> bool:
        return self.now_s >= self.end_s

    def wait(self, seconds: float) -> bool:
        self._pass(max(0.0, seconds))
        return bool(self)

    # Of edge.sensors.port.Port.

    def write(self, data: bytes) -> None:
        assert valid(data) and len(data) == 8
        self.now_s += QUESTION_S
        self.asked.append((self.now_s, data[0]))
        if data[0] in self._slaves:
            words, late_s = self._slaves[data[0]]
            first, count = (int.from_bytes(data[n : n + 2], "big") for n in (2, 4))
            reply = modbus_answer([words.get(first + n, 0) for n in range(count)], address=data[0])
            # A slave answers in the order in which it was asked.
            at_s = max(self.now_s + next(late_s), self._free_s[data[0]])
            self._free_s[data[0]] = at_s
            self._comes = deque(sorted([*self._comes, (at_s, reply)], key=lambda one: one[0]))
        self._pass(0.0)

    def read(self, wait_s: float) -> bytes:
        if self._comes and self._comes[0][0] <= self.now_s + wait_s:
            self.now_s = max(self.now_s, self._comes[0][0])
        else:
            self.now_s += wait_s
        self.now_s += next(self._held_up_s)
        return self.discard()

    def discard(self) -> bytes:
        got = b""
        while self._comes and self._comes[0][0] <= self.now_s:
            got += self._comes.popleft()[1]
        return got

    def _pass(self, seconds: float) -> None:
        self.now_s += seconds + next(self._held_up_s)


def bus_of(monkeypatch, time: OwnTime, line: Serial, *slaves, every_s: float = 0.05) -> ModbusBus:
    """The product's master on that line. slaves: (name, name of its map, address)."""
    for module in ("edge.sensors.bus", "edge.sensors.modbus_bus"):
        monkeypatch.setattr(f"{module}.time", SimpleNamespace(monotonic=time.monotonic))
    found = []
    for name, map_name, address in slaves:
        sensor = Sensor(id=name, kind="modbus", port=time.url, map=map_name)
        binding = Binding(sensor, SensorSettings({name: sensor}, {}, (), (), ()))
        found.append(Slave(binding, address, every_s, load_map(map_name).registers))
    return ModbusBus(time, found, time, time, line)


def values(bus: ModbusBus) -> set[tuple[str, str, float]]:
    """What was handed over: (instrument, channel, value)."""
    return {(s.sensor, s.channel, s.value) for s in _taken(bus)}


def _taken(bus: ModbusBus) -> list[Sample]:
    bus.serve()
    return bus.queue.take()
