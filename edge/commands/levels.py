# SPDX-License-Identifier: AGPL-3.0-or-later
"""`edge levels`: Leq, Ln and the judgement of a recorded noise series."""

from __future__ import annotations

import argparse

EPILOG = """\
examples:
  edge levels --samples night.jsonl --json
  edge levels --samples shop.jsonl --standard 'GB 22337' --class 2 --period night --background 48.2

Each line of the file is {"t_s": seconds, "db": level}, with "flag" where a sample is not valid; or
the file is a table with these columns, such as what `edge sensors export` writes.
Without --period, day or night follows from t_s where it is UTC seconds; else both are printed.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A recorded series and the terms it is judged by; they are a site's noise point's."""
    parser.add_argument("--samples", required=True, metavar="FILE.jsonl", help="- reads stdin")
    parser.add_argument("--json", action="store_true")
    standards = ("GB 12523", "GB 3096", "GB 22337", "GB 12348")
    parser.add_argument("--standard", choices=standards, default="GB 12523")
    classes = ("0", "1", "2", "3", "4", "4a", "4b")
    parser.add_argument("--class", dest="zone_class", choices=classes, default="2")
    parser.add_argument("--period", choices=("day", "night"))
    parser.add_argument("--background", type=float, metavar="DB", help="level without the source")
    parser.add_argument(
        "--frequent", action="store_true", help="peaks at night come again and again (GB 12348)"
    )
    parser.add_argument("--sensor", metavar="ID", help="whose levels, where the file holds several")
    parser.add_argument("--day", default="06:00-22:00", metavar="HH:MM-HH:MM")
    parser.add_argument("--timezone", default="Asia/Shanghai")


def run(args: argparse.Namespace) -> int:
    """Print Leq, percentiles and the judgement; 0 whatever it is. ConfigError for a bad line."""
    import json
    from datetime import datetime, timezone

    from edge.config.catalogue import shipped_packs
    from edge.sensors import series

    recorded = series.read(args.samples, args.sensor)
    found = series.assess(
        recorded,
        series.SeriesTerms(
            standard=args.standard,
            zone_class=args.zone_class,
            period=args.period,
            background_db=args.background,
            frequent=args.frequent,
            day=args.day,
            timezone=args.timezone,
            packs=shipped_packs(),
            today=datetime.now(timezone.utc).date(),
        ),
    )
    print(json.dumps(found, ensure_ascii=False) if args.json else series.text(found))
    return 0
