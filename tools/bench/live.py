# SPDX-License-Identifier: AGPL-3.0-or-later
"""What live cameras cost, and whether they miss anything: the real edge visiond on live cameras,
policies side by side.

    tools/python -m tools.bench.live --cameras 1,4,8 --scenes still,sparse,busy [--seconds 60]
    tools/python -m tools.bench.live --memory            resident memory with 1, 4 and 8 cameras

Each run is a daemon of its own on the same cameras, one after the other: about a minute beside the
seconds asked. Clips are made once and kept in out/bench-clips. CPU is user and system time of the
daemon alone; that of the senders, a process apart that copies packets (tools.bench.senders), and
of everything else on the machine is told beside it. "distrust" says why a row is not to be taken
for the product's: senders that were late, looks that came too late.

"whole": every picture decoded and the detector asked at `fps`, which is what a street with parked
things cost before; "auto" is what the box ships with; "boxes" is the usual way of a network
recorder as a script of ours (tools.bench.motion_boxes), no rules or evidence in it. A sparse street
has one arrival a minute, a busy one two in 9.6 s, of which are told: how many were followed
where they really were, and how long after their first picture the first look was.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from edge.geometry import iou_matrix
from tools.bench.arena import ROOT
from tools.bench.live_clips import Arrival, Coding, Street, live_clip, recorded
from tools.bench.noted_looks import NotedLook, read_looks
from tools.bench.senders import Pace, Senders, read_clip, write_clip
from tools.bench.streams import TICKS, cpu_s, memory_mb, rows, wait_for
from tools.documents.figure import json_lines
from tools.fakes.camera import Clip

SIZE = (1920, 1080)
SETTLE_S = 35.0
# Policy -> what its cameras have in the site file beside their source.
POLICIES: dict[str, dict[str, Any]] = {
    "whole": {"decode": "whole", "gate": False, "rate": "fixed"},
    "auto": {},
    "boxes": {},
}
BOXES, NOTED = "tools.bench.motion_boxes", "tools.bench.noted_looks"
PAVEMENT = [[0.001, 0.999], [0.001, 0.6], [0.5, 0.27], [0.734, 0.288], [0.259, 0.978]]
# Seconds of the round that is played again and again, and what comes in each.
ROUND_S = {"still": 20.0, "sparse": 60.0, "busy": 9.6}
ARRIVALS: dict[str, tuple[Arrival, ...]] = {
    "still": (),
    "sparse": (Arrival(40.0, 6.0),),
    "busy": (Arrival(1.14, 3.0), Arrival(5.72, 3.0)),
}
# A thing is on the street so many seconds before it shows enough to be told.
SHOWS_S = 0.1
# Looks of a camera that came so late, by the median, were waiting for the processor.
AGE_MOST_MS = 500.0
CLIPS = ROOT / "out" / "bench-clips"


@dataclass(frozen=True, slots=True)
class Cost:
    """One run. core: CPU seconds a second of each camera; senders_core, others_core: those of the
    senders and of all else on the machine, together; rss_mb, pss_mb: resident at the end, and the
    same with shared pages by their share; looks and detections a second and camera; asleep: share
    of the cameras that were, at the end; awake: why the others were not; first_look_*: from the
    first picture of an arrival to the first look at it, None where nothing came; distrust: see the
    module; provider: of the inference, as the device file names it."""

    scene: str
    policy: str
    coding: str
    cameras: int
    seconds: float
    core: float
    senders_core: float
    others_core: float
    rss_mb: float
    pss_mb: float
    looks_per_s: float
    detections_per_s: float
    asleep: float
    age_p95_ms: float
    awake: str
    arrivals: int
    followed: int
    first_look_p50_s: float | None
    first_look_p95_s: float | None
    distrust: str
    provider: str = "auto"


def scene(name: str, coding: Coding, crowd: Path | None) -> Clip:
    """The clip of a scene, from the folder of clips where it was made before. Raises ValueError
    for a busy one without a film of a crowd."""
    if name == "busy" and crowd is None:
        raise ValueError("busy: give --crowd FILE, a film of a crowded street")
    key = repr((name, coding, ARRIVALS[name], SIZE, crowd.stat().st_size if crowd else 0))
    file = CLIPS / f"{name}-{coding.codec}-{hashlib.sha256(key.encode()).hexdigest()[:12]}.clip"
    if not file.exists():
        write_clip(_made(name, coding, crowd), file)
    return read_clip(file)


def _made(name: str, coding: Coding, crowd: Path | None) -> Clip:
    if name == "busy":
        assert crowd is not None
        return recorded(crowd, coding, ROUND_S[name], SIZE, ARRIVALS[name])
    # Whole groups of pictures.
    seconds = coding.key_s * -(-ROUND_S[name] // coding.key_s)
    return live_clip(SIZE, seconds, coding, ARRIVALS[name])


@contextmanager
def daemon(
    folder: Path, urls: list[str], policy: str, provider: str = "auto"
) -> Iterator[subprocess.Popen[bytes]]:
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
    folders = {"state": str(folder / "state"), "run": str(folder / "run")}
    device = {"folders": folders, "compute": {"provider": provider}}
    files = {"site.yaml": {"cameras": cameras}, "device.yaml": device}
    for file, body in files.items():
        (folder / file).write_text(yaml.safe_dump(body), encoding="utf-8")
    site, board = str(folder / "site.yaml"), str(folder / "device.yaml")
    words = [NOTED, str(folder / "looks"), "visiond", "--site", site, "--device", board]
    words = words if policy != "boxes" else [BOXES, str(folder), *urls]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", *words], cwd=ROOT, stderr=log)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


@dataclass(slots=True)
class _Machine:
    """CPU time of a process, of the senders and of the machine, all at one moment."""

    at_s: float
    own_s: float
    senders_s: float
    all_s: float

    @classmethod
    def now(cls, pid: int, senders: Senders) -> _Machine:
        fields = [int(word) for word in Path("/proc/stat").read_text().split("\n")[0].split()[1:]]
        busy_s = (sum(fields[:8]) - fields[3] - fields[4]) / TICKS
        return cls(time.monotonic(), cpu_s(pid), senders.cpu_s, busy_s)


def measure(
    senders: Senders,
    clip: Clip,
    count: int,
    named: tuple[str, str, str],
    seconds: float,
    settle_s: float = SETTLE_S,
    provider: str = "auto",
) -> Cost:
    """One daemon: started, given time to settle, then measured. named: scene, policy, coding.
    Raises ConfigError where it does not run."""
    name, policy, coding = named
    with tempfile.TemporaryDirectory(prefix="edge-live-") as text:
        folder = Path(text)
        urls = [senders.url(n) for n in range(count)]
        with daemon(folder, urls, policy, provider) as process:
            wait_for(folder, process, looks_least=1)
            time.sleep(settle_s)
            senders.pace()
            before, began = rows(folder), _Machine.now(process.pid, senders)
            time.sleep(seconds)
            after, ended = rows(folder), _Machine.now(process.pid, senders)
            pace = senders.pace()
            rss_mb = memory_mb(process.pid)
            pss_mb = memory_mb(process.pid, "Pss:", "smaps_rollup")
        noted = read_looks(folder / "looks") if policy != "boxes" else []
    took_s = ended.at_s - began.at_s
    own_s, senders_s = ended.own_s - began.own_s, ended.senders_s - began.senders_s
    came = _came(noted, clip, name, pace, (began.at_s, ended.at_s))
    first_s = sorted(one for _, one in came)

    def rate(key: str) -> float:
        return float(sum(after[c][key] - before[c][key] for c in after)) / took_s / count

    ages_ms = [float(row["age_ms"]) for row in after.values()]
    return Cost(
        name,
        policy,
        coding,
        count,
        seconds,
        round(own_s / took_s / count, 4),
        round(senders_s / took_s, 3),
        round((ended.all_s - began.all_s - own_s - senders_s) / took_s, 2),
        round(rss_mb, 1),
        round(pss_mb, 1),
        round(rate("looks"), 2),
        round(rate("detected"), 2),
        round(sum(row["decoded"] == "watch" for row in after.values()) / count, 2),
        max(ages_ms),
        " | ".join(sorted({str(row["awake"]) for row in after.values() if row.get("awake")})),
        len(came),
        sum(followed for followed, _ in came),
        round(statistics.median(first_s), 2) if first_s else None,
        round(first_s[int(0.95 * (len(first_s) - 1))], 2) if first_s else None,
        _distrust(pace, statistics.median(ages_ms)),
        provider,
    )


def _distrust(pace: Pace, age_ms: float) -> str:
    """Why what was measured is not the product's, in words; "" where it is."""
    waited = f"looks came {age_ms:.0f} ms late" if age_ms > AGE_MOST_MS else ""
    return "; ".join(word for word in (pace.starved, waited) if word)


def _came(
    looks: list[NotedLook], clip: Clip, name: str, pace: Pace, window: tuple[float, float]
) -> list[tuple[bool, float]]:
    """Whether each arrival of each camera in that time was followed, and after how many seconds it
    was looked at."""
    round_s, found = len(clip.units) / clip.fps, []
    street = Street((clip.width, clip.height), ARRIVALS[name], noise=0.0)
    for camera, began_s in pace.began.items():
        own = [look for look in looks if look.camera == f"c{camera}"]
        for number, arrival in enumerate(ARRIVALS[name]):
            at_s = began_s + arrival.at_s
            at_s += round_s * max(0, -(-(window[0] - at_s) // round_s))
            while at_s + arrival.for_s < window[1]:
                seen = [look for look in own if 0.0 <= look.came_s - at_s < arrival.for_s]
                found.append((_followed(seen, street, number, at_s), _first_s(seen, at_s)))
                at_s += round_s
    return found


def _first_s(seen: list[NotedLook], at_s: float) -> float:
    return min((k.given_s - at_s for k in seen if k.came_s - at_s >= SHOWS_S), default=99.0)


def _followed(seen: list[NotedLook], street: Street, number: int, at_s: float) -> bool:
    for look in seen:
        box = street.box(number, street.arrivals[number].at_s + look.came_s - at_s)
        if box and look.boxes and iou_matrix(np.array([box]), np.array(look.boxes)).max() >= 0.3:
            return True
    return False


COLUMNS = (
    "scene",
    "coding",
    "policy",
    "provider",
    "cameras",
    "core",
    "senders_core",
    "looks_per_s",
    "detections_per_s",
    "asleep",
    "rss_mb",
    "pss_mb",
    "arrivals",
    "followed",
    "first_look_p95_s",
    "load",
    "distrust",
)


def table(measured: list[dict[str, Any]]) -> str:
    """The rows as a table in markdown."""
    lines = ["| " + " | ".join(COLUMNS).replace("_", " ") + " |", "|---" * len(COLUMNS) + "|"]
    for row in measured:
        if "policy" in row:
            words = ("" if row.get(name) is None else str(row.get(name)) for name in COLUMNS)
            lines.append("| " + " | ".join(words) + " |")
    return "\n".join(lines)


def main() -> int:
    """Measure every combination that is asked for, one row each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_AsWritten)
    parser.add_argument("--cameras", default="1,4", help="how many, one run each (default: 1,4)")
    parser.add_argument("--scenes", default="still", help="still, sparse, busy (default: still)")
    parser.add_argument("--policies", default="whole,auto", help="(default: whole,auto)")
    parser.add_argument("--seconds", type=float, default=40.0, help="of each run (default: 40)")
    parser.add_argument("--settle", type=float, default=SETTLE_S, help="s before each run")
    parser.add_argument(
        "--key", type=float, default=2.0, help="s between key pictures (default: 2)"
    )
    parser.add_argument("--codec", default="h264", choices=("h264", "hevc", "mjpeg"))
    parser.add_argument("--b-pictures", type=int, default=0)
    parser.add_argument("--fps", type=int, default=25)
    parser.add_argument("--crowd", type=Path, help="a film of a crowded street, for busy")
    parser.add_argument("--provider", default="auto", help="compute.provider of the device file")
    parser.add_argument("--memory", action="store_true", help="only memory: 1, 4, 8 cameras, still")
    parser.add_argument("--clips", action="store_true", help="only make the clips that are missing")
    parser.add_argument("--out", type=Path, help="write the rows there too")
    parser.add_argument("--table", type=Path, nargs="+", help="only show rows of these files")
    asked = parser.parse_args()
    if asked.table:
        print(table([row for file in asked.table for row in json_lines(file.read_text("utf-8"))]))
        return 0
    if asked.memory:
        asked.cameras, asked.scenes, asked.policies = "1,4,8", "still", "auto"
    coding = Coding(asked.codec, asked.key, asked.b_pictures, fps=asked.fps)
    told = f"{coding.codec} {coding.fps}/s, key {coding.key_s:g} s, {coding.b_pictures} B"
    measured = []
    for name in asked.scenes.split(","):
        clip = scene(name, coding, asked.crowd)
        if asked.clips:
            continue
        with Senders(clip) as senders:
            for count in (int(word) for word in asked.cameras.split(",")):
                for policy in asked.policies.split(","):
                    named = name, policy, told
                    cost = measure(
                        senders, clip, count, named, asked.seconds, asked.settle, asked.provider
                    )
                    measured.append(asdict(cost) | {"load": round(os.getloadavg()[0], 1)})
                    print(json.dumps(measured[-1]), flush=True)
    if asked.out:
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        asked.out.write_text("".join(json.dumps(row) + "\n" for row in measured), encoding="utf-8")
    return 0


_AsWritten = argparse.RawDescriptionHelpFormatter

if __name__ == "__main__":
    sys.exit(main())
