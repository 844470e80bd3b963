# SPDX-License-Identifier: AGPL-3.0-or-later
"""edge ledger: the four ledgers as CSV, entries made by hand, and the notice to put up."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.clock import instant

if TYPE_CHECKING:
    from datetime import tzinfo

    from edge.handling.life import CaseLife

EPILOG = """example: edge ledger inspection --state /var/lib/edge --by week
         edge ledger handling --state /var/lib/edge --from 2026-05-01 --csv may.csv
         edge ledger add cleaning --state /var/lib/edge --shop 老张面馆 --by 洁净公司
         edge ledger notice --state /var/lib/edge --place 老张面馆 --out notice.html"""

LEDGERS = ("inspection", "measurement", "cleaning", "handling")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Each ledger exports alike; only a cleaning is entered by hand: no device sees it."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name in LEDGERS:
        sub = actions.add_parser(name, help=f"export the {name} ledger")
        _add_place_and_time(sub)
        sub.add_argument("--csv", type=Path, help="write here (default: standard output)")
        sub.add_argument("--json", action="store_true", help="JSON lines instead of CSV")
        if name == "inspection":
            sub.add_argument("--by", choices=("day", "week", "month"), default="day")
    add = actions.add_parser("add", help="enter what no device sees: a purifier cleaned")
    add.add_argument("ledger", choices=("cleaning",))
    add.add_argument("--state", type=Path, default=Path("/var/lib/edge"))
    add.add_argument("--shop", required=True)
    add.add_argument("--by", default="", help="who cleaned it")
    add.add_argument("--note", default="")
    add.add_argument("--time", help="when, such as 2026-05-01T09:30 (default: now)")
    add.add_argument("--timezone", default="Asia/Shanghai")
    notice = actions.add_parser("notice", help="a printable notice for one site or shop")
    _add_place_and_time(notice)
    notice.add_argument("--place", required=True, help="text that the place or shop contains")
    notice.add_argument("--out", type=Path, required=True, help="HTML file to write")


def _add_place_and_time(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--state", type=Path, default=Path("/var/lib/edge"), help="state folder")
    parser.add_argument("--from", dest="first", help="first day, such as 2026-05-01")
    parser.add_argument("--to", dest="last", help="last day")
    parser.add_argument("--timezone", default="Asia/Shanghai", help="whose days")


def run(args: argparse.Namespace) -> int:
    if args.action == "add":
        return _add(args)
    if args.action == "notice":
        return _notice(args)
    return _export(args)


def _export(args: argparse.Namespace) -> int:
    from edge.ledger import to_csv

    rows = _rows(args, args.action)
    if args.json:
        for row in rows:
            print(json.dumps(row, ensure_ascii=False))
        return 0
    text = to_csv(args.action, rows)
    if args.csv is None:
        sys.stdout.write(text.lstrip("\ufeff"))
        return 0
    _write(args.csv, text)
    print(f"{len(rows)} row(s) in {args.csv}", file=sys.stderr)
    return 0


def _write(path: Path, text: str) -> None:
    from edge.config import ConfigError

    try:
        path.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None


def _rows(args: argparse.Namespace, ledger: str) -> list[dict[str, Any]]:
    """The rows of the days asked for; the inspection ledger rolled up."""
    from edge.config import ConfigError
    from edge.ledger import read
    from edge.rules.blind import rolled_up
    from edge.rules.check import check_timezone

    zone = check_timezone(args.timezone, "--timezone")
    if not any((args.state / name).is_dir() for name in ("ledger", "ledgers")):
        raise ConfigError(f"{args.state}: no ledger here; is --state the box's state folder?")
    rows, torn = read(args.state, ledger)
    if torn:
        print(f"{torn} line(s) could not be read (power cut?) and are left out", file=sys.stderr)
    start, end = _bounds(args, zone)
    rows = [row for row in rows if start <= _wall(row, zone) < end]
    if ledger == "inspection":
        return rolled_up(rows, args.by if "by" in args else "day", zone)
    return [
        {**row, "time": row.get("date") or _local(_wall(row, zone), zone)}
        for row in sorted(rows, key=lambda row: _wall(row, zone))
    ]


def _wall(row: Mapping[str, Any], zone: Any) -> float:
    """UTC seconds of a row: as written, the beginning of its local day, or its UTC text."""
    for key in ("start", "wall"):
        if isinstance(row.get(key), (int, float)):
            return float(row[key])
    try:
        if row.get("date"):
            return instant(str(row["date"]), zone).timestamp()
        return instant(str(row["time"])).timestamp()
    except (KeyError, ValueError):
        return 0.0


def _local(wall: float, zone: Any) -> str:
    return datetime.fromtimestamp(wall, zone).isoformat(sep=" ", timespec="seconds")


def _bounds(args: argparse.Namespace, zone: Any) -> tuple[float, float]:
    start = _day(args.first, zone, "--from").timestamp() if args.first else -1e18
    if not args.last:
        return start, 1e18
    return start, (_day(args.last, zone, "--to") + timedelta(days=1)).timestamp()


def _day(text: str, zone: Any, where: str) -> datetime:
    from edge.config import ConfigError

    try:
        return instant(text, zone)
    except ValueError:
        raise ConfigError(f"{where} {text!r}: expected a day such as 2026-05-01") from None


def _add(args: argparse.Namespace) -> int:
    from edge.config import ConfigError
    from edge.ledger import append
    from edge.rules.check import check_timezone

    if not args.state.is_dir():
        raise ConfigError(f"{args.state}: no such folder; is --state the box's state folder?")
    zone = check_timezone(args.timezone, "--timezone")
    when = _day(args.time, zone, "--time") if args.time else datetime.now(zone)
    wall = when.timestamp()
    row = {"wall": wall, "shop": args.shop, "by": args.by, "note": args.note}
    try:
        append(args.state, args.ledger, [row], wall)
    except OSError as error:
        print(f"edge ledger: {args.state}: {error.strerror or error}", file=sys.stderr)
        return 1
    print(f"{args.shop}: cleaned {when:%Y-%m-%d %H:%M}", file=sys.stderr)
    return 0


def _notice(args: argparse.Namespace) -> int:
    from edge.handling.store import lives, read_steps
    from edge.rules.check import check_timezone
    from edge.rules.notice import notice_html

    zone = check_timezone(args.timezone, "--timezone")
    start, end = _bounds(args, zone)
    steps, torn = read_steps(args.state)
    if torn:
        print(f"{torn} line(s) could not be read (power cut?) and are left out", file=sys.stderr)
    here = [
        life for life in lives(steps) if start <= life.found_at < end and args.place in _where(life)
    ]
    cameras = {life.source for life in here} | {args.place}
    inspected = [row for row in _rows(args, "inspection") if row.get("camera") in cameras]
    cleaned = [row for row in _rows(args, "cleaning") if args.place in _text(row)]
    measured = [row for row in _rows(args, "measurement") if args.place in _text(row)]
    handled = [_case_row(life, zone) for life in here if life.confirmed_at and life.counts]
    page = notice_html(
        args.place,
        when=f"{args.first or '开始记录'} 至 {args.last or datetime.now(zone).date()}",
        inspected=inspected,
        measured=measured,
        cleaned=cleaned,
        handled=handled,
        waiting=sum(life.state == "suspected" for life in here),
    )
    _write(args.out, page)
    print(f"{args.out}: {len(handled)} case(s), {len(cleaned)} cleaning(s)", file=sys.stderr)
    return 0


def _where(life: CaseLife) -> str:
    return " ".join((life.place, life.source, str(life.head.get("source_name") or "")))


def _case_row(life: CaseLife, zone: tzinfo) -> dict[str, Any]:
    """A confirmed case as a row of the notice; who handled it is nobody's to read there."""
    outcome = "self_corrected" if life.reminded and not life.outcome else life.outcome
    return {
        "time": _local(life.found_at, zone),
        "name": str((life.head.get("names") or {}).get("zh") or life.category),
        "occurrence": life.head.get("occurrence"),
        "outcome": "settled" if life.state == "settled" else outcome,
        "due": None if life.due is None else _local(life.due, zone),
        "ended": None if life.settled_at is None else _local(life.settled_at, zone),
    }


def _text(row: Mapping[str, Any]) -> str:
    return " ".join(str(row.get(key) or "") for key in ("place", "shop", "site", "sensor"))
