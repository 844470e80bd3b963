# SPDX-License-Identifier: AGPL-3.0-or-later
"""edge software: which release is in force, one brought by hand, and what a new one is asked."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from edge.config.paths import DEVICE_FILE, SITE_FILE, usual

EPILOG = """examples:
  edge software status                           what is in force, under way, refused, taken back
  sudo edge software install /media/usb/release  a folder made by tools/bundle, without a network
  edge software selftest                         what a new release is asked before the switch"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`install` needs root; the others read."""
    parser.add_argument("what", choices=["status", "install", "selftest"])
    parser.add_argument(
        "folder", nargs="?", type=Path, help="for install: objects and manifest.json"
    )
    parser.add_argument("--site", help=f"default {SITE_FILE} where it is")
    parser.add_argument("--device", help=f"default {DEVICE_FILE} where it is")
    parser.add_argument("--json", action="store_true", help="one JSON line on stdout")


def run(args: argparse.Namespace) -> int:
    """0 done, 1 where the self-test finds something. Raises ConfigError for what is refused."""
    row = {"status": _status, "install": _install, "selftest": _selftest}[args.what](args)
    print(json.dumps(row, ensure_ascii=False) if args.json else row["said"], flush=True)
    return 0 if row["ok"] else 1


def _where(args: argparse.Namespace) -> Any:
    from edge.config.paths import read_box

    return read_box(usual(args.device, DEVICE_FILE))


def _status(args: argparse.Namespace) -> dict[str, Any]:
    import msgspec

    from edge import __version__
    from edge.release.software.slots import Slots
    from edge.release.software.state_file import stage_of

    where = _where(args)
    state, slots = stage_of(where), Slots(where.program)
    slot = slots.in_force()
    release = slots.release(slot)
    number = release.number if release else 0
    said = f"release {number} ({__version__}) in slot {slot}"
    if state.stage != "idle":
        said += f"; release {state.number} under way: {state.stage}"
    elif state.outcome:
        said += f"; release {state.number}: {state.outcome}{f': {state.why}' if state.why else ''}"
    disk = slots.disk()
    said += f"; disk: {' '.join(f'{name} {n}' for name, n in disk.items())}"
    fields = msgspec.to_builtins(state)
    return {"ok": True, "release": number, "slot": slot, **fields, "disk": disk, "said": said}


def _install(args: argparse.Namespace) -> dict[str, Any]:
    """Lays the folder down as uplinkd would have; edge-updaterd.path sees it."""
    from edge.config import ConfigError
    from edge.release.signing import release_ring
    from edge.release.software.manifest import read_release
    from edge.release.software.slots import Slots
    from edge.release.software.wheels import file_hash
    from edge.runtime import write_atomic

    if args.folder is None or not (args.folder / "manifest.json").is_file():
        raise ConfigError(f"{args.folder}: no folder with a manifest.json")
    where = _where(args)
    key = where.device.updates.software_key
    keys = release_ring(key, where.base, "updates.software_key")
    manifest = args.folder / "manifest.json"
    release, sha256 = read_release(manifest.read_bytes(), keys, str(manifest)), file_hash(manifest)
    incoming = where.update / "incoming"
    slots = Slots(where.program)
    try:
        slots.check_room(release, incoming)
        for name in slots.lacking(release):
            shutil.copyfile(args.folder / name, incoming / name)
        shutil.copyfile(manifest, incoming / sha256)
        body = {"number": release.number, "sha256": sha256}
        write_atomic(incoming / "ready.json", json.dumps(body).encode())
    except OSError as error:
        raise ConfigError(f"{error.filename}: {error.strerror}") from None
    said = f"release {release.number} handed to edge-updaterd; see edge software status"
    return {"ok": True, "release": release.number, "sha256": sha256, "said": said}


def _selftest(args: argparse.Namespace) -> dict[str, Any]:
    from edge.daemons.software_selftest import selftest

    wrong = selftest(usual(args.site, SITE_FILE), usual(args.device, DEVICE_FILE))
    for line in wrong:
        print(line, file=sys.stderr)
    said = "; ".join(wrong) or "imports, configuration, models and outbox are well"
    _report_to_updaterd(said if wrong else "")
    return {"ok": not wrong, "said": said}


def _report_to_updaterd(why: str) -> None:
    """In the unit's own folder of /run, where there is one."""
    import os

    folder = os.environ.get("RUNTIME_DIRECTORY")
    if folder:
        (Path(folder) / "why.txt").write_text(why, "utf-8")
