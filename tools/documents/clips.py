# SPDX-License-Identifier: AGPL-3.0-or-later
"""The project's own clips from pixels to violations, compared with their truth, by the commands a
person would use: `edge watch`, then `edge evaluate`. Prints one JSON a clip, then the sum.

    tools/python -m tools.documents.clips                 every clip, the shipped model
    tools/python -m tools.documents.clips street --model models/other.yaml
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from edge.config import ConfigError

CLIPS = Path(__file__).resolve().parents[2] / "tests" / "clips"


def names() -> list[str]:
    """Clips that are judged like a camera: those with a site file beside their truth."""
    return sorted(path.parent.name for path in CLIPS.glob("*/site.yaml"))


def judge(name: str, model: str | None) -> dict[str, Any]:
    """What `edge evaluate` says of one clip. Raises ConfigError with the command's last word."""
    clip = CLIPS / name
    with tempfile.TemporaryDirectory(prefix="edge-clips-") as folder:
        out, events = Path(folder) / "evidence", Path(folder) / "events.jsonl"
        watch = ["watch", str(clip / f"{name}.mp4"), "--site", str(clip / "site.yaml")]
        watch += ["--out", str(out), "--json", *(["--model", model] if model else [])]
        events.write_text(_edge(*watch), "utf-8")
        compare = ["--truth", str(clip / "truth.json"), "--events", str(events), "--json"]
        return dict(json.loads(_edge("evaluate", *compare)))


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
        "f1": round(2 * hits / max(1, 2 * hits + wrong + missed), 3),
    }


def main() -> int:
    """0 with one JSON a clip; 1 where a command of it failed. Bad figures are no failure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("clip", nargs="*", choices=[*names(), []], help="default: all of them")
    parser.add_argument("--model", help="manifest of another model")
    args = parser.parse_args()
    rows = []
    try:
        for name in args.clip or names():
            truth = json.loads((CLIPS / name / "truth.json").read_bytes())
            row = {"clip": name, "hours": truth["duration_s"] / 3600, **judge(name, args.model)}
            print(json.dumps(row), flush=True)
            rows.append(row)
    except ConfigError as error:
        print(f"clips: {error}", file=sys.stderr)
        return 1
    print(json.dumps({"all clips": summed(rows)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
