# SPDX-License-Identifier: AGPL-3.0-or-later
"""edge outbox: what waits for the platform, what was given up, and sending that again."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.commands.heading import heading

if TYPE_CHECKING:
    import sqlite3

EPILOG = """examples:
  edge outbox status --device /etc/edge/device.yaml
  edge outbox list dead --json
  edge outbox retry v-20260501-0001/r1      (a key or record id from the list; `all` for all)
  edge outbox drop v-20260501-0001/r1       (never sent; its evidence stays on the disk)
  edge outbox lower --to 2                  (for an older program; daemons must be stopped)"""

SHOWN = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """All but `lower` work on the outbox file itself, also while uplinkd runs."""
    parser.add_argument("what", choices=["status", "list", "retry", "drop", "lower"])
    parser.add_argument(
        "id",
        nargs="?",
        metavar="STATE|ID",
        help="for list: new, inflight, broker_ack, platform_ack, aside, dropped, dead, missing; for"
        " retry and drop: a key, a record id or a file's hash; for retry also all",
    )
    parser.add_argument("--device", help="device.yaml: where this box keeps its outbox")
    parser.add_argument("--to", type=int, metavar="SCHEMA", help="for lower: the schema to go to")
    parser.add_argument("--limit", type=int, default=SHOWN, help="for list: rows (default 100)")
    parser.add_argument("--json", action="store_true", help="JSON lines on stdout")


def run(args: argparse.Namespace) -> int:
    """Exit code of the action; nothing but `retry` and `drop` changes a row."""
    from edge.outbox.schema import connect

    if args.what == "lower":
        return _lower(args)
    db = connect(_path(args))
    try:
        return ACTIONS[args.what](args, db)
    finally:
        db.close()


def _path(args: argparse.Namespace) -> Path:
    from edge.config import ConfigError
    from edge.config.paths import read_box

    path = read_box(args.device).outbox
    if not path.is_file():
        raise ConfigError(f"{path}: no outbox here; give the box's --device file")
    return path


def _lower(args: argparse.Namespace) -> int:
    """Raises ConfigError where there is no way back."""
    from edge.config import ConfigError
    from edge.outbox.schema import lower

    if args.to is None:
        raise ConfigError("lower: --to SCHEMA is needed")
    schema = lower(_path(args), args.to)
    print(json.dumps({"schema": schema}) if args.json else f"schema {schema}")
    return 0


def _status(args: argparse.Namespace, db: sqlite3.Connection) -> int:
    from edge.outbox.outbox import summary

    report = summary(db)
    if args.json:
        print(json.dumps(report))
        return 0
    for name in ("records", "files"):
        for what, states in report[name].items():
            print(f"{name:8} {what:12} " + "  ".join(f"{k} {n}" for k, n in states.items()))
    if report["oldest_wall"] is not None:
        print(f"oldest waiting: {time.time() - report['oldest_wall']:.0f} s")
    for name, n in report["counts"].items():
        print(f"count    {name} {n}")
    if not report["records"]:
        print("nothing waits")
    return 0


def _list(args: argparse.Namespace, db: sqlite3.Connection) -> int:
    """Records, and for a given state the files that are in it, under their hash."""
    rows = db.execute(
        "SELECT kind, key, state, put_wall, record_id, refused, note, folder, id FROM record"
        " WHERE :state IS NULL OR state = :state UNION ALL"
        " SELECT 'file', sha256, state, NULL, NULL, refused, note, path, record FROM file"
        " WHERE state = :state ORDER BY 9 LIMIT :limit",
        {"state": _state(args.id), "limit": args.limit},
    )
    if not args.json:
        heading(("STATE", 12), ("KIND", 9), ("KEY", 40), ("RECORD", 0), ("NOTE", 0))
    for row in rows:
        report = _row(row)
        if args.json:
            print(json.dumps(report, ensure_ascii=False))
        else:
            print("{state:12} {kind:9} {key:40} {record} {note}".format(**_shown(report)))
    return 0


def _state(name: str | None) -> int | None:
    from edge.config import ConfigError
    from edge.outbox import State

    if name is None:
        return None
    try:
        return int(State[name.upper()])
    except KeyError:
        allowed = ", ".join(state.name.lower() for state in State)
        raise ConfigError(f"list {name}: no such state (allowed: {allowed})") from None


def _row(row: tuple[Any, ...]) -> dict[str, Any]:
    from edge.outbox import State

    kind, key, state, put_wall, record, refused, note, folder, _ = row
    return {
        "kind": kind,
        "key": key,
        "state": State(state).name.lower(),
        "put": put_wall,
        "record": record,
        "refused": refused,
        "note": note,
        "folder": folder,
    }


def _shown(report: dict[str, Any]) -> dict[str, Any]:
    return {key: "" if value is None else value for key, value in report.items()}


def _retry(args: argparse.Namespace, db: sqlite3.Connection) -> int:
    from edge.config import ConfigError
    from edge.outbox.dispatch import revive
    from edge.outbox.schema import transaction

    if not args.id:
        raise ConfigError("retry what? give a key or record id of `edge outbox list`, or `all`")
    with transaction(db):
        moved = revive(db, None if args.id == "all" else args.id)
    if args.json:
        print(json.dumps({"retried": moved}))
    else:
        print(f"{moved} waiting again")
    return 0 if moved or args.id == "all" else 1


def _drop(args: argparse.Namespace, db: sqlite3.Connection) -> int:
    from edge.config import ConfigError
    from edge.outbox.dispatch import drop
    from edge.outbox.schema import transaction
    from edge.uplink.wire import utc_text

    if not args.id:
        raise ConfigError("drop what? give a key, record id or file hash of `edge outbox list`")
    with transaction(db):
        moved = drop(db, args.id, f"dropped by an operator at {utc_text(time.time())}")
    if args.json:
        print(json.dumps({"dropped": moved}))
    else:
        print(f"{moved} dropped; evidence stays on the disk")
    return 0 if moved else 1


ACTIONS = {"status": _status, "list": _list, "retry": _retry, "drop": _drop}
