# SPDX-License-Identifier: AGPL-3.0-or-later
"""Crops for a labeller go after thirty days, whoever still works, and outlive a power cut."""

import logging

import numpy as np
import pytest

from edge.config import Device
from edge.daemons.janitord import Janitor
from edge.learning.harvest import Budget, HarvestCandidate
from edge.learning.store import Harvest
from edge.pipeline.hard_examples import HardExamples
from edge.values import Detections, Frame, Stamp

NOW_S, DAY_S = 1.79e9, 86_400.0
BOX = (0.4, 0.4, 0.6, 0.6)
PICTURE = np.zeros((90, 160, 3), np.uint8)
LIMITS = {"car": 0.4}


def offer(harvest, days):
    wish = HarvestCandidate("near_limit", "car", BOX, 0.3)
    return harvest.offer(PICTURE, wish, [], Stamp(0.0, NOW_S + days * DAY_S))


def look(examples, days):
    """One look in which a car is seen with a score near its limit."""
    at = Stamp(days * DAY_S, NOW_S + days * DAY_S)
    found = Detections(
        np.array([BOX], np.float32), np.array([0.38], np.float32), np.array([0]), ("car",)
    )
    examples.glean(Frame("gate", 1, at, PICTURE), found, [])


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("part", [".jpg", ".json"])
def test_what_a_power_cut_left_empty_ends_nothing(tmp_path, part):
    kept = offer(Harvest(tmp_path, "gate"), 0.0)
    kept.with_suffix(part).write_bytes(b"")
    (tmp_path / "gate" / "readme.txt").write_text("of a person")
    again = Harvest(tmp_path, "gate", Budget(per_day=1))
    assert offer(again, 0.9) is None, "it still counts"
    assert again.sweep(now_s=NOW_S + 31 * DAY_S) == 1
    assert names(tmp_path / "gate") == ["readme.txt"]


def test_a_camera_s_crops_are_swept_at_its_first_look_and_daily(tmp_path):
    for days in (0.0, 1.5, 2.0):
        offer(Harvest(tmp_path, "gate"), days)
    examples = HardExamples(Harvest(tmp_path, "gate", Budget(per_day=0)), LIMITS)
    for days, left in ((31.0, 2), (31.6, 2), (32.1, 0)):
        look(examples, days)
        assert len(list((tmp_path / "gate").glob("*.jpg"))) == left, days


def test_a_camera_that_keeps_no_more_says_so_once(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    examples = HardExamples(Harvest(tmp_path, "gate", Budget(megabytes=0.0005)), LIMITS)
    for days in (0.0, 0.1, 0.2, 0.3):
        look(examples, days)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "no more" in caplog.text
    look(examples, 31.0)
    assert "well again" in caplog.text


def test_the_janitor_deletes_what_a_camera_that_is_gone_has_left(tmp_path):
    state = tmp_path / "state"
    for days in (0.0, 20.0):
        offer(Harvest(state / "harvest", "gone"), days)
    (state / "harvest" / "gone" / f".{NOW_S * 1000:.0f}-near_limit-car.jpg.1.2.tmp").touch()
    Janitor(Device(), state, tmp_path / "run").work(NOW_S + 31 * DAY_S)
    young = f"{(NOW_S + 20 * DAY_S) * 1000:.0f}-near_limit-car"
    assert names(state / "harvest" / "gone") == [f"{young}.jpg", f"{young}.json"]
