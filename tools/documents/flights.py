# SPDX-License-Identifier: AGPL-3.0-or-later
"""The rendered flights from pixels to places, compared with their truth: `edge fly` as a crew would
call it, without a register, so that everything is judged everywhere. Prints one JSON a flight, then
the sum.

    tools/python -m tools.documents.flights               every flight, the shipped model
    tools/python -m tools.documents.flights flyback --table
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edge.config import ConfigError
from edge.drone.earth import distance_m

CLIPS = Path(__file__).resolve().parents[2] / "tests" / "clips"


def names(folder: Path = CLIPS) -> list[str]:
    """Clips that are flights: those with captions beside their film."""
    return sorted(path.parent.name for path in folder.glob("*/*.SRT"))


def flown(name: str, model: str | None) -> dict[str, Any]:
    """The ledger of one flight. Raises ConfigError with the command's last word."""
    with tempfile.TemporaryDirectory(prefix="edge-flights-") as folder:
        argv = [sys.executable, "-m", "edge", "fly", str(CLIPS / name / f"{name}.mp4")]
        argv += ["--camera", "M3T", "--out", folder, *(["--model", model] if model else [])]
        done = subprocess.run(argv, capture_output=True, text=True)
        if done.returncode != 0:
            raise ConfigError(f"edge fly: {done.stderr.strip().splitlines()[-1]}")
        return dict(json.loads((Path(folder) / "flight.json").read_bytes()))


def compared(ledger: Mapping[str, Any], truth: Mapping[str, Any]) -> dict[str, Any]:
    """Findings of the right category within their own radius of a target, each target once, the
    nearest first; how far off the right ones are, in metres."""
    targets = [target for target in truth["targets"] if target["category"]]
    pairs = sorted(
        (distance_m((f["lat"], f["lon"]), (t["lat"], t["lon"])), f["id"], t["name"])
        for f in ledger["findings"]
        for t in targets
        if f["category"] == t["category"]
    )
    radius = {finding["id"]: finding["ce90_m"] for finding in ledger["findings"]}
    found, hit, errors = set[str](), set[str](), []
    for away, finding, target in pairs:
        if away <= radius[finding] and finding not in found and target not in hit:
            found.add(finding)
            hit.add(target)
            errors.append(round(away, 2))
    missed = [target["name"] for target in targets if target["name"] not in hit]
    wrong = [f["category"] for f in ledger["findings"] if f["id"] not in found]
    return {"tp": len(hit), "fp": len(wrong), "fn": len(missed), "errors_m": errors,
            "missed": missed, "wrong": wrong}  # fmt: skip


def summed(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Precision, recall and place error over all flights together."""
    hits, wrong, missed = (sum(row[key] for row in rows) for key in ("tp", "fp", "fn"))
    errors = [error for row in rows for error in row["errors_m"]]
    return {
        "flights": len(rows),
        "tp": hits,
        "fp": wrong,
        "fn": missed,
        "precision": round(hits / max(1, hits + wrong), 3),
        "recall": round(hits / max(1, hits + missed), 3),
        "place_error_m_median": round(statistics.median(errors), 2) if errors else None,
        "place_error_m_worst": max(errors, default=None),
    }


def _line(row: Mapping[str, Any]) -> str:
    told = f"{row['flight']:<12} right {row['tp']}  wrong {row['fp']}  missed {row['fn']}"
    return f"{told}  off {row['errors_m']} m  wrong: {row['wrong']}  missed: {row['missed']}"


def main() -> int:
    """0 with one JSON a flight; 1 where a command of it failed. Bad figures are no failure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("flight", nargs="*", choices=[*names(), []], help="default: all")
    parser.add_argument("--table", action="store_true", help="a table instead of JSON")
    parser.add_argument("--model", help="manifest of another model")
    args = parser.parse_args()
    rows = []
    try:
        for name in args.flight or names():
            truth = json.loads((CLIPS / name / "truth.json").read_bytes())
            rows.append({"flight": name, **compared(flown(name, args.model), truth)})
            print(_line(rows[-1]) if args.table else json.dumps(rows[-1]), flush=True)
    except ConfigError as error:
        print(f"flights: {error}", file=sys.stderr)
        return 1
    total = summed(rows)
    print(total if args.table else json.dumps({"all flights": total}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
