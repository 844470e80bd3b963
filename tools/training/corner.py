# SPDX-License-Identifier: AGPL-3.0-or-later
"""Does a box learn its own corner? Verdicts on real pictures, source groups standing for cameras.

The detector looks at every picture of a group; a box that lies on a truth is what an officer would
confirm, another what he would reject. Verdicts come in the order of the pictures; after each batch
the camera's second opinion is taught anew (edge.learning.opinion) and judges all cases that have no
verdict yet. Prints precision and recall against verdicts given, and draws them.

    VENV=train tools/python -m tools.training.corner --plot out/corner.png
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from edge.config import ConfigError
from edge.learning.opinion import Example, features_of, teach
from tools.training.classes import CITY, COCO
from tools.training.collection import read_collection
from tools.training.evaluate import Form, open_form
from tools.training.pictures import Picture, of_collection
from tools.training.progress import progress
from tools.training.raw_yolo import detect, iou_matrix

CASE_SCORE = 0.2  # a new camera on trial: more is shown than a settled one tells
SAME_IOU = 0.5
STEPS = (0, 10, 20, 30, 40, 60, 80)
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
    """Cases by source and class, the richest in both kinds first."""
    cases: dict[tuple[str, str], list[Example]] = {}
    for picture in progress(pictures, len(pictures), "look"):
        read = cv2.imread(str(picture.path))
        if read is None:
            continue
        image = np.asarray(read, np.uint8)
        found = detect(form.network, image, min_score=CASE_SCORE)
        silent = set(picture.item.unlabelled)
        for box, label in zip(found.boxes, found.labels.tolist(), strict=True):
            name = CITY[label]
            if name in COCO:  # no category rests on those alone
                continue
            truth = np.array([t.xyxy for t in picture.labels if t.label == label]).reshape(-1, 4)
            if name in silent and not len(truth):
                continue
            right = bool(len(truth)) and iou_matrix(box[None], truth).max() >= SAME_IOU
            x1, y1, x2, y2 = box.tolist()
            place = (x1, y1, x2, y2)
            example = Example(features_of(image, place, place), bool(right))
            cases.setdefault((picture.item.source, name), []).append(example)
    made = [Stream(source, name, _shuffled(rows)) for (source, name), rows in cases.items()]
    return sorted((s for s in made if s.least >= LEAST_EACH), key=lambda s: -s.least)[:CAMERAS]


def _shuffled(rows: list[Example]) -> tuple[Example, ...]:
    """A fixed order: files of a set are sorted by content more often than a camera's days are."""
    order = np.random.default_rng(5).permutation(len(rows))
    return tuple(rows[index] for index in order)


def after(stream: Stream, verdicts: int) -> dict[str, float]:
    """Of the cases without a verdict: shares of false and right ones still told as cases, their
    precision, and what teaching took, s."""
    began = time.process_time()
    opinion = teach(stream.cases[:verdicts])
    took_s = time.process_time() - began
    speaks = opinion is not None and opinion.speaks
    rest = stream.cases[max(STEPS) :] if len(stream.cases) > 2 * max(STEPS) else stream.cases[40:]
    told = [c for c in rest if opinion is None or not speaks or not opinion.doubts(c.features)]
    right, false = (sum(c.right == kind for c in rest) for kind in (True, False))
    kept = sum(c.right for c in told)
    return {
        "verdicts": verdicts,
        "speaks": float(speaks),
        "false_left": (len(told) - kept) / max(false, 1),
        "right_left": kept / max(right, 1),
        "precision": kept / max(len(told), 1),
        "teach_s": round(took_s, 4),
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
    parser.add_argument("--sets", type=Path, nargs="+", default=[Path("datasets/streets")])
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
    forty = [row for points in rows.values() for row in points if row["verdicts"] == 40]
    mean = {key: round(float(np.mean([row[key] for row in forty])), 3) for key in forty[0]}
    print(json.dumps({"all cameras, 40 verdicts": mean}))
    if args.plot:
        draw(rows, args.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
