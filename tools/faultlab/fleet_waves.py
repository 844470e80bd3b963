# SPDX-License-Identifier: AGPL-3.0-or-later
"""Waves of software releases over a simulated fleet: a bad release, then a good one.

    tools/python -m tools.faultlab.fleet_waves --devices 2000

Real: Mosquitto, the receiver, the process that orders (tools/waves), every message on the wire with
its signature and chain. Simulated: the boxes, which report what a real one would some seconds
later, and hold or do not hold by lot. Prints one JSON line; 1 where a bound is passed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from city_platform.database import Database
from city_platform.store import open_database
from city_platform.wave_store import WaveStore
from city_platform.waves import FAILED, Wave, counts
from tools.faultlab.rig import Process, Rig, eventually
from tools.faultlab.simulated import DEVICES_MAX, Plan

BAD, WORSE, GOOD = 2, 3, 4
# Of the fleet that a bad release may have been switched to before the wave halts.
TOUCHED_MOST = 0.02
LIMIT_S = 900.0
WAVE: dict[str, Any] = {"sha256": "0" * 64, "soak_s": 5.0, "unreached_s": 60.0, "silent_s": 120.0}


class WaveRun:
    """Broker, receiver, orders and workers in one folder."""

    def __init__(self, devices: int, folder: Path, fails: dict[str, float]) -> None:
        self._devices, self._rig, self._fails = devices, Rig(folder), fails
        self._workers: list[Process] = []

    def run(self) -> dict[str, Any]:
        """A release bad everywhere, one that fails now and then, a good one; the figures."""
        try:
            return self._run()
        finally:
            for worker in self._workers:
                worker.stop()
            self._rig.close()

    def _run(self) -> dict[str, Any]:
        broker = self._rig.broker(extra="max_connections -1")
        self._rig.receiver(broker.port)
        out = self._rig.platform
        eventually((out / "platform.pub.pem").exists, within_s=60)
        self._start(broker.port, out)
        with closing(open_database(out, None)) as database:
            eventually(lambda: _known(database) >= self._devices, within_s=300)
            words = ["-m", "city_platform.wave_run", "--out", str(out), "run", "--port"]
            argv = [sys.executable, *words, str(broker.port)]
            self._workers.append(Process(argv, self._rig.folder / "waves.log"))
            told = {
                name: self._wave(database, name, number)
                for name, number in (("bad", BAD), ("now_and_then", WORSE), ("good", GOOD))
            }
        return {"devices": self._devices, **told}

    def _start(self, port: int, out: Path) -> None:
        now, tag = time.monotonic(), os.urandom(2).hex()
        for first in range(0, self._devices, DEVICES_MAX):
            plan = Plan(
                first=first, count=min(DEVICES_MAX, self._devices - first), port=port,
                key=str(out / "platform.pub.pem"), spread_s=min(60.0, self._devices / 20), tag=tag,
                record_every_s=1e9, picture_bytes=0, put_until=now + 3 * LIMIT_S + 400,
                end=now + 3 * LIMIT_S + 400, fails=self._fails,
            )  # fmt: skip
            argv = [sys.executable, "-m", "tools.faultlab.simulated", json.dumps(asdict(plan))]
            argv.append(str(self._rig.folder / f"worker-{first}.json"))
            self._workers.append(Process(argv, self._rig.folder / f"worker-{first}.log"))

    def _wave(self, database: Database, name: str, number: int) -> dict[str, Any]:
        store, began = WaveStore(database), time.monotonic()
        wave = Wave(name=name.replace("_", "-"), number=number, **WAVE)
        with database.transaction():
            store.create(wave, time.time())
        eventually(lambda: store.one(wave.name).state != "running", within_s=LIMIT_S)
        rows, row = store.rows(wave), store.one(wave.name)
        switched = sum(one.stage not in ("waiting", "refused") for one in rows)
        return {
            "state": row.state,
            "why": row.why,
            "seconds": round(time.monotonic() - began, 1),
            "touched_share": round(switched / self._devices, 4),
            "failed": sum(one.stage in FAILED for one in rows),
            "boxes": dict(counts(wave, rows)),
        }


def _known(database: Database) -> int:
    sql = "SELECT count(*) FROM (SELECT DISTINCT tenant, device FROM device_key)"
    return int(database.rows(sql)[0][0])


def problems(told: dict[str, Any]) -> list[str]:
    """What does not hold."""
    found = [
        f"{name}: {told[name]['state']}, {told[name]['touched_share']:.1%} touched"
        for name in ("bad", "now_and_then")
        if told[name]["state"] != "halted" or told[name]["touched_share"] > TOUCHED_MOST
    ]
    good = told["good"]
    if good["state"] != "done" or good["boxes"].get("settled") != told["devices"]:
        found.append(f"good: {good['state']}, {good['boxes']}")
    return found


def main() -> int:
    """Run the waves, print one line of JSON; 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--devices", type=int, default=200)
    parser.add_argument("--share", type=float, default=0.5, help="that the second release fails on")
    args = parser.parse_args()
    random.seed(1)
    with tempfile.TemporaryDirectory(prefix="waves-") as folder:
        told = WaveRun(args.devices, Path(folder), {str(BAD): 1.0, str(WORSE): args.share}).run()
    print(json.dumps(told))
    found = problems(told)
    for line in found:
        print(f"fleet_waves: {line}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
