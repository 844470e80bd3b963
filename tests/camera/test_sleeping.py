# SPDX-License-Identifier: AGPL-3.0-or-later
"""A camera on a street where nothing comes sleeps, whatever disturbs it; what comes wakes it.

Streams are made and encoded by FFmpeg and read by the real reader, gate, detector, judge and
policy, on a clock of their own (tools.bench.sleeping).
"""

from dataclasses import replace

import numpy as np
import pytest

from edge.camera.source import SourceError
from edge.vision.key_change import KeyChange
from edge.vision.model import load_model
from tools.bench.arrivals import compared, crossing_film, visit_film
from tools.bench.disturbances import DISTURBANCES, disturbed_clip
from tools.bench.live_clips import Coding
from tools.bench.rows import DEFAULT
from tools.bench.sleeping import (
    FIRST_S,
    HIDDEN_AT,
    HIDDEN_S,
    FilmClock,
    FilmSource,
    film,
    hidden,
    watch,
)
from tools.bench.visits import VISITS

CODING = Coding(key_s=2.0, fps=12)


@pytest.fixture(scope="module")
def model():
    return load_model(DEFAULT, provider="cpu", workers=1)


def night(folder, model, name, seconds, coding=CODING):
    return watch(film(disturbed_clip(name, seconds, coding), folder / "film"), model)


@pytest.mark.slow
@pytest.mark.parametrize("name", DISTURBANCES)
def test_what_disturbs_wakes_it_at_most_a_twentieth_of_the_time(tmp_path, model, name):
    seen = night(tmp_path, model, name, 300.0)
    assert seen.awake_share(120.0) <= 0.05, seen.wakes


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


@pytest.mark.parametrize("still", [True, False])
def test_packet_sizes_are_learnt_while_looks_say_that_it_is_still_though_all_is_decoded(
    tmp_path, still
):
    """A camera that judges what passes quickly sleeps once sizes told of three movements; it learnt
    them only while it slept, so it never did."""
    clip = disturbed_clip("nothing", 40.0, replace(CODING, fps=8), size=(160, 90))
    source = FilmSource(film(clip, tmp_path / "film"), FilmClock(), KeyChange())
    source.quiet.still = still
    with pytest.raises(SourceError):
        for _ in source.pictures():
            pass
    assert source.quiet.watch.ready is still


@pytest.mark.slow
@pytest.mark.parametrize("side", [8, 12, 20, 40, 80])
@pytest.mark.parametrize("place", HIDDEN_AT)
def test_what_was_hidden_wakes_it_by_the_next_key_picture(model, side, place):
    """From 1/45 of the picture's height on. What is smaller waits for the next look in 4 s."""
    seen = hidden(side, place, "nothing", CODING, model)
    woke = [at for at, by in seen.wakes if at >= HIDDEN_S + FIRST_S]
    assert woke and woke[0] <= HIDDEN_S + FIRST_S + CODING.key_s + 0.1
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
    row = compared("crossing", crossing_film(12, coding, 0, "nothing"), model, "nothing", 0)
    assert row["lost"] == 0 and row["followed_whole"] >= 8, row
    assert row["first_look_p95_s"] <= 1.0, row


@pytest.mark.slow
@pytest.mark.parametrize("under", ["nothing", "headlights"])
@pytest.mark.parametrize("kind", VISITS)
def test_no_case_is_lost(model, kind, under):
    row = compared(kind, visit_film(VISITS[kind], 6, CODING, 2, under), model, under, 2)
    # Whether smoke becomes a case hangs on what the detector makes of each of its pictures.
    assert row["cases_whole"] >= (1 if kind == "smoke" else 4) and row["cases_lost"] == 0, row
