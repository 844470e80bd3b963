# SPDX-License-Identifier: AGPL-3.0-or-later
"""What sensord costs: 16 sensors on 4 RS-485 lines at 1 Hz, all from pseudo-terminals.

    tools/python -m tools.fakes.instruments_bench --seconds 300

Prints one JSON line: CPU share of one core (the child's own CPU seconds), resident memory, bytes
sent to storage for a day, samples received and missed, all after a warm-up.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from tools.fakes.instruments import fume_monitor, night_construction, noise_meter
from tools.fakes.instruments_line import Line

LINES, SLAVES = 4, 4


def lay_out(folder: Path, run: Path) -> list[Line]:
    """Ports, site and device file: on each line three noise meters and a fume monitor."""
    lines: list[Line] = []
    sensors: list[dict[str, Any]] = []
    for n in range(LINES):
        port = folder / f"line{n}"
        slaves = [noise_meter(night_construction(n * 10 + k), address=k) for k in range(1, SLAVES)]
        lines.append(Line(port, [*slaves, fume_monitor(address=SLAVES)]))
        for k in range(1, SLAVES + 1):
            name = "fume-generic" if k == SLAVES else "noise-rs485"
            sensors.append({"id": f"s{n}{k}", "kind": "modbus", "map": name, "port": str(port),
                            "address": k, "every_s": 1.0, "baud": 9600})  # fmt: skip
    noise = [{"id": f"n-{s['id']}", "sensor": s["id"]} for s in sensors if "noise" in s["map"]]
    fume = [{"id": f"f-{s['id']}", "sensor": s["id"]} for s in sensors if "fume" in s["map"]]
    site = {"sensors": sensors, "noise": noise, "fume": fume}
    (folder / "site.yaml").write_text(yaml.safe_dump(site))
    folders = {"state": str(folder / "state"), "run": str(run)}
    (folder / "device.yaml").write_text(yaml.safe_dump({"folders": folders}))
    return lines


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100.0


def proc(pid: int, file: str, key: str) -> int:
    for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1])
    return 0


def measure(folder: Path, run: Path, seconds: float, warm_s: float) -> dict[str, float]:
    """CPU share, resident memory, bytes written a day and answers a second of one sensord."""
    site, device = str(folder / "site.yaml"), str(folder / "device.yaml")
    words = [sys.executable, "-m", "edge", "sensord", "--site", site, "--device", device]
    child = subprocess.Popen(words)
    try:
        time.sleep(warm_s)
        before = time.monotonic(), cpu_s(child.pid), proc(child.pid, "io", "write_bytes")
        samples = _samples(run)
        time.sleep(seconds)
        passed_s = time.monotonic() - before[0]
        status = json.loads((run / "status" / "sensord.json").read_bytes())
        return {
            "seconds": round(passed_s, 1),
            "cpu_percent": round(100 * (cpu_s(child.pid) - before[1]) / passed_s, 2),
            "rss_mb": round(proc(child.pid, "status", "VmRSS") / 1024, 1),
            "written_mb_day": round(
                (proc(child.pid, "io", "write_bytes") - before[2]) / passed_s * 86_400 / 1e6, 1
            ),
            "answers_s": round((_samples(run) - samples) / passed_s, 2),
            "unanswered": sum(line["unanswered"] for line in status["lines"]),
        }
    finally:
        child.send_signal(signal.SIGINT)
        child.wait(20)


def _samples(run: Path) -> int:
    status = json.loads((run / "status" / "sensord.json").read_bytes())
    return sum(line["good"] for line in status["lines"])


def main() -> int:
    """Prints one JSON; the state lies on a real disk, the run directory on tmpfs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--warm", type=float, default=40.0)
    parser.add_argument("--folder", type=Path, help="where the state goes; not a tmpfs")
    args = parser.parse_args()
    # The run directory is tmpfs on a box, so it is here.
    with (
        tempfile.TemporaryDirectory(prefix="sensord-bench-", dir=args.folder) as name,
        tempfile.TemporaryDirectory(prefix="sensord-bench-", dir="/dev/shm") as run,
    ):
        lines = lay_out(Path(name), Path(run))
        for line in lines:
            line.start()
        print(json.dumps(measure(Path(name), Path(run), args.seconds, args.warm)))
        for line in lines:
            line.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
