# SPDX-License-Identifier: AGPL-3.0-or-later
"""What live cameras cost: the real edge visiond on a real RTSP server, policies side by side.

    tools/python -m tools.bench.live --cameras 1,4,8 --scenes still,sparse,busy [--seconds 60]
    tools/python -m tools.bench.live --memory            resident memory with 1, 4 and 8 cameras

Each run is a daemon of its own on the same streams, one after the other; CPU is user and system
time of the daemon alone (the server that plays the cameras is another process), so a busy machine
hardly changes it. "whole": every picture decoded and the detector asked at `fps`, which is what a
street with parked things cost before; "auto" is what the box ships with; "boxes" is the usual way
of a network recorder as a script of ours (tools.bench.motion_boxes), no rules or evidence in it.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from tools.bench.arena import ROOT
from tools.bench.live_clips import Arrival, Coding, live_clip, recorded
from tools.bench.streams import cpu_s, memory_mb, rows, wait_for
from tools.fakes.camera import Clip, FakeCamera, available

SIZE = (1920, 1080)
SETTLE_S = 35.0
# Policy -> what its cameras have in the site file beside their source.
POLICIES: dict[str, dict[str, Any]] = {
    "whole": {"decode": "whole", "gate": False, "rate": "fixed"},
    "auto": {},
    "boxes": {},
}
BOXES = "tools.bench.motion_boxes"
PAVEMENT = [[0.001, 0.999], [0.001, 0.6], [0.5, 0.27], [0.734, 0.288], [0.259, 0.978]]
# Seconds of the round that is played again and again; a sparse street has one arrival in each.
ROUND_S = {"still": 20.0, "sparse": 60.0, "busy": 9.6}


@dataclass(frozen=True, slots=True)
class Cost:
    """One run. core: CPU seconds a second of each camera; rss_mb, pss_mb: resident at the end, and
    the same with shared pages by their share; looks and detections a second and camera; asleep:
    share of the cameras that were, at the end; awake: why the others were not."""

    scene: str
    policy: str
    cameras: int
    core: float
    rss_mb: float
    pss_mb: float
    looks_per_s: float
    detections_per_s: float
    asleep: float
    age_p95_ms: float
    awake: str


def scene(name: str, coding: Coding, crowd: Path | None) -> Clip:
    """The clip of a scene. Raises ValueError for a busy one without a film of a crowd."""
    if name == "busy":
        if crowd is None:
            raise ValueError("busy: give --crowd FILE, a film of a crowded street")
        return recorded(crowd, coding, ROUND_S[name], SIZE)
    arrivals = (Arrival(40.0, 6.0),) if name == "sparse" else ()
    return live_clip(SIZE, ROUND_S[name], coding, arrivals)


@contextmanager
def daemon(folder: Path, urls: list[str], policy: str) -> Iterator[subprocess.Popen[bytes]]:
    """edge visiond on these cameras, watching a pavement for vendors."""
    cameras = [
        {
            "id": f"c{n}",
            "source": url,
            "fps": 5,
            "zones": [{"id": "pavement", "kind": "watch", "polygon": PAVEMENT}],
            "rules": [{"category": "street-vendor", "zones": ["pavement"], "dwell_s": 3000}],
            **POLICIES[policy],
        }
        for n, url in enumerate(urls)
    ]
    device = {"folders": {"state": str(folder / "state"), "run": str(folder / "run")}}
    files = {"site.yaml": {"cameras": cameras}, "device.yaml": device}
    for file, body in files.items():
        (folder / file).write_text(yaml.safe_dump(body), encoding="utf-8")
    words = [
        "visiond",
        "--site",
        str(folder / "site.yaml"),
        "--device",
        str(folder / "device.yaml"),
    ]
    module, words = ("edge", words) if policy != "boxes" else (BOXES, [str(folder), *urls])
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", module, *words], cwd=ROOT, stderr=log)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def measure(urls: list[str], name: str, policy: str, seconds: float) -> Cost:
    """One daemon: started, given time to settle, then measured. Raises ConfigError where it does
    not run."""
    with tempfile.TemporaryDirectory(prefix="edge-live-") as text:
        folder = Path(text)
        with daemon(folder, urls, policy) as process:
            wait_for(folder, process, looks_least=1)
            time.sleep(SETTLE_S)
            before, before_s, at_s = rows(folder), cpu_s(process.pid), time.monotonic()
            time.sleep(seconds)
            after, took_s = rows(folder), time.monotonic() - at_s
            spent_s, rss_mb = cpu_s(process.pid) - before_s, memory_mb(process.pid)
            pss_mb = memory_mb(process.pid, "Pss:", "smaps_rollup")
    count = len(urls)

    def rate(key: str) -> float:
        return float(sum(after[c][key] - before[c][key] for c in after)) / took_s / count

    return Cost(
        name,
        policy,
        count,
        round(spent_s / took_s / count, 4),
        round(rss_mb, 1),
        round(pss_mb, 1),
        round(rate("looks"), 2),
        round(rate("detected"), 2),
        round(sum(row["decoded"] == "watch" for row in after.values()) / count, 2),
        max(row["age_ms"] for row in after.values()),
        " | ".join(sorted({str(row["awake"]) for row in after.values() if row.get("awake")})),
    )


def main() -> int:
    """Measure every combination that is asked for, one row each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_AsWritten)
    parser.add_argument("--cameras", default="1,4", help="how many, one run each (default: 1,4)")
    parser.add_argument("--scenes", default="still", help="still, sparse, busy (default: still)")
    parser.add_argument("--policies", default="whole,auto", help="(default: whole,auto)")
    parser.add_argument("--seconds", type=float, default=40.0, help="of each run (default: 40)")
    parser.add_argument(
        "--key", type=float, default=2.0, help="s between key pictures (default: 2)"
    )
    parser.add_argument("--codec", default="h264", choices=("h264", "hevc"))
    parser.add_argument("--b-pictures", type=int, default=0)
    parser.add_argument("--crowd", type=Path, help="a film of a crowded street, for busy")
    parser.add_argument("--memory", action="store_true", help="only memory: 1, 4, 8 cameras, still")
    parser.add_argument("--out", type=Path, help="write the rows there as JSON too")
    asked = parser.parse_args()
    if (missing := available()) is not None:
        print(f"live: no RTSP server: {missing}", file=sys.stderr)
        return 2
    if asked.memory:
        asked.cameras, asked.scenes, asked.policies = "1,4,8", "still", "auto"
    coding = Coding(asked.codec, asked.key, asked.b_pictures)
    rows = []
    with FakeCamera() as server:
        for name in asked.scenes.split(","):
            clip = scene(name, coding, asked.crowd)
            for count in (int(word) for word in asked.cameras.split(",")):
                urls = [server.stream(f"/{name}-{n}", clip) for n in range(count)]
                for policy in asked.policies.split(","):
                    cost = measure(urls, name, policy, asked.seconds)
                    rows.append(asdict(cost))
                    print(json.dumps(rows[-1]), flush=True)
    if asked.out:
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        asked.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0


_AsWritten = argparse.RawDescriptionHelpFormatter

if __name__ == "__main__":
    sys.exit(main())
