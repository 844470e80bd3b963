# SPDX-License-Identifier: AGPL-3.0-or-later
"""Every recorded case, judged by looks of which most are carried: the same events.

The stage knows when something really moved, came or went, and when only the detector wavered; a
look is carried as edge.pipeline.analyzer does it: nothing changed, nothing held is looked for, and
the refresh is not due. A carried look repeats the last answer of the detector, with its wavering.

Asleep, there are looks at key pictures only, as edge.pipeline.decode_policy itself decides; all
that lay between is looked at where something changed.
"""

import random
from dataclasses import replace

import pytest
from generate import CASES
from test_rates import NEAR_S, sitting

from edge.pipeline.decode_policy import DecodePolicy, Streaming
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


class Watcher:
    """Which looks are given at all, and which of them are carried. key_s: seconds between key
    pictures, where the camera may sleep on them."""

    def __init__(self, case, *, key_s=None):
        self.case, self.key_s, self.judge = case, key_s, sitting(case)
        self.policy = DecodePolicy(
            FPS, sleeps=key_s is not None, brief=self.judge.brief, faint=self.judge.faint
        )
        self.told, self.asked, self.wakes, self.want = [], 0, 0, "all"
        self.last = self.before = None

    def look(self, scene):
        now, mono = there(self.case.stage, scene.at.mono), scene.at.mono
        changed = self.before is None or not unchanged(now, self.before)
        key = self.key_s is not None and round(mono * FPS) % round(self.key_s * FPS) == 0
        asleep = self.want == "watch"
        if asleep and not changed and not key:
            return
        limit_s = refresh_s(faint=self.judge.faint, clock=self.judge.busy)
        due = self.last is None or mono - self.last.at.mono >= limit_s
        if changed or self.judge.searching or due:
            self.asked += 1
            self.last, self.before = scene, now
        else:
            scene = carried(scene, self.last)
        self.told += self.judge.step(scene).findings
        self.wakes += asleep and changed
        # It sleeps from a key picture on.
        want = self.decide(mono, changed, asleep)
        self.want = want if want != "watch" or asleep or key else self.want

    def decide(self, mono, changed, asleep):
        return self.policy.step(
            mono,
            stirs=changed,
            moves=changed,
            came=changed,
            searching=self.judge.searching,
            watched=False,
            look_s=refresh_s(faint=self.judge.faint, clock=self.judge.busy),
            every_s=0.0,
            stream=Streaming(
                25.0, self.key_s, True, self.wakes, key_most_s=self.key_s, asleep=asleep
            ),
            asleep=False,
        )


def judged(case, *, carry, key_s=None):
    """(events, share of the looks due for which the detector was asked)."""
    policy, due = Watcher(case, key_s=key_s), 0
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


def assert_same(name, key_s=None):
    case = CASES[name]
    whole, _ = judged(case, carry=False)
    found, share = judged(case, carry=True, key_s=key_s)
    assert [row[:3] for row in found] == [row[:3] for row in whole]
    for one, other in zip(found, whole, strict=True):
        assert one[3:] == pytest.approx(other[3:], abs=NEAR_S)
    return share


def wavering(seed, *, missed, for_s=0.8):
    """A stall by night that the detector loses for a share of the time, `for_s` at a time on
    average, in no step with anything."""
    rng, now, spans = random.Random(seed), 8.0, []
    while now < 130.0:
        now += rng.expovariate(missed / (for_s * (1.0 - missed)))
        spans.append((now, now + rng.expovariate(1.0 / for_s)))
        now = spans[-1][1]
    case = CASES["vendor-night"]
    actors = [
        replace(actor, unseen=tuple(spans)) if actor.label == "vendor_stall" else actor
        for actor in case.stage.actors
    ]
    return replace(case, stage=replace(case.stage, actors=actors))


@pytest.mark.parametrize("name", CASES)
def test_looks_asleep_tell_the_same_events(name):
    assert_same(name, 2.0)


@pytest.mark.slow
@pytest.mark.parametrize("key_s", [None, 1.0, 4.0, 5.0])
@pytest.mark.parametrize("name", CASES)
def test_carried_looks_tell_the_same_events_whatever_the_key_pictures(name, key_s):
    assert_same(name, key_s)


@pytest.mark.parametrize("missed", [0.33, 0.45])
@pytest.mark.parametrize("key_s", [None, 1.0, 2.0])
def test_what_the_detector_loses_a_third_of_the_time_and_more_is_told_asleep_as_awake(
    key_s, missed
):
    for seed in range(4):
        found, _ = judged(wavering(seed, missed=missed), carry=True, key_s=key_s)
        assert [row[:3] for row in found] == [
            ("street-vendor", "end", 1),
            ("street-vendor", "new", 1),
        ], seed


def test_most_looks_at_a_stall_that_stays_are_carried():
    assert assert_same("vendor-stays") < 0.5
    assert assert_same("vendor-stays", key_s=2.0) < 0.4
