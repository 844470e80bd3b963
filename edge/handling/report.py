# SPDX-License-Identifier: AGPL-3.0-or-later
"""The work report of a period: cases, outcomes, deadlines, watched time, with the period before.

Pure: steps of cases and rows of the inspection ledger in, a value out that the page, the CSV and
the JSON show. Every figure keeps the ids of the cases behind it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any

from edge.handling.life import CaseLife
from edge.handling.statistics import (
    Figures,
    Quiet,
    Share,
    figures,
    grouped,
    hot_spots,
    quiet,
    within,
)

# How the cases of a report are divided; the word is an attribute of CaseLife.
DIVISIONS = ("category", "grid", "source", "medium")


@dataclass(frozen=True, slots=True)
class Period:
    """Whole local days, `last` included."""

    first: date
    last: date
    timezone: tzinfo

    @property
    def start(self) -> float:
        return _midnight(self.first, self.timezone)

    @property
    def end(self) -> float:
        return _midnight(self.last + timedelta(days=1), self.timezone)

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def kind(self) -> str:
        """ "month" or "week" where it is a whole one, else ""."""
        if self == month_of(self.first, self.timezone):
            return "month"
        return "week" if self == week_of(self.first, self.timezone) else ""

    @property
    def before(self) -> Period:
        """The period of the same kind before: the month before a whole month, else as many days."""
        last = self.first - timedelta(days=1)
        whole = self.first.day == 1 and (self.last + timedelta(days=1)).day == 1
        month = self.last.month == self.first.month and self.last.year == self.first.year
        if whole and month:
            return Period(last.replace(day=1), last, self.timezone)
        return Period(last - timedelta(days=self.days - 1), last, self.timezone)


def _midnight(day: date, timezone: tzinfo) -> float:
    return datetime.combine(day, time(), timezone).timestamp()


def week_of(day: date, timezone: tzinfo) -> Period:
    """Monday to Sunday round this day (ISO 8601)."""
    monday = day - timedelta(days=day.weekday())
    return Period(monday, monday + timedelta(days=6), timezone)


def month_of(day: date, timezone: tzinfo) -> Period:
    """The calendar month of this day."""
    first = day.replace(day=1)
    following = (first + timedelta(days=32)).replace(day=1)
    return Period(first, following - timedelta(days=1), timezone)


@dataclass(frozen=True, slots=True)
class WatchedMinutes:
    """Minutes of a camera within the period; dark: minutes that no daemon accounts for."""

    camera: str
    watched_min: float
    blind_min: float
    dark_min: float
    reasons: Mapping[str, float]

    @property
    def share(self) -> float | None:
        whole = self.watched_min + self.blind_min + self.dark_min
        return self.watched_min / whole if whole else None


@dataclass(frozen=True, slots=True)
class Report:
    """See the module. `days`: local day -> (found, confirmed); `names`: words for people by
    category, `sources`: by camera, instrument or flight."""

    period: Period
    made_at: float
    whole: Figures
    earlier: Figures
    divisions: Mapping[str, Mapping[str, Figures]]
    days: Mapping[str, tuple[int, int]]
    watch: Sequence[WatchedMinutes]
    quiet: Sequence[Quiet]
    hot_spots: Sequence[tuple[str, str, int]]
    overdue: Sequence[CaseLife]
    names: Mapping[str, Mapping[str, str]]
    sources: Mapping[str, str]


def make_report(
    lives: Iterable[CaseLife], inspection: Iterable[Mapping[str, Any]], period: Period, now: float
) -> Report:
    """The cases found in the period, as they stand at `now` (UTC seconds): what was settled or
    became overdue since is counted. inspection: rows of WatchSpan.row."""
    every = list(lives)
    mine = within(every, period.start, period.end)
    earlier = within(every, period.before.start, period.before.end)
    known = [c for c in every if c.found_at < period.end]
    whole = figures(mine, now)
    late = set(whole.cases["overdue"])
    return Report(
        period=period,
        made_at=now,
        whole=whole,
        earlier=figures(earlier, now),
        divisions={
            by: {name: figures(group, now) for name, group in grouped(mine, by).items()}
            for by in DIVISIONS
        },
        days=_days(mine, period),
        watch=watched(inspection, period.start, min(now, period.end)),
        quiet=quiet(known, min(now, period.end)),
        hot_spots=hot_spots(mine),
        overdue=sorted((c for c in mine if c.case in late), key=lambda c: (c.closed, c.due or 0.0)),
        names={c.category: dict(c.head.get("names") or {}) for c in known},
        sources={c.source: str(c.head.get("source_name") or c.source) for c in known},
    )


def _days(lives: Sequence[CaseLife], period: Period) -> dict[str, tuple[int, int]]:
    counts = {(period.first + timedelta(days=n)).isoformat(): [0, 0] for n in range(period.days)}
    for life in lives:
        day = datetime.fromtimestamp(life.found_at, period.timezone).date().isoformat()
        counts[day][0] += 1
        counts[day][1] += life.confirmed_at is not None
    return {day: (found, confirmed) for day, (found, confirmed) in counts.items()}


def watched(rows: Iterable[Mapping[str, Any]], start: float, end: float) -> list[WatchedMinutes]:
    """Watched and blind minutes of each camera between two instants; spans are cut at both."""
    cameras: dict[str, dict[str, float]] = {}
    for row in rows:
        begin = max(start, float(row["start"]))
        stop = min(end, float(row["start"]) + float(row["seconds"]))
        if stop > begin:
            cell = cameras.setdefault(str(row["camera"]), {})
            reason = str(row["reason"])
            cell[reason] = cell.get(reason, 0.0) + (stop - begin)
    return [_watch(name, cell, end - start) for name, cell in sorted(cameras.items())]


def _watch(camera: str, cell: Mapping[str, float], whole_s: float) -> WatchedMinutes:
    blind = {reason: s / 60.0 for reason, s in sorted(cell.items()) if reason}
    seen = cell.get("", 0.0) / 60.0
    dark = max(0.0, whole_s / 60.0 - seen - sum(blind.values()))
    return WatchedMinutes(camera, seen, sum(blind.values()), dark, blind)


# Columns of a figure row: heading in both languages, how it is read.
COLUMNS: dict[str, tuple[str, str]] = {
    "found": ("发现", "found"),
    "confirmed": ("属实", "confirmed"),
    "misdetected": ("误识别", "misdetected"),
    "unreviewed": ("未审核", "not reviewed"),
    "settled": ("已销号", "settled"),
    "open": ("办理中", "open"),
    "overdue": ("超期", "overdue"),
    "self_corrected": ("提示后自行整改", "left after a reminder"),
    "rechecks": ("复查次数", "rechecks"),
}


def csv_of(report: Report) -> str:
    """One row a division, with the byte order mark that spreadsheets look for."""
    out = io.StringIO()
    out.write("\ufeff")
    writer = csv.writer(out)
    heads = [f"{zh} {en}" for zh, en in COLUMNS.values()]
    writer.writerow(
        ["划分 division", "名称 name", *heads, "准确率 precision", "按期率 on time", "案件 cases"]
    )
    writer.writerow(["全部 all", "", *_cells(report.whole)])
    for by, groups in report.divisions.items():
        for name, row in groups.items():
            writer.writerow([by, _safe(name), *_cells(row)])
    return out.getvalue()


def _safe(text: str) -> str:
    """Text that a spreadsheet would run as a formula is quoted."""
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _cells(row: Figures) -> list[Any]:
    counts = [getattr(row, name) for name in COLUMNS]
    return [*counts, _ratio(row.precision), _ratio(row.on_time), " ".join(row.cases["found"])]


def _ratio(share: Share) -> str:
    return f"{share.part}/{share.whole}"


def json_of(report: Report) -> dict[str, Any]:
    """The report as plain values; times are UTC seconds, shares carry their interval."""
    return {
        "first": report.period.first.isoformat(),
        "last": report.period.last.isoformat(),
        "made_at": report.made_at,
        "whole": _plain(report.whole),
        "earlier": _plain(report.earlier),
        "divisions": {
            by: {name: _plain(row) for name, row in groups.items()}
            for by, groups in report.divisions.items()
        },
        "days": {day: list(counts) for day, counts in report.days.items()},
        "watch": [{**asdict(row), "share": row.share} for row in report.watch],
        "quiet": [asdict(row) for row in report.quiet],
        "hot_spots": [list(row) for row in report.hot_spots],
        "overdue": [life.case for life in report.overdue],
    }


def _plain(row: Figures) -> dict[str, Any]:
    fields = {name: getattr(row, name) for name in row.__dataclass_fields__}
    for name in ("precision", "on_time", "went"):
        share: Share = fields[name]
        fields[name] = {
            "part": share.part, "whole": share.whole, "value": share.value,
            "interval": list(share.interval),
        }  # fmt: skip
    return {**fields, "cases": {name: list(ids) for name, ids in row.cases.items()}}
