# SPDX-License-Identifier: AGPL-3.0-or-later
"""How many cameras the real daemon holds: edge visiond on N recordings played for ever in real
time, its looks counted, its memory and CPU read from /proc."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from edge.config import ConfigError
from tools.bench.arena import ROOT

WARM_S, START_S = 6.0, 120.0
STATUS = "run/status/visiond.json"
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Held:
    """One run: wanted and given looks a second of all streams, CPU cores used, peak memory."""

    streams: int
    gate: bool
    wanted_per_s: float
    given_per_s: float
    cores: float
    peak_mb: float

    @property
    def missed(self) -> float:
        return max(0.0, 1.0 - self.given_per_s / self.wanted_per_s)


def hold(
    streams: int, manifest: Path, clip: Path, *, fps: float, seconds: float, gate: bool
) -> Held:
    """Run the daemon with so many streams for so long, after WARM_S."""
    with tempfile.TemporaryDirectory(prefix="edge-bench-") as name:
        folder = Path(name)
        daemon = _start(folder, streams, manifest, clip, fps, gate)
        try:
            wait_for(folder, daemon)
            time.sleep(WARM_S)
            looks, before_s, at_s = _looks(folder), cpu_s(daemon.pid), time.monotonic()
            time.sleep(seconds)
            given, spent_s = _looks(folder) - looks, cpu_s(daemon.pid) - before_s
            took_s, peak_mb = time.monotonic() - at_s, memory_mb(daemon.pid, "VmHWM")
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(20)
    return Held(streams, gate, streams * fps, given / took_s, spent_s / took_s, peak_mb)


def _start(
    folder: Path, streams: int, manifest: Path, clip: Path, fps: float, gate: bool
) -> subprocess.Popen[bytes]:
    site = {
        "model": str(manifest.resolve()),
        "cameras": [
            {
                "id": f"c{n}",
                "source": str(clip.resolve()),
                "playback": "loop",
                "fps": fps,
                "gate": gate,
            }
            for n in range(streams)
        ],
    }
    device = {
        "folders": {"state": str(folder / "state"), "run": str(folder / "run")},
        "compute": {"provider": "cpu"},
    }
    for file, body in (("site.yaml", site), ("device.yaml", device)):
        (folder / file).write_text(yaml.safe_dump(body), encoding="utf-8")
    words = [
        "visiond",
        "--site",
        str(folder / "site.yaml"),
        "--device",
        str(folder / "device.yaml"),
    ]
    log = (folder / "log").open("wb")
    return subprocess.Popen([sys.executable, "-m", "edge", *words], cwd=ROOT, stderr=log)


def wait_for(folder: Path, daemon: subprocess.Popen[bytes], looks_least: int = 0) -> None:
    """Until the daemon has written its status and each camera was looked at so often. Raises
    ConfigError with its last word."""
    until_s = time.monotonic() + START_S
    while daemon.poll() is None and time.monotonic() < until_s:
        there = (folder / STATUS).exists()
        if there and all(row["looks"] >= looks_least for row in rows(folder).values()):
            return
        time.sleep(0.2)
    words = (folder / "log").read_text(encoding="utf-8").strip().splitlines()
    raise ConfigError(f"edge visiond did not start: {words[-1] if words else 'no word'}")


def rows(folder: Path) -> dict[str, Any]:
    """The cameras of the daemon's own status file (renewed every 2 s)."""
    found: dict[str, Any] = json.loads((folder / STATUS).read_text(encoding="utf-8"))["cameras"]
    return found


def _looks(folder: Path) -> int:
    return sum(row["looks"] for row in rows(folder).values())


def cpu_s(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mb(pid: int, kind: str = "VmRSS", file: str = "status") -> float:
    """Resident memory of a process, now or at its peak ("VmHWM")."""
    for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
        if line.startswith(kind):
            return int(line.split()[1]) / 1024
    return 0.0


def full_hd(clip: Path, folder: Path, *, seconds: float = 10.0) -> Path:
    """The clip as 1080p30 H.264 (Main, about 3 Mbit/s), as a camera's main stream is."""
    import av

    from edge.camera.recording import read_file_frames

    made = folder / "bench-1080p30.mp4"
    if made.exists():
        return made
    with av.open(str(made), "w") as out:
        stream = out.add_stream("libx264", rate=30, options={"preset": "veryfast", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 1920, 1080, "yuv420p"
        stream.bit_rate = 3_000_000
        for index, frame in enumerate(read_file_frames(str(clip), 1000.0, camera="bench")):
            if index >= seconds * 30:
                break
            picture = av.VideoFrame.from_ndarray(frame.image, format="bgr24")
            picture = picture.reformat(1920, 1080, "yuv420p")
            picture.pts = index
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    return made
