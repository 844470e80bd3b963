# SPDX-License-Identifier: AGPL-3.0-or-later
"""Everything at once for hours, with random faults; prints slopes, and whether anything was lost.

    tools/soak --seconds 1800 --out soak            (kill -9, broker away; seed 1)
    tools/soak --seconds 600 --calm                 (no fault: slopes of one long life)
    tools/soak --seconds 300 --idle                 (four live cameras, no case: bytes written)

visiond watches a looping file with the shipped model and, where GStreamer's RTSP server is there,
a live stream; sensord reads an instrument on a pseudo-terminal; uplinkd delivers over Mosquitto to
the reference receiver. Whoever dies is started again after two seconds, as its unit says. Faults:
kill -9 of each, a broker that is away or refuses, a camera that is silent or flaps, an adapter
pulled out. Exit 1: something was lost, told too late, ended by itself, or grew. Not among them: a
disk that is full or read-only and a clock that steps, which need root and have tests of their own.
Last line of stdout: one JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import yaml

from tools.demonstration.processes import BROKER, edge, free_port, mosquitto_program
from tools.fakes import camera as fake_camera
from tools.field import account, gauge, harms
from tools.field.crew import Worker
from tools.field.soak_report import Lived, report, show

ROOT = Path(__file__).resolve().parents[2]
CLIP = ROOT / "tests" / "clips" / "street"
DAEMONS = ("visiond", "uplinkd", "sensord")
READ_EVERY_S, TEND_S, START_S = 2.0, 0.25, 60.0
# Broker away for so long (least, most), and a fault every so often (mean). Everybody is hit in
# turn, in a random order.
AWAY_S, FAULT_EVERY_S = (3.0, 25.0), 45.0
DRAIN_S = 240.0
# The wear budget is told for so many (docs/boards.md).
IDLE_CAMERAS = 4
SENSORS: list[dict[str, Any]] = [
    {"id": "noise-1", "kind": "modbus", "map": "noise-rs485", "port": "noise", "address": 1},
]


def main(argv: list[str] | None = None) -> int:
    """0 where nothing was lost, invented or grown; 1 else. A broken-off soak is reported too."""
    args = _arguments().parse_args(argv)
    signal.signal(signal.SIGTERM, _interrupt)
    folder = args.out or Path(tempfile.mkdtemp(prefix="soak-"))
    folder.mkdir(parents=True, exist_ok=True)
    calm = args.calm or args.idle
    soak = Soak(folder, random.Random(args.seed), calm=calm, every_s=args.every, idle=args.idle)
    try:
        soak.start()
        soak.live(args.seconds)
        soak.drain()
    except KeyboardInterrupt:
        print("soak: interrupted, ending", file=sys.stderr)
    finally:
        soak.stop()
    lived = soak.lived()
    found = report(lived, args.warm_up)
    show(found, lived)
    return 0 if found["well"] else 1


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=1800.0)
    parser.add_argument("--out", type=Path, help="folder; left out: a new one below /tmp")
    parser.add_argument("--seed", type=int, default=1, help="of the faults")
    parser.add_argument("--calm", action="store_true", help="no faults")
    parser.add_argument(
        "--idle", action="store_true", help="four live cameras that see no case, no faults"
    )
    parser.add_argument(
        "--every", type=float, default=FAULT_EVERY_S, metavar="S", help="a fault so often (mean)"
    )
    parser.add_argument("--warm-up", type=float, default=gauge.WARM_UP_S, metavar="S")
    return parser


class Soak:
    """The parts, wired. All times are seconds since the start of the soak."""

    def __init__(
        self,
        folder: Path,
        dice: random.Random,
        *,
        calm: bool,
        every_s: float = FAULT_EVERY_S,
        idle: bool = False,
    ) -> None:
        self.folder, self._dice, self._calm, self._every_s = folder, dice, calm, every_s
        self.workers: dict[str, Worker] = {}
        self.readings: dict[str, list[gauge.Reading]] = {name: [] for name in DAEMONS}
        self.faults: list[tuple[float, str, float]] = []
        self.decided: set[str] = set()
        self.recovered: list[float] = []
        self._began, self._seconds = time.monotonic(), 0.0
        self._ages: list[float] = []
        self._offline_since: float | None = None
        self._deck: list[str] = []
        self._later: list[harms.Later] = []
        self._idle = idle
        self._camera: fake_camera.FakeCamera | None = None
        # As on a box: what changes every second lies in memory and is no wear of the card.
        memory = Path("/dev/shm")  # noqa: S108  (a new folder in it, of this user alone)
        self.run = Path(tempfile.mkdtemp(prefix="soak-", dir=memory if memory.is_dir() else None))
        self.ear = harms.Ear(folder, self.run)

    def now(self) -> float:
        return time.monotonic() - self._began

    def start(self) -> None:
        """Broker, receiver and instruments first; the daemons once the platform's key is there."""
        port = free_port()
        (self.folder / "mosquitto.conf").write_text(BROKER.format(port=port))
        if os.geteuid() == 0:
            with (self.folder / "mosquitto.conf").open("a") as file:
                file.write("user root\n")
        _write_files(self.folder, self.run, port, self._live(), idle=self._idle)
        python = [sys.executable, "-m"]
        receiver = ["city_platform.receiver", "--out", str(self.folder / "received")]
        ports = ["tools.fakes.instruments", "--folder", str(self.folder / "ports")]
        self._add("broker", [mosquitto_program(), "-c", str(self.folder / "mosquitto.conf")])
        self._add("receiver", [*python, *receiver, "--port", str(port)])
        self._add("instruments", [*python, *ports, "noise=construction"])
        self._until((self.folder / "received/platform.pub.pem").exists, START_S, "the receiver")
        files = ["--site", f"{self.folder}/site.yaml", "--device", f"{self.folder}/device.yaml"]
        for name in DAEMONS:
            self._add(name, edge(name, *files))
        self._until(self._all_told, START_S, "the daemons")
        self._began = time.monotonic()

    def _live(self) -> list[dict[str, object]]:
        missing = fake_camera.available()
        if missing and self._idle:
            raise SystemExit(f"soak: no live cameras: {missing}")
        if missing:
            print(f"soak: no live camera: {missing}", file=sys.stderr)
            return []
        self._camera, urls = harms.live_cameras(IDLE_CAMERAS if self._idle else 1)
        return [harms.live_site(url) for url in urls]

    def _add(self, name: str, argv: list[str]) -> None:
        self.workers[name] = Worker(name, argv, self.folder / f"{name}.log")
        self.workers[name].tend(self.now())

    def _all_told(self) -> bool:
        return all((self.run / f"status/{name}.json").exists() for name in DAEMONS)

    def _until(self, ready: Callable[[], bool], limit_s: float, what: str) -> None:
        until = time.monotonic() + limit_s
        while not ready():
            if time.monotonic() > until:
                raise SystemExit(f"soak: {what} did not start; see the logs in {self.folder}")
            self._tend()

    def _tend(self) -> None:
        time.sleep(TEND_S)
        for worker in self.workers.values():
            worker.tend(self.now())
        for at, work in [row for row in self._later if row[0] <= self.now()]:
            self._later.remove((at, work))
            work()
        self._watch_uplink()

    def live(self, seconds: float) -> None:
        """The soak itself: faults, readings, a line of progress on a terminal."""
        self._seconds = seconds
        next_fault, next_reading = self._pause(), 0.0
        while self.now() < seconds:
            self._tend()
            if self.now() >= next_reading:
                next_reading = self.now() + READ_EVERY_S
                self._read()
                _progress(self.now(), seconds, len(self.faults), len(self.decided))
            if self.now() >= next_fault and not self._calm:
                self._harm()
                next_fault = self.now() + self._pause()

    def _pause(self) -> float:
        least_s = self._every_s / 4.0
        return least_s + self._dice.expovariate(1.0 / (self._every_s - least_s))

    def _harm(self) -> None:
        """One fault; each kind in turn, in a random order."""
        if not self._deck:
            self._deck = ["broker", "receiver", *DAEMONS, "adapter out", "broker refuses"]
            self._deck += ["camera silent", "camera flaps"] if self._camera else []
            self._dice.shuffle(self._deck)
        name = self._deck.pop()
        if name in self.ear.expected_of(self.now()):
            self._deck.insert(0, name)
            return
        away_s = self._dice.uniform(*AWAY_S) if name == "broker" else 2.0
        if name in harms.HARMS:
            away_s = harms.HARMS[name].limit_s
            if self.now() + away_s > self._seconds:
                # It could not be told before the end.
                return
            if not self.ear.begin(harms.HARMS[name], self.now()):
                return
            self._trouble(name, away_s)
        else:
            self.workers[name].kill(self.now(), away_s)
        self.faults.append((self.now(), name, away_s))

    def _trouble(self, name: str, lasts_s: float) -> None:
        until = self.now() + lasts_s
        if name == "adapter out":
            self.workers["instruments"].kill(self.now(), lasts_s)
        elif name == "broker refuses":
            self._let_in(False)
            self._later.append((until, lambda: self._let_in(True)))
        elif self._camera is not None and name == "camera silent":
            self._camera.set(harms.STREAM, mode="silent")
            self._later.append((until, self._speak))
        elif self._camera is not None:
            harms.flap(self._camera)

    def _speak(self) -> None:
        assert self._camera is not None
        self._camera.set(harms.STREAM, mode="play")

    def _let_in(self, anybody: bool) -> None:
        """Start the broker again, with its door open or shut."""
        path = self.folder / "mosquitto.conf"
        lines = [row for row in path.read_text().splitlines() if "allow_anonymous" not in row]
        path.write_text("\n".join([*lines, f"allow_anonymous {str(anybody).lower()}"]) + "\n")
        self.workers["broker"].kill(self.now(), 0.0)

    def _read(self) -> None:
        for name in DAEMONS:
            pid = self.workers[name].pid
            reading = gauge.read(pid, self.now()) if pid else None
            if reading:
                self.readings[name].append(reading)
        self.decided |= account.decided(self.folder)
        self.ear.listen(self.now())
        self._read_age()

    def _read_age(self) -> None:
        """Age of the live camera's pictures when they were judged, as visiond tells it."""
        try:
            told = json.loads((self.run / "status/visiond.json").read_bytes())
            self._ages.append(float(told["cameras"]["gate"]["age_ms"]))
        except (OSError, ValueError, KeyError):
            return

    def _watch_uplink(self) -> None:
        """How long a broker that is there again waits for the daemon."""
        broker, now = self.workers["broker"], self.now()
        if broker.pid is None:
            self._offline_since = None
        elif self._offline_since is None and broker.kills > len(self.recovered):
            self._offline_since = broker.started
        elif self._offline_since is not None and self._online(broker.started):
            self.recovered.append(round(now - self._offline_since, 1))
            self._offline_since = None

    def _online(self, since: float) -> bool:
        try:
            told = json.loads((self.run / "status/uplinkd.json").read_bytes())
        except (OSError, ValueError):
            return False
        fresh = told["wall"] - time.time() + self.now() > since + 1.0
        return bool(told["online"]) and fresh

    def drain(self) -> None:
        """The cameras end, everybody else is well: all that was decided must arrive."""
        self._read()
        for _, work in self._later:
            work()
        self._later.clear()
        self.workers.pop("visiond").stop()
        until = time.monotonic() + DRAIN_S
        while time.monotonic() < until:
            self._tend()
            self.decided |= account.decided(self.folder)
            if not self.missing() and not account.waiting_files(self.folder):
                return

    def missing(self) -> set[str]:
        return self.decided - account.stored(self.folder)

    def stop(self) -> None:
        for worker in reversed(list(self.workers.values())):
            worker.stop()
        if self._camera is not None:
            self._camera.close()
        shutil.rmtree(self.run, ignore_errors=True)

    def lived(self) -> Lived:
        """What was seen so far: readings, faults, decisions, ends of workers."""
        return Lived(
            folder=self.folder,
            seconds=self._seconds,
            readings=self.readings,
            faults=self.faults,
            decided=self.decided,
            recovered=self.recovered,
            ends={name: worker.ends for name, worker in self.workers.items() if worker.ends},
            ear=self.ear,
            ages_ms=self._ages,
            every_s=READ_EVERY_S,
        )


def _write_files(
    folder: Path, run: Path, port: int, live: list[dict[str, object]], *, idle: bool
) -> None:
    site = yaml.safe_load((CLIP / "site.yaml").read_text("utf-8"))
    for camera in site["cameras"]:
        camera.update(source=str(CLIP / camera["source"]), playback="loop")
    site["cameras"] = [*([] if idle else site["cameras"]), *live]
    sensors = [{**s, "port": str(folder / "ports" / s["port"])} for s in SENSORS]
    site.update(sensors=sensors)
    device = {
        "device": "soak-1",
        "broker": {"host": "127.0.0.1", "port": port, "tls": "off"},
        "trust": {"platform_key": "received/platform.pub.pem"},
        "folders": {"state": "state", "run": str(run)},
    }
    (folder / "site.yaml").write_text(yaml.safe_dump(site, allow_unicode=True), "utf-8")
    (folder / "device.yaml").write_text(yaml.safe_dump(device), "utf-8")


def _progress(now: float, seconds: float, faults: int, decided: int) -> None:
    if sys.stderr.isatty():
        said = f"{now:.0f} of {seconds:.0f} s, {faults} faults, {decided} revisions decided"
        print(f"\r{said}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
