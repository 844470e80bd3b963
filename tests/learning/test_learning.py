# SPDX-License-Identifier: AGPL-3.0-or-later
"""Verdicts, thresholds, precision and harvest: tables for the rule, a folder for the files."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.learning import harvest, store
from edge.learning.harvest import Budget, HarvestCandidate
from edge.learning.precision import precision, wilson
from edge.learning.thresholds import (
    DAY_S,
    IDLE_S,
    LEAST,
    LIMIT_MOST,
    STEP,
    Bounds,
    Offset,
    limit,
    step,
)
from edge.learning.verdicts import Judged, case_of, latest, parse_lines
from edge.values import Detections, Stamp, Track

NOW_S = 1_800_000_000.0
NAMES = ("person", "vendor_stall", "umbrella")


def judged(verdict, *, camera="gate", category="street-vendor", days_ago=1.0, n=0):
    at = NOW_S - days_ago * DAY_S
    return Judged(
        violation=f"v-{verdict}-{n}-{days_ago}",
        camera=camera,
        category=category,
        verdict=verdict,
        score=0.5,
        limit=0.35,
        decided_s=at - 60,
        judged_s=at,
    )


def verdicts(confirmed, rejected, **where):
    return [judged("confirmed", n=i, **where) for i in range(confirmed)] + [
        judged("rejected", n=i, **where) for i in range(rejected)
    ]


HELD = Offset("gate", "street-vendor")


@pytest.mark.parametrize(
    ("held", "confirmed", "rejected", "days_ago", "value"),
    [
        (0.0, 0, LEAST - 1, 1, 0.0),  # too few
        (0.0, 1, 11, 1, STEP),  # nearly all rejected: stricter
        (0.0, 6, 4, 1, 0.0),  # poor but not surely so
        (0.0, 12, 0, 1, 0.0),  # good as configured
        (0.0, 60, 0, 1, -STEP),  # surely good: a little more lenient
        (0.2, 20, 0, 1, 0.15),  # strict and good: back by a step
        (0.02, 20, 0, 1, 0.0),  # back no further than configured in one move
        (0.2, 12, 5, 1, 0.2),  # strict, not surely good: stays
        (0.30, 0, 20, 1, 0.30),  # at the upper bound
        (-0.05, 80, 0, 1, -0.05),  # at the lower bound
        (0.2, 2, 1, 31, 0.15),  # nobody judged for a month: back towards the configured
        (-0.05, 0, 0, 1, 0.0),  # likewise from below
        (0.0, 0, 20, 61, 0.0),  # verdicts too old to count
    ],
)
def test_the_rule(held, confirmed, rejected, days_ago, value):
    start = Offset("gate", "street-vendor", held, moved_s=NOW_S - 100 * DAY_S)
    rows = verdicts(confirmed, rejected, days_ago=days_ago)
    assert step(start, rows, now_s=NOW_S).value == pytest.approx(value)


def test_a_move_waits_a_day_and_for_new_cases():
    rows = verdicts(0, 20)
    first = step(HELD, rows, now_s=NOW_S)
    assert (first.value, first.moved_s, first.reason) == (STEP, NOW_S, "0 of 20 confirmed")
    assert step(first, rows, now_s=NOW_S + DAY_S / 2) == first
    # a day later the same old cases do not move it a second time
    assert step(first, rows, now_s=NOW_S + 2 * DAY_S).value == STEP


def test_other_cameras_and_categories_do_not_move_it():
    rows = verdicts(0, 20, camera="yard") + verdicts(0, 20, category="construction-dust")
    assert step(HELD, rows, now_s=NOW_S).value == 0.0


@given(
    counts=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=12),
)
def test_bounds_hold_whatever_people_say(counts):
    held, bounds = HELD, Bounds()
    for day, (confirmed, rejected) in enumerate(counts):
        rows = verdicts(confirmed, rejected, days_ago=-2 * day + 0.5)
        held = step(held, rows, now_s=NOW_S + 2 * day * DAY_S, bounds=bounds)
        assert bounds.lowest <= held.value <= bounds.highest


def test_an_offset_without_verdicts_comes_home():
    held, day = Offset("gate", "street-vendor", 0.3, moved_s=NOW_S, looked_s=NOW_S), 0
    while held.value and day < 1000:
        day += 1
        held = step(held, [], now_s=NOW_S + day * DAY_S)
    assert held.value == 0.0
    assert day == pytest.approx(6 * IDLE_S / DAY_S)


@pytest.mark.parametrize(
    ("configured", "offset", "value"),
    [(0.35, 0.0, 0.35), (0.35, 0.1, 0.45), (0.05, 0.0, 0.05), (0.85, 0.3, LIMIT_MOST)],
)
def test_limit(configured, offset, value):
    assert limit(configured, offset) == pytest.approx(value)


@pytest.mark.parametrize(
    ("right", "total", "low", "high"),
    # Newcombe 1998, table I, method 3
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_against_published_values(right, total, low, high):
    assert wilson(right, total) == pytest.approx((low, high), abs=1e-4)


def test_precision_by_camera_and_over_all():
    rows = verdicts(9, 1) + verdicts(3, 9, camera="yard") + verdicts(50, 0, days_ago=200)
    told = {(r.category, r.camera): r for r in precision(rows, now_s=NOW_S, window_s=90 * DAY_S)}
    assert told["street-vendor", "gate"].grade == "good"
    assert told["street-vendor", "yard"].grade == "poor"
    everywhere = told["street-vendor", "*"]
    assert (everywhere.confirmed, everywhere.rejected, everywhere.grade) == (12, 10, "poor")


def test_review_lines_survive_a_torn_end_and_the_last_word_counts():
    lines = [
        b'{"violation":"v-1","revision":1,"verdict":"rejected","at":"2026-05-01T08:00:00Z"}\n',
        b'{"violation":"v-1","verdict":"confirmed","at":"2026-05-02T08:00:00Z","kid":"k"}\n',
        b'{"violation":"v-2","verdict":"maybe","at":"2026-05-02T08:00:00Z"}\n',
        b'{"violation":"v-3","verdict":"confirmed","at":"soon"}\n',
        b'\n{"violation":"v-4","verd',
    ]
    found, bad = parse_lines(lines)
    assert (len(found), bad) == (2, 3)
    assert latest(found)["v-1"].verdict == "confirmed"


@pytest.mark.parametrize("manifest", [{}, {"finding": 3}, {"finding": {"facts": {}, "box": [1]}}])
def test_a_strange_manifest_is_no_case(manifest):
    assert case_of(manifest) is None


def evidence(state, violation="v-1", *, camera="gate"):
    folder = state / "evidence" / violation / "r1"
    folder.mkdir(parents=True)
    image = np.full((90 + 40, 560, 3), 24, np.uint8)
    image[:90, 235:325] = 120
    cv2.imwrite(str(folder / "r1-close-1.jpg"), image)
    box = [0.4, 0.4, 0.6, 0.8]
    manifest = {
        "id": violation,
        "camera": camera,
        "files": [{"role": "close", "path": "r1-close-1.jpg", "masked": False}],
        "shots": [{"role": "close", "box": box, "scene": [235, 90, 90]}],
        "finding": {
            "category": "street-vendor",
            "box": [0.4, 0.4, 0.6, 0.8],
            "decided": {"wall": NOW_S},
            "facts": {
                "best_score": 0.61,
                "limits": {"min_score": 0.35},
                "class": "vendor_stall",
            },
        },
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))


def review(state, violation="v-1", verdict="confirmed", at_s=NOW_S + 60):
    (state / "reviews").mkdir(exist_ok=True)
    at = datetime.fromtimestamp(at_s, timezone.utc).isoformat()
    with (state / "reviews/2027-01.jsonl").open("a") as file:
        file.write(json.dumps({"violation": violation, "verdict": verdict, "at": at}) + "\n")


def test_learn_keeps_the_picture_and_can_be_repeated(tmp_path):
    evidence(tmp_path)
    review(tmp_path)
    review(tmp_path, "v-unknown")
    review(tmp_path, "../../etc")
    told = store.learn(tmp_path, now_s=NOW_S + 100)
    assert (told.verdicts, told.new, told.without_case) == (3, 1, 2)
    row = json.loads((tmp_path / "learning/samples/v-1.json").read_text())
    assert (row["label"], row["verdict"], row["score"]) == ("vendor_stall", "confirmed", 0.61)
    kept = cv2.imread(str(tmp_path / "learning/samples/v-1.jpg"))
    assert kept.shape == (90, 90, 3)
    assert kept.min() > 100
    assert row["box"] == pytest.approx([1 / 6, 1 / 6, 5 / 6, 5 / 6], abs=1e-3)
    assert store.learn(tmp_path, now_s=NOW_S + 200).new == 0


def test_a_changed_mind_counts_after_the_evidence_is_gone(tmp_path):
    evidence(tmp_path)
    review(tmp_path)
    store.learn(tmp_path, now_s=NOW_S + 100)
    (tmp_path / "evidence/v-1/r1/manifest.json").unlink()
    review(tmp_path, verdict="rejected", at_s=NOW_S + 500)
    store.learn(tmp_path, now_s=NOW_S + 600)
    (one,) = store.read_judged(tmp_path / "learning")
    assert (one.verdict, one.score) == ("rejected", 0.61)


def test_many_rejections_move_the_stored_offset(tmp_path):
    for number in range(12):
        evidence(tmp_path, f"v-{number}")
        review(tmp_path, f"v-{number}", "rejected")
    told = store.learn(tmp_path, now_s=NOW_S + 2 * DAY_S)
    assert told.moved == ("gate/street-vendor +0.05",)
    assert store.read_offsets(tmp_path)["gate", "street-vendor"].value == STEP
    rows = json.loads((tmp_path / "learning/precision.json").read_text())["rows"]
    assert {row["grade"] for row in rows} == {"poor"}


def test_a_damaged_offset_file_means_as_configured(tmp_path, caplog):
    (tmp_path / "learning").mkdir()
    (tmp_path / "learning/offsets.json").write_text('[{"camera": 1, "colour": 2}]')
    assert store.read_offsets(tmp_path) == {}
    assert "configured thresholds hold" in caplog.text


def found(*rows):
    return Detections(
        np.array([r[0] for r in rows], np.float32).reshape(-1, 4),
        np.array([r[1] for r in rows], np.float32),
        np.array([NAMES.index(r[2]) for r in rows], np.int32),
        NAMES,
    )


BOX = (0.4, 0.4, 0.6, 0.8)


@pytest.mark.parametrize(
    ("score", "wanted"),
    [(0.19, False), (0.21, True), (0.34, True), (0.39, True), (0.41, False), (0.9, False)],
)
def test_near_the_limit(score, wanted):
    wishes = harvest.near_limit(found((BOX, score, "vendor_stall")), {"vendor_stall": 0.35})
    assert bool(wishes) is wanted


def test_only_watched_classes_are_harvested():
    assert harvest.near_limit(found((BOX, 0.3, "person")), {"vendor_stall": 0.35}) == []


@pytest.mark.parametrize(
    ("label", "coasted", "wanted"),
    [("umbrella", False, True), ("vendor_stall", False, False), ("umbrella", True, False)],
)
def test_disagreement(label, coasted, wanted):
    at = Stamp(0.0, NOW_S)
    track = Track(1, "vendor_stall", BOX, 0.7, at, at, coasted=coasted)
    wishes = harvest.disagreement(found((BOX, 0.6, label)), [track], {"vendor_stall": 0.35})
    assert bool(wishes) is wanted


def picture():
    return np.random.default_rng(1).integers(0, 255, (200, 300, 3), dtype=np.uint8)


def test_a_crop_hides_other_peoples_heads_and_leaves_the_frame():
    frame = picture()
    before = frame.copy()
    person = (0.45, 0.4, 0.55, 0.8)
    part, box = harvest.crop(frame, BOX, [person])
    assert np.array_equal(frame, before)
    height, width = part.shape[:2]
    x1, y1, x2, y2 = (box[0] * width, box[1] * height, box[2] * width, box[3] * height)
    assert (x2 - x1, y2 - y1) == pytest.approx((60, 80), abs=1)
    plain, _ = harvest.crop(frame, BOX)
    changed = np.argwhere((part != plain).any(2))
    top, left = changed.min(0)
    bottom, right = changed.max(0)
    assert bottom - top < 0.31 * 80  # the head only
    assert left >= int(x1) and right <= int(x2) + 1
    assert len(np.unique(part[top : bottom + 1, left : right + 1].reshape(-1, 3), axis=0)) <= 36


@given(st.tuples(*[st.floats(-0.5, 1.5)] * 4))
def test_a_crop_is_never_empty(sides):
    x1, y1, x2, y2 = sides
    part, _ = harvest.crop(picture(), (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)))
    assert part.size


def test_a_look_by_a_clock_that_was_years_ahead_holds_up_nothing():
    """Before the clock was set a box may look once by one that says 2034."""
    wrong = step(Offset("gate", "street-vendor", 0.1), [], now_s=NOW_S + 3000 * DAY_S)
    assert (wrong.value, wrong.moved_s) == (0.1 - STEP, NOW_S + 3000 * DAY_S)
    held = step(wrong, verdicts(0, 20), now_s=NOW_S)
    assert (held.value, held.looked_s, held.moved_s) == (wrong.value, NOW_S, NOW_S)
    later = [
        Judged(
            violation=f"v-{n}", camera="gate", category="street-vendor", verdict="rejected",
            score=0.5, limit=0.35, decided_s=NOW_S + n, judged_s=NOW_S + n,
        )
        for n in range(20)
    ]  # fmt: skip
    assert step(held, later, now_s=NOW_S + DAY_S).value == pytest.approx(wrong.value + STEP)


def test_budgets_of_number_disk_and_time(tmp_path):
    shelf = store.Harvest(tmp_path, "gate", Budget(per_hour=2, per_day=3, keep_days=1.0))
    wish = HarvestCandidate("near_limit", "vendor_stall", BOX, 0.3)

    def offer(after_s, shelf=shelf):
        return shelf.offer(picture(), wish, (), Stamp(after_s, NOW_S + after_s), gap_s=10.0)

    kept = [offer(s) is not None for s in (0, 5, 20, 40, 3700, 8000)]
    assert kept == [True, False, True, False, True, False]
    # a restart counts what is there
    assert offer(9000, store.Harvest(tmp_path, "gate", Budget(per_day=3))) is None
    assert shelf.sweep(now_s=NOW_S + 86_400 + 30) == 2
    assert len(list((tmp_path / "gate").glob("*"))) == 2
    small = store.Harvest(tmp_path, "yard", Budget(megabytes=0.01))
    assert offer(0, small) is not None
    assert offer(4000, small) is None
