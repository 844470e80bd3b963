# SPDX-License-Identifier: AGPL-3.0-or-later
"""Dust in pictures: what stirs is told, what a detector only takes for dust is not."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import pytest
from stage_judge import judge, rule, zone

from edge.rules.stirring import Ground
from edge.values import Scene, Stamp, Track

SITE = (zone("site-7", "site"),)
CLOUD = (0.3, 0.45, 0.6, 0.8)
NOBODY = np.zeros((0, 4), np.float32)


@cache
def ground(size):
    rng = np.random.default_rng(4)
    rough = rng.integers(60, 190, (18, 32, 3)).astype(np.float32)
    return cv2.resize(rough, size, interpolation=cv2.INTER_CUBIC)


def picture(t, *, size=(640, 360), plume=False, light=1.0, grain=3.0, sway=0.0):
    """A site at second t; `plume`: a soft veil that rolls over CLOUD; sway: leaves, px."""
    rng = np.random.default_rng(int(t * 10))
    image = ground(size)
    if sway:
        shift = np.float32([[1, 0, sway * np.sin(3 * t)], [0, 1, sway * np.cos(2 * t)]])
        image = cv2.warpAffine(image, shift, size, borderMode=cv2.BORDER_REPLICATE)
    if plume:
        w, h = size[0] // 4, size[1] // 4
        veil = np.zeros((h, w), np.float32)
        for k in range(6):
            x = CLOUD[0] + (0.05 * k + 0.03 * t) % 0.3
            y = 0.62 + 0.1 * np.sin(t / 2 + k)
            cv2.circle(veil, (int(x * w), int(y * h)), int(0.09 * w), 0.6, -1)
        veil = cv2.resize(cv2.GaussianBlur(veil, (0, 0), 0.03 * w), size)[..., None]
        image = image * (1 - veil) + np.float32([150, 175, 190]) * veil
    noise = rng.standard_normal(image.shape, np.float32)
    image = image * light + grain * noise
    return np.clip(image, 0, 255).astype(np.uint8)


def told(draw, box=lambda t: CLOUD, length=70.0, fps=2.0, others=()):
    """Findings of a site where a detector says dust at `box` from second 20 on."""
    sitting = judge(rule("construction-dust", dwell_s=20, confirm_s=4), zones=SITE)
    found = []
    for n in range(int(length * fps)):
        t = n / fps
        at = Stamp(t, 1.7e9 + t, "recording")
        tracks = [Track(9, "car", b, 0.8, at, at) for b in others]
        if t >= 20:
            tracks.append(Track(1, "dust", box(t), 0.6, at, at))
        found += sitting.step(Scene("c1", at, tuple(tracks), image=draw(t))).findings
    return [f for f in found if f.phase == "new"]


def jitter(t):
    """A box that grows by a half and drifts by half its size, now and then."""
    k = np.random.default_rng(int(t * 7)).uniform(-0.08, 0.08, 4)
    return tuple(float(side + off) for side, off in zip(CLOUD, k, strict=True))


@pytest.mark.parametrize("size", [(640, 360), (1280, 960), (320, 240)])
def test_a_plume_that_rolls_over_the_ground_is_told(size):
    (case,) = told(lambda t: picture(t, size=size, plume=t >= 18))
    assert case.facts["stirred_share"] >= 0.5


@pytest.mark.parametrize(
    "draw",
    [
        lambda t: picture(t),
        lambda t: picture(t, size=(1280, 960)),
        lambda t: picture(t, grain=9.0),
        lambda t: picture(t, light=1.0 + 0.2 * np.sin(t / 3)),
        lambda t: picture(t, light=1.0 + 0.01 * t),
        lambda t: picture(t, sway=1.5),
    ],
    ids=["sunlit road", "larger", "grain", "clouds before the sun", "dawn", "shaking"],
)
def test_a_still_road_under_jittering_dust_boxes_is_no_plume(draw):
    assert told(draw, box=jitter) == []


def test_ground_that_looks_as_usual_is_no_plume_though_something_passes_on_it():
    def traffic(t):
        image = picture(t)
        h, w = image.shape[:2]
        x = int((0.2 * t % 1.4 - 0.2) * w)  # a lorry that no detector follows
        cv2.rectangle(image, (x, int(0.5 * h)), (x + w // 10, int(0.65 * h)), (210, 210, 205), -1)
        return image

    assert told(traffic, box=jitter) == []


def test_fog_that_slips_under_the_limit_now_and_then_stays_weather():
    def fog(t):
        whole = (0.02, 0.02, 0.98, 0.98)
        return CLOUD if int(t * 2) % 4 == 0 else whole

    assert told(lambda t: picture(t, plume=True), box=fog) == []


def test_without_pictures_one_odd_box_proves_nothing():
    def odd(t):
        return (0.1, 0.3, 0.8, 0.95) if 20 <= t < 21 else CLOUD

    assert told(lambda t: None, box=odd) == []


def test_an_area_of_few_pixels_or_looks_says_nothing():
    seen = Ground()
    assert seen.stir(CLOUD, NOBODY) is None
    for n in range(8):
        seen.look(picture(n / 2), n / 2, NOBODY)
    assert seen.stir((0.5, 0.5, 0.505, 0.505), NOBODY) is None
    assert seen.stir(CLOUD, np.array([CLOUD], np.float32)) is None, "all of it lies under others"
    assert seen.stir(CLOUD, NOBODY) is not None
