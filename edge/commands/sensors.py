"""`edge sensors`: what is connected, what captured bytes mean, live values as a table."""

from __future__ import annotations

import argparse

EPILOG = """\
examples:
  edge sensors list                                     maps, serial ports, and the site's sensors
  edge sensors decode --kind hj212 capture.bin --json   captured bytes to values, bad frames counted
  echo '01 03 02 02 99 79 4E' | edge sensors decode --kind modbus --hex --map noise-rs485 -
  edge sensors watch --site site.yaml                   live values of the sensor daemon
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    _list_arguments(actions.add_parser("list", help="maps, serial ports, the site's sensors"))
    _decode_arguments(actions.add_parser("decode", help="captured bytes to values"))


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


def run(args: argparse.Namespace) -> int:
    return {"list": _list, "decode": _decode}[args.action](args)


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


def _list(args: argparse.Namespace) -> int:
    from edge.sensors import listing

    for line in listing.lines(args.site, as_json=args.json):
        print(line)
    return 0
