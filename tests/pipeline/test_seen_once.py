# SPDX-License-Identifier: AGPL-3.0-or-later
"""Asleep a camera is looked at in its key pictures, seconds apart: what moves is seen once at each
place, and not surely enough to be a track. Where pixels say so too, it has come all the same."""

import numpy as np
import pytest

from edge.config import Camera
from edge.pipeline.analyzer import TOLD_S, Analyzer
from edge.values import Detections, Frame, Stamp
from tests.pipeline.test_carried_tracks import Bench, Eye, picture

STANDS = (60, 150, 60)
KEY_S = 2.0


class Unsure(Eye):
    """Sure of what stands; sees the rest with so little score that once is not enough."""

    def __init__(self, flashes=()):
        super().__init__()
        self.flashes, self.now_s = flashes, 0.0

    def detect(self, image, *, min_score, tile=False):
        found = super().detect(image, min_score=min_score)
        scores = np.where(found.boxes[:, 0] < 0.2, 0.8, 0.45).astype(np.float32)
        boxes = [(0.7, 0.5, 0.8, 0.7)] if self.now_s in self.flashes else []
        return Detections(
            np.vstack([found.boxes, np.array(boxes, np.float32).reshape(-1, 4)]),
            np.append(scores, np.full(len(boxes), 0.45, np.float32)),
            np.zeros(len(found) + len(boxes), np.int32),
            found.names,
        )


def came(blocks_at, *, seconds, flashes=()):
    """Seconds of the looks, one each key picture, that say that something came."""
    eye = Unsure(flashes)
    analyzer, told = Analyzer(Camera(id="c1", source="rtsp://c"), eye, Bench()), []
    for index in range(int(seconds / KEY_S)):
        t = eye.now_s = index * KEY_S
        at = Stamp(t, 1_700_000_000.0 + t, "ntp")
        frame = Frame("c1", index, at, picture(STANDS, *blocks_at(t), seed=index))
        look = analyzer.analyze(frame)
        if look.came and t > 10.0:
            told.append(t)
    return told


@pytest.mark.parametrize("step", [70, 120])
def test_what_crosses_between_key_pictures_is_told_by_the_first_that_shows_it(step):
    def crosses(t):
        return [(200 + round(step * (t - 40.0) / KEY_S), 150, 50)] if 40.0 <= t <= 44.0 else []

    assert came(crosses, seconds=50)[0] == 40.0


def test_what_the_detector_fancies_where_no_pixel_changed_is_nothing():
    assert came(lambda t: [], seconds=50, flashes=(30.0, 40.0)) == []


def test_a_place_that_told_for_nothing_tells_again_after_a_while():
    """A sign that lights up now and then, which the detector takes for something, but not twice."""
    lit = (40.0, 48.0, 60.0, 40.0 + TOLD_S + 2.0)
    told = came(lambda t: [(400, 150, 40)] if t in lit else [], seconds=120)
    assert told == [lit[0], lit[-1]]
