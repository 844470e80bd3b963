# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a soak came to: slopes, what was lost, what was told too late, and the verdict."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from tools.field import account, gauge, harms, soak_plot

RSS_MB_H_MOST = 1.0
HEAD = ("daemon", "lives", "life s", "RSS MB", "MB/h", "fds", "+", "threads", "+", "CPU", "MB/day")
# What must be nothing for a soak to have gone well.
BAD = ("lost", "invented", "files_missing", "ended_by_themselves", "grown", "told_late")
SAID = ("faults", "decided", "mb_each_revision", "quarantined", "reconnect_s")


@dataclass(frozen=True, slots=True)
class Lived:
    """A soak that is over. `ends`: exit codes that nobody asked for; `ages_ms`: of the live
    camera's pictures when they were judged, one each `every_s`."""

    folder: Path
    seconds: float
    readings: Mapping[str, Sequence[gauge.Reading]]
    faults: Sequence[tuple[float, str, float]]
    decided: set[str]
    recovered: Sequence[float]
    ends: Mapping[str, list[int]]
    ear: harms.Ear
    ages_ms: Sequence[float]
    every_s: float


def report(lived: Lived, warm_up_s: float) -> dict[str, Any]:
    """Everything measured, and the verdict."""
    rows = [gauge.slopes(name, found, warm_up_s) for name, found in lived.readings.items()]
    told = [row for row in rows if row is not None]
    stored = account.stored(lived.folder)
    written_mb = sum(row.written_mb_day for row in told) * lived.seconds / 86_400
    found: dict[str, Any] = {
        "seconds": lived.seconds,
        "faults": len(lived.faults),
        "decided": len(lived.decided),
        "lost": sorted(lived.decided - stored),
        "invented": sorted(stored - lived.decided),
        "files_missing": account.waiting_files(lived.folder),
        "quarantined": account.quarantined(lived.folder),
        "reconnect_s": sorted(lived.recovered),
        "ended_by_themselves": dict(lived.ends),
        "told_s": [(w.harm.name, w.told_s) for w in lived.ear.heard],
        "told_late": lived.ear.late(),
        "live_age_ms": _spread(lived.ages_ms, lived.every_s),
        "daemons": [row.row() for row in told],
        "mb_each_revision": round(written_mb / max(1, len(lived.decided)), 2),
        "grown": [row.daemon for row in told if row.judged and _grows(row)],
    }
    found["well"] = len(told) == len(rows) and not any(found[name] for name in BAD)
    return found


def _spread(ages_ms: Sequence[float], every_s: float) -> dict[str, float]:
    """Median and slope; {} without a live camera."""
    if len(ages_ms) < 2:
        return {}
    points = [(index * every_s, age) for index, age in enumerate(ages_ms)]
    return {"median": median(ages_ms), "slope_h": round(gauge.per_hour(points), 1)}


def _grows(row: gauge.Slopes) -> bool:
    return row.rss_mb_h >= RSS_MB_H_MOST or row.fds_grown > 0 or row.threads_grown > 0


def show(found: Mapping[str, Any], lived: Lived) -> None:
    """A table, the counts, a plot and the whole as JSON beside it; the last line is one JSON."""
    print("".join(f"{word:>9}" for word in HEAD))
    for row in found["daemons"]:
        cells = [value for name, value in row.items() if name != "judged"]
        remark = "" if row["judged"] else "   too short to judge"
        print("".join(f"{value:>9}" for value in cells) + remark)
    for name in (*SAID, "told_s", "live_age_ms"):
        print(f"{name}: {found[name]}")
    for name in BAD:
        print(f"{name}: {found[name] or 0}")
    folder = lived.folder
    soak_plot.draw(lived.readings, lived.faults, lived.seconds, folder / "soak.png")
    rows = {name: [asdict(r) for r in readings] for name, readings in lived.readings.items()}
    whole = {**found, "fault_times": lived.faults, "readings": rows}
    (folder / "soak.json").write_text(json.dumps(whole), "utf-8")
    print(f"{folder}/soak.png, soak.json, logs")
    print(json.dumps(found))
