# SPDX-License-Identifier: AGPL-3.0-or-later
"""The project's own clips from pixels to violations, compared with their truth, by the commands a
person would use: `edge watch`, then `edge evaluate`. Prints one JSON a clip, then the sum.

    tools/python -m tools.documents.clips                 every clip, the shipped model
    tools/python -m tools.documents.clips street --model models/other.yaml
    tools/python -m tools.documents.clips --reel --table  the hard-negative reel too, for people
    tools/python -m tools.documents.clips --corners       the films that nothing was tuned on
    tools/python -m tools.documents.clips --rate need     looked at as seldom as the rules allow
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from edge.config import ConfigError

TESTS = Path(__file__).resolve().parents[2] / "tests"
CLIPS, REEL, CORNERS = TESTS / "clips", TESTS / "reel", TESTS / "corners"


def names(folder: Path = CLIPS) -> list[str]:
    """Clips that are judged like a camera: those with a site file beside their truth."""
    return sorted(path.parent.name for path in folder.glob("*/site.yaml"))


def folder_of(name: str) -> Path:
    return next(folder / name for folder in (CLIPS, REEL, CORNERS) if (folder / name).is_dir())


def judge(name: str, model: str | None, rate: str = "auto") -> dict[str, Any]:
    """What `edge evaluate` says of one clip. Raises ConfigError with the command's last word."""
    clip = folder_of(name)
    with tempfile.TemporaryDirectory(prefix="edge-clips-") as folder:
        out, events = Path(folder) / "evidence", Path(folder) / "events.jsonl"
        site = Path(folder) / "site.yaml"
        site.write_text(_at_rate((clip / "site.yaml").read_text("utf-8"), rate), "utf-8")
        watch = ["watch", str(clip / f"{name}.mp4"), "--site", str(site)]
        watch += ["--out", str(out), "--json", *(["--model", model] if model else [])]
        events.write_text(_edge(*watch), "utf-8")
        compare = ["--truth", str(clip / "truth.json"), "--events", str(events), "--json"]
        return dict(json.loads(_edge("evaluate", *compare)))


def _at_rate(site: str, rate: str) -> str:
    """The site file with its cameras looked at so (edge.config.Camera.rate)."""
    body = yaml.safe_load(site)
    for camera in body["cameras"]:
        camera["rate"] = rate
    return str(yaml.safe_dump(body, allow_unicode=True))


def _edge(*words: str) -> str:
    argv = [sys.executable, "-m", "edge", *words]
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode != 0:
        raise ConfigError(f"edge {words[0]}: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout


def summed(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Hits and misses of all clips together, and what follows from them."""
    hits, wrong, missed = (sum(r["all"][key] for r in rows) for key in ("tp", "fp", "fn"))
    hours = sum(r["hours"] for r in rows)
    return {
        "clips": len(rows),
        "hours": round(hours, 3),
        "tp": hits,
        "fp": wrong,
        "fn": missed,
        "f1": round(2 * hits / (2 * hits + wrong + missed), 3) if hits + wrong + missed else 1.0,
    }


def line(row: dict[str, Any]) -> str:
    """A row of the table: hits, misses, false ones, F1, false alarms an hour of scene time."""
    told, hours = row["all"], row["hours"]
    hourly = told["fp"] / hours if hours else 0.0
    counts = " ".join(f"{key} {told[key]:>2}" for key in ("tp", "fn", "fp"))
    name = f"{row['clip']:<26}{hours * 60:>6.1f} min"
    return f"{name}  {counts}  f1 {told['f1']:.2f}  {hourly:.1f} false/h"


def _asked(args: argparse.Namespace) -> list[str]:
    if args.corners:
        return names(CORNERS)
    return names() + (names(REEL) if args.reel else [])


def main() -> int:
    """0 with one JSON a clip; 1 where a command of it failed. Bad figures are no failure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "clip",
        nargs="*",
        choices=[*names(), *names(REEL), *names(CORNERS), []],
        help="default: all of tests/clips",
    )
    parser.add_argument("--reel", action="store_true", help="the hard-negative reel too")
    parser.add_argument("--corners", action="store_true", help="the corners, and only they")
    parser.add_argument("--table", action="store_true", help="a table instead of JSON")
    parser.add_argument("--rate", choices=["auto", "need"], default="auto")
    parser.add_argument("--model", help="manifest of another model")
    args = parser.parse_args()
    rows = []
    try:
        for name in args.clip or _asked(args):
            truth = json.loads((folder_of(name) / "truth.json").read_bytes())
            row = {
                "clip": name,
                "hours": truth["duration_s"] / 3600,
                **judge(name, args.model, args.rate),
            }
            rows.append(row)
            told = line(row) if args.table else json.dumps(row)
            print(told, flush=True)
    except ConfigError as error:
        print(f"clips: {error}", file=sys.stderr)
        return 1
    total = summed(rows)
    print(
        line({**total, "clip": "all", "all": total})
        if args.table
        else json.dumps({"all clips": total})
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
