# SPDX-License-Identifier: AGPL-3.0-or-later
"""A serial line as a pseudo-terminal, with instruments on it and faults at set times."""

from __future__ import annotations

import contextlib
import os
import random
import re
import select
import threading
import time
import tty
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

TURN_S = 0.02


class Instrument(Protocol):
    """What hangs on a line: answers what it is asked, says by itself what is due."""

    def heard(self, data: bytes, t_s: float) -> bytes: ...
    def due(self, t_s: float) -> bytes: ...


@dataclass(frozen=True)
class Fault:
    """`kind` from `start_s` for `length_s`: garbage, cut, checksum, silent, unplug, flood."""

    kind: str
    start_s: float
    length_s: float

    def now(self, t_s: float) -> bool:
        return self.start_s <= t_s < self.start_s + self.length_s


FAULTS = ("garbage", "cut", "checksum", "silent", "unplug", "flood")


def parse_fault(text: str) -> Fault:
    """`unplug@20+60`. Raises ValueError."""
    match = re.fullmatch(r"(\w+)@([\d.]+)\+([\d.]+)", text)
    if match is None or match[1] not in FAULTS:
        raise ValueError(f"{text!r}: KIND@START+LENGTH wanted, KIND one of {', '.join(FAULTS)}")
    return Fault(match[1], float(match[2]), float(match[3]))


@dataclass
class Line(threading.Thread):
    """One pty with its instruments. The port's name is a link, made anew after unplugging."""

    link: Path
    instruments: Sequence[Instrument]
    faults: Sequence[Fault] = ()
    seed: int = 1
    stopped: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self._rng = random.Random(self.seed)
        self._master = self._slave = -1
        self._plug()

    def __hash__(self) -> int:
        return id(self)

    def run(self) -> None:
        """The thread of one line: plugged or not by its faults, turn after turn until stopped."""
        began = time.monotonic()
        while not self.stopped.is_set():
            t_s = time.monotonic() - began
            out = self._faults_now("unplug", t_s)
            if out and self._master >= 0:
                self._unplug()
            elif not out and self._master < 0:
                self._plug()
            if self._master < 0:
                self.stopped.wait(TURN_S)
            else:
                self._turn(t_s)
        self._unplug()

    def _turn(self, t_s: float) -> None:
        ready, _, _ = select.select([self._master], [], [], TURN_S)
        data = b""
        if ready:
            with contextlib.suppress(OSError):
                data = os.read(self._master, 4096)
        for instrument in self.instruments:
            said = instrument.heard(data, t_s) if data else b""
            said += instrument.due(t_s)
            if said:
                self._say(self._spoilt(said, t_s))

    def _say(self, data: bytes) -> None:
        # Nobody reads: a real line loses the bytes too.
        with contextlib.suppress(BlockingIOError, OSError):
            os.write(self._master, data)

    def _faults_now(self, kind: str, t_s: float) -> bool:
        return any(fault.kind == kind and fault.now(t_s) for fault in self.faults)

    def _spoilt(self, data: bytes, t_s: float) -> bytes:
        rng = self._rng
        if self._faults_now("silent", t_s):
            return b""
        if self._faults_now("garbage", t_s):
            at = rng.randrange(len(data) + 1)
            data = data[:at] + rng.randbytes(rng.randrange(1, 9)) + data[at:]
        if self._faults_now("cut", t_s):
            data = data[: rng.randrange(len(data))]
        if self._faults_now("checksum", t_s) and data:
            at = rng.randrange(len(data))
            data = data[:at] + bytes([data[at] ^ rng.randrange(1, 256)]) + data[at + 1 :]
        return data * 10 if self._faults_now("flood", t_s) else data

    def _plug(self) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.link.unlink(missing_ok=True)
        self.link.symlink_to(os.ttyname(self._slave))

    def _unplug(self) -> None:
        self.link.unlink(missing_ok=True)
        for handle in (self._master, self._slave):
            if handle >= 0:
                os.close(handle)
        self._master = self._slave = -1

    def stop(self) -> None:
        self.stopped.set()
        self.join(2.0)
