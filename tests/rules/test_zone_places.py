# SPDX-License-Identifier: AGPL-3.0-or-later
"""An open case of a zone goes on with that zone, whatever zones come and go before it."""

import json

import numpy as np
import pytest
from stage_judge import CATEGORIES, SHANGHAI, rule

from edge.config import Camera, Zone, convert
from edge.config.dated import Calendar
from edge.rules.judge import Judge
from edge.rules.taught import PlaceAnswer
from edge.values import Sample, Scene, Stamp, Track

WALL = 1_767_225_600.0
LEFT = {"left": 0.1, "middle": 0.4, "right": 0.7}
PICTURE = np.zeros((360, 640, 3), np.uint8)


def square_at(x):
    return (x, 0.5, x + 0.2, 0.8)


class Bin:
    """A taught place; which bins are full is asked with each look."""

    def __init__(self, full, name):
        self.full, self.name = full, name

    def tell(self, cut, *, covered=0.0):
        return PlaceAnswer("wrong" if self.name in self.full else "right", "", 9.0, 0.1)


class Bins:
    """Taught zones; the bins in some of them are full."""

    category = "full-bin"

    def __init__(self):
        self.where = ["right"]

    def judge(self, names):
        taught = {name: (square_at(LEFT[name]), Bin(self.where, name)) for name in names}
        return judge_of(names, "watch", rule(self.category, dwell_s=20, confirm_s=5), taught)

    def scene(self, at):
        return Scene("c1", at, (), 16 / 9, PICTURE)


class Dust:
    """Dust over some of the sites, and an instrument that says so."""

    category = "construction-dust"

    def __init__(self):
        self.where = ["right"]

    def judge(self, names):
        return judge_of(names, "site", rule(self.category, dwell_s=20, confirm_s=5))

    def scene(self, at):
        clouds = (Track(1, "dust", square_at(LEFT[name]), 0.8, at, at) for name in self.where)
        reading = Sample("dust-1", "pm10", 400.0, "ug/m3", "ok", at)
        return Scene("c1", at, tuple(clouds), 16 / 9, samples=(reading,))


def judge_of(names, kind, watched, taught=None):
    zones = []
    for name in names:
        x1, y1, x2, y2 = square_at(LEFT[name])
        corners = [(x1, y1), (x2, y1), (x2, y2), (x1, y2)]
        zones.append(convert({"id": name, "kind": kind, "polygon": corners}, Zone, "test"))
    camera = Camera(id="c1", source="rtsp://x", zones=tuple(zones), rules=(watched,))
    return Judge(
        camera, categories=CATEGORIES, calendar=Calendar(), timezone=SHANGHAI, taught=taught
    )


BOTH = pytest.mark.parametrize("made", [Bins, Dust])


def played(sitting, kind, since, until):
    found = []
    for t in range(since, until):
        found += sitting.step(kind.scene(Stamp(float(t), WALL + t, "ntp", 5.0))).findings
    return found


def restarted(kind, before, after, *, early=False):
    """A case of the right zone on a site with zones `before`, and its judge on one with `after`."""
    sitting = kind.judge(before)
    (case,) = played(sitting, kind, 0, 60)
    assert (case.phase, case.zone.zones) == ("new", ("right",))
    kept = json.loads(json.dumps(sitting.snapshot()))
    if early:
        (places,) = kept["rules"].values()
        del places[0]["zone_id"]
    fresh = kind.judge(after)
    fresh.restore(kept, Stamp(60.0, WALL + 60.0, "ntp", 5.0))
    return case, fresh


@pytest.mark.parametrize("early", [False, True], ids=["with its zone", "by an earlier program"])
@BOTH
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["right"], ["right"]),
        (["right"], ["left", "right"]),
        (["left", "right"], ["right"]),
        (["left", "right"], ["right", "left"]),
        (["left", "middle", "right"], ["middle", "right"]),
    ],
)
def test_a_case_goes_on_with_its_own_zone(made, before, after, early):
    kind = made()
    case, fresh = restarted(kind, before, after, early=early)
    assert played(fresh, kind, 61, 200) == []
    assert fresh.interrupted([case]) == []
    kind.where.clear()
    (end,) = played(fresh, kind, 200, 300)
    assert (end.phase, end.key) == ("end", case.key)


@BOTH
def test_a_case_whose_zone_is_gone_ends_and_leaves_the_next_zone_alone(made):
    kind = made()
    case, fresh = restarted(kind, ["left", "right"], ["left", "middle"])
    assert fresh.memory.open_in("", kind.category) == 0
    assert [end.key for end in fresh.interrupted([case])] == [case.key]
    assert played(fresh, kind, 61, 120) == []
