# SPDX-License-Identifier: AGPL-3.0-or-later
"""`edge sensors`: what is connected, what bytes mean, live values, export, ledgers, loops."""

from __future__ import annotations

import argparse
import sys

EPILOG = """\
examples:
  edge sensors list                                     maps, serial ports, and the site's sensors
  edge sensors decode --kind hj212 capture.bin --json   captured bytes to values, bad frames counted
  echo '01 03 02 02 99 79 4E' | edge sensors decode --kind modbus --hex --map noise-rs485 -
  edge sensors watch --device device.yaml               live values of the sensor daemon
  edge sensors export --device device.yaml --hours 24 --sensor noise-west > day.csv
  edge sensors record cleaning shop-017 --device device.yaml --by 'Li Wei' --note 'monthly'
  edge sensors repeats market.wav                       whether a loudspeaker plays one recording
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Six actions: what is there, captured bytes, live values, raw samples, entries, loops."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    _list_arguments(actions.add_parser("list", help="maps, serial ports, the site's sensors"))
    _decode_arguments(actions.add_parser("decode", help="captured bytes to values"))
    _watch_arguments(actions.add_parser("watch", help="live values as a table"))
    _export_arguments(actions.add_parser("export", help="raw samples as CSV"))
    _record_arguments(
        actions.add_parser("record", help="a cleaning or calibration, for the ledger")
    )
    repeats = actions.add_parser("repeats", help="whether a recording of sound repeats itself")
    repeats.add_argument("file", help="sound or video: G.711, AAC, Opus, WAV")
    repeats.add_argument("--json", action="store_true")


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--site", metavar="SITE.yaml")
    parser.add_argument("--json", action="store_true")


def _decode_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", nargs="?", default="-", help="captured bytes; - reads stdin")
    kinds = ("modbus", "hj212", "plantower", "sds", "nmea", "line")
    parser.add_argument("--kind", required=True, choices=kinds)
    parser.add_argument("--hex", action="store_true", help="white-space separated byte pairs")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--map", metavar="NAME", help="register map or line pattern, name or file")
    parser.add_argument("--tolerant", action="store_true", help="hj212: take frames from the wild")
    parser.add_argument("--crc", choices=("hj212", "modbus"), default="hj212", help="hj212 only")


def _watch_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--site", metavar="SITE.yaml", help="checked, if given")
    parser.add_argument("--device", metavar="DEVICE.yaml", help="whose run directory to look into")
    parser.add_argument(
        "--json", action="store_true", help="one line for each channel, each second"
    )
    parser.add_argument("--once", action="store_true", help="print once and stop")


def _export_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", metavar="DEVICE.yaml")
    parser.add_argument("--sensor", action="append", default=[], metavar="ID")
    parser.add_argument("--hours", type=float, default=24.0, help="so many hours back from now")


def _record_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("cleaning", "calibration", "inspection"))
    parser.add_argument("subject", help="shop or sensor")
    parser.add_argument("--device", metavar="DEVICE.yaml")
    parser.add_argument("--by", required=True, help="who did it")
    parser.add_argument("--note", default="")


def run(args: argparse.Namespace) -> int:
    """Exit code of the action."""
    actions = {
        "list": _list,
        "decode": _decode,
        "watch": _watch,
        "export": _export,
        "record": _record,
        "repeats": _repeats,
    }
    return actions[args.action](args)


def _list(args: argparse.Namespace) -> int:
    from edge.sensors import listing

    for line in listing.lines(args.site, as_json=args.json):
        print(line)
    return 0


def _decode(args: argparse.Namespace) -> int:
    from edge.sensors import capture
    from edge.sensors.kinds import KINDS, Options
    from edge.sensors.maps import load_map

    found = load_map(args.map, where="--map") if args.map else None
    capture.check_map(found, args.kind)
    decoder = KINDS[args.kind](Options(found, args.tolerant, args.crc))
    data = capture.read(args.file, as_hex=args.hex)
    for line in capture.lines(decoder, data, as_json=args.json):
        print(line)
    return 0


def _watch(args: argparse.Namespace) -> int:
    import json
    import time
    from pathlib import Path

    from edge.config import ConfigError, Site, load
    from edge.config.paths import read_box
    from edge.sensors import table
    from edge.sensors.check import check_sensors

    if args.site:
        check_sensors(load(Path(args.site), Site), where=args.site, base=Path(args.site).parent)
    run_folder = read_box(args.device).run
    if not (run_folder / "samples").is_dir():
        raise ConfigError(f"{run_folder}/samples: not there; is sensord running? (--device)")
    clear = "\x1b[H\x1b[2J" if sys.stdout.isatty() and not args.once else ""
    while True:
        if args.json:
            for row in table.rows(run_folder, time.time()):
                print(json.dumps(row, ensure_ascii=False), flush=True)
        else:
            print(f"{clear}{table.text(run_folder, time.time())}", flush=True)
        if args.once:
            return 0
        time.sleep(1.0)


def _export(args: argparse.Namespace) -> int:
    import time

    from edge.config.paths import read_box
    from edge.sensors import raw

    state = read_box(args.device).state
    end = time.time()
    start = end - args.hours * 3600.0
    files = raw.store_files(state, start, end)
    print(raw.HEADER, end="")
    for sample in raw.read(files, set(args.sensor), start, end):
        print(raw.line(sample), end="")
    if not files:
        print(f"edge sensors export: nothing stored in {state / 'samples'}", file=sys.stderr)
    return 0


def _record(args: argparse.Namespace) -> int:
    from edge.config.paths import read_box
    from edge.ipc import Spool

    run_folder = read_box(args.device).run
    key = "shop" if args.what in ("cleaning", "inspection") else "sensor"
    fields = {key: args.subject, "by": args.by, "note": args.note}
    Spool(run_folder, "sensord").ask(args.what, expires_s=86_400.0, **fields)
    print(f"handed to sensord: {args.what} of {args.subject}", file=sys.stderr)
    return 0


def _repeats(args: argparse.Namespace) -> int:
    import json

    from edge.sensors import sound

    for row in sound.rows(args.file):
        print(json.dumps(row, ensure_ascii=False) if args.json else sound.text(row), flush=True)
    return 0
