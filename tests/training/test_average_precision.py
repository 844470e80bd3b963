# SPDX-License-Identifier: AGPL-3.0-or-later
"""Average precision against values worked out by hand and against its own definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.training.average_precision import (
    RECALLS,
    THRESHOLDS,
    Matched,
    Seen,
    ap50,
    average_precision,
    bootstrap,
    curve,
    match,
)


def seen(found, truth, silent=frozenset()):
    """found: (box, score, label) rows; truth: (box, label) rows."""
    return Seen(
        np.array([f[0] for f in found], float).reshape(-1, 4),
        np.array([f[1] for f in found], float),
        np.array([f[2] for f in found], int),
        np.array([t[0] for t in truth], float).reshape(-1, 4),
        np.array([t[1] for t in truth], int),
        silent,
    )


A, B, C = (0.0, 0.0, 0.2, 0.2), (0.5, 0.5, 0.7, 0.7), (0.8, 0.0, 1.0, 0.2)
HALF_OFF = (0.0, 0.1, 0.2, 0.3)  # IoU 1/3 with A


def ranked(hits, truths):
    """One picture whose boxes, best first, hit or not at every threshold."""
    scores = np.linspace(1, 0.1, len(hits)) if len(hits) else np.zeros(0)
    return Matched(scores, np.tile(np.array(hits, bool), (len(THRESHOLDS), 1)), truths)


@pytest.mark.parametrize(
    ("hits", "truths", "expected"),
    [
        ([True], 1, 1.0),
        ([False], 1, 0.0),
        ([], 3, 0.0),
        ([True, True], 2, 1.0),
        # recall 0.5 at precision 1, then recall 1 at precision 2/3: 51 and 50 of the 101 points
        ([True, False, True], 2, (51 + 50 * 2 / 3) / 101),
        # the false box comes first: precision never exceeds 1/2
        ([False, True], 1, 0.5),
        # half of the truths are never found: 51 of 101 points stand at precision 1
        ([True], 2, 51 / 101),
    ],
)
def test_area_by_hand(hits, truths, expected):
    assert ap50([ranked(hits, truths)]) == pytest.approx(expected)


def test_no_truth_is_no_figure():
    assert np.isnan(ap50([ranked([False], 0)]))


def test_a_truth_is_taken_once_and_by_the_better_score():
    one = match(seen([(A, 0.6, 0), (A, 0.9, 0)], [(A, 0)]), 0)
    assert one.scores.tolist() == [0.9, 0.6]
    assert one.hits[0].tolist() == [True, False]


def test_overlap_limits():
    one = match(seen([(HALF_OFF, 0.9, 0), (B, 0.8, 0)], [(A, 0), (B, 0)]), 0)
    assert one.hits[0].tolist() == [False, True]
    fifty, mean = average_precision([one])
    assert (fifty, mean) == pytest.approx((0.5 * 51 / 101,) * 2)


def test_other_classes_do_not_count():
    assert match(seen([(A, 0.9, 1)], [(A, 0)]), 0).truths == 1
    assert not len(match(seen([(A, 0.9, 1)], [(A, 0)]), 0).scores)


def test_a_class_nobody_labelled_counts_neither_way():
    silent = match(seen([(A, 0.9, 0)], [(B, 1)], frozenset({0})), 0)
    assert (len(silent.scores), silent.truths) == (0, 0)


def test_ranking_runs_over_all_pictures():
    line = curve([ranked([True], 1), ranked([False], 0)])
    assert line.truths == 1
    assert line.precision.tolist() == [1.0, 0.5]


@given(
    hits=st.lists(st.booleans(), max_size=12),
    extra=st.integers(0, 5),
)
def test_area_is_the_mean_of_the_best_precision_from_each_recall(hits, extra):
    truths = sum(hits) + extra
    if not truths:
        return
    right = np.cumsum(hits)
    precision = [right[i] / (i + 1) for i in range(len(hits))]
    recall = [right[i] / truths for i in range(len(hits))]
    expected = np.mean(
        [max([p for p, r in zip(precision, recall, strict=True) if r >= at], default=0.0)
         for at in RECALLS]
    )  # fmt: skip
    assert ap50([ranked(hits, truths)]) == pytest.approx(expected)


def test_bootstrap_of_whole_groups_is_wider_than_of_frames():
    good, bad = ranked([True], 1), ranked([False], 1)
    parts = [good] * 10 + [bad] * 10
    frames = bootstrap(parts, ap50, rounds=200)
    videos = bootstrap(parts, ap50, rounds=200, groups=["a"] * 10 + ["b"] * 10)
    assert videos[1] - videos[0] > frames[1] - frames[0]
    assert frames[0] < ap50(parts) < frames[1]
    assert bootstrap(parts, ap50, rounds=50, seed=3) == bootstrap(parts, ap50, rounds=50, seed=3)
