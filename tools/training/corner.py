# SPDX-License-Identifier: AGPL-3.0-or-later
"""Does a box learn its own corner? Verdicts at five cameras that stand still, day after day.

One is a real camera with its real days, four are real photographs seen in other light every day;
right things, cut out of other photographs, come and go (tools.training.corner_cameras). The
detector looks at each day's picture; a box that lies on a right thing is what an officer would
confirm, another what he would reject. Verdicts come in the order of the days; the camera's second
opinion is taught with those given so far (edge.learning.opinion) and judges the cases of later
days. Prints precision and recall against verdicts given, and draws them.

    VENV=train tools/python -m tools.training.corner --plot docs/pictures/corner.png
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import tracemalloc
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from edge.config import ConfigError
from edge.learning.opinion import Example, features_of, teach
from tools.training.classes import CITY
from tools.training.collection import SPLITS, Collection, read_collection
from tools.training.corner_cameras import (
    Day,
    StillCamera,
    days_of,
    photograph_camera,
    real_camera,
)
from tools.training.evaluate import Form, open_form
from tools.training.pictures import Picture, of_collection
from tools.training.progress import progress
from tools.training.raw_yolo import detect, iou_matrix
from tools.training.shots import Shot, load_shots
from tools.training.transplants import TRANSPLANTS, transplants

CASE_SCORE = 0.2  # a new camera on trial: more is shown than a settled one tells
# Where the box lies on the thing so far, an officer sees it in the close-up and confirms. Where it
# only touches one, what he would say is not known: no case.
TOUCHED_IOU, SEEN_IOU = 0.1, 0.3
STEPS = (0, 10, 20, 30, 40, 60, 80)
ASKED = 40  # verdicts after which the opinion is to be good
SEED = 11
PHOTOGRAPHS = 4
# A camera has so many cases, and so many of each kind; a photograph that gives fewer is none.
CASES, LEAST_EACH = 140, 14
# Where photographs without a stall come from, and what is cut out for which class.
EMPTY = ("street_empty", "look_alikes", "street_cameras")
CUT = {"vendor_stall": ("real_cart", "real_market"), "muck_truck": ("real_lorry",)}


@dataclass(frozen=True, slots=True)
class Stream:
    """One camera's cases in order: what an officer would be shown."""

    camera: str
    label: str
    cases: tuple[Example, ...]

    @property
    def enough(self) -> bool:
        right = sum(case.right for case in self.cases)
        return len(self.cases) == CASES and min(right, CASES - right) >= LEAST_EACH


def streams(form: Form, cameras: Sequence[StillCamera], shots: Sequence[Shot]) -> list[Stream]:
    """The cases of the real camera and of the first photographs that give enough, in the order of
    the days. Raises ConfigError where nothing of a camera's class can be cut out."""
    pool = list(transplants(list(shots), CITY))
    made: list[Stream] = []
    for camera in cameras:
        if len(made) == 1 + PHOTOGRAPHS:
            break
        things = [one for one in pool if one.kind in CUT[camera.label] and not one.above]
        if not things:
            raise ConfigError(f"no {camera.label} to cut out of these sets")
        days = days_of(camera, things, SEED)
        cases = (case for day in days for case in cases_of(form, camera.label, day))
        stream = Stream(camera.name, camera.label, tuple(islice(cases, CASES)))
        if stream.enough:
            made.append(stream)
    return made


def cases_of(form: Form, name: str, day: Day) -> Iterator[Example]:
    """Every box of a day's picture that an officer would be shown."""
    found = detect(form.network, day.image, min_score=CASE_SCORE)
    truth = np.array(day.right).reshape(-1, 4)
    for box in found.boxes[found.labels == CITY.index(name)]:
        most = float(iou_matrix(box[None], truth).max()) if len(truth) else 0.0
        if TOUCHED_IOU <= most < SEEN_IOU:
            continue
        x1, y1, x2, y2 = box.tolist()
        place = (x1, y1, x2, y2)
        yield Example(features_of(day.image, place, place), most >= SEEN_IOU)


def wrong_about(form: Form, pictures: Sequence[Picture]) -> list[Picture]:
    """Of photographs without a stall those in which the detector is wrong about most things, one of
    a place, the worst first."""
    stall = CITY.index("vendor_stall")
    rows: list[tuple[int, float, Picture]] = []
    for picture in progress(pictures, len(pictures), "photographs"):
        read = cv2.imread(str(picture.path))
        if read is None:
            continue
        found = detect(form.network, np.asarray(read, np.uint8), min_score=CASE_SCORE)
        scores = found.scores[found.labels == stall]
        if len(scores):
            rows.append((len(scores), float(scores.sum()), picture))
    ranked = [p for _, _, p in sorted(rows, key=lambda row: (-row[0], -row[1], row[2].path.stem))]
    first = {picture.item.group: picture for picture in reversed(ranked)}
    return [picture for picture in ranked if first[picture.item.group] is picture]


def empty_of_stalls(pictures: Iterable[Picture]) -> list[Picture]:
    """Those looked through for stalls without finding one."""
    stall = CITY.index("vendor_stall")
    return [
        one
        for one in pictures
        if one.item.source in EMPTY
        and "vendor_stall" not in one.item.unlabelled
        and all(label.label != stall for label in one.labels)
    ]


def gather(
    form: Form, sets: Sequence[Collection], videos: Path
) -> tuple[list[StillCamera], list[Shot]]:
    """The cameras, and the photographs that right things are cut out of. Raises ConfigError."""
    pictures = [p for held in sets for split in SPLITS for p in of_collection(held, split)]
    wrong = wrong_about(form, empty_of_stalls(pictures))
    cameras = [real_camera(videos)]
    cameras += [photograph_camera(f"photograph {one.path.stem}", one.path) for one in wrong]
    shots = [shot for held in sets for split in SPLITS for shot in load_shots(_cut(held), split)]
    return cameras, shots


def _cut(held: Collection) -> Collection:
    """Only what something is cut out of."""
    wanted = {kind for kinds in CUT.values() for kind in kinds}
    sources = {source for (source, _), (kind, _) in TRANSPLANTS.items() if kind in wanted}
    return replace(held, items=tuple(item for item in held.items if item.source in sources))


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
    sets = [Path("datasets/streets"), Path("datasets/pack")]
    parser.add_argument("--sets", type=Path, nargs="+", default=sets)
    parser.add_argument("--videos", type=Path, default=Path("../shared/data/video/real"))
    parser.add_argument("--plot", type=Path, help="FILE.png")
    args = parser.parse_args(arguments)
    try:
        form = open_form(args.model)
        held = [read_collection(folder) for folder in args.sets]
        found = streams(form, *gather(form, held, args.videos))
        if len(found) <= PHOTOGRAPHS:
            raise ConfigError(f"{len(found)} cameras with {CASES} cases; {PHOTOGRAPHS + 1} wanted")
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
