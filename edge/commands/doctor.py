# SPDX-License-Identifier: AGPL-3.0-or-later
"""edge doctor: what is wrong with this box, in words a technician can act on."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

EPILOG = """example: edge doctor --site /etc/edge/site.yaml --device /etc/edge/device.yaml
exit 0: nothing is wrong; 1: something is, and the line says what to do"""

# Where `edge run` works without files of its own.
TRIAL = Path("edge-home")

MARKS = {"well": "  ok  ", "remark": " note ", "wrong": "WRONG "}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--site", help="default: /etc/edge/site.yaml, if it exists")
    parser.add_argument("--device", help="default: /etc/edge/device.yaml, if it exists")
    parser.add_argument("--json", action="store_true", help="one line for each finding")


def run(args: argparse.Namespace) -> int:
    """0: nothing is wrong; 1: something is, and its line says what to do, in both languages."""
    from edge.diagnosis.doctor import examine
    from edge.pipeline.soundness import load_settings, load_sound

    site, device = _files(args.site, args.device)
    settings = load_sound(site, device) if site and device else load_settings(site, device)
    wrong = 0
    for advice in examine(settings):
        wrong += advice.level == "wrong"
        if args.json:
            print(json.dumps(asdict(advice), ensure_ascii=False), flush=True)
            continue
        print(f"{MARKS[advice.level]} {advice.part}: {advice.found}", flush=True)
        if advice.do_en:
            print(f"         -> {advice.do_en} / {advice.do_zh}", flush=True)
    return 1 if wrong else 0


def _files(site: str | None, device: str | None) -> tuple[str | None, str | None]:
    """The files of the box; where it has none, those of a trial (`edge run`) in this folder, for
    the folders that a trial works in are not the box's."""
    from edge.config.paths import DEVICE_FILE, SITE_FILE, usual

    files = usual(site, SITE_FILE), usual(device, DEVICE_FILE)
    trial = tuple(TRIAL / name for name in ("site.yaml", "device.yaml"))
    if any(files) or not all(path.exists() for path in trial):
        return files
    print(f"no box is set up here: looking at the trial in {TRIAL}", file=sys.stderr)
    return str(trial[0]), str(trial[1])
