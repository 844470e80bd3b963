# SPDX-License-Identifier: AGPL-3.0-or-later
"""A fleet against one broker: steady load, an outage, the storm when it comes back, the backlog.

    tools/fleet                                    100 devices, 20 s outage, own Mosquitto
    tools/fleet --devices 2000 --outage 300        about nine minutes
    tools/fleet --devices 3 --seconds 60 --port 1883 --platform-key received/platform.pub.pem
    tools/fleet --simulate --devices 10000 --outage 300     reconnect times only, by calculation

Everything stays on the loopback and ends by itself. Prints a table, writes a plot (--plot).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np

from edge.progress import ProgressBar
from edge.runtime import Backoff
from edge.uplink.link import BACKOFF_CAP_S, STABLE_S
from tools.faultlab.fleet_plot import draw
from tools.faultlab.rig import Process, Rig
from tools.faultlab.simulated import DEVICES_MAX, Plan, Told

DRAIN_S = 200.0
SETTLE_S = 10.0
# The bars to keep: share of the fleet that connects in the worst second, and the last one.
PEAK_MAX = 0.03
BACK_MAX_S = 130.0


def reconnects(devices: int, outage_s: float, *, seed: int = 1) -> list[float]:
    """Seconds after the broker's return at which each device is back, by the product's Backoff.

    Each lost its connection at 0; an attempt before `outage_s` is refused at once.
    """
    random.seed(seed)
    found = []
    for _ in range(devices):
        backoff, at = Backoff(cap_s=BACKOFF_CAP_S), 0.0
        while at < outage_s:
            at += backoff.next_s()
        found.append(at - outage_s)
    return found


def storm(back: Sequence[float], devices: int) -> dict[str, float]:
    """Worst second and last return; `back` in seconds after the broker came back."""
    worst = max(Counter(int(second) for second in back).values(), default=0)
    return {
        "back": len(back),
        "peak_share_s": round(worst / devices, 4),
        "half_back_s": round(float(np.median(back)), 1) if back else float("nan"),
        "all_back_s": round(max(back, default=float("nan")), 1),
    }


class FleetPlatform(Protocol):
    """What a fleet connects to; it goes away and comes back as a whole."""

    host: str
    port: int
    key: Path

    def down(self) -> None: ...
    def up(self) -> None: ...
    def stored(self) -> dict[str, Any]: ...


class OneBroker:
    """A Mosquitto and a receiver in one folder."""

    host = "127.0.0.1"

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._broker = rig.broker(extra="max_connections -1")
        self.port = self._broker.port
        self._receiver = rig.receiver(self.port)
        self.key = rig.platform / "platform.pub.pem"

    def down(self) -> None:
        self._broker.kill()

    def up(self) -> None:
        self._broker = self._rig.broker(port=self.port, extra="max_connections -1")

    def stored(self) -> dict[str, Any]:
        """What the platform says it holds: its own summary at its end."""
        receiver = self._receiver
        receiver.child.send_signal(signal.SIGTERM)
        receiver.child.wait(timeout=60)
        lines = [li for li in receiver.log.read_text().splitlines() if li.startswith('{"summary"')]
        return counted(json.loads(lines[-1])["summary"])


def counted(summary: dict[str, Any]) -> dict[str, Any]:
    """A store's summary as rows of the table."""
    return {
        "stored": summary["records"].get("violation", 0),
        "files_complete": summary["complete"],
        "gaps": len(summary["gaps"]) + len(summary["breaks"]),
        "quarantined": summary["quarantined"],
    }


class Fleet:
    """Workers in one folder; `platform` None for a broker that runs already, without an outage."""

    def __init__(
        self, args: argparse.Namespace, folder: Path, platform: FleetPlatform | None
    ) -> None:
        self._args, self._folder, self._platform = args, folder, platform
        self._workers: list[Process] = []
        self._marks: dict[str, float] = {}

    def run(self) -> dict[str, Any]:
        """Load, outage, return, drain; workers are stopped however it ends."""
        try:
            return self._run()
        finally:
            for worker in self._workers:
                worker.stop()

    def _run(self) -> dict[str, Any]:
        args, platform = self._args, self._platform
        start = time.monotonic()
        busy_s = args.seconds + (args.outage + SETTLE_S if platform else 0.0)
        if platform:
            self._start_workers(platform.host, platform.port, platform.key, start + busy_s)
        else:
            self._start_workers(args.host, args.port, args.platform_key, start + busy_s)
        self._wait_until(start + args.seconds, "steady")
        if platform:
            self._mark("down", platform.down)
            self._wait_until(start + args.seconds + args.outage, "outage")
            self._mark("up", platform.up)
        self._wait_for_workers(start + busy_s + DRAIN_S + 30.0)
        return self._result(start)

    def _mark(self, name: str, what: Callable[[], None]) -> None:
        what()
        self._marks[name] = time.monotonic()

    def _start_workers(self, host: str, port: int, key: Path, put_until: float) -> None:
        args, tag = self._args, os.urandom(2).hex()
        for first in range(0, args.devices, DEVICES_MAX):
            plan = Plan(
                first=first, count=min(DEVICES_MAX, args.devices - first), port=port, key=str(key),
                host=host, spread_s=args.seconds / 2,
                tag=tag, record_every_s=args.every,
                picture_bytes=args.picture_bytes, put_until=put_until, end=put_until + DRAIN_S,
            )  # fmt: skip
            argv = [sys.executable, "-m", "tools.faultlab.simulated", json.dumps(asdict(plan))]
            argv.append(str(self._folder / f"worker-{first}.json"))
            self._workers.append(Process(argv, self._folder / f"worker-{first}.log"))

    def _wait_until(self, end: float, what: str) -> None:
        bar, began = ProgressBar(what), time.monotonic()
        while (now := time.monotonic()) < end:
            bar.update((now - began) / (end - began))
            time.sleep(0.1)
        bar.close()

    def _wait_for_workers(self, end: float) -> None:
        bar, began = ProgressBar("return and drain"), time.monotonic()
        while time.monotonic() < end and any(w.child.poll() is None for w in self._workers):
            bar.update(min(1.0, (time.monotonic() - began) / DRAIN_S))
            time.sleep(0.2)
        bar.close()

    def _result(self, start: float) -> dict[str, Any]:
        told = [
            msgspec.json.decode(path.read_bytes(), type=Told)
            for path in sorted(self._folder.glob("worker-*.json"))
        ]
        if len(told) != len(self._workers):
            raise RuntimeError(self._folder.joinpath("worker-0.log").read_text()[-2000:])
        settled = start + self._args.seconds / 2 + 1.0
        result = summary(told, self._args.devices, start, settled, self._marks)
        if self._platform:
            result |= self._platform.stored()
        return result


def summary(
    told: Sequence[Told], devices: int, start: float, settled: float, marks: dict[str, float]
) -> dict[str, Any]:
    """Figures for the table and series for the plot, in seconds from the start.

    settled: from here on everybody had time to connect; the steady latency counts records of then.
    """
    up, down = marks.get("up", float("inf")), marks.get("down", float("inf"))
    connects = sorted(at for one in told for at in one.connects)
    latency = [pair for one in told for pair in one.latency]
    steady = [took for at, took in latency if settled <= at - took and at < down]
    back = [at - up for at in connects if at >= up]
    drained = max((at for at, _ in latency), default=up) - up
    returned = storm(back[:devices], devices) | {"drained_s": round(drained, 1)}
    backlog: Counter[int] = Counter()
    for one in told:
        for at, waiting in {int(at - start): waiting for at, waiting in one.backlog}.items():
            backlog[at] += waiting
    return {
        "devices": devices,
        "put": sum(one.put for one in told),
        "released": sum(one.released for one in told),
        "left": sum(one.left for one in told),
        "offline": sum(one.offline for one in told),
        "refused": sum(one.refused for one in told),
        "steady_p50_s": _percentile(steady, 50),
        "steady_p95_s": _percentile(steady, 95),
        "backlog_max": max(backlog.values(), default=0),
        **(returned if marks else {}),
        "series": {
            "connects": [at - start for at in connects],
            "attempts": [at - start for one in told for at in one.attempts],
            "backlog": sorted(backlog.items()),
            "released": [at - start for at, _ in latency],
            "marks": {name: at - start for name, at in marks.items()},
        },
    }


def _percentile(values: Sequence[float], share: float) -> float | None:
    return round(float(np.percentile(values, share)), 3) if values else None


def table(result: dict[str, Any]) -> str:
    """The figures, one in each line."""
    told = {name: value for name, value in result.items() if name != "series"}
    return "\n".join(f"{name:16} {'-' if value is None else value}" for name, value in told.items())


def problems(result: dict[str, Any], *, outage_s: float, strict: bool) -> list[str]:
    """What does not hold. The storm's bars count once the back-off has reached its cap."""
    found = [f"{name} {result[name]}" for name in ("left", "offline", "refused") if result[name]]
    if "stored" in result:
        bad = [n for n in ("gaps", "quarantined") if result[n]]
        found += [f"{name} {result[name]}" for name in bad]
        if not result["stored"] == result["put"] == result["released"]:
            found.append(f"stored {result['stored']} of {result['put']} put")
    if strict and "back" in result and result["back"] != result["devices"]:
        found.append(f"{result['back']} of {result['devices']} devices back")
    if strict and outage_s >= 2 * BACKOFF_CAP_S + STABLE_S:
        if result["peak_share_s"] > PEAK_MAX:
            found.append(f"peak {result['peak_share_s']:.1%} of the fleet in a second")
        if result["all_back_s"] > BACK_MAX_S:
            found.append(f"all back after {result['all_back_s']} s")
    return found


def arguments() -> argparse.Namespace:
    """Exits with 2 where --port and --platform-key do not come together."""
    parser = argparse.ArgumentParser(prog="tools/fleet", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--devices", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=20.0, help="steady load before the outage")
    parser.add_argument("--outage", type=float, default=20.0, help="seconds without a broker")
    parser.add_argument(
        "--every", type=float, default=5.0, help="seconds between a device's records"
    )
    parser.add_argument("--picture-bytes", type=int, default=20_000, help="with each tenth record")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, help="a broker that runs; then there is no outage")
    parser.add_argument("--platform-key", type=Path, help="public key of who answers on --port")
    parser.add_argument("--simulate", action="store_true", help="reconnect times only, no broker")
    parser.add_argument("--plot", type=Path, help="write a picture (PNG)")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if (args.port is None) != (args.platform_key is None):
        parser.error("--port and --platform-key go together")
    if args.platform_key and not args.platform_key.is_file():
        parser.error(f"--platform-key: {args.platform_key} is not a file")
    return args


def main() -> int:
    """0 where nothing was lost and all came back in time; 1 with a line for each problem."""
    args = arguments()
    if args.simulate:
        result = storm(reconnects(args.devices, args.outage), args.devices)
        print(json.dumps(result) if args.json else table(result))
        return 0
    with tempfile.TemporaryDirectory(prefix="fleet-") as folder:
        rig = Rig(Path(folder))
        try:
            platform = OneBroker(rig) if args.port is None else None
            result = Fleet(args, Path(folder), platform).run()
        finally:
            rig.close()
    if args.plot:
        draw(result, args.plot)
    shown = {name: value for name, value in result.items() if name != "series"}
    print(json.dumps(shown) if args.json else table(shown))
    found = problems(result, outage_s=args.outage, strict=args.port is None)
    for line in found:
        print(f"fleet: {line}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
