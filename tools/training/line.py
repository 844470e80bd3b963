# SPDX-License-Identifier: AGPL-3.0-or-later
"""Between where a run set out from and what it came to: what the networks on the line are worth.

Weights are averaged with several shares of the trained ones (Wortsman et al. 2022, "Robust
fine-tuning of zero-shot models"): what was learnt, without forgetting the rest. Judged on
held-apart pictures, never on `eval/`.

    VENV=train tools/python -m tools.training.line runs/NAME/start.pt runs/NAME/last.pt
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from edge.config import ConfigError
from tools.training.classes import CITY, COCO
from tools.training.export import SIZES, open_average, write_onnx
from tools.training.figures import Row, rows
from tools.training.judge_pictures import judge
from tools.training.pictures import Picture, read_suite
from tools.training.raw_yolo import Onnx

HERE = Path(__file__).parent
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
SIZE = "384x640"

Found = dict[tuple[str, str], Row]


def found_at(path: Path, pictures: Sequence[Picture]) -> Found:
    """Rows of one network by class and source."""
    judged = list(judge(Onnx(path), pictures, CITY))
    return {(row.name, row.source): row for row in rows(judged, CITY) if row.origin == "real"}


def table(told: dict[float, Found]) -> str:
    """Markdown: AP50 and recall at the working score (raw) of every share."""
    names = next(iter(told.values()))
    lines = [
        "| class | source | boxes | " + " | ".join(f"{share:g}" for share in told) + " |",
        "|---|---|---|" + "---|" * len(told),
    ]
    for key, first in names.items():
        if key[0] in COCO and key[1] != "all":
            continue
        cells = (f"{found[key].ap50:.3f}, {found[key].recall:.2f}" for found in told.values())
        lines.append(f"| {key[0]} | {key[1]} | {first.truths} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Writes the networks and prints their table; 2 for a wrong file, in one line."""
    parser = argparse.ArgumentParser(prog="tools.training.line", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("start", type=Path, help="checkpoint that the run set out from")
    parser.add_argument("last", type=Path, help="checkpoint that it came to")
    parser.add_argument("--shares", type=float, nargs="+", default=SHARES, help="of the last")
    parser.add_argument("--suite", type=Path, default=HERE / "suites" / "held.yaml")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--out", type=Path, default=Path("out/line"))
    args = parser.parse_args(arguments)
    told: dict[float, Found] = {}
    try:
        suite = read_suite(args.suite, {"SHARED": args.shared}, CITY)
        for line in suite.missing:
            raise ConfigError(line)
        args.out.mkdir(parents=True, exist_ok=True)
        for share in args.shares:
            path = args.out / f"share-{share:g}.onnx"
            write_onnx(open_average([args.start, args.last], share=share), path, *SIZES[SIZE])
            told[share] = found_at(path, suite.pictures)
            plain = [row.plain() for row in told[share].values()]
            path.with_suffix(".json").write_text(json.dumps(plain))
    except ConfigError as error:
        print(f"tools.training.line: {error}", file=sys.stderr)
        return 2
    print(table(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
