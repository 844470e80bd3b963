# SPDX-License-Identifier: AGPL-3.0-or-later
"""Does a box learn its own corner? Verdicts at five cameras that stand still, day after day.

The cameras are rendered streets (tools/scenes days): what stands there for good is there every day
in other light, vendors come to about their usual spots, strangers now and then; at two of them
lorries pass. The detector looks at each day's picture; a box that lies on what it is called is what
an officer would confirm, another what he would reject. Verdicts come in the order of the days; the
camera's second opinion is taught with those given so far (edge.learning.opinion) and judges the
cases of later days. Prints precision and recall against verdicts given, and draws them.

    tools/scenes days --out out/days --count 40
    tools/dataset import yolo out/days --rules tools/training/days.yaml --out datasets/days
    VENV=train tools/python -m tools.training.corner --plot docs/figures/corner.png
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from edge.config import ConfigError
from edge.learning.opinion import Example, features_of, teach
from edge.values import Image
from tools.training.classes import CITY, COCO
from tools.training.collection import read_collection
from tools.training.evaluate import Form, open_form
from tools.training.pictures import Picture, of_collection
from tools.training.progress import progress
from tools.training.raw_yolo import detect, iou_matrix

CASE_SCORE = 0.2  # a new camera on trial: more is shown than a settled one tells
# Where the box lies on the thing so far, an officer sees it in the close-up and confirms.
SEEN_IOU = 0.3
STEPS = (0, 10, 20, 30, 40, 60, 80)
ASKED = 40  # verdicts after which the opinion is to be good
CAMERAS = 5
LEAST_EACH = 14


@dataclass(frozen=True, slots=True)
class Stream:
    """One camera's cases in order: what an officer would be shown."""

    camera: str
    label: str
    cases: tuple[Example, ...]

    @property
    def least(self) -> int:
        right = sum(case.right for case in self.cases)
        return min(right, len(self.cases) - right)


def streams(form: Form, pictures: Sequence[Picture]) -> list[Stream]:
    """Cases by source and class in the order of the days, the richest in both kinds first."""
    cases: dict[tuple[str, str], list[Example]] = {}
    ordered = sorted(pictures, key=lambda one: one.path.stem)
    for picture in progress(ordered, len(ordered), "look"):
        read = cv2.imread(str(picture.path))
        if read is None:
            continue
        for name, example in cases_of(form, np.asarray(read, np.uint8), picture):
            cases.setdefault((picture.item.source, name), []).append(example)
    made = [Stream(source, name, tuple(rows)) for (source, name), rows in cases.items()]
    return sorted((s for s in made if s.least >= LEAST_EACH), key=lambda s: -s.least)[:CAMERAS]


def cases_of(form: Form, image: Image, picture: Picture) -> Iterator[tuple[str, Example]]:
    """(class, case) of every box of a picture that an officer would be shown."""
    found = detect(form.network, image, min_score=CASE_SCORE)
    silent = set(picture.item.unlabelled)
    for box, label in zip(found.boxes, found.labels.tolist(), strict=True):
        name = CITY[label]
        truth = np.array([t.xyxy for t in picture.labels if t.label == label]).reshape(-1, 4)
        # No category rests on a COCO class alone; what was not looked for has no verdict.
        if name in COCO or (name in silent and not len(truth)):
            continue
        right = bool(len(truth)) and iou_matrix(box[None], truth).max() >= SEEN_IOU
        x1, y1, x2, y2 = box.tolist()
        place = (x1, y1, x2, y2)
        yield name, Example(features_of(image, place, place), bool(right))


def after(stream: Stream, verdicts: int) -> dict[str, float]:
    """Of the cases of later days: shares of false and right ones still told as cases, their
    precision, and what teaching took, s and MB."""
    tracemalloc.start()
    began = time.process_time()
    opinion = teach(stream.cases[:verdicts])
    took_s, peak = time.process_time() - began, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    speaks = opinion is not None and opinion.speaks
    rest = stream.cases[max(verdicts, ASKED) :]
    told = [c for c in rest if opinion is None or not speaks or not opinion.doubts(c.features)]
    right, false = (sum(c.right == kind for c in rest) for kind in (True, False))
    kept = sum(c.right for c in told)
    return {
        "verdicts": verdicts,
        "judged": len(rest),
        "speaks": float(speaks),
        "false_left": (len(told) - kept) / max(false, 1),
        "right_left": kept / max(right, 1),
        "precision": kept / max(len(told), 1),
        "teach_s": round(took_s, 4),
        "teach_mb": round(peak / 1e6, 2),
    }


def draw(rows: dict[str, list[dict[str, float]]], path: Path) -> None:
    """Precision and recall of every camera against verdicts given."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.6), sharex=True)
    for name, points in rows.items():
        given = [point["verdicts"] for point in points]
        axes[0].plot(given, [point["precision"] for point in points], marker="o", label=name)
        axes[1].plot(given, [point["right_left"] for point in points], marker="o", label=name)
    for axis, title in zip(axes, ("precision", "right cases kept"), strict=True):
        axis.set(title=title, xlabel="verdicts given", ylim=(0, 1.02))
    axes[1].legend(fontsize=7)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def main(arguments: Sequence[str] | None = None) -> int:
    """One JSON a camera and number of verdicts, then the mean at 40; 2 where there are no cases."""
    parser = argparse.ArgumentParser(prog="tools.training.corner", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--model", type=Path, default=Path("models/city-v1.onnx"))
    parser.add_argument("--sets", type=Path, nargs="+", default=[Path("datasets/days")])
    parser.add_argument("--plot", type=Path, help="FILE.png")
    args = parser.parse_args(arguments)
    try:
        sets = [read_collection(folder) for folder in args.sets]
        pictures = [
            p for held in sets for split in ("train", "val") for p in of_collection(held, split)
        ]
        found = streams(open_form(args.model), pictures)
        if not found:
            raise ConfigError("no source of these sets has enough right and false cases")
    except ConfigError as error:
        print(f"tools.training.corner: {error}", file=sys.stderr)
        return 2
    rows: dict[str, list[dict[str, float]]] = {}
    for stream in found:
        name = f"{stream.camera}/{stream.label}"
        rows[name] = [after(stream, given) for given in STEPS]
        for row in rows[name]:
            print(json.dumps({"camera": name, "cases": len(stream.cases), **row}))
    forty = [row for points in rows.values() for row in points if row["verdicts"] == ASKED]
    mean = {key: round(float(np.mean([row[key] for row in forty])), 3) for key in forty[0]}
    print(json.dumps({"all cameras, 40 verdicts": mean}))
    if args.plot:
        draw(rows, args.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
