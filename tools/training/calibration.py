# SPDX-License-Identifier: AGPL-3.0-or-later
"""Fits the score map of a model on held-apart real pictures, and writes it into the manifest.

For each class a logistic regression of "this box is right" on the log odds of its score (Platt
1999), held near the identity where there are few boxes: a class with next to no picture keeps its
scores. Pictures of `eval/` are never among those it is fitted on.

    VENV=train tools/python -m tools.training.calibration models/city-v1.onnx
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from edge.config import ConfigError, read_yaml
from edge.runtime import write_atomic
from tools.training.classes import COCO
from tools.training.judge_pictures import Judged, matches
from tools.training.pictures import read_suite

HERE = Path(__file__).parent
VERSION = 1
# Not every lorry of these pictures has its box.
NOT_EXHAUSTIVE = ("site_trucks",)
# Boxes below this say nothing of where a class is told.
LEAST_SCORE = 0.02
LEAST_RIGHT = 20
# How many boxes the identity is worth: slope and shift move slowly away from 1 and 0.
SLOPE_PRIOR, SHIFT_PRIOR = 8.0, 0.5
SLOPES, SHIFTS = (0.5, 1.6), (-3.0, 3.0)
ROUNDS, RATE = 60, 1e-9

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fitted:
    """The map of one class, and what it was fitted on: boxes, right ones."""

    slope: float
    shift: float
    boxes: int
    right: int


def fit(scores: Floats, right: NDArray[np.bool_]) -> Fitted:
    """scores (n,) raw; right (n,): matched a truth at IoU 0.5. The identity where fewer than
    LEAST_RIGHT are right: Newton's method on the penalised likelihood."""
    kept = scores >= LEAST_SCORE
    scores, right = scores[kept], right[kept]
    if int(right.sum()) < LEAST_RIGHT:
        return Fitted(1.0, 0.0, len(scores), int(right.sum()))
    inside = np.clip(scores, 1e-4, 1 - 1e-4)
    design = np.stack([np.log(inside / (1 - inside)), np.ones(len(inside))], 1)
    theta, prior = np.array([1.0, 0.0]), np.array([SLOPE_PRIOR, SHIFT_PRIOR])
    for _ in range(ROUNDS):
        told = 1 / (1 + np.exp(-design @ theta))
        slope = design.T @ (told - right) + prior * (theta - [1.0, 0.0])
        curve = (design * (told * (1 - told))[:, None]).T @ design + np.diag(prior)
        step = np.linalg.solve(curve, slope)
        theta = theta - step
        if float(np.abs(step).max()) < RATE:
            break
    slope_, shift = float(np.clip(theta[0], *SLOPES)), float(np.clip(theta[1], *SHIFTS))
    return Fitted(round(slope_, 3), round(shift, 3), len(scores), int(right.sum()))


def fit_all(judged: Sequence[Judged], names: Sequence[str]) -> dict[str, Fitted]:
    """Every class of our own over all pictures in which it was looked for. Boxes of the COCO
    classes were drawn by a detector: what is right of them is not known."""
    found = {}
    for label, name in enumerate(names):
        if name in COCO:
            continue
        parts = matches(judged, label)
        scores = np.concatenate([part.scores for part in parts])
        hits = np.concatenate([part.hits[0] for part in parts])
        found[name] = fit(scores, hits)
    return found


def into_manifest(path: Path, fitted: dict[str, Fitted], on: str) -> None:
    """Only classes whose scores move."""
    classes = {
        name: [one.slope, one.shift]
        for name, one in fitted.items()
        if (one.slope, one.shift) != (1.0, 0.0)
    }
    calibration = {"version": VERSION, "on": on, "classes": classes}
    fields = {**read_yaml(path), "calibration": calibration}
    text = yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, width=96)
    write_atomic(path, text.encode())


def main(arguments: Sequence[str] | None = None) -> int:
    """Fits on the first model, writes the map into the manifests of all: forms of the same weights
    tell the same scores. 2 for a wrong file, in one line."""
    from tools.training.evaluate import judge_form, open_form

    parser = argparse.ArgumentParser(prog="tools.training.calibration", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("models", type=Path, nargs="+", help=".onnx with its manifest beside it")
    parser.add_argument("--suite", type=Path, default=HERE / "suites" / "held.yaml")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    args = parser.parse_args(arguments)
    try:
        form = open_form(args.models[0], calibrated=False)
        suite = read_suite(args.suite, {"SHARED": args.shared}, form.names)
        for line in suite.missing:
            raise ConfigError(line)
        pictures = [p for p in suite.pictures if p.item.source not in NOT_EXHAUSTIVE]
        fitted = fit_all(judge_form(form, pictures), form.names)
        on = f"{len(pictures)} held-apart real pictures ({args.suite.name})"
        for model in args.models:
            into_manifest(model.with_suffix(".yaml"), fitted, on)
        for name, one in fitted.items():
            print(f"{name}: {one}")
    except ConfigError as error:
        print(f"tools.training.calibration: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
