# SPDX-License-Identifier: AGPL-3.0-or-later
"""edge evaluate: events found against events that were."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

EPILOG = """example: edge watch CLIP --site SITE.yaml --json > events.jsonl
         edge evaluate --truth CLIP.truth.json --events events.jsonl

A violation finds an event of its category that began within 20 s of it at its place. A second one
for the same event is a duplicate: no hit, and false for precision."""

COLUMNS = ("tp", "fp", "fn", "precision", "recall", "f1", "delay_p50_s", "duplicates")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Truth and events are files; the hours may stand in the truth file."""
    parser.add_argument("--truth", required=True, type=Path, help="what happened (JSON)")
    parser.add_argument(
        "--events", required=True, type=Path, help="what was found: lines of `edge watch --json`"
    )
    parser.add_argument(
        "--hours", type=float, help="camera hours watched; default: duration_s of the truth file"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")


def run(args: argparse.Namespace) -> int:
    """Print precision, recall, F1 and delay by category; 0 whatever they are, for scripts to
    judge. Raises ConfigError naming the file or option that is wrong."""
    from edge.config import ConfigError
    from edge.rules.evaluation import claims, evaluate, total
    from edge.rules.truth import truth_from

    if args.hours is not None and not args.hours > 0:
        raise ConfigError(f"--hours {args.hours:g}: must be more than 0")
    truth = truth_from(_read_json(args.truth), str(args.truth))
    lines = read_lines(args.events)
    try:
        found = claims(lines)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{args.events}: a line without a sound category, began_s or place: {error}"
        ) from None
    scores = evaluate(truth.events, found, ignore=truth.ignore, dwell_limit_s=dwell_limits(lines))
    hours = args.hours or (truth.duration_s / 3600.0 if truth.duration_s else None)
    table = {name: score.row(hours) for name, score in scores.items()}
    table["all"] = total(scores).row(hours)
    if args.json:
        print(json.dumps(table, ensure_ascii=False))
    else:
        print_table(table)
    return 0


def dwell_limits(lines: list[dict[str, Any]]) -> Callable[[str], float]:
    """The dwell limit of a category: as its violations state it, else as shipped."""
    from edge.config.catalogue import load_categories
    from edge.config.shipped import shipped

    shipped_limits = load_categories([shipped("config/categories.yaml")])
    limits: dict[str, float] = {}
    for line in lines:
        facts = line.get("facts")
        limit = facts.get("dwell_limit_s") if isinstance(facts, dict) else None
        if isinstance(limit, (int, float)):
            limits[str(line.get("category"))] = float(limit)

    def limit_of(category: str) -> float:
        if category in limits:
            return limits[category]
        return shipped_limits[category].dwell_s if category in shipped_limits else 0.0

    return limit_of


def _read_json(path: Path) -> Any:
    from edge.config import ConfigError

    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    except ValueError as error:
        raise ConfigError(f"{path}: not JSON: {error}") from None


def read_lines(path: Path) -> list[dict[str, Any]]:
    """JSON lines, empty lines skipped. Raises ConfigError naming the line."""
    from edge.config import ConfigError

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    rows = []
    for n, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ConfigError(f"{path}: line {n}: not JSON: {error}") from None
        if not isinstance(row, dict):
            raise ConfigError(f"{path}: line {n}: expected an object, got {type(row).__name__}")
        rows.append(row)
    return rows


def print_table(table: dict[str, dict[str, Any]]) -> None:
    """One line for each category, "all" last."""
    names = [*COLUMNS, *(c for c in next(iter(table.values())) if c not in COLUMNS)]
    width = max(len(name) for name in table) + 2
    print("".ljust(width) + " ".join(f"{name:>11}" for name in names))
    for name, row in table.items():
        cells = ("-" if row[c] is None else f"{row[c]:g}" for c in names)
        print(name.ljust(width) + " ".join(f"{cell:>11}" for cell in cells))
    sys.stdout.flush()
