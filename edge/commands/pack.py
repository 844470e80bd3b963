# SPDX-License-Identifier: AGPL-3.0-or-later
"""`edge pack`: dated facts of law. What is in force, what ends, each number with its clause."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import date, datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.clock import calendar_day
from edge.config import ConfigError

if TYPE_CHECKING:
    from edge.config import Site
    from edge.config.dated import Packs
    from edge.config.packs import Pack
    from edge.config.paths import BoxFiles

EPILOG = """examples:
  edge pack list --site site.yaml --device device.yaml    every pack, and which is in force today
  edge pack check --site site.yaml --on 2027-01-01        what is missing or ends; 1 where anything
  edge pack numbers                                       every legal number, its clause and state
  edge pack day 2027-06-08 --site site.yaml               what a day is, and which pack says so
  edge pack sign calendar-2027.yaml --key release.pem     at the publisher's
  edge pack install calendar-2027.yaml --device device.yaml"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Six actions: list, check, numbers, day, sign, install."""
    parser.add_argument("action", choices=tuple(_ACTIONS))
    parser.add_argument("what", nargs="?", help="a pack's file, or a day")
    parser.add_argument("--site", metavar="SITE.yaml")
    parser.add_argument("--device", metavar="DEVICE.yaml")
    parser.add_argument("--on", metavar="YYYY-MM-DD", help="as if this were today")
    parser.add_argument("--key", type=Path, metavar="PRIVATE.pem", help="sign: the release key")
    parser.add_argument("--sha256", help="install: fetch the file that the platform named")
    parser.add_argument("--json", action="store_true")


def run(args: argparse.Namespace) -> int:
    """0; 1 where `check` finds something. Raises ConfigError for what is refused."""
    return _ACTIONS[args.action](args)


def _box(args: argparse.Namespace) -> tuple[BoxFiles, Site]:
    from edge.config import Device, Site, load
    from edge.config.paths import DEVICE_FILE, SITE_FILE, box_files, usual

    site_file, device_file = usual(args.site, SITE_FILE), usual(args.device, DEVICE_FILE)
    device = load(Path(device_file), Device) if device_file else Device()
    site = load(Path(site_file), Site) if site_file else Site()
    return box_files(device, site_file, device_file), site


def _packs(args: argparse.Namespace) -> Packs:
    from edge.release.packs import box_packs

    return box_packs(*_box(args))


def _today(args: argparse.Namespace) -> date:
    return _date(args.on) if args.on else datetime.now(timezone.utc).date()


def _date(text: str | None) -> date:
    try:
        return calendar_day(text or "")
    except ValueError:
        raise ConfigError(f"{text!r}: a day as YYYY-MM-DD wanted") from None


def _print(rows: list[dict[str, Any]], lines: list[str], args: argparse.Namespace) -> None:
    for row, line in zip(rows, lines, strict=True):
        print(json.dumps(row, ensure_ascii=False) if args.json else line, flush=True)


def _list(args: argparse.Namespace) -> int:
    import msgspec

    from edge.release.packs import arrived, pinned_keys

    box, _ = _box(args)
    packs, today = _packs(args), _today(args)
    files = sorted(packs.files, key=_order)
    rows = [
        {**msgspec.to_builtins(p), "in_force": packs.at(p.pack, today, p.of) == p} for p in files
    ]
    _print(rows, [_line(p, row["in_force"]) for p, row in zip(files, rows, strict=True)], args)
    for one in arrived(box.state, pinned_keys(box)):
        if one.wrong:
            print(f"refused 已拒绝: {one.wrong}", file=sys.stderr)
    return 0


def _order(pack: Pack) -> tuple[str, str]:
    return pack.title, pack.valid_from


def _line(pack: Pack, in_force: bool) -> str:
    from edge.config.packs import STANDINGS

    mark = "*" if in_force else " "
    until = pack.valid_to or "..."
    head = f"{mark} {pack.title:<16} {pack.region:<6} {pack.valid_from} {until:<10}"
    return f"{head} {STANDINGS[pack.state]:<22} {pack.edition}: {pack.source}"


def _check(args: argparse.Namespace) -> int:
    from dataclasses import asdict

    from edge.daemons.handling import DEFAULT_STANDARD

    _, site = _box(args)
    standards = [str(row.get("standard", DEFAULT_STANDARD)) for row in site.noise]
    found = _packs(args).faults(_today(args), standards)
    _print([asdict(f) for f in found], [f"{f.kind}: {f.title}: {f.text}" for f in found], args)
    if not found and not args.json:
        print("every pack is in force and goes on 资料包均有效")
    return 1 if found else 0


def _numbers(args: argparse.Namespace) -> int:
    from edge.config.legal import legal_rows
    from edge.config.packs import STANDINGS

    rows = list(legal_rows(_packs(args)))
    lines = [
        f"{r['pack']:<16} {r['id']:<24} {r['value']:>7g} {r['unit']:<6} "
        f"{STANDINGS[r['state']]:<22} {r['clause']}"
        for r in rows
    ]
    _print(rows, lines, args)
    return 0


def _day(args: argparse.Namespace) -> int:
    from edge.config.catalogue import calendar_files, load_calendar

    box, site = _box(args)
    where = str(box.site_file)
    files = calendar_files(box.site_file.parent, site, where)
    found = load_calendar(files, _packs(args)).facts(_date(args.what))
    row = {"day": args.what, "kinds": sorted(found.kinds), "names": found.names}
    row |= {"pack": found.pack, "presumed": found.presumed}
    line = f"{args.what}: {' '.join(sorted(found.kinds))} {' '.join(found.names)} [{found.pack}]"
    _print([row], [line], args)
    return 0


def _file(args: argparse.Namespace) -> Path:
    if not args.what:
        raise ConfigError(f"{args.action}: give one pack's file")
    return Path(args.what)


def _sign(args: argparse.Namespace) -> int:
    """The file itself with its signature; what it says stays as it is."""
    from edge.config import read_yaml
    from edge.config.packs import read_pack
    from edge.release.signing import sign
    from edge.runtime import write_atomic
    from edge.uplink import seal

    path = _file(args)
    if args.key is None:
        raise ConfigError("sign: --key (private release key) is needed")
    read_pack(path)
    try:
        key = seal.read_private(args.key.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"--key {args.key}: {error}") from None
    text = json.dumps(sign(read_yaml(path), key), ensure_ascii=False, indent=1)
    write_atomic(path, text.encode())
    row = {"ok": True, "pack": str(path), "sha256": seal.sha256(path.read_bytes())}
    _print([row], [f"{path}: signed, sha256 {row['sha256']}"], args)
    return 0


def _install(args: argparse.Namespace) -> int:
    from edge.ipc import Spool
    from edge.release.fetch import find_package
    from edge.release.packs import FOLDER, install_pack
    from edge.release.signing import release_ring

    box, _ = _box(args)
    updates = box.device.updates
    keys = release_ring(updates.release_key, box.base)
    if args.sha256:
        incoming = box.state / FOLDER / "incoming"
        path = find_package(incoming, args.sha256, updates.url, suffix=".yaml")
    else:
        path = _file(args)
    pack, there = install_pack(path, box.state, keys)
    for daemon in ("visiond", "sensord"):
        Spool(box.run, daemon).ask("restart")
    said = f"{pack.title} {pack.edition}: installed, in force from {pack.valid_from}"
    row = {"ok": True, "pack": pack.title, "edition": pack.edition, "file": str(there)}
    _print([{**row, "said": said}], [said], args)
    return 0


_ACTIONS = {
    "list": _list,
    "check": _check,
    "numbers": _numbers,
    "day": _day,
    "sign": _sign,
    "install": _install,
}
