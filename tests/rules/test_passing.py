# SPDX-License-Identifier: AGPL-3.0-or-later
"""A truck that passes has a case while it is there, and is no place that anything comes back to."""

from stage import Actor, Stage
from stage_judge import judge, phases, play, rule, zone

from edge.rules.view import Memory, Open
from edge.values import Stamp

TRUCK = Actor(
    "muck_truck",
    [(10, 0.12, 0.85), (18, 0.9, 0.85)],
    size=(0.22, 0.24),
    traits=(("open_loaded", 0.9),),
)


def times_here(memory, key, wall):
    case = Open("", "street-vendor", (0.4, 0.4, 0.6, 0.6))
    past = memory.opened(key, case, (0.5, 0.6), size=0.2, aspect=1.0, now=Stamp(wall, wall))
    memory.ended(key, Stamp(wall + 60.0, wall + 60.0))
    return past.count


def test_trucks_that_pass_all_day_do_not_make_a_repeated_offence_a_first_one():
    sitting = judge(rule("uncovered-load"), zones=(zone(),))
    assert [times_here(sitting.memory, f"v{n}", 60.0 * n) for n in range(2)] == [1, 2]
    assert phases(play(Stage([TRUCK], 60), sitting)) == [
        ("uncovered-load", "new"),
        ("uncovered-load", "end"),
    ]
    assert [past.category for past in sitting.memory.snapshot().past] == ["street-vendor"]
    assert times_here(sitting.memory, "v2", 900.0) == 3


def test_trucks_that_an_earlier_program_kept_as_places_are_forgotten():
    memory = Memory()
    times_here(memory, "v0", 0.0)
    case = Open("", "uncovered-load", (0.1, 0.1, 0.3, 0.3))
    memory.opened("t", case, (0.2, 0.3), size=0.0, aspect=1.0, now=Stamp(9.0, 9.0))
    kept = Memory.restore(memory.snapshot())
    assert [past.key for past in kept.snapshot().past] == ["v0"]
    assert kept.open_in("", "uncovered-load") == 1
