# SPDX-License-Identifier: AGPL-3.0-or-later
"""Which camera sees a place, and where in its picture: by marks, by a drawn ground, by position."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.camera.groundplane import GroundPlane, covering
from edge.config import Camera
from edge.config.site import CameraGround, GroundMark, Position
from edge.geometry import EARTH_M

LAT, LON = 36.389, 120.447
HEIGHT_M, TILT, FOCAL = 6.0, math.radians(25.0), 0.9


def place(east, north):
    lat = LAT + math.degrees(north / EARTH_M)
    return lat, LON + math.degrees(east / (EARTH_M * math.cos(math.radians(LAT))))


def seen(east, north):
    """A pinhole on a pole at (LAT, LON), looking north and down; fractions of a square picture."""
    forward = north * math.cos(TILT) + HEIGHT_M * math.sin(TILT)
    down = HEIGHT_M * math.cos(TILT) - north * math.sin(TILT)
    return 0.5 + FOCAL * east / forward, 0.5 + FOCAL * down / forward


def mark(east, north):
    lat, lon = place(east, north)
    return GroundMark(at=seen(east, north), lat=lat, lon=lon)


FOUR = tuple(mark(*at) for at in ((-4, 12), (5, 11), (-6, 25), (7, 28)))


@settings(max_examples=60, deadline=None)
@given(st.floats(-4, 4), st.floats(10, 35))
def test_four_marks_give_every_place_of_the_plane(east, north):
    found = GroundPlane(FOUR).picture_of(*place(east, north))
    assert found == pytest.approx(seen(east, north), abs=2e-3)


def test_what_lies_behind_the_camera_is_not_in_its_picture():
    plane = GroundPlane(FOUR)
    assert plane.area_of(*place(0, -30), 10.0) is None
    assert plane.area_of(*place(60, 15), 10.0) is None


def test_the_area_holds_the_ground_round_the_place():
    x1, y1, x2, y2 = GroundPlane(FOUR).area_of(*place(0, 20), 3.0)
    for turn in np.linspace(0, math.tau, 12):
        x, y = seen(2.9 * math.cos(turn), 20 + 2.9 * math.sin(turn))
        assert x1 <= x <= x2 and y1 <= y <= y2


@pytest.mark.parametrize(
    ("marks", "said"),
    [
        (FOUR[:3], "needs four"),
        ((*FOUR[:3], FOUR[2]), "one line, or two"),
        (tuple(mark(0, n) for n in (10, 15, 20, 25)), "one line"),
        ((*FOUR, GroundMark(at=(0.1, 0.95), lat=FOUR[3].lat, lon=FOUR[3].lon)), "misses the plane"),
    ],
)
def test_marks_that_fix_no_plane_are_refused(marks, said):
    with pytest.raises(ValueError, match=said):
        GroundPlane(marks)


def camera(name, **more):
    return Camera(id=name, source="rtsp://127.0.0.1/1", **more)


def test_a_calibrated_camera_comes_before_a_drawn_one_and_that_before_one_near_by():
    covers = tuple(place(*at) for at in ((-10, 5), (10, 5), (10, 40), (-10, 40)))
    lat, lon = place(3, 1)
    cameras = [
        camera("near", position=Position(lat=lat, lon=lon)),
        camera("drawn", ground=CameraGround(covers=covers)),
        camera("marked", ground=CameraGround(marks=FOUR)),
        camera("away", position=Position(lat=LAT + 0.01, lon=LON)),
        camera("off", ground=CameraGround(marks=FOUR), enabled=False),
        camera("elsewhere", ground=CameraGround(marks=FOUR, covers=(*covers[:2], place(-10, 6)))),
    ]
    found = covering(cameras, *place(0, 20), 5.0)
    assert [(c.camera, c.by) for c in found] == [
        ("marked", "calibrated"), ("drawn", "drawn"), ("near", "position"),
    ]  # fmt: skip
    assert covering(cameras[1:3], *place(0, 300), 5.0) == []
