# SPDX-License-Identifier: AGPL-3.0-or-later
"""Work reports that the box makes by itself: of each whole week or month, once, and published.

A report lies in `<state>/reports/<kind>-<first day>`: the page in both languages, the table as CSV,
everything as JSON. Its record (`evt/report`) lists these files with their hashes. Run by janitord;
a power cut at any point makes no second report, and no other one.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Literal

import msgspec

from edge import ledger
from edge.clock import calendar_day
from edge.handling.life import CaseLife
from edge.handling.report import (
    Period,
    Report,
    csv_of,
    json_of,
    make_report,
    month_of,
    week_of,
)
from edge.handling.report_page import report_html
from edge.runtime import make_folder, sync_folder, write_atomic
from edge.uplink import messages as m
from edge.uplink.wire import moment, plain, utc_text
from edge.values import EvidenceFile, Json, Stamp

log = logging.getLogger(__name__)

ReportKind = Literal["week", "month"]
# Made so long after the period: verdicts of its last evening are in by then.
AFTER_S = 8 * 3600.0
PUBLISHED = "published"
PUT = Callable[[str, dict[str, Any], Path, Sequence[EvidenceFile]], object]
_OF: Mapping[str, Callable[..., Period]] = {"week": week_of, "month": month_of}


@dataclass(frozen=True, slots=True)
class ReportTerms:
    """Which reports this site wants, whose days, and the site's name in Chinese and English."""

    kinds: Sequence[ReportKind]
    timezone: tzinfo
    name: str
    name_en: str


def last_whole(kind: ReportKind, now: float, timezone: tzinfo) -> Period:
    """The newest week or month that was over AFTER_S before `now` (UTC seconds)."""
    day = datetime.fromtimestamp(now - AFTER_S, timezone).date()
    current = _OF[kind](day, timezone)
    return _OF[kind](current.first - timedelta(days=1), timezone)


def publish_reports(
    state: Path, terms: ReportTerms, lives: Sequence[CaseLife], at: Stamp, put: PUT
) -> int:
    """Make and publish what is due; how many were new. Raises OSError, and whatever `put` raises.

    put(id, body, folder, files) makes the record durable. A box that found nothing yet before the
    end of the period makes no report of it.
    """
    new = 0
    due = [(kind, last_whole(kind, at.wall, terms.timezone)) for kind in terms.kinds]
    for kind, period in [*_interrupted(state, terms.timezone), *due]:
        if not any(life.found_at < period.end for life in lives):
            continue
        folder = _folder(state, kind, period)
        if (folder / PUBLISHED).exists():
            continue
        if not folder.exists():
            _make(state, folder, terms, make_report(lives, _watched(state), period, at.wall))
        files = list(report_files(folder, at))
        put(folder.name, report_data(kind, period, folder, files, at), folder, files)
        write_atomic(folder / PUBLISHED, b"")
        log.info("report %s published", folder.name)
        new += 1
    return new


def _folder(state: Path, kind: ReportKind, period: Period) -> Path:
    return state / "reports" / f"{kind}-{period.first.isoformat()}"


def _interrupted(state: Path, timezone: tzinfo) -> Iterator[tuple[ReportKind, Period]]:
    """Reports that were made and not yet published: the power may have been off for weeks since."""
    kinds: tuple[ReportKind, ...] = ("week", "month")
    for kind in kinds:
        for folder in sorted((state / "reports").glob(f"{kind}-????-??-??")):
            if (folder / PUBLISHED).exists():
                continue
            try:
                first = calendar_day(folder.name.removeprefix(f"{kind}-"))
            except ValueError:
                continue
            yield kind, _OF[kind](first, timezone)


def _watched(state: Path) -> Iterable[Mapping[str, Any]]:
    rows, torn = ledger.read(state, "inspection")
    if torn:
        log.warning("inspection ledger: %d line(s) could not be read, left out", torn)
    return rows


def _make(state: Path, folder: Path, terms: ReportTerms, report: Report) -> None:
    """All files, then their folder's name: half a report is never taken for one."""
    unfinished = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(unfinished, ignore_errors=True)
    make_folder(unfinished)
    content = json.dumps(json_of(report), ensure_ascii=False, sort_keys=True)
    name_en = terms.name_en or terms.name
    for name, text in (
        ("report.json", content),
        ("report.csv", csv_of(report)),
        ("report-zh.html", report_html(report, "zh", terms.name)),
        ("report-en.html", report_html(report, "en", name_en)),
    ):
        write_atomic(unfinished / name, text.encode())
    unfinished.rename(folder)
    sync_folder(folder.parent)


def report_files(folder: Path, at: Stamp) -> Iterator[EvidenceFile]:
    """The files of a report with their hashes, in the order of their names."""
    for path in sorted(folder.glob("report*")):
        data = path.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        yield EvidenceFile("report", path.name, digest, len(data), at)


def report_data(
    kind: ReportKind, period: Period, folder: Path, files: Sequence[EvidenceFile], at: Stamp
) -> dict[str, Json]:
    """`data` of the record: the figures of the whole as the JSON file has them, without the ids."""
    content = json.loads((folder / "report.json").read_bytes())
    figures = {name: value for name, value in content["whole"].items() if name != "cases"}
    body = m.ReportData(
        id=folder.name,
        period=kind,
        first=period.first.isoformat(),
        last=period.last.isoformat(),
        as_of=utc_text(content["made_at"]),
        made=moment(at),
        figures=figures,
        files=tuple(m.ReportFile(path=f.path, sha256=f.sha256, size=f.size) for f in files),
    )
    return dict(plain(msgspec.to_builtins(body)))
