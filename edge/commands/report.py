# SPDX-License-Identifier: AGPL-3.0-or-later
"""edge report: the work report of a week, a month or any days, as a page, CSV or JSON."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import tzinfo

    from edge.handling.report import Period, Report

EPILOG = """example: edge report --month 2026-03 --html march.html --state /var/lib/edge
         edge report --week --csv week.csv        the last whole week
         edge report --from 2026-03-01 --to 2026-03-10 --json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One period, one or more forms of it."""
    parser.add_argument("--state", type=Path, default=Path("/var/lib/edge"), help="state folder")
    parser.add_argument("--site-name", default="", help="heading of the page")
    when = parser.add_mutually_exclusive_group()
    when.add_argument("--week", nargs="?", const="", metavar="DAY", help="its week, or the last")
    when.add_argument("--month", nargs="?", const="", metavar="YYYY-MM", help="or the last")
    when.add_argument("--from", dest="first", metavar="DAY", help="first day; --to: the last one")
    parser.add_argument("--to", dest="last", metavar="DAY", help="last day (default: today)")
    parser.add_argument("--timezone", default="Asia/Shanghai", help="whose days")
    parser.add_argument("--language", choices=("zh", "en"), default="zh", help="of the page")
    parser.add_argument("--html", type=Path, help="write the printable page here")
    parser.add_argument("--csv", type=Path, help="write the table here")
    parser.add_argument("--json", action="store_true", help="everything on standard output")


def run(args: argparse.Namespace) -> int:
    """0 written; a period that is none or a state folder without cases raises ConfigError."""
    from edge.handling.report import csv_of, json_of
    from edge.handling.report_page import report_html
    from edge.rules.check import check_timezone

    report = _report(args, period_of(args, check_timezone(args.timezone, "--timezone")))
    if args.html:
        _write(args.html, report_html(report, args.language, args.site_name))
    if args.csv:
        _write(args.csv, csv_of(report))
    if args.json:
        print(json.dumps(json_of(report), ensure_ascii=False))
    elif not args.html and not args.csv:
        sys.stdout.write(csv_of(report).lstrip("\ufeff"))
    return 0


def _report(args: argparse.Namespace, period: Period) -> Report:
    from edge import ledger
    from edge.config import ConfigError
    from edge.handling.report import make_report
    from edge.handling.store import lives, read_steps

    steps, torn = read_steps(args.state)
    if not steps:
        raise ConfigError(
            f"{args.state}/handling: no cases here; is --state the box's state folder, "
            "and has edge janitord run with its site file?"
        )
    inspection, bad = ledger.read(args.state, "inspection")
    if torn + bad:
        print(f"edge report: {torn + bad} line(s) could not be read, left out", file=sys.stderr)
    return make_report(lives(steps), inspection, period, datetime.now().timestamp())


def period_of(args: argparse.Namespace, zone: tzinfo) -> Period:
    """The days that the arguments name; without any, the last whole week. Raises ConfigError."""
    from edge.config import ConfigError
    from edge.handling.report import Period, month_of, week_of

    today = datetime.now(zone).date()
    if args.first is not None:
        last = _day(args.last, "--to") if args.last else today
        first = _day(args.first, "--from")
        if last < first:
            raise ConfigError(f"--to {last}: before --from {first}")
        return Period(first, last, zone)
    if args.last is not None:
        raise ConfigError("--to: needs --from")
    if args.month is not None:
        text = f"{args.month}-01" if args.month else ""
        return month_of(_day(text, "--month") if text else today.replace(day=1) - _ONE, zone)
    return week_of(_day(args.week, "--week") if args.week else today - timedelta(days=7), zone)


_ONE = timedelta(days=1)


def _day(text: str, where: str) -> date:
    from edge.clock import calendar_day
    from edge.config import ConfigError

    try:
        return calendar_day(text)
    except ValueError:
        raise ConfigError(f"{where} {text!r}: expected a day such as 2026-03-01") from None


def _write(path: Path, text: str) -> None:
    from edge.config import ConfigError

    try:
        path.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    print(path, file=sys.stderr)
