# SPDX-License-Identifier: AGPL-3.0-or-later
"""The four ledgers a bureau keeps: inspection, measurement, purifier cleaning, handling.

Each is JSON lines below `<state>/ledger`, one file a month, appended to by one daemon (cleaning: by
`edge ledger add`). Rows are added, never changed.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

Name = Literal["inspection", "measurement", "cleaning", "handling"]

# ledger -> column -> heading for people; the order is that of the exported file.
COLUMNS: dict[str, dict[str, str]] = {
    "inspection": {
        "period": "时段 period",
        "camera": "摄像机 camera",
        "watched_min": "监看分钟 watched minutes",
        "blind_min": "失视分钟 blind minutes",
        "watched_share": "监看率 share watched",
        "why": "失视原因(分钟) reasons (minutes)",
    },
    "measurement": {
        "time": "时间 time",
        "sensor": "设备 sensor",
        "channel": "指标 channel",
        "value": "数值 value",
        "unit": "单位 unit",
        "flag": "标识 flag",
        "judgement": "判定 judgement",
    },
    "cleaning": {
        "time": "时间 time",
        "shop": "商户 shop",
        "by": "清洗单位 cleaned by",
        "note": "备注 note",
    },
    "handling": {
        "time": "时间 time",
        "id": "编号 id",
        "category": "类别 category",
        "name": "名称 name",
        "phase": "阶段 phase",
        "place": "位置 place",
        "occurrence": "次数 occurrence",
        "outcome": "处理方式 outcome",
        "deadline_h": "时限(小时) deadline (hours)",
    },
}
NAMES = tuple(COLUMNS)


def append(state: Path, ledger: str, rows: Iterable[Mapping[str, Any]], wall: float) -> None:
    """Add rows and make them durable. Raises OSError; the caller keeps them and tries again."""
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    if not lines:
        return
    folder = state / "ledger"
    folder.mkdir(parents=True, exist_ok=True)
    month = datetime.fromtimestamp(wall, timezone.utc).strftime("%Y-%m")
    path = folder / f"{ledger}-{month}.jsonl"
    with path.open("ab") as file:
        # After a power cut the last line may be torn: start on a line of our own.
        if file.tell() and not _ends_whole(path):
            file.write(b"\n")
        file.write(lines.encode())
        file.flush()
        os.fsync(file.fileno())


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def read(state: Path, ledger: str) -> tuple[list[dict[str, Any]], int]:
    """(all rows, oldest first; lines that could not be read, as after a power cut).

    What the instruments' daemon keeps of its own (edge.sensors.ledgers) is read along.
    """
    rows: list[dict[str, Any]] = []
    torn = 0
    for path in sorted((state / "ledger").glob(f"{ledger}-*.jsonl")):
        found, bad = _lines(path)
        rows, torn = rows + found, torn + bad
    for name, told in INSTRUMENTS.get(ledger, {}).items():
        path = state / "ledgers" / f"{name}.jsonl"
        if path.is_file():
            found, bad = _lines(path)
            rows, torn = rows + [row for one in found for row in told(one)], torn + bad
    return rows, torn


def _lines(path: Path) -> tuple[list[dict[str, Any]], int]:
    rows, torn = [], 0
    for line in path.read_bytes().splitlines():
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if isinstance(row, dict):
            rows.append(row)
        else:
            torn += 1
    return rows, torn


LEVELS = {
    "ld_db": "昼间等效声级 Ld",
    "ln_db": "夜间等效声级 Ln",
    "ldn_db": "昼夜等效声级 Ldn",
}


def _levels(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A day of a noise point: one row for each level that there is, in dB(A)."""
    about = {"date": row.get("date"), "sensor": row.get("point"), "unit": "dB(A)"}
    return [
        {**about, "channel": channel, "value": row[name]}
        for name, channel in LEVELS.items()
        if row.get(name) is not None
    ]


def _usage(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A day of a kitchen: the purifier's share of the time that its fan ran."""
    if row.get("usage") is None:
        return []
    about = {"date": row.get("date"), "sensor": row.get("shop"), "shop": row.get("shop")}
    return [
        {**about, "channel": "净化器同步使用率 purifier use", "value": row["usage"], "unit": "1"}
    ]


# Ledger -> files of edge.sensors.ledgers, and what a row of each comes to.
INSTRUMENTS: dict[str, dict[str, Callable[[Mapping[str, Any]], list[dict[str, Any]]]]] = {
    "measurement": {"levels": _levels, "usage": _usage},
    "cleaning": {"cleaning": lambda row: [dict(row)]},
}


def to_csv(ledger: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """The ledger for a spreadsheet: Chinese and English headings, byte order mark for Excel."""
    columns = COLUMNS[ledger]
    out = io.StringIO()
    out.write("\ufeff")
    writer = csv.writer(out)
    writer.writerow(columns.values())
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in columns])
    return out.getvalue()


def _cell(value: Any) -> Any:
    """Free text that a spreadsheet would run as a formula is quoted."""
    if value is None:
        return ""
    if isinstance(value, (list, tuple)):
        return " ".join(str(part) for part in value)
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return "'" + value
    return value
