# SPDX-License-Identifier: AGPL-3.0-or-later
"""Every recorded case, judged by looks of which most are carried: the same events.

The stage knows when something really moved, came or went, and when only the detector wavered; a
look is carried as edge.pipeline.analyzer does it: nothing changed, nothing held is looked for, and
the refresh is not due. A carried look repeats the last answer of the detector, with its wavering.

Asleep, there are looks at key pictures only, as edge.pipeline.decode_policy has it: after
QUIET_AFTER_S without a change, where the rules' longest time between looks allows for it; all that
lay between is looked at where something changed.
"""

from dataclasses import replace

import pytest
from generate import CASES
from test_rates import NEAR_S, SOME, sitting

from edge.camera.watch import LATE
from edge.pipeline.decode_policy import QUIET_AFTER_S
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


KEY_S = 2.0


class Policy:
    """Which looks are given at all (asleep), and which of them are carried."""

    def __init__(self, case, *, sleeps):
        self.case, self.sleeps, self.judge = case, sleeps, sitting(case)
        self.told, self.asked, self.looks = [], 0, 0
        self.last = self.before = self.stirred_s = None

    def look(self, scene):
        now = there(self.case.stage, scene.at.mono)
        changed = self.before is None or not unchanged(now, self.before)
        if changed or self.judge.searching or self.stirred_s is None:
            self.stirred_s = scene.at.mono
        if self.skipped(scene.at.mono, changed):
            return
        self.looks += 1
        limit_s = refresh_s(faint=self.judge.faint, clock=self.judge.busy)
        due = self.last is None or scene.at.mono - self.last.at.mono >= limit_s
        if changed or self.judge.searching or due:
            self.asked += 1
            self.last, self.before = scene, now
        else:
            scene = carried(scene, self.last)
        self.told += self.judge.step(scene).findings

    def skipped(self, mono, changed):
        limit_s = refresh_s(faint=self.judge.faint, clock=self.judge.busy)
        asleep = self.sleeps and not self.judge.brief and limit_s * LATE >= KEY_S
        idle = mono - self.stirred_s >= QUIET_AFTER_S
        return asleep and idle and not changed and round(mono * FPS) % round(KEY_S * FPS) != 0


def judged(case, *, carry, sleeps=False):
    """(events, share of the looks due for which the detector was asked)."""
    policy, due = Policy(case, sleeps=sleeps), 0
    for scene in case.stage.scenes(FPS, 720):
        due += 1
        if carry:
            policy.look(scene)
        else:
            policy.told += policy.judge.step(scene).findings
    told = [*policy.told, *policy.judge.finish(scene.at).findings]
    events = sorted(
        (f.category, f.phase, f.occurrence, f.began.mono, f.ended.mono if f.ended else -1.0)
        for f in told
        if f.phase != "update"
    )
    return events, policy.asked / due


def assert_same(name, sleeps=False):
    case = CASES[name]
    whole, _ = judged(case, carry=False)
    found, share = judged(case, carry=True, sleeps=sleeps)
    assert [row[:3] for row in found] == [row[:3] for row in whole]
    for one, other in zip(found, whole, strict=True):
        assert one[3:] == pytest.approx(other[3:], abs=NEAR_S)
    return share


@pytest.mark.parametrize("sleeps", [False, True])
@pytest.mark.parametrize("name", [name for pair in SOME.values() for name in pair])
def test_carried_looks_tell_the_same_events(name, sleeps):
    assert_same(name, sleeps)


@pytest.mark.slow
@pytest.mark.parametrize("sleeps", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_carried_looks_tell_the_same_events_of_every_case(name, sleeps):
    assert_same(name, sleeps)


def test_most_looks_at_a_stall_that_stays_are_carried():
    assert assert_same("vendor-stays") < 0.5
    assert assert_same("vendor-stays", sleeps=True) < 0.4
