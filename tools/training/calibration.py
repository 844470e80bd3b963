# SPDX-License-Identifier: AGPL-3.0-or-later
"""Fits the score map of a model on held-apart real pictures, and writes it into the manifest.

For each class a logistic regression of "this box is right" on the log odds of its score (Platt
1999). What few boxes cannot settle is taken from all classes together: the map of a class is drawn
towards the one that fits them all, the more the fewer boxes it has (a normal prior on slope and
shift). A class of which no box is right keeps its scores. Pictures of `eval/` are never among
those it is fitted on. What the maps are worth is told on pictures that they were not fitted on:
source groups are left out a fold at a time.

Then it writes what the model, its scores as they will be told, finds on the pictures of
`models/selftest`: `edge model verify` asks for it again, on any box.

    VENV=train tools/python -m tools.training.calibration models/city-v1.onnx
"""

from __future__ import annotations

import argparse
import math
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import yaml
from numpy.typing import NDArray

from edge.config import ConfigError, read_yaml
from edge.release.selftest import PICTURES, known_picture
from edge.runtime import write_atomic
from edge.vision.model import ScoreMap, load_model
from tools.training.classes import COCO
from tools.training.figures import OPERATING
from tools.training.judge_pictures import Judged, matches
from tools.training.pictures import read_suite
from tools.training.settings import at_least_one

if TYPE_CHECKING:
    from tools.training.evaluate import Form

HERE = Path(__file__).parent
SELFTEST = HERE.parents[1] / "models" / PICTURES
VERSION = 1
# Not every lorry of these pictures has its box.
NOT_EXHAUSTIVE = ("site_trucks",)
# Boxes below this say nothing of where a class is told.
LEAST_SCORE = 0.02
LEAST_RIGHT = 3
# One over the variance of slope and shift from class to class, about the map that fits them all.
SLOPE_PRIOR, SHIFT_PRIOR = 8.0, 0.5
# What a box takes (edge.vision.manifest), with room.
SLOPES = (0.3, 4.0)
ROUNDS, RATE = 60, 1e-9
FOLDS = 5
# Held-apart pictures nearly all show what they were taken for; a street shows nothing most of the
# time. Of pictures of these sources without the class at most this share may have a box of it
# told, and for that at most so many of the right boxes told are given up.
GUARDED = {"vendor_stall": ("street_empty", "look_alikes")}
MOST_EMPTY, MOST_GIVEN_UP = 0.03, 0.05
# What speaks against a class, and how much: the power that the complement of the rival's told score
# is taken to (edge.vision.model). Of 0 to 8 this tells fewest orderly bins at equal recall; of 0, 3
# and 6 fewest containers as stalls (10, 5, 3 of 47) and as muck trucks (9, 3, 1).
RIVALS = {
    "overflowing_bin": {"bin": 6.0},
    "vendor_stall": {"bin": 6.0, "overflowing_bin": 6.0},
    "muck_truck": {"bin": 6.0, "overflowing_bin": 6.0},
}
# A map may lose this much F1 at the working score on left-out groups; one that loses more is not
# written: there its few boxes do not stand for the class.
MOST_LOST = 0.05

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fitted:
    """The map of one class, and what it was fitted on: boxes, right ones."""

    slope: float
    shift: float
    boxes: int
    right: int

    def apply(self, scores: Floats) -> Floats:
        """Raw scores as they are told."""
        inside = np.clip(scores, 1e-4, 1 - 1e-4)
        odds = np.log(inside / (1 - inside)) * self.slope + self.shift
        return np.asarray(1 / (1 + np.exp(-odds)))


IDENTITY = Fitted(1.0, 0.0, 0, 0)


def fit(scores: Floats, right: NDArray[np.bool_], prior: Fitted = IDENTITY) -> Fitted:
    """scores (n,) raw; right (n,): matched a truth at IoU 0.5; prior: the map it is drawn to. The
    identity where fewer than LEAST_RIGHT are right. Newton's method on the penalised likelihood."""
    kept = scores >= LEAST_SCORE
    scores, right = scores[kept], right[kept]
    if int(right.sum()) < LEAST_RIGHT:
        return Fitted(1.0, 0.0, len(scores), int(right.sum()))
    slope, shift = _newton(scores, right, np.ones(len(scores)), prior)
    return Fitted(round(slope, 3), round(shift, 3), len(scores), int(right.sum()))


def _newton(
    scores: Floats, right: NDArray[np.bool_], weights: Floats, prior: Fitted
) -> tuple[float, float]:
    inside = np.clip(scores, 1e-4, 1 - 1e-4)
    design = np.stack([np.log(inside / (1 - inside)), np.ones(len(inside))], 1)
    home, held = np.array([prior.slope, prior.shift]), np.array([SLOPE_PRIOR, SHIFT_PRIOR])
    theta = home.copy()
    for _ in range(ROUNDS):
        told = 1 / (1 + np.exp(-design @ theta))
        slope = design.T @ (weights * (told - right)) + held * (theta - home)
        curve = (design * (weights * told * (1 - told))[:, None]).T @ design + np.diag(held)
        step = np.clip(np.linalg.solve(curve, slope), -1.0, 1.0)  # what is separable runs away
        theta = theta - step
        if float(np.abs(step).max()) < RATE:
            break
    return float(np.clip(theta[0], *SLOPES)), float(theta[1])


def common(parts: dict[str, tuple[Floats, NDArray[np.bool_]]]) -> Fitted:
    """The map that fits all classes together, each with the same weight however many boxes it has:
    what is expected of a class before its own boxes are seen."""
    kept = {n: (s[s >= LEAST_SCORE], r[s >= LEAST_SCORE]) for n, (s, r) in parts.items()}
    told = [(s, r) for s, r in kept.values() if int(r.sum()) >= LEAST_RIGHT]
    if not told:
        return IDENTITY
    size = sum(len(s) for s, _ in told) / len(told)
    weights = np.concatenate([np.full(len(s), size / len(s)) for s, _ in told])
    scores, right = np.concatenate([s for s, _ in told]), np.concatenate([r for _, r in told])
    slope, shift = _newton(scores, right, weights, IDENTITY)
    return Fitted(slope, shift, len(scores), int(right.sum()))


Parts = dict[str, tuple[Floats, NDArray[np.bool_]]]


def boxes_by_class(judged: Sequence[Judged], names: Sequence[str]) -> Parts:
    """Scores of all boxes of each class of our own, and which are right, over all pictures in which
    it was looked for. Boxes of the COCO classes were drawn by a detector: what is right of them is
    not known."""
    found = {}
    for label, name in enumerate(names):
        if name not in COCO:
            parts = matches(judged, label)
            scores = np.concatenate([part.scores for part in parts])
            found[name] = scores, np.concatenate([part.hits[0] for part in parts])
    return found


def fit_all(judged: Sequence[Judged], names: Sequence[str]) -> dict[str, Fitted]:
    """The map of every class of our own."""
    parts = boxes_by_class(judged, names)
    prior = common(parts)
    return {name: fit(scores, right, prior) for name, (scores, right) in parts.items()}


def guarded(
    one: Fitted, judged: Sequence[Judged], names: Sequence[str], name: str, sources: Sequence[str]
) -> Fitted:
    """With the shift so much lower that few empty pictures of these sources have a box told."""
    label = names.index(name)
    empty = [
        float(one.apply(o.seen.scores[o.seen.labels == label]).max(initial=0.0))
        for o in judged
        if o.picture.item.source in sources and label not in o.seen.truth_labels
    ]
    scores, right = boxes_by_class(judged, names)[name]
    told = one.apply(scores[right])
    told = told[told >= OPERATING]
    if not empty or not len(told):
        return one
    worst = sorted(empty, reverse=True)[int(MOST_EMPTY * len(empty))]
    dearest = float(np.quantile(told, MOST_GIVEN_UP, method="lower"))
    limit = min(max(OPERATING, worst + 1e-3), max(OPERATING, dearest))
    down = math.log(OPERATING / (1 - OPERATING)) - math.log(limit / (1 - limit))
    return replace(one, shift=round(one.shift + down, 3))


@dataclass(frozen=True, slots=True)
class Worth:
    """Of one class at the working score: truths, right boxes and all boxes, before and after."""

    truths: int
    before: tuple[int, int]
    after: tuple[int, int]

    @property
    def holds(self) -> bool:
        """Whether the map may be used: on other places the class is told rightly, and as well."""
        return self.after[0] > 0 and self._f1(self.after) >= self._f1(self.before) - MOST_LOST

    def _f1(self, pair: tuple[int, int]) -> float:
        right, told = pair
        return 2 * right / max(1, told + self.truths)


def crossed(judged: Sequence[Judged], names: Sequence[str]) -> dict[str, Worth]:
    """What the maps do to pictures that they were not fitted on: whole source groups are left out,
    a fold at a time."""
    groups = sorted({one.picture.item.group for one in judged})
    turn = np.random.default_rng(0).permutation(len(groups))
    fold_of = {group: int(place) % FOLDS for group, place in zip(groups, turn, strict=True)}
    sums = {name: np.zeros(5, int) for name in names if name not in COCO}
    for fold in range(FOLDS):
        inner = [one for one in judged if fold_of[one.picture.item.group] != fold]
        outer = [one for one in judged if fold_of[one.picture.item.group] == fold]
        fitted, left_out = fit_all(inner, names), boxes_by_class(outer, names)
        for name, (scores, right) in left_out.items():
            truths = sum(part.truths for part in matches(outer, names.index(name)))
            told = [scores >= OPERATING, fitted[name].apply(scores) >= OPERATING]
            counts = [count for each in told for count in (int((each & right).sum()), each.sum())]
            sums[name] += np.array([truths, *counts])
    return {
        n: Worth(int(t), (int(a), int(b)), (int(c), int(d))) for n, (t, a, b, c, d) in sums.items()
    }


def proven(
    judged: Sequence[Judged], names: Sequence[str]
) -> tuple[dict[str, Fitted], dict[str, Worth]]:
    """The maps, those that lose their class on other places without effect; and what each does."""
    worth = crossed(judged, names)
    fitted = fit_all(judged, names)
    return {
        name: one if worth[name].holds else replace(one, slope=1.0, shift=0.0)
        for name, one in fitted.items()
    }, worth


def left_by_rivals(
    form: Form, judged: Sequence[Judged], fitted: dict[str, Fitted]
) -> tuple[dict[str, Fitted], dict[str, Worth]]:
    """The same of the classes that have rivals, on what these leave of their scores, where one or
    the other is; `fitted`: the maps of all on their raw scores."""
    from tools.training.evaluate import Calibrated, judge_form

    both = {form.names.index(n) for name, others in RIVALS.items() for n in (name, *others)}
    there = [one.picture for one in judged if both & set(one.seen.truth_labels.tolist())]
    sources = {picture.item.source for picture in there}
    pictures = [one.picture for one in judged if one.picture.item.source in sources]
    pairs = {n: (one.slope, one.shift) for n, one in fitted.items() if n not in RIVALS}
    contested = Calibrated(form.network, ScoreMap(form.names, pairs, RIVALS))
    found = proven(judge_form(replace(form, network=contested), pictures), form.names)
    return {n: found[0][n] for n in RIVALS}, {n: found[1][n] for n in RIVALS}


def into_manifest(path: Path, fitted: dict[str, Fitted], on: str) -> None:
    """Only classes whose scores move."""
    classes = {
        name: [one.slope, one.shift]
        for name, one in fitted.items()
        if (one.slope, one.shift) != (1.0, 0.0)
    }
    told = {"version": VERSION, "on": on, "classes": classes, "rivals": RIVALS}
    _amend(path, calibration=told)


def _amend(path: Path, **fields: object) -> None:
    amended = {**read_yaml(path), **fields}
    text = yaml.safe_dump(amended, sort_keys=False, allow_unicode=True, width=96)
    write_atomic(path, text.encode())


def prove(models: Sequence[Path]) -> None:
    """Into the manifests of all: what the first of them finds on the self-test pictures, now that
    its scores are what they will be, and the pictures beside them. Raises ConfigError."""
    first = load_model(models[0].with_suffix(".yaml"), provider="cpu", workers=1)
    known = [known_picture(first, picture) for picture in sorted(SELFTEST.glob("*.jpg"))]
    for model in models:
        _amend(model.with_suffix(".yaml"), selftest={"pictures": msgspec.to_builtins(known)})
        beside = model.parent / PICTURES
        if beside.resolve() != SELFTEST:
            shutil.copytree(SELFTEST, beside, dirs_exist_ok=True)


def table(fitted: dict[str, Fitted], worth: dict[str, Worth]) -> str:
    """Markdown, a row a class: its map (1 and 0: its scores as they are), and precision and recall
    at the working score on pictures that the map was not fitted on, without it and with it."""
    lines = [
        f"| class | boxes | right | slope | shift | P, R at {OPERATING} without | left out, with |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, one in fitted.items():
        told = [
            _shares(pair, worth[name].truths) for pair in (worth[name].before, worth[name].after)
        ]
        row = name, one.boxes, one.right, one.slope, one.shift, *told
        lines.append("| " + " | ".join(map(str, row)) + " |")
    return "\n".join(lines)


def _shares(pair: tuple[int, int], truths: int) -> str:
    right, told = pair
    return f"{right / told if told else float('nan'):.2f}, {right / max(1, truths):.2f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Fits on the first model, writes the map into the manifests of all: forms of the same weights
    tell the same scores. 2 for a wrong file, in one line."""
    from tools.training.evaluate import judge_form, open_form

    parser = argparse.ArgumentParser(prog="tools.training.calibration", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("models", type=Path, nargs="+", help=".onnx with its manifest beside it")
    parser.add_argument("--suite", type=Path, default=HERE / "suites" / "held.yaml")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--few", type=at_least_one, help="at most so many pictures of a source")
    args = parser.parse_args(arguments)
    try:
        form = open_form(args.models[0], calibrated=False)
        suite = read_suite(args.suite, {"SHARED": args.shared}, form.names, args.few)
        for line in suite.missing:
            raise ConfigError(line)
        pictures = [p for p in suite.pictures if p.item.source not in NOT_EXHAUSTIVE]
        judged = judge_form(form, pictures)
        fitted, worth = proven(judged, form.names)
        left = left_by_rivals(form, judged, fitted)
        fitted, worth = fitted | left[0], worth | left[1]
        for name, sources in GUARDED.items():
            fitted[name] = guarded(fitted[name], judged, form.names, name, sources)
        on = f"{len(pictures)} held-apart real pictures ({args.suite.name})"
        for model in args.models:
            into_manifest(model.with_suffix(".yaml"), fitted, on)
        prove(args.models)
        print(table(fitted, worth))
    except ConfigError as error:
        print(f"tools.training.calibration: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
