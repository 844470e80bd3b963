# SPDX-License-Identifier: AGPL-3.0-or-later
"""Plumes: bounded opacity, stopped by what stands in front, moved by the clock, repeatable."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tools.scenery import plumes
from tools.scenery.camera import looking_at
from tools.scenery.plumes import Shine
from tools.scenery.turbulence import Plume

CAMERA = looking_at((0, -20, 5), (0, 0, 2), size=(160, 96))
SHINE = Shine((0.3, 0.2, 0.9), (0.6, 0.6, 0.6), (0.3, 0.3, 0.3))


def plume(kind: str, **more: object) -> Plume:
    size = {"dust": (10, 6, 5), "smoke": (4, 3, 6), "fire": (3, 2, 3)}[kind]
    made = Plume(kind, (-size[0] / 2, 0.0, 0.0), size, 0.0, (0.8, 0.75, 0.7), 2.5, 42)
    return replace(made, **more)


@pytest.mark.parametrize("kind", ["dust", "smoke", "fire"])
def test_opacity_is_a_share_and_the_plume_is_seen(kind: str) -> None:
    layer = plumes.draw(plume(kind), CAMERA, SHINE)
    assert layer.opacity.min() >= 0
    assert layer.opacity.max() <= 1
    assert layer.opacity.max() > 0.3
    assert (layer.light[layer.opacity == 0] == 0).all()


def test_same_seed_same_plume_and_another_time_another_shape() -> None:
    first, again = (plumes.draw(plume("smoke"), CAMERA, SHINE) for _ in range(2))
    later = plumes.draw(plume("smoke", time_s=3.0), CAMERA, SHINE)
    assert np.array_equal(first.opacity, again.opacity)
    assert not np.allclose(first.opacity, later.opacity, atol=0.05)


def test_what_stands_in_front_hides_the_plume() -> None:
    depth = np.full((96, 160), 500.0, np.float32)
    depth[:, :80] = 3.0
    layer = plumes.draw(plume("dust", density=6.0), CAMERA, SHINE, depth=depth)
    assert layer.opacity[:, :76].max() < 0.02
    assert layer.opacity[:, 84:].max() > 0.3


def test_thicker_plumes_are_more_opaque() -> None:
    thin = plumes.draw(plume("dust", density=0.4), CAMERA, SHINE).opacity.sum()
    thick = plumes.draw(plume("dust", density=4.0), CAMERA, SHINE).opacity.sum()
    assert thick > 1.5 * thin


def test_a_plume_behind_the_camera_draws_nothing() -> None:
    layer = plumes.draw(plume("dust", at=(0.0, -300.0, 0.0)), CAMERA, SHINE)
    assert layer.opacity.max() == 0


def test_seen_from_above_a_plume_lies_on_its_ground() -> None:
    above = looking_at((0.01, 0, 60), (0, 0, 0), size=(160, 96))
    layer = plumes.draw(plume("dust", density=4.0), above, SHINE)
    rows, columns = np.nonzero(layer.opacity > 0.2)
    middle = above.project(np.array([(0, 0, 1.0)], np.float32))[0]
    assert abs(columns.mean() - middle[0]) < 15
    assert abs(rows.mean() - middle[1]) < 15
