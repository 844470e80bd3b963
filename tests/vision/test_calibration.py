# SPDX-License-Identifier: AGPL-3.0-or-later
"""Scores that promise the same of every class: the map, where it is applied, what is refused."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from edge.config import ConfigError
from edge.vision.manifest import read_manifest
from edge.vision.model import ScoreMap, load_model
from edge.vision.yolo import decode
from tools.training.average_precision import Seen
from tools.training.calibration import IDENTITY, Fitted, Worth, common, fit, guarded
from tools.training.collection import Item
from tools.training.judge_pictures import Judged
from tools.training.pictures import Picture

MODELS = Path(__file__).resolve().parents[2] / "models"


def test_a_class_without_a_map_keeps_its_scores_and_the_order_stays():
    scores = ScoreMap(("a", "b"), {"b": (0.8, 1.0)})
    raw = np.linspace(0.05, 0.95, 10).astype(np.float32)
    kept = scores.apply(raw, np.zeros(10, np.int32))
    moved = scores.apply(raw, np.ones(10, np.int32))
    assert kept == pytest.approx(raw, abs=1e-5)
    assert (np.diff(moved) > 0).all()
    assert (moved >= raw - 0.05).all()


@pytest.mark.parametrize("pair", [(0.5, 2.0), (1.5, -2.0), (1.0, 0.7)])
def test_the_floor_lets_through_all_that_comes_to_the_score_asked_for(pair):
    scores = ScoreMap(("a",), {"a": pair})
    floor = scores.raw_floor(0.35)
    below = np.array([floor * 0.98], np.float32)
    assert scores.apply(below, np.zeros(1, np.int32))[0] < 0.351
    assert floor <= 0.35


RAW = np.array([[0.6, 0.6], [0.05, 0.5], [0.3, 0.1]], np.float32)  # classes a, b, c; two places


def test_what_may_as_well_be_a_rival_is_told_less_surely_and_nothing_else_moves():
    told = ScoreMap(("a", "b", "c"), {}, {"a": {"b": 2.0}}).table(RAW)
    assert told[0] == pytest.approx([0.6 * 0.95**2, 0.6 * 0.5**2], abs=1e-4)
    assert told[1:] == pytest.approx(RAW[1:], abs=1e-4)


def test_each_rival_is_counted_by_its_own_score_not_by_what_its_rivals_left_of_it():
    both = {"a": {"b": 1.0}, "b": {"a": 1.0}}
    told = ScoreMap(("a", "b", "c"), {}, both).table(RAW)
    assert told[1] == pytest.approx([0.05 * 0.4, 0.5 * 0.4], abs=1e-4)


@pytest.mark.parametrize(
    ("box", "score", "stays"),
    [
        ((0, 0, 10, 10), 0.5, False),  # the same thing, told as surely
        ((0, 0, 10, 6), 0.45, False),  # most of it, nearly as surely
        ((0, 0, 10, 10), 0.2, True),  # far less surely
        ((0, 0, 4, 10), 0.9, True),  # another thing beside it
    ],
)
def test_a_box_that_a_rival_lies_on_is_not_told(box, score, stays):
    scores = ScoreMap(("a", "b"), {}, {"a": {"b": 1.0}})
    boxes = np.array([(0, 0, 10, 10), box], np.float32)
    told = np.array([0.5, score], np.float32)
    kept = scores.undoubted(boxes, told, np.array([0, 1], np.int32))
    assert kept.tolist() == [stays, True]
    assert scores.undoubted(boxes, told, np.array([1, 1], np.int32)).all()


def test_a_place_is_of_the_class_that_is_told_most_surely():
    table = np.zeros((1, 4 + 3, 21), np.float32)  # an input of 32 x 32: 16, 4 and 1 places
    table[0, :4] = np.array([[16], [16], [8], [8]])
    table[0, 4:, 0] = RAW[:, 0]
    lifted = ScoreMap(("a", "b", "c"), {"c": (1.0, 3.0)})
    plain = decode("raw", [table], shape=(32, 32), min_score=0.3)
    told = decode("raw", [table], shape=(32, 32), min_score=0.3, scores=lifted)
    assert (plain.labels.tolist(), told.labels.tolist()) == ([0], [2])
    assert told.scores[0] > 0.85
    assert not len(decode("raw", [table], shape=(32, 32), min_score=0.95, scores=lifted))


def copy_of(folder, **changes):
    fields = yaml.safe_load((MODELS / "city-v1.yaml").read_text())
    fields.update(changes)
    (folder / fields["file"]).symlink_to(MODELS / fields["file"])
    path = folder / "city-v1.yaml"
    path.write_text(yaml.safe_dump(fields))
    return path


def test_a_model_tells_the_scores_that_its_manifest_makes_of_them(tmp_path):
    for name in ("plain", "lifted"):
        (tmp_path / name).mkdir()
    lift = {"version": 1, "classes": {"vendor_stall": (1.0, 1.5)}}
    plain = load_model(copy_of(tmp_path / "plain", calibration=None), provider="cpu", workers=1)
    lifted = load_model(copy_of(tmp_path / "lifted", calibration=lift), provider="cpu", workers=1)
    picture = np.asarray(cv2.imread(str(MODELS.parent / "docs/pictures/case.jpg")), np.uint8)
    raw = plain.detect(picture, min_score=0.002)
    told = lifted.detect(picture, min_score=0.002)
    label = plain.names.index("vendor_stall")
    assert len(raw) and (np.diff(told.scores) <= 0).all(), "best first"
    before, after = (one.scores[one.labels == label] for one in (raw, told))
    assert after.max() > before.max()
    others = (one.scores[one.labels != label] for one in (raw, told))
    assert [float(s.max()) for s in others] == pytest.approx(
        [raw.scores[raw.labels != label][0]] * 2
    )


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"calibration": {"version": 2, "classes": {}}}, "version"),
        ({"calibration": {"version": 1, "classes": {"unicorn": [1, 0]}}}, "unicorn"),
        ({"calibration": {"version": 1, "classes": {"grill": [0, 0]}}}, "0.2"),
        ({"calibration": {"version": 1, "classes": {}, "rivals": {"bin": {"elf": 1}}}}, "elf"),
        ({"calibration": {"version": 1, "classes": {}, "rivals": {"elf": {"bin": 1}}}}, "elf"),
        (
            {"calibration": {"version": 1, "classes": {}, "rivals": {"bin": {"grill": 0}}}},
            "more than 0",
        ),
        ({"good_for": {"unicorn": {"eye": "weak"}}}, "unicorn"),
        ({"good_for": {"grill": {"eye": "splendid"}}}, "good_for"),
    ],
)
def test_a_map_that_this_box_does_not_know_is_refused_in_one_line(tmp_path, changes, word):
    with pytest.raises(ConfigError, match=word) as error:
        read_manifest(copy_of(tmp_path, **changes))
    assert "\n" not in str(error.value)


def test_fitting_brings_an_unsure_class_to_what_it_is_worth():
    rng = np.random.default_rng(0)
    worth = rng.uniform(0.02, 0.98, 4000)
    right = rng.uniform(size=4000) < worth
    odds = np.log(worth / (1 - worth))
    timid = 1 / (1 + np.exp(-(odds - 1.2)))
    found = fit(timid, right)
    assert found.slope == pytest.approx(1.0, abs=0.12)
    assert found.shift == pytest.approx(1.2, abs=0.2)


def test_few_right_boxes_move_a_class_towards_what_all_classes_need():
    """Eight right boxes that score 0.1 to 0.2 and nothing false: 0.35 must not hide them all."""
    scores = np.concatenate([np.linspace(0.1, 0.2, 8), np.full(4, 0.03)])
    right = np.arange(12) < 8
    alone, drawn = fit(scores, right), fit(scores, right, Fitted(1.0, 1.5, 0, 0))
    assert alone.apply(scores[7:8])[0] > 0.35
    assert drawn.shift > alone.shift
    many = fit(np.tile(scores, 50), np.tile(right, 50), Fitted(1.0, -2.0, 0, 0))
    assert many.apply(scores[7:8])[0] > 0.9, "many boxes settle it whatever is expected"


@pytest.mark.parametrize(
    ("before", "after", "holds"),
    [
        ((0, 0), (4, 10), True),
        ((3, 18), (0, 0), False),
        ((50, 60), (48, 58), True),
        ((0, 0), (0, 3), False),
    ],
)
def test_a_map_that_loses_its_class_on_other_places_is_not_used(before, after, holds):
    assert Worth(80, before, after).holds == holds


def test_the_common_map_weighs_classes_not_boxes():
    sure = np.full(1000, 0.9), np.arange(1000) % 10 < 9
    timid = np.full(40, 0.2), np.arange(40) % 5 < 4
    both = common({"a": sure, "b": timid})
    assert both.apply(np.array([0.2]))[0] > 0.5
    assert common({"c": (np.full(3, 0.9), np.zeros(3, bool))}) == IDENTITY


def looked(source, scores, truths):
    """A picture with boxes of class 0 at these scores, the first so many of them right."""
    places = np.array([[i / 40, 0.0, i / 40 + 0.02, 0.1] for i in range(len(scores))])
    item = Item("a.jpg", "val", f"{source}/a", "real", source)
    zeros = np.zeros(len(scores), np.int64)
    seen = Seen(
        places.reshape(-1, 4),
        np.array(scores, np.float64),
        zeros,
        places.reshape(-1, 4)[:truths],
        zeros[:truths],
        frozenset(),
        1.0,
    )
    return Judged(Picture(Path("a.jpg"), item, ()), seen)


STALLS = [looked("stalls", np.linspace(0.3, 0.95, 27), 27)]


@pytest.mark.parametrize(
    ("empty", "false_after", "kept_at_least"),
    [
        ([0.37, 0.1, 0.1], 0, 0.95),  # one step down silences it
        ([0.9, 0.1, 0.1], 1, 0.94),  # too dear: no more is given up than may be
        ([0.2, 0.1, 0.1], 0, 1.0),  # nothing to do
    ],
)
def test_empty_streets_are_kept_empty_as_far_as_right_boxes_allow(
    empty, false_after, kept_at_least
):
    judged = [*STALLS, *(looked("street_empty", [score], 0) for score in empty)]
    one = guarded(IDENTITY, judged, ["vendor_stall"], "vendor_stall", ("street_empty",))
    assert sum(one.apply(np.array(empty)) >= 0.35) == false_after
    right = STALLS[0].seen.scores
    before, after = (m.apply(right) >= 0.35 for m in (IDENTITY, one))
    assert after.sum() >= kept_at_least * before.sum()


def test_a_class_with_next_to_no_picture_keeps_its_scores():
    found = fit(np.array([0.9, 0.8, 0.3]), np.array([True, True, False]), Fitted(1.0, 2.0, 0, 0))
    assert (found.slope, found.shift) == (1.0, 0.0)
