# SPDX-License-Identifier: AGPL-3.0-or-later
"""Cameras that stand still: their days are the same for everybody, and verdicts teach them."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from edge.config import ConfigError
from edge.learning.opinion import Example, features_of
from tools.documents.read_accuracy import read_corner
from tools.training import corner
from tools.training.classes import CITY
from tools.training.corner_cameras import (
    DAYS,
    days_of,
    other_light,
    photograph_camera,
    real_camera,
)
from tools.training.cutouts import Cutout
from tools.training.evaluate import Form

STALL = CITY.index("vendor_stall")


def cart(seed):
    """A red cart of 60 px with a bright roof, in its own pixels."""
    rgba = np.zeros((60, 60, 4), np.uint8)
    cv2.rectangle(rgba, (5, 20), (55, 58), (30, 30, 200 - seed, 255), -1)
    cv2.rectangle(rgba, (0, 0), (59, 16), (240, 240, 250, 255), -1)
    index = (rgba[..., 3] > 0).astype(np.uint8)
    return Cutout(rgba, index, {1: "vendor_stall"}, "real_cart", "eye")


@pytest.fixture
def camera(tmp_path):
    image = np.full((180, 320, 3), 150, np.uint8)
    cv2.rectangle(image, (20, 60), (60, 110), (60, 160, 60), -1)  # a tub that fools
    cv2.imwrite(str(tmp_path / "street.png"), image)
    return photograph_camera("street", tmp_path / "street.png")


class TubsAndCarts:
    """Takes green and red places for stalls: the largest of each."""

    height, width = 180, 320

    def __call__(self, blob):
        image = blob[0].transpose(1, 2, 0)
        raw = np.zeros((1, 4 + len(CITY), 2), np.float32)
        for row, (one, others) in enumerate(((1, (0, 2)), (0, (1, 2)))):
            mask = image[..., one] > 1.25 * image[..., list(others)].max(-1)
            ys, xs = np.nonzero(mask)
            if len(xs) > 80:
                x0, x1, y0, y1 = xs.min(), xs.max(), ys.min(), ys.max()
                raw[0, :4, row] = (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0
                raw[0, 4 + STALL, row] = 0.8
        return raw


def test_a_camera_has_the_same_days_for_everybody(camera):
    things = [cart(n) for n in range(4)]
    one, two = (list(days_of(camera, things, 3)) for _ in range(2))
    assert len(one) == DAYS
    assert all(
        np.array_equal(a.image, b.image) and a.right == b.right
        for a, b in zip(one, two, strict=True)
    )
    assert any(day.right for day in one) and not all(day.right for day in one)
    assert len({day.image.mean().round(2) for day in one}) > DAYS / 2, "other light every day"


def test_what_is_told_to_be_right_is_where_it_was_pasted(camera):
    for day in list(days_of(camera, [cart(0)], 3))[:20]:
        for x0, y0, x1, y1 in day.right:
            assert 0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1
            part = day.image[int(y0 * 180) : int(y1 * 180), int(x0 * 320) : int(x1 * 320)]
            assert part[..., 2].mean() > part[..., 1].mean(), "a red cart"


def test_verdicts_teach_it_what_stands_there_for_good(camera):
    form = Form("told", TubsAndCarts(), CITY)
    cases = [
        case
        for day in days_of(camera, [cart(n) for n in range(4)], 3)
        for case in corner.cases_of(form, "vendor_stall", day)
    ]
    assert sum(not case.right for case in cases) > 20 and sum(case.right for case in cases) > 12
    stream = corner.Stream("street", "vendor_stall", tuple(cases))
    before, later = corner.after(stream, 0), corner.after(stream, corner.ASKED)
    assert (before["false_left"], before["right_left"]) == (1.0, 1.0)
    assert later["speaks"] and later["false_left"] <= 0.3 and later["right_left"] >= 0.9
    assert later["teach_s"] < 5 and later["teach_mb"] < 60


def test_other_light_keeps_the_view():
    image = np.zeros((60, 80, 3), np.uint8)
    image[20:40, 30:50] = 220
    seen = other_light(image, np.random.default_rng(4)).astype(int).sum(-1)
    assert seen.shape == (60, 80)
    assert seen[24:36, 34:46].mean() > 2 * seen[:15].mean()


def test_a_figure_tells_the_worst_camera_too():
    rows = [
        {"verdicts": 40, "speaks": 1.0, "judged": 9, "false_left": left, "right_left": kept}
        for left, kept in ((0.0, 1.0), (0.5, 0.9))
    ]
    mean = {"false_left": 0.25, "right_left": 0.95, "teach_s": 0.01, "teach_mb": 1.0}
    lines = [json.dumps(row) for row in rows] + [json.dumps({"all cameras, 40 verdicts": mean})]
    told = {figure.name: figure for figure in read_corner("\n".join(lines))}
    assert told["false cases left at the worst camera, share"].value == 0.5
    assert told["right cases left at the worst camera, share"].value == 0.9
    assert all(figure.met for figure in told.values())


def test_what_is_missing_is_said(tmp_path):
    with pytest.raises(ConfigError, match="sg_4713"):
        real_camera(tmp_path)
    with pytest.raises(ConfigError, match="unreadable"):
        photograph_camera("x", tmp_path / "no.jpg")
    with pytest.raises(ConfigError, match="to cut out"):
        corner.streams(
            Form("told", TubsAndCarts(), CITY),
            [corner.StillCamera("x", "vendor_stall", lambda: iter(()), True)],
            [],
        )


def test_an_example_is_its_close_up_and_its_place():
    image = np.full((40, 40, 3), 90, np.uint8)
    one = Example(features_of(image, (0.1, 0.1, 0.5, 0.5), (0.1, 0.1, 0.5, 0.5)), True)
    two = Example(features_of(image, (0.4, 0.4, 0.8, 0.8), (0.4, 0.4, 0.8, 0.8)), True)
    assert np.abs(one.features - two.features)[-4:].sum() > 0.5
