# SPDX-License-Identifier: AGPL-3.0-or-later
"""A truck that stands is no dumping: only a body that is seen going up is."""

from __future__ import annotations

import pytest
from stage_judge import judge, phases, rule

from edge.values import Box, Scene, Stamp, Track


def standing(t: float, *, height: float = 0.3, foot: float = 0.8, score: float = 0.7) -> Scene:
    box: Box = (0.4, foot - height, 0.6, foot)
    at = Stamp(t, 1.7e9 + t, "recording")
    return Scene("c1", at, (Track(1, "truck", box, score, Stamp(0.0, 1.7e9, "recording"), at),))


def told(scenes):
    sitting = judge(rule("dumping", dwell_s=3.0))
    return phases([f for scene in scenes for f in sitting.step(scene).findings])


@pytest.mark.parametrize("surely_from_s", [0.0, 2.0, 12.0, 40.0])
def test_standing_alone_is_no_dumping_however_late_it_is_recognised(surely_from_s):
    seconds = [n / 5 for n in range(400)]
    assert not told(standing(t, score=0.25 if t < surely_from_s else 0.7) for t in seconds)


def test_a_body_seen_going_up_is():
    seconds = [n / 5 for n in range(200)]
    raised = [standing(t, height=0.3 if t < 15 else 0.42) for t in seconds]
    assert ("dumping", "new") in told(raised)


def test_a_box_cut_by_the_picture_does_not_tell_how_tall_the_truck_is():
    seconds = [n / 5 for n in range(200)]
    assert not told(standing(t, height=0.3 if t < 15 else 0.42, foot=1.0) for t in seconds)
