# SPDX-License-Identifier: AGPL-3.0-or-later
"""What stands unchanged is carried, refreshed in time, and never a pixel longer than it stands."""

import cv2
import numpy as np
import pytest

from edge.config import Camera
from edge.pipeline.analyzer import Analyzer
from edge.values import Detections, Frame, Judgement, Stamp
from edge.vision.gate import AT_LATEST_S, CLOCK_S, FAINT_S, refresh_s

WIDTH, HEIGHT = 640, 360
NAMES = ("vendor_stall",)
rng = np.random.default_rng(5)
GROUND = cv2.GaussianBlur(rng.integers(60, 140, (HEIGHT, WIDTH, 3), np.uint8), (0, 0), 4)


class Eye:
    """A detector that finds every red block of the picture, and counts how often it was asked."""

    names = NAMES

    def __init__(self):
        self.asked = []

    def detect(self, image, *, min_score, tile=False):
        red = (image[..., 2] > 200) & (image[..., 0] < 60)
        count, _, stats, _ = cv2.connectedComponentsWithStats(red.astype(np.uint8))
        boxes = [
            (x / WIDTH, y / HEIGHT, (x + w) / WIDTH, (y + h) / HEIGHT)
            for x, y, w, h, area in stats[1:count].tolist()
            if area > 40
        ]
        self.asked.append(len(boxes))
        n = len(boxes)
        return Detections(
            np.array(boxes, np.float32).reshape(-1, 4),
            np.full(n, 0.8, np.float32),
            np.zeros(n, np.int32),
            NAMES,
        )


class Bench:
    """A judge that holds nothing, or something, as the test says, and keeps what it was shown."""

    def __init__(self, *, busy=False, searching=False, faint=False):
        self.busy, self.searching, self.faint, self.brief = busy, searching, faint, False
        self.need_s, self.starts = (0.0 if searching else 1.0), {}
        self.scenes = []

    def step(self, scene):
        self.scenes.append(scene)
        return Judgement()


def picture(*blocks, seed):
    """The ground with red blocks (left, top, side) and the noise of a sensor."""
    image = GROUND.copy()
    for x, y, side in blocks:
        image[y : y + side, x : x + side] = (20, 20, 230)
    noise = np.random.default_rng(seed).normal(0, 1.5, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def run(blocks_at, *, seconds, fps=5.0, **judge):
    """(seconds of looks at which the detector was asked, looks, scenes)."""
    eye, bench = Eye(), Bench(**judge)
    analyzer = Analyzer(Camera(id="c1", source="rtsp://c"), eye, bench)
    looks = []
    for index in range(int(seconds * fps)):
        t = index / fps
        at = Stamp(t, 1_700_000_000.0 + t, "ntp")
        frame = Frame("c1", index, at, picture(*blocks_at(t), seed=index))
        looks.append(analyzer.analyze(frame))
    return [look.frame.at.mono for look in looks if look.detected], looks, bench.scenes


@pytest.mark.parametrize(
    ("judge", "limit_s"),
    [({}, AT_LATEST_S), ({"busy": True}, CLOCK_S), ({"faint": True}, FAINT_S)],
)
def test_what_stands_is_carried_and_refreshed_in_time(judge, limit_s):
    asked, looks, scenes = run(lambda t: [(200, 150, 60)], seconds=30, **judge)
    gaps = np.diff(asked)
    assert gaps.max() <= limit_s + 0.2 + 1e-6
    assert len(asked) <= 30 / limit_s + 5, "the detector is asked no more often than it must be"
    ids = {track.id for scene in scenes[5:] for track in scene.tracks}
    assert len(ids) == 1 and all(len(scene.tracks) == 1 for scene in scenes[5:])
    assert not any(track.coasted for scene in scenes[5:] for track in scene.tracks)
    assert all(scene.tracks[0].seen is scene.at for scene in scenes[5:])
    assert not looks[-1].stirs and not looks[-1].searching


def test_what_leaves_is_seen_to_leave_at_once():
    asked, _, scenes = run(lambda t: [(200, 150, 60)] if t < 21.3 else [], seconds=30, busy=True)
    assert min(t for t in asked if t > 21.3) <= 21.6
    gone = [s.at.mono for s in scenes if s.at.mono > 21.3 and all(t.coasted for t in s.tracks)]
    assert min(gone) <= 21.6
    assert not scenes[-1].tracks


@pytest.mark.parametrize("side", [12, 16, 24, 48])
def test_what_comes_beside_it_is_seen_at_once(side):
    def blocks(t):
        return [(200, 150, 60)] + ([(270, 150, side)] if t > 20.0 else [])

    asked, _, scenes = run(blocks, seconds=24)
    assert min(t for t in asked if t > 20.0) <= 20.5
    both = [s.at.mono for s in scenes if len(s.tracks) == 2]
    assert both and both[0] <= 20.9


def test_what_creeps_is_followed():
    """A cart that is pushed a hand's breadth a second is never carried as standing."""
    _, _, scenes = run(lambda t: [(round(100 + 4 * t), 150, 60)], seconds=30)
    for scene in scenes[10:]:
        (track,) = scene.tracks
        assert abs(track.box[0] * WIDTH - (100 + 4 * scene.at.mono)) < 8


def test_while_something_held_is_looked_for_every_look_counts():
    asked, *_ = run(lambda t: [(200, 150, 60)], seconds=10, busy=True, searching=True)
    assert len(asked) == 50


def test_an_object_seen_once_is_asked_about_again_before_it_is_carried():
    def blocks(t):
        return [(200, 150, 60)] if t >= 10.0 else []

    asked, _, scenes = run(blocks, seconds=20)
    first = min(t for t in asked if t >= 10.0)
    assert first + 0.2 in [pytest.approx(t) for t in asked]
    assert scenes[-1].tracks


def test_a_scene_without_anything_is_looked_at_as_seldom():
    asked, looks, _ = run(lambda t: [], seconds=30)
    assert np.diff(asked).max() <= AT_LATEST_S + 0.2 + 1e-6 and len(asked) <= 10
    assert not looks[-1].stirs and not looks[-1].searching


def test_limits_in_order():
    assert refresh_s(faint=True, clock=False) == FAINT_S <= CLOCK_S <= AT_LATEST_S
