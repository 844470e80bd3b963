# SPDX-License-Identifier: AGPL-3.0-or-later
"""Every recorded case, judged by looks of which most are carried: the same events.

The stage knows when something really moved, came or went, and when only the detector wavered; a
look is carried as edge.pipeline.analyzer does it: nothing changed, nothing held is looked for, and
the refresh is not due. A carried look repeats the last answer of the detector, with its wavering.
"""

from dataclasses import replace

import pytest
from generate import CASES
from test_rates import NEAR_S, SOME, sitting

from edge.vision.gate import refresh_s

FPS = 5.0
# Nearer than this is the same pixels: half a pixel of the gate's 320.
STEP = 0.0015


def there(stage, t):
    """What the pixels show: every actor that is there, whether detected or not, and the light."""
    dark = any(a <= t < b for a, b in stage.dark)
    shown = []
    for number, actor in enumerate(stage.actors):
        if actor.way[0][0] <= t <= actor.way[-1][0]:
            shown.append((number, *actor.foot(t), actor.scale(t), actor.height(t)))
    return dark, shown


def unchanged(now, before):
    if now[0] != before[0] or len(now[1]) != len(before[1]):
        return False
    return all(
        one[0] == other[0] and all(abs(a - b) < STEP for a, b in zip(one, other, strict=True))
        for one, other in zip(now[1], before[1], strict=True)
    )


def carried(scene, last):
    """The last answer of the detector at this time."""
    tracks = tuple(replace(t, seen=scene.at) if not t.coasted else t for t in last.tracks)
    return replace(scene, tracks=tracks)


def judged(case, *, carry):
    """(events, share of looks for which the detector was asked)."""
    judge, told, last, before, looks, asked = sitting(case), [], None, None, 0, 0
    for scene in case.stage.scenes(FPS, 720):
        now = there(case.stage, scene.at.mono)
        looks += 1
        limit_s = refresh_s(faint=judge.faint, clock=judge.busy)
        if (
            carry
            and last is not None
            and not judge.searching
            and scene.at.mono - last.at.mono < limit_s
            and unchanged(now, before)
        ):
            told += judge.step(carried(scene, last)).findings
            continue
        asked += 1
        last, before = scene, now
        told += judge.step(scene).findings
    told += judge.finish(scene.at).findings
    events = sorted(
        (f.category, f.phase, f.occurrence, f.began.mono, f.ended.mono if f.ended else -1.0)
        for f in told
        if f.phase != "update"
    )
    return events, asked / looks


def assert_same(name):
    case = CASES[name]
    whole, _ = judged(case, carry=False)
    found, share = judged(case, carry=True)
    assert [row[:3] for row in found] == [row[:3] for row in whole]
    for one, other in zip(found, whole, strict=True):
        assert one[3:] == pytest.approx(other[3:], abs=NEAR_S)
    return share


@pytest.mark.parametrize("name", [name for pair in SOME.values() for name in pair])
def test_carried_looks_tell_the_same_events(name):
    assert_same(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_carried_looks_tell_the_same_events_of_every_case(name):
    assert_same(name)


def test_most_looks_at_a_stall_that_stays_are_carried():
    assert assert_same("vendor-stays") < 0.5
