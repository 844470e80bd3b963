# SPDX-License-Identifier: AGPL-3.0-or-later
"""The pinhole of placement.md, and that the tables there are those that the command prints."""

import math

import pytest

from tests.field.units import ROOT
from tools.field.placement import LEAST_PX, Mount, main, table


def test_straight_down_is_size_over_height():
    mount = Mount(10.0, 89.999, 90.0)
    assert mount.size_px(1.0, 0.0) == pytest.approx(32.0, abs=0.1)


def test_level_is_size_over_distance():
    assert Mount(3.0, 0.0, 90.0).size_px(2.0, 20.0) == pytest.approx(32.0)


@pytest.mark.parametrize("tilt", [0, 10, 25, 40])
@pytest.mark.parametrize("distance_m", [5.0, 12.0, 30.0])
def test_a_person_is_as_tall_as_from_foot_to_head(tilt, distance_m):
    """By the angles at the lens: tan of each below the axis, times the focal length."""
    mount = Mount(5.0, tilt, 90.0)
    foot = math.degrees(math.atan2(5.0, distance_m)) - tilt
    head = math.degrees(math.atan2(5.0 - 1.7, distance_m)) - tilt
    expected = 320.0 * (math.tan(math.radians(foot)) - math.tan(math.radians(head)))
    assert mount.size_px(1.7, distance_m, upright=True) == pytest.approx(expected)


@pytest.mark.parametrize("tilt", [0, 10, 25, 45])
def test_reach_is_where_the_least_size_is(tilt):
    mount = Mount(5.0, tilt, 70.0)
    assert mount.size_px(1.8, mount.reach_m(1.8)) == pytest.approx(LEAST_PX)


def test_the_horizon_is_seen_or_not():
    assert Mount(5.0, 10.0, 90.0).ground_m()[1] == math.inf
    assert Mount(5.0, 45.0, 60.0).ground_m()[1] < 30


@pytest.mark.parametrize("mount", [Mount(5, 25, 90), Mount(6, 20, 50)])
def test_the_document_shows_what_the_command_prints(mount):
    text = (ROOT / "docs/placement.md").read_text("utf-8")
    assert all(line in text for line in table(mount).splitlines())


def test_nonsense_is_refused(capsys):
    assert main(["--height", "0"]) == 2 and "height > 0" in capsys.readouterr().err
