# SPDX-License-Identifier: AGPL-3.0-or-later
"""Boxes from pixels, and what is too little to be one."""

from __future__ import annotations

import numpy as np
import pytest

from tools.scenery import labels, pictures
from tools.scenery.labels import Box


def test_boxes_hold_exactly_the_visible_pixels() -> None:
    index = np.zeros((40, 60), np.float32)
    index[5:15, 10:30] = 3
    index[8:12, 12:20] = 7  # in front of 3
    assert labels.index_boxes(index, {3: "vendor_stall", 7: "person"}) == [
        Box("vendor_stall", 10, 5, 30, 15, 3)
    ]  # 7 is only 4 pixels high


def test_scenery_without_a_label_hides_and_has_no_box() -> None:
    index = np.zeros((40, 40), np.float32)
    index[0:20, 0:20] = 1
    index[0:20, 10:40] = 2
    assert [b.x1 for b in labels.index_boxes(index, {1: "car"})] == [10]


@pytest.mark.parametrize(
    ("corners", "pixels", "kept"),
    [((0, 0, 10, 10), 60, True), ((0, 0, 4, 30), 120, False), ((0, 0, 20, 20), 12, False)],
)
def test_slivers_are_no_boxes(corners, pixels, kept) -> None:
    assert labels.large_enough(corners, pixels) is kept


def test_a_plume_ends_where_its_opacity_falls_below_the_threshold() -> None:
    y, x = np.mgrid[0:100, 0:100].astype(np.float32)
    opacity = np.exp(-(((x - 50) / 15) ** 2 + ((y - 60) / 10) ** 2))
    box = labels.plume_box(opacity, "dust")
    assert box is not None
    reach = 15 * np.sqrt(-np.log(labels.PLUME_OPACITY["dust"]))
    assert abs(box.x0 - (50 - reach)) <= 2
    assert abs(box.x1 - (51 + reach)) <= 2
    assert labels.plume_box(opacity * 0.1, "dust") is None


def test_wisps_do_not_stretch_the_box_of_a_plume() -> None:
    opacity = np.zeros((80, 80), np.float32)
    opacity[30:60, 20:60] = 0.6
    opacity[2:6, 70:74] = 0.6
    box = labels.plume_box(opacity, "smoke")
    assert box is not None
    assert box.y0 > 20


def test_yolo_lines_are_fractions_of_the_picture() -> None:
    text = labels.yolo_lines([Box("fire", 10, 20, 30, 60)], 100, 200)
    assert text == "7 0.200000 0.200000 0.200000 0.200000\n"


def test_class_ids_are_those_of_the_model() -> None:
    assert labels.CLASSES.index("person") == 0
    assert labels.CLASSES.index("spillage") == 9
    assert len(set(labels.CLASSES)) == len(labels.CLASSES) == 16


def test_a_camera_in_a_wall_or_behind_leaves_makes_no_picture() -> None:
    clear = np.full((20, 30), 12.0, np.float32)
    wall, leaves = np.full((20, 30), 0.4, np.float32), clear.copy()
    leaves[:8] = 1.5
    assert [pictures.blocked(depth) for depth in (clear, wall, leaves)] == [False, True, True]
