# SPDX-License-Identifier: AGPL-3.0-or-later
"""Live values as a table that a technician can read on a ladder (`edge sensors watch`)."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge.jsonfile import read_object, read_status

COLUMNS = (("sensor 传感器", 16), ("channel 通道", 14), ("value 数值", 12), ("unit", 7),
           ("age s", 7), ("state 状态", 18))  # fmt: skip
STATES = {
    "ok": "ok 正常",
    "stale": "unknown 无数据",
    "calibrating": "settling 校准中",
    "maintenance": "maintenance 维护",
    "fault": "fault 故障",
    "over_range": "over range 超量程",
    "suspect": "suspect 可疑",
}
# A status older than this means that sensord is not running.
DEAD_S = 10.0


def rows(run: Path, now_wall: float) -> Iterator[dict[str, Any]]:
    """One row for each channel of each sensor, from the run directory."""
    for path in sorted((run / "samples").glob("*.json")):
        latest = read_object(path)
        if not latest:
            continue
        if not latest["channels"]:
            yield {"sensor": latest["sensor"], "channel": "-", "value": None, "unit": "",
                   "age_s": None, "state": "stale"}  # fmt: skip
        for channel, sample in latest["channels"].items():
            age_s = max(0.0, now_wall - sample["wall"])
            flag = "stale" if age_s > latest["stale_after_s"] else sample["flag"]
            yield {"sensor": latest["sensor"], "channel": channel, "value": sample["value"],
                   "unit": sample["unit"], "age_s": round(age_s, 1), "state": flag}  # fmt: skip


def text(run: Path, now_wall: float) -> str:
    """The whole table, then lines that are not open, points and shops with something open."""
    lines = ["".join(_cell(name, width) for name, width in COLUMNS)]
    for row in rows(run, now_wall):
        value = "-" if row["value"] is None else f"{row['value']:.5g}"
        age = "-" if row["age_s"] is None else f"{row['age_s']:.1f}"
        cells = (row["sensor"], row["channel"], value, row["unit"], age, STATES[row["state"]])
        lines.append("".join(_cell(c, w) for c, (_, w) in zip(cells, COLUMNS, strict=True)))
    return "\n".join([*lines, *_below(read_status(run, "sensord"), now_wall)])


def _below(status: dict[str, Any], now_wall: float) -> Iterator[str]:
    if not status or now_wall - status["wall"] > DEAD_S:
        yield "sensord is not running 未运行: edge sensord --site SITE.yaml --device DEVICE.yaml"
        return
    for line in status["lines"]:
        if line["state"] != "open":
            yield f"line 线路 {line['port']}: {line['state']}"
    for point in (*status["points"], *status["shops"]):
        if point["open"]:
            name = point["name"] or point["id"]
            yield f"suspected 疑似 {name}: {', '.join(point['open'])}"


def _cell(text_: str, width: int) -> str:
    """Padded by how wide it looks: a Chinese character takes two columns."""
    wide = sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text_)
    return text_ + " " * max(1, width - wide)
