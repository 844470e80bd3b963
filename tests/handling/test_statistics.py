# SPDX-License-Identifier: AGPL-3.0-or-later
"""Figures of a period against counting by hand, intervals against published values."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.handling.life import CaseLife, StepKind, fold, make_step
from edge.handling.report_page import change_of
from edge.handling.statistics import DAY_S, Share, figures, hot_spots, quiet, returns, within


def case(name: str, at: float, *steps: tuple[StepKind, float], anchor: float = 0.5,
         source: str = "east", **facts: object) -> CaseLife:  # fmt: skip
    head = {"category": "street-vendor", "source": source, "grid": "g", "anchor": [anchor, 0.7]}
    rows = [make_step(name, "found", at, arrived=at, by="box", role="box", facts=head | facts)]
    for kind, when in steps:
        told = {"due": when + 3600.0} if kind == "confirmed" else {}
        rows.append(make_step(name, kind, when, arrived=when, by="w", role="page", facts=told))
    found = fold(rows)
    assert found is not None
    return found


# Wilson's interval for 8 of 10, 0 of 10 and 50 of 100, as Brown, Cai and DasGupta (2001) define it.
@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    [(8, 10, 0.4902, 0.9433), (0, 10, 0.0, 0.2775), (50, 100, 0.4038, 0.5962), (0, 0, 0.0, 1.0)],
)
def test_wilson_interval(part: int, whole: int, low: float, high: float) -> None:
    assert Share(part, whole).interval == pytest.approx((low, high), abs=1e-4)


def test_a_change_is_told_only_where_intervals_part() -> None:
    assert not Share(8, 10).differs(Share(6, 10))
    assert Share(90, 100).differs(Share(50, 100))


def test_figures_counted_by_hand() -> None:
    lives = [
        case("v-1", 0),
        case("v-2", 10, ("misdetected", 100)),
        case("v-3", 20, ("confirmed", 200), ("settled", 1000)),
        case("v-4", 30, ("confirmed", 200), ("settled", 9000)),
        case("v-5", 40, ("confirmed", 200), ("filed", 300)),
        case("v-6", 50, ("confirmed", 200), ("duplicate", 300)),
    ]
    found = figures(lives, until=10_000)
    assert (found.found, found.confirmed, found.misdetected, found.unreviewed) == (6, 4, 1, 1)
    assert found.outcomes == {"duplicate": 1, "filed": 1}
    assert (found.settled, found.overdue, found.open) == (2, 2, 1)
    assert (found.on_time.part, found.on_time.whole) == (1, 3)
    assert (found.precision.part, found.precision.whole) == (4, 5)
    assert found.cases["overdue"] == ("v-4", "v-5")
    assert found.to_settle_h == pytest.approx(((1000 - 20) + (9000 - 30)) / 2 / 3600)


def test_before_its_due_time_nothing_is_late() -> None:
    assert figures([case("v-1", 0, ("confirmed", 100))], until=200).overdue == 0


def test_returns_are_of_the_same_place_or_the_same_truck() -> None:
    day = DAY_S
    lives = [
        case("v-1", 0, ("confirmed", 10), ("settled", 20)),
        case("v-2", 5 * day, ("confirmed", 5 * day + 1), ("settled", 5 * day + 2)),
        case("v-3", 25 * day, ("confirmed", 25 * day + 1)),
        case("v-4", 26 * day, ("confirmed", 26 * day + 1), anchor=0.1),
        case("v-5", 0, ("confirmed", 10), source="west", subject="京A12345"),
        case("v-6", day, ("confirmed", day + 1), source="north", subject="京A12345"),
    ]
    assert returns(lives, 7) == 2
    assert returns(lives, 30) == 3


def test_days_without_and_hot_spots_leave_misdetections_out() -> None:
    lives = [
        case("v-1", 0, ("confirmed", 10)),
        case("v-2", 2 * DAY_S, ("confirmed", 2 * DAY_S + 1)),
        case("v-3", 9 * DAY_S, ("misdetected", 9 * DAY_S + 1)),
    ]
    (row,) = quiet(lives, 12 * DAY_S)
    assert (row.confirmed, row.days) == (2, 10.0)
    assert hot_spots(lives) == [("east", "street-vendor", 2)]
    assert [c.case for c in within(lives, DAY_S, 9 * DAY_S)] == ["v-2"]


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_the_page_calls_nothing_a_change_that_the_intervals_do_not_show(a, b, c, d):
    now, then = Share(min(a, b), b), Share(min(c, d), d)
    said = change_of(now, then)
    (low, high), (other_low, other_high) = now.interval, then.interval
    apart = bool(b) and bool(d) and (high < other_low or other_high < low)
    assert (said in ("more", "less")) == apart
    if apart:
        assert said == ("more" if now.part * then.whole > then.part * now.whole else "less")
