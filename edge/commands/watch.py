# SPDX-License-Identifier: AGPL-3.0-or-later
"""edge watch: one video, folder of images or stream through the whole chain now."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge.evidence.casebook import StoredRevision
    from edge.values import Violation

EPILOG = """example:
  edge watch street.mp4 --site site.yaml --camera north --out out/street --json
without --site the whole picture is watched for everything the model knows"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A source, and the site, device and model to watch it with; each has a default."""
    parser.add_argument("source", help="video file, folder of images, rtsp://..., usb:0, ...")
    parser.add_argument("--site", help="site.yaml with zones and rules")
    parser.add_argument("--device", help="device.yaml")
    parser.add_argument("--camera", help="which camera of the site the source stands for")
    parser.add_argument("--model", help="model name or manifest (default: of the site, city-v1)")
    parser.add_argument("--out", default="out/watch", help="folder for the evidence")
    parser.add_argument("--fps", type=float, help="analysed pictures a second")
    parser.add_argument("--start", help="UTC of the first picture, such as 2026-05-01T08:00:00Z")
    parser.add_argument("--json", action="store_true", help="violations as JSON lines on stdout")
    parser.add_argument("--realtime", action="store_true", help="a recording in its own time")
    parser.add_argument("--seconds", type=float, help="stop a stream after so many seconds")


def run(args: argparse.Namespace) -> int:
    """Watch to the end of the source, a violation's revision as one line; 0 with or without any,
    1 where no picture came."""
    from pathlib import Path

    from edge.pipeline.offline import observe
    from edge.runtime import reuse_memory

    reuse_memory()
    printer = _Printer(as_json=args.json)
    looks = observe(
        args.source,
        Path(args.out),
        site=args.site,
        device=args.device,
        camera=args.camera,
        model=args.model,
        fps=args.fps,
        start=args.start,
        realtime=args.realtime,
        seconds=args.seconds,
        publish=printer,
    )
    count = len(printer.ids)
    print(
        f"{looks} pictures looked at, {count} suspected violation(s); evidence in {args.out}",
        file=sys.stderr,
    )
    # Nothing was looked at: that is no clean street.
    return 0 if looks else 1


class _Printer:
    """One line per revision: JSON for machines, a sentence for people."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self.ids: set[str] = set()

    def __call__(
        self, violation: Violation, sealed: StoredRevision | None, *, recording: bool
    ) -> None:
        from edge.pipeline.offline import event_line

        self.ids.add(violation.id)
        line = event_line(violation, sealed, recording=recording)
        if self._as_json:
            print(json.dumps(line, ensure_ascii=False), flush=True)
        else:
            print(_sentence(line, violation.names), flush=True)


def _sentence(line: dict[str, Any], names: dict[str, str]) -> str:
    until = "" if line["ended_s"] is None else f" to {line['ended_s']:.1f} s"
    files = len(line["evidence"])
    gate = line["gate"] if line["gate"] == "complete" else f"incomplete: {line['gate_failed']}"
    return (
        f"{line['phase']:6} suspected {names['zh']} {names['en']} {line['code'] or ''} "
        f"from {line['began_s']:.1f} s{until} (decided {line['decided_s']:.1f} s) "
        f"at {line['place']}  {files} files  {gate}  {line['id']}"
    )
