# SPDX-License-Identifier: AGPL-3.0-or-later
"""edge harvest: a week's most telling crops of a box, for a labeller, within a privacy budget."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

EPILOG = """example: edge harvest --state /var/lib/edge --out week-48
then, where the data lie: tools/dataset import --from-box week-48 --unjudged --out datasets/box
heads of bystanders were flattened before anything was written on the box"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where from, where to, and how much may leave the box."""
    parser.add_argument("--state", type=Path, required=True, help="the box's state folder")
    parser.add_argument("--out", type=Path, required=True, help="folder, made if it is not there")
    parser.add_argument("--days", type=float, default=7.0, help="how far back (7)")
    parser.add_argument("--per-day", type=int, default=20, help="crops of one camera and day (20)")
    parser.add_argument("--most", type=int, default=200, help="crops in all (200)")


def run(args: argparse.Namespace) -> int:
    """Copies them, the most telling first; 0 also where there is nothing, which it says. Raises
    ConfigError for a folder that is not there or a budget of nothing."""
    import time

    from edge.config import ConfigError
    from edge.learning.export import export

    if args.days <= 0 or args.per_day < 1 or args.most < 1:
        raise ConfigError("--days above 0, --per-day and --most at least 1")
    folder = args.state / "harvest"
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder; is {args.state} a box's state folder?")
    since_s = time.time() - args.days * 86_400.0
    done = export(args.state, args.out, since_s=since_s, per_day=args.per_day, most=args.most)
    print(
        f"{args.out}: {done.copied} crops of {done.cameras} camera(s), {done.labelled} of them "
        f"labelled; {done.over} over the "
        f"budget stay on the box, {done.unreadable} unreadable",
        file=sys.stderr,
    )
    return 0
