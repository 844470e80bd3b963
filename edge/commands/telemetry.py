# SPDX-License-Identifier: AGPL-3.0-or-later
"""`edge telemetry`: any supported drone telemetry as JSON lines of poses."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

EPILOG = """example:
  edge telemetry DJI_0001.SRT --json | head -3
  edge telemetry flight.tlog

kinds: DJI .SRT (every family), the subtitle track of an MP4, Airdata / CsvView CSV, GPX, captured
DJI Cloud API messages, MAVLink .tlog, MISB ST 0601 KLV bare or in a transport stream, a folder of
photographs (XMP, EXIF).
The last line on stderr counts cues, fixes and what was skipped, and why."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What a recording does not tell of itself: the zone of its clock, which payload."""
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--json", action="store_true", help="one JSON line for each cue on stdout")
    parser.add_argument(
        "--utc-offset", type=hours, metavar="HH:MM", help="zone of the aircraft's clock, as +08:00"
    )
    parser.add_argument("--payload", metavar="INDEX", help="Cloud API payload, as 81-0-0")
    parser.add_argument("--serial", metavar="SN", help="which aircraft, or MAVLink system, of many")


def hours(text: str) -> float:
    """`+08:00`, `-3:30` or `8` as hours. Raises argparse.ArgumentTypeError for anything else."""
    sign = -1.0 if text.startswith("-") else 1.0
    whole, _, minutes = text.lstrip("+-").partition(":")
    try:
        value = int(whole) + int(minutes or 0) / 60.0
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no offset like +08:00") from None
    if value > 14:
        raise argparse.ArgumentTypeError(f"{text!r}: no zone is more than 14 h from UTC")
    return sign * value


def run(args: argparse.Namespace) -> int:
    """Poses on stdout, the count of cues, fixes and skipped on stderr; 1 where there is no pose."""
    from edge.drone.read import Hints, read
    from edge.drone.telemetry.pose import record

    found = read(args.file, Hints(args.utc_offset, args.payload, args.serial))
    for pose in found.poses:
        line = record(pose)
        print(json.dumps(line, ensure_ascii=False) if args.json else _plain(line))
    print(f"{args.file.name}: {found.summary()}", file=sys.stderr)
    return 0 if found.poses else 1


def _plain(line: dict[str, object]) -> str:
    lat, lon = line["lat"], line["lon"]
    place = "no fix" if lat is None else f"{lat:.6f} {lon:.6f}"
    shown = [f"{line['t_s']:9.3f} s", f"{place:>22}"]
    for key, unit in (("rel_alt_m", "m"), ("yaw_deg", "° yaw"), ("pitch_deg", "° pitch")):
        value = line[key]
        shown.append(f"{value:8.1f} {unit}" if isinstance(value, float) else f"{'-':>8} {unit}")
    return "  ".join([*shown, str(line["quality"])])
