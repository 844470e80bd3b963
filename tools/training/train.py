# SPDX-License-Identifier: AGPL-3.0-or-later
"""tools/train RUN.yaml: train the city detector; killed and started again it goes on.

The run folder holds resume.pt, best.pt, last.pt, log.jsonl, curves.png and the settings used.
"""

from __future__ import annotations

import argparse
import copy
import math
import os
import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("YOLO_OFFLINE", "true")  # no look-ups on the net, before ultralytics loads

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from ultralytics.nn.tasks import DetectionModel, load_checkpoint

from edge.config import ConfigError
from tools.training.average_precision import ap50
from tools.training.classes import CITY
from tools.training.collection import Collection
from tools.training.judge_pictures import judge, matches
from tools.training.learn import Learner
from tools.training.mixture import open_mixer
from tools.training.objective import Teachers
from tools.training.pictures import of_collection
from tools.training.settings import Run, read_run, resolve
from tools.training.surgery import Photographs, open_checkpoint

MEASURED = 128  # photographs that a shipped file's batch norms are measured on
LEAST_TRUTHS = 5  # a class with fewer validation boxes says nothing

EXAMPLE = """example:
  tools/train tools/training/runs/streets-3.yaml --data datasets --out runs
  tools/train tools/training/runs/short.yaml --data datasets --out runs   # minutes, to see it work
"""


# What Learner.fit asks now and then: one score, and its parts.
Validate = Callable[[DetectionModel], tuple[float, dict[str, float]]]


class Torch:
    """A model of the training run as a Network of raw_yolo."""

    def __init__(self, model: DetectionModel, height: int, width: int) -> None:
        self.height, self.width = height, width
        self._model, self._device = model, next(model.parameters()).device

    def __call__(self, blob: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.no_grad():
            out = self._model(torch.from_numpy(blob).to(self._device))
        return np.asarray((out[0] if isinstance(out, tuple) else out).float().cpu().numpy())


def validation(run: Run, sets: list[Collection]) -> Validate:
    """Mean AP50 over classes and origins with enough boxes in the sets' val split."""

    def validate(model: DetectionModel) -> tuple[float, dict[str, float]]:
        """Mean AP50 of the classes with enough truths, real and rendered apart, and each by
        itself."""
        network = Torch(model, run.picture.height, run.picture.width)
        told: dict[str, float] = {}
        held = [picture for part in sets for picture in of_collection(part, "val")]
        judged = list(judge(network, held, CITY))
        for origin in sorted({one.picture.item.origin for one in judged}):
            mine = [one for one in judged if one.picture.item.origin == origin]
            for label, name in enumerate(CITY):
                parts = matches(mine, label)
                if sum(part.truths for part in parts) >= LEAST_TRUTHS:
                    told[f"{origin}/{name}"] = round(ap50(parts), 3)
        return float(np.mean(list(told.values()))) if told else 0.0, told

    return validate


def save_start(model: DetectionModel, path: Path) -> None:
    """What the run set out from, with our head: tools/export may mix it with what it came to."""
    torch.save({"model": copy.deepcopy(model).eval(), "train_args": {}, "ema": None}, path)


def open_teachers(
    run: Run, path: Path, variables: dict[str, Path], measured: Photographs
) -> Teachers:
    """Who is asked while it learns. Raises ConfigError for a file that is none of ours, or a class
    that is none of ours."""
    strange = sorted(set(run.teacher_classes) - set(CITY))
    if strange:
        raise ConfigError(f"{path}: teacher_classes {', '.join(strange)}: not of {', '.join(CITY)}")
    coco = city = None
    if run.keep_weight > 0:
        weights = resolve("$SHARED/data/weights/yolo11n_coco_deq.pt", path, variables)
        coco = load_checkpoint(str(weights), device="cpu")[0].float()
    if run.teacher is not None:
        city = open_checkpoint([resolve(run.teacher, path, variables)], CITY, measured)
    return Teachers(coco, run.keep_weight, city, run.teacher_weight, run.teacher_classes)


def prepare(path: Path, variables: dict[str, Path], out: Path) -> tuple[Learner, list[Collection]]:
    """Reads the run, seeds everything, loads pictures and weights."""
    run = read_run(path)
    folder = out / run.name
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, folder / "run.yaml")
    random.seed(run.seed)
    np.random.seed(run.seed)
    torch.manual_seed(run.seed)
    torch.set_num_threads(run.threads)
    cv2.setNumThreads(1)
    mixer, sets = open_mixer(run, path, variables)
    starts = (run.start,) if isinstance(run.start, str) else run.start
    start = [resolve(name, path, {**variables, "RUNS": out}) for name in starts]
    size = run.picture
    measured = Photographs(mixer.photographs(MEASURED), size.height, size.width)
    model = open_checkpoint(start, CITY, measured)
    teachers = open_teachers(run, path, variables, measured)
    if not (folder / "start.pt").is_file():
        save_start(model, folder / "start.pt")
    return Learner(run, model, teachers, mixer, folder), sets


def main(arguments: list[str] | None = None) -> int:
    """Train, or go on where a killed run stopped; 2 for a wrong file, in one line."""
    parser = argparse.ArgumentParser(
        prog="tools/train",
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=Path, help="YAML of the run")
    parser.add_argument("--data", type=Path, default=Path("datasets"), help="$DATA of the YAML")
    parser.add_argument(
        "--shared", type=Path, default=Path("../shared"), help="$SHARED of the YAML"
    )
    parser.add_argument("--out", type=Path, default=Path("runs"), help="where run folders go")
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="stop and save after this long, if earlier"
    )
    args = parser.parse_args(arguments)
    variables = {"DATA": args.data.resolve(), "SHARED": args.shared.resolve()}
    try:
        learner, sets = prepare(args.run, variables, args.out.resolve())
    except ConfigError as error:
        print(f"tools/train: {error}", file=sys.stderr)
        return 2
    if learner.resume():
        print(f"going on at step {learner.step} of {learner.run.steps}", flush=True)
    print(f"{len(learner.mixer)} training pictures on {learner.device}", flush=True)
    learner.fit(validation(learner.run, sets), 60 * args.minutes)
    return 0


if __name__ == "__main__":
    sys.exit(main())
