# SPDX-License-Identifier: AGPL-3.0-or-later
"""The four ledgers a bureau keeps: inspection, measurement, purifier cleaning, handling.

Each is JSON lines, appended to by one daemon (cleaning: by `edge ledger add` too): one file a month
below `<state>/ledger`, or of an instrument or shop one file below `<state>/ledgers`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

from edge import journal

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


# Files of their own below `<state>/ledgers`: what instruments and shops have, all of a box in one.
OF_INSTRUMENTS = {
    "cleaning": "cleaning",
    "usage": "usage",
    "levels": "levels",
    "calibration": "calibration",
    "instrument_inspection": "inspection",
}


def append(state: Path, ledger: str, rows: Iterable[Mapping[str, Any]], wall: float) -> None:
    """Add rows and make them durable. Raises OSError; the caller keeps them and tries again."""
    month = datetime.fromtimestamp(wall, timezone.utc).strftime("%Y-%m")
    if ledger in OF_INSTRUMENTS:
        journal.append(state / "ledgers" / f"{OF_INSTRUMENTS[ledger]}.jsonl", rows)
    else:
        journal.append(state / "ledger" / f"{ledger}-{month}.jsonl", rows)


def files(state: Path, ledger: str) -> list[Path]:
    """Where the rows of one ledger lie, oldest first."""
    own = state / "ledgers" / f"{OF_INSTRUMENTS.get(ledger, '')}.jsonl"
    return [
        *sorted((state / "ledger").glob(f"{ledger}-*.jsonl")),
        *([own] if own.is_file() else ()),
    ]


def read(state: Path, ledger: str) -> tuple[list[dict[str, Any]], int]:
    """(all rows, oldest first; lines that could not be read, as after a power cut).

    A ledger of the bureau takes in what the instruments' own come to.
    """
    rows: list[dict[str, Any]] = []
    torn = 0
    for name, as_rows in {ledger: _as_it_is, **TAKEN_IN.get(ledger, {})}.items():
        for path in files(state, name):
            found, bad = journal.read(path)
            rows, torn = rows + [row for one in found for row in as_rows(one)], torn + bad
    return rows, torn


def _as_it_is(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [dict(row)]


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


# Ledger -> ledgers of instruments, and what a row of each comes to.
TAKEN_IN: dict[str, dict[str, Callable[[Mapping[str, Any]], list[dict[str, Any]]]]] = {
    "measurement": {"levels": _levels, "usage": _usage},
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
