# SPDX-License-Identifier: AGPL-3.0-or-later
"""States of a case: the table of steps, contradictions, lateness, order of arrival."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.handling.life import ALLOWED, CaseLife, CaseStep, StepKind, fold, make_step

HEAD = {"category": "street-vendor", "source": "east", "grid": "110101001001001"}


def step(kind: StepKind, at: float, by: str = "duty", **facts: object) -> CaseStep:
    role = "box" if kind in ("found", "left", "overdue") else "page"
    told = HEAD if kind == "found" else facts
    return make_step("v-1", kind, at, arrived=at + 1e6, by=by, role=role, facts=told)


def life_of(*steps: CaseStep) -> CaseLife:
    found = fold([step("found", 0.0), *steps])
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("kinds", "state"),
    [
        ([], "suspected"),
        (["left"], "suspected"),
        (["confirmed"], "confirmed"),
        (["misdetected"], "misdetected"),
        (["confirmed", "filed"], "filed"),
        (["confirmed", "on_the_spot", "gone", "settled"], "settled"),
        (["confirmed", "permitted"], "permitted"),
        (["confirmed", "duplicate"], "duplicate"),
        (["confirmed", "not_pursued", "confirmed"], "confirmed"),
        (["confirmed", "filed", "misdetected"], "misdetected"),
        (["misdetected", "confirmed"], "confirmed"),
        (["misdetected", "left"], "misdetected"),
        (["confirmed", "filed", "settled", "confirmed"], "settled"),
    ],
)
def test_steps_lead_to_their_state(kinds: list[StepKind], state: str) -> None:
    found = life_of(*(step(kind, 10.0 * n) for n, kind in enumerate(kinds, 1)))
    assert found.state == state
    assert not found.refused


@pytest.mark.parametrize(
    "kinds",
    [["filed"], ["settled"], ["misdetected", "filed"], ["gone"], ["overdue"], ["confirmed",
     "permitted", "gone"]],
)  # fmt: skip
def test_what_a_state_forbids_is_kept_and_changes_nothing(kinds: list[StepKind]) -> None:
    steps = [step(kind, 10.0 * n) for n, kind in enumerate(kinds, 1)]
    before, after = life_of(*steps[:-1]), life_of(*steps)
    assert after.refused == (steps[-1],)
    assert after.state == before.state


def test_a_case_without_its_finding_is_unknown() -> None:
    assert fold([step("confirmed", 1.0)]) is None
    assert fold([]) is None


def test_the_later_verdict_wins_and_both_are_kept() -> None:
    page = step("confirmed", 20.0, by="wang")
    platform = step("misdetected", 30.0, by="li")
    for arrival in ((page, platform), (platform, page)):
        found = life_of(*arrival)
        assert found.state == "misdetected"
        assert [s.by for s in found.steps[1:]] == ["wang", "li"]


def test_a_word_heard_twice_is_one_step() -> None:
    once = life_of(step("confirmed", 20.0))
    assert life_of(step("confirmed", 20.0), step("confirmed", 20.0)) == once


def test_nothing_happens_after_it_was_heard_of() -> None:
    late = make_step("v-1", "confirmed", 2e9, arrived=100.0, by="duty", role="platform")
    assert late.at == 100.0


def test_due_begins_with_the_first_confirmation_and_moves_with_a_pause() -> None:
    confirmed = step("confirmed", 100.0, due=1000.0)
    assert life_of(confirmed).due == 1000.0
    paused = life_of(confirmed, step("paused", 200.0), step("resumed", 500.0))
    assert (paused.due, paused.paused_s, paused.paused_at) == (1300.0, 300.0, None)
    assert life_of(confirmed, step("paused", 200.0), step("overdue", 1500.0)).overdue is False


def test_overdue_is_said_once_and_stays_with_a_case_settled_late() -> None:
    steps = [step("confirmed", 100.0, due=1000.0), step("overdue", 1000.0),
             step("overdue", 2000.0), step("settled", 3000.0)]  # fmt: skip
    found = life_of(*steps)
    assert (found.overdue, found.overdue_at, found.state) == (True, 1000.0, "settled")
    in_time = life_of(steps[0], step("settled", 900.0), step("overdue", 1000.0))
    assert in_time.overdue is False
    late = life_of(steps[0], step("settled", 1100.0))
    assert late.overdue is True


def test_gone_counts_in_a_row_and_cannot_see_does_not_break_the_row() -> None:
    kinds: list[StepKind] = ["gone", "cannot_see", "gone", "still_there", "gone"]
    counts = []
    for n in range(1, len(kinds) + 1):
        steps = [step(kind, 200.0 + m) for m, kind in enumerate(kinds[:n])]
        counts.append(life_of(step("confirmed", 100.0), *steps).gone)
    assert counts == [1, 1, 2, 0, 1]


def test_a_misdetection_takes_everything_back() -> None:
    found = life_of(
        step("confirmed", 100.0, due=1000.0), step("filed", 110.0), step("overdue", 1000.0),
        step("misdetected", 1200.0),
    )  # fmt: skip
    assert (found.due, found.overdue, found.outcome, found.confirmed_at) == (None, False, "", None)
    assert not found.counts
    assert found.closed


KINDS = st.sampled_from(sorted(ALLOWED))


@given(st.lists(st.tuples(KINDS, st.integers(1, 20), st.sampled_from("ab")), max_size=14),
       st.randoms(use_true_random=False))  # fmt: skip
def test_the_order_of_arrival_does_not_matter(
    said: list[tuple[StepKind, int, str]], rng: random.Random
) -> None:
    steps = [step(kind, float(at), by=by) for kind, at, by in said]
    mixed = [*steps, *steps[:3]]
    rng.shuffle(mixed)
    assert life_of(*mixed) == life_of(*steps)


@given(st.lists(st.tuples(KINDS, st.integers(1, 20)), max_size=14))
def test_every_step_is_either_taken_or_refused(said: list[tuple[StepKind, int]]) -> None:
    steps = {s.id: s for s in (step(kind, float(at)) for kind, at in said)}
    found = life_of(*steps.values())
    assert len(found.steps) - 1 + len(found.refused) == len(steps)
    assert not {s.id for s in found.steps} & {s.id for s in found.refused}
