# SPDX-License-Identifier: AGPL-3.0-or-later
"""Geometry without Blender: what the boxes and the clips are computed from."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.scenery import seeds, shapes
from tools.scenery.camera import Camera, looking_at

SHAPES = {
    "box": lambda: shapes.box((1, 2, 3)),
    "bevelled box": lambda: shapes.box((1, 2, 3), bevel=0.1, taper=(0.8, 0.9)),
    "cylinder": lambda: shapes.cylinder(0.5, 2.0, top=0.2),
    "sphere": lambda: shapes.sphere(1.0),
    "tube": lambda: shapes.tube([(0, 0, 0), (0, 1, 1), (0, 2, 1)], [0.1, 0.2, 0.1]),
    "heap": lambda: shapes.heap(np.random.default_rng(1), (3, 2, 1)),
}


@pytest.mark.parametrize("name", SHAPES)
def test_faces_point_at_vertices_that_are_there(name: str) -> None:
    made = SHAPES[name]()
    assert np.isfinite(made.verts).all()
    for faces in (made.tris, made.quads):
        assert faces.size == 0 or (faces.min() >= 0 and faces.max() < len(made.verts))
        for face in faces:
            assert len(set(face.tolist())) == len(face)


def _edges(mesh: shapes.Mesh) -> dict[frozenset[int], int]:
    count: dict[frozenset[int], int] = {}
    for faces in (mesh.tris, mesh.quads):
        for face in faces.tolist():
            for a, b in zip(face, face[1:] + face[:1], strict=True):
                edge = frozenset((a, b))
                count[edge] = count.get(edge, 0) + 1
    return count


@pytest.mark.parametrize("name", ["box", "bevelled box", "cylinder", "sphere", "tube"])
def test_closed_shapes_have_two_faces_at_every_edge(name: str) -> None:
    assert set(_edges(SHAPES[name]()).values()) == {2}


def test_transform_scales_then_turns_then_moves() -> None:
    matrix = shapes.transform((1, 0, 0), rot=(0, 0, math.pi / 2), scale=2.0)
    moved = shapes.mesh([(1, 0, 0)]).moved(matrix)
    assert np.allclose(moved.verts, [(1, 2, 0)], atol=1e-6)


@given(
    yaw=st.floats(0, 359),
    pitch=st.floats(-89, 20),
    roll=st.floats(-20, 20),
    hfov=st.floats(30, 100),
)
def test_a_ray_through_a_pixel_projects_back_onto_it(yaw, pitch, roll, hfov) -> None:
    camera = Camera(3.0, -4.0, 12.0, yaw, pitch, roll, hfov)
    ray = camera.rays(np.array([101.0]), np.array([222.0]))[0]
    point = np.array([camera.x, camera.y, camera.z]) + 25.0 * ray
    seen = camera.project(point[None])[0]
    assert np.allclose(seen, (101.0, 222.0, 25.0), atol=0.05)


@pytest.mark.parametrize(
    ("yaw", "pitch", "point", "where"),
    [
        (0, 0, (0, 10, 10), "middle"),  # north is ahead
        (90, 0, (10, 0, 10), "middle"),  # yaw turns clockwise
        (0, 0, (5, 10, 10), "right"),
        (90, -90, (5, 0, 0), "above"),  # straight down the top of the picture is where yaw points
    ],
)
def test_pose_means_what_telemetry_means(yaw, pitch, point, where) -> None:
    camera = Camera(0, 0, 10, yaw, pitch, 0, 60, 640, 384)
    x, y, depth = camera.project(np.array([point], np.float32))[0]
    assert depth > 0
    if where == "middle":
        assert (x, y) == pytest.approx((320, 192), abs=0.01)
    elif where == "right":
        assert x > 330
    else:
        assert x == pytest.approx(320, abs=0.01)
        assert y < 180


def test_looking_at_puts_the_target_in_the_middle() -> None:
    camera = looking_at((-10, -3, 6), (5, 7, 1))
    x, y, _ = camera.project(np.array([(5, 7, 1)], np.float32))[0]
    assert (x, y) == pytest.approx((320, 192), abs=0.01)


def test_streams_are_the_same_in_every_process() -> None:
    assert seeds.number("scene", 1, 2) == 0x1060F93248ABBB72
    assert seeds.stream("a", 1).random() == seeds.stream("a", 1).random()
    assert seeds.stream("a", 1).random() != seeds.stream("a", 2).random()
    assert seeds.number("ab", "c") != seeds.number("a", "bc")
