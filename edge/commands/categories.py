# SPDX-License-Identifier: AGPL-3.0-or-later
"""edge categories: what can be found, with codes, and what each is judged by."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.commands.heading import heading

if TYPE_CHECKING:
    from edge.config import Category

EPILOG = """example: edge categories list
         edge categories list --city config/overlays/beijing-chaoyang.yaml --json
         edge categories settings occupation"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Two actions: `list` with a city's files laid over ours, `settings` of one rule kind."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="every category: code, names, kind, dwell")
    listing.add_argument("--city", type=Path, action="append", default=[], help="a city's file")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    settings = actions.add_parser("settings", help="the parameters that a rule kind can be set by")
    settings.add_argument("kind", help="occupation, grilling, plume, spill, ...")
    settings.add_argument("--json", action="store_true", help="one JSON object a line")


def run(args: argparse.Namespace) -> int:
    return _settings(args) if args.action == "settings" else _list(args)


def _list(args: argparse.Namespace) -> int:
    from datetime import datetime, timezone

    import msgspec

    from edge.config.catalogue import load_categories, shipped_packs
    from edge.config.dated import coded
    from edge.config.shipped import shipped

    raw = load_categories([shipped("config/categories.yaml"), *args.city])
    today = datetime.now(timezone.utc).date()
    found = coded(raw, shipped_packs(), today)
    if args.json:
        for category in found.values():
            print(json.dumps(msgspec.to_builtins(category), ensure_ascii=False))
        return 0
    heading(("ID", 20), ("CODE", 15), ("KIND", 11), ("STAY + CONFIRM", 17), ("NAME", 0))
    for category in found.values():
        print(_line(category))
    return 0


def _line(category: Category) -> str:
    code = category.codes.get("gb") or category.codes.get("ext", "-")
    local = f" ({category.codes['local']})" if "local" in category.codes else ""
    dwell = f"{category.dwell_s:g} s + {category.confirm_s:g} s"
    name = f"{category.id:<20} {code + local:<15} {category.kind:<11} {dwell:<17}"
    return f"{name} {category.zh}  {category.en}"


def _settings(args: argparse.Namespace) -> int:
    from edge.config import ConfigError
    from edge.rules.judge import RULES

    if args.kind not in RULES:
        raise ConfigError(f"kind {args.kind!r}: allowed: {', '.join(RULES)}")
    for name, setting in RULES[args.kind].SETTINGS.items():
        row: dict[str, Any] = {
            "name": name,
            "default": setting.default,
            "meaning": setting.meaning,
        }
        if args.json:
            print(json.dumps(row, ensure_ascii=False))
        else:
            default = setting.default
            shown = " ".join(default) if isinstance(default, tuple) else str(default)
            print(f"{name:<16} {shown:<12} {setting.meaning}")
    return 0
