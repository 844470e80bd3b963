# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a process takes, from /proc, and the slopes of that over its longest life."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

# Allocators and caches settle for minutes.
WARM_UP_S = 600.0
# 1 MB an hour is a quarter of a megabyte in this time; over less it drowns in pages come and gone.
LEAST_S = 900.0


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at one process. `written` counts bytes sent to storage since the process began."""

    at_s: float
    pid: int
    rss_mb: float
    fds: int
    threads: int
    cpu_s: float
    written: int


def read(pid: int, at_s: float) -> Reading | None:
    """None where the process has just gone."""
    folder = Path(f"/proc/{pid}")
    try:
        status = _table(folder / "status")
        written = int(_table(folder / "io")["write_bytes"])
        fds = sum(1 for _ in (folder / "fd").iterdir())
        stat = (folder / "stat").read_text().rpartition(")")[2].split()
    except (OSError, KeyError):
        return None
    if "VmRSS" not in status:
        return None
    rss_mb = int(status["VmRSS"].split()[0]) / 1024.0
    cpu_s = (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
    return Reading(at_s, pid, rss_mb, fds, int(status["Threads"]), cpu_s, written)


def _table(path: Path) -> dict[str, str]:
    rows = (line.partition(":") for line in path.read_text().splitlines())
    return {key: value.strip() for key, _, value in rows}


@dataclass(frozen=True, slots=True)
class Slopes:
    """Of one daemon's longest life after its warm-up. `judged` is false where it was too short."""

    daemon: str
    lives: int
    life_s: float
    judged: bool
    rss_mb: float
    rss_mb_h: float
    fds: float
    fds_grown: float
    threads: float
    threads_grown: float
    cpu_share: float
    written_mb_day: float

    def row(self) -> dict[str, object]:
        return asdict(self)


def slopes(daemon: str, readings: Sequence[Reading], warm_up_s: float = WARM_UP_S) -> Slopes | None:
    """None where no life has two readings. Bytes written are of all lives together."""
    lives: dict[int, list[Reading]] = {}
    for reading in readings:
        lives.setdefault(reading.pid, []).append(reading)
    longest = max(lives.values(), key=lambda life: life[-1].at_s - life[0].at_s, default=[])
    if len(longest) < 2:
        return None
    warm = [r for r in longest if r.at_s >= longest[0].at_s + warm_up_s]
    calm = warm if len(warm) >= 10 else longest
    life_s = calm[-1].at_s - calm[0].at_s
    whole_s = sum(life[-1].at_s - life[0].at_s for life in lives.values())
    written = sum(life[-1].written for life in lives.values())
    return Slopes(
        daemon=daemon,
        lives=len(lives),
        life_s=round(life_s, 1),
        judged=calm is warm and life_s >= LEAST_S,
        rss_mb=round(median(r.rss_mb for r in calm), 1),
        rss_mb_h=round(per_hour([(r.at_s, r.rss_mb) for r in calm]), 2),
        fds=median(r.fds for r in calm),
        fds_grown=grown([r.fds for r in calm]),
        threads=median(r.threads for r in calm),
        threads_grown=grown([r.threads for r in calm]),
        cpu_share=round((calm[-1].cpu_s - calm[0].cpu_s) / max(life_s, 1e-9), 3),
        written_mb_day=round(written / 1e6 * 86_400 / max(whole_s, 1e-9), 1),
    )


def per_hour(points: Sequence[tuple[float, float]]) -> float:
    """Slope of the least-squares line, per hour."""
    mean_t = sum(t for t, _ in points) / len(points)
    mean_v = sum(v for _, v in points) / len(points)
    spread = sum((t - mean_t) ** 2 for t, _ in points)
    if spread == 0.0:
        return 0.0
    return 3600.0 * sum((t - mean_t) * (v - mean_v) for t, v in points) / spread


def grown(values: Sequence[float]) -> float:
    """Median of the last third less that of the first: what a leak leaves, not a wave."""
    third = max(1, len(values) // 3)
    return median(values[-third:]) - median(values[:third])
