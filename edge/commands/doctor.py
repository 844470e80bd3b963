# SPDX-License-Identifier: AGPL-3.0-or-later
"""edge doctor: what is wrong with this box, in words a technician can act on."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

EPILOG = """example: edge doctor --site /etc/edge/site.yaml --device /etc/edge/device.yaml
exit 0: nothing is wrong; 1: something is, and the line says what to do"""

MARKS = {"well": "  ok  ", "remark": " note ", "wrong": "WRONG "}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--site", help="default: /etc/edge/site.yaml, if it exists")
    parser.add_argument("--device", help="default: /etc/edge/device.yaml, if it exists")
    parser.add_argument("--json", action="store_true", help="one line for each finding")


def run(args: argparse.Namespace) -> int:
    """0: nothing is wrong; 1: something is, and its line says what to do, in both languages."""
    from edge.config.paths import DEVICE_FILE, SITE_FILE, usual
    from edge.diagnosis.doctor import examine
    from edge.pipeline.soundness import load_settings

    settings = load_settings(usual(args.site, SITE_FILE), usual(args.device, DEVICE_FILE))
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
