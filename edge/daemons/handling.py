# SPDX-License-Identifier: AGPL-3.0-or-later
"""The lives of cases, wired for janitord: site and categories in, records and status out."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from edge.clock import SystemClock
from edge.config import ConfigError, Site, load
from edge.config.catalogue import calendar_files, category_files, load_calendar, load_categories
from edge.config.dated import PackFault
from edge.config.paths import BoxFiles
from edge.handling.casework import Casework, HandlingTerms, WorkingFor, step_data
from edge.handling.deadlines import Office
from edge.handling.life import CaseLife, CaseStep
from edge.handling.looks import Looks
from edge.handling.scheduled import ReportTerms, publish_reports
from edge.handling.statistics import open_counts
from edge.outbox import Outbox, OutboxFull
from edge.release.packs import box_packs
from edge.values import EvidenceFile

log = logging.getLogger(__name__)

# Of a noise point that names none (edge.sensors.settings).
DEFAULT_STANDARD = "GB 12523"


def terms_of(box: BoxFiles) -> HandlingTerms | str:
    """How this site handles its cases, or what is wrong with its files ("" where there is no site
    file): what the janitor deletes does not depend on them."""
    site_path = box.site_file
    if not site_path.is_file():
        return ""
    try:
        site, base = _site(site_path), site_path.parent
        calendar = load_calendar(calendar_files(base, site, str(site_path)), box_packs(box, site))
        zone = ZoneInfo(site.timezone)
        categories = load_categories(category_files(base))
        office = Office(site.office_hours, calendar, zone)
        reports = ReportTerms(site.reports, zone, site.name, site.name_en or "")
        terms = HandlingTerms(categories, office, zone, reports)
        terms.check(SystemClock().now().wall)
    except (ConfigError, OSError, ValueError) as error:
        return f"cases are not followed up: {error}"
    return terms


def _site(path: Path) -> Site:
    """The site file; where one camera or instrument of it is wrong, the file without that one,
    which is its own daemon's fault to report. Raises ConfigError where the rest is wrong."""
    try:
        return load(path, Site)
    except ConfigError:
        from edge.pipeline.soundness import read_items  # the judges, where they are needed

        return read_items(path)[0]


def pack_faults(box: BoxFiles, now: float) -> list[PackFault]:
    """Packs that are missing today or end soon; [] where there is no site to need them."""
    try:
        site = _site(box.site_file) if box.site_file.is_file() else None
        if site is None:
            return []
        today = datetime.fromtimestamp(now, ZoneInfo(site.timezone)).date()
        standards = {str(row.get("standard", DEFAULT_STANDARD)) for row in site.noise}
        return box_packs(box, site).faults(today, standards)
    except (ConfigError, OSError, ValueError) as error:
        log.warning("packs were not looked at: %s", error)
        return []


def handle(
    state: Path,
    run: Path,
    outbox_path: Path,
    terms: HandlingTerms,
    now: float,
    working_for: WorkingFor,
    *,
    date_known: bool = True,
) -> dict[str, Any]:
    """One pass; what the status file says of the cases, {} where there are none. A full disk
    leaves new steps for the next pass, a date that is not known all that follows from it."""
    if not outbox_path.exists() and not (state / "handling").is_dir():
        return {}
    clock, outbox = SystemClock(), Outbox(outbox_path)

    def put(step: CaseStep, life: CaseLife | None) -> None:
        body = step_data(step, life, clock.now())
        outbox.put(lane="violation", kind="handling", key=step.id, body=body)

    def put_report(
        key: str, body: dict[str, Any], folder: Path, files: Sequence[EvidenceFile]
    ) -> None:
        outbox.put(lane="violation", kind="report", key=key, body=body, folder=folder, files=files)

    try:
        work = Casework(state, terms, put, Looks(state, run, terms.classes), working_for)
        new = work.work(now, date_known=date_known)
        lives = work.lives()
        if terms.reports is not None and date_known:
            publish_reports(state, terms.reports, lives, clock.now(), put_report)
        return {**open_counts(lives, now), "torn": work.torn, "new": new}
    except (OutboxFull, OSError, sqlite3.OperationalError) as error:
        log.warning("steps of cases wait for the next pass: %s", error)
        return {}
    finally:
        outbox.close()
