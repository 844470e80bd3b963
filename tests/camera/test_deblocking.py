# SPDX-License-Identifier: AGPL-3.0-or-later
"""Where pictures are decoded to be compared more than to be looked at, blocks keep their edges."""

import numpy as np
import pytest

from edge.camera.live import SELDOM_S
from edge.camera.source import SourceError
from tools.bench.live_clips import Arrival, Coding, live_clip
from tools.bench.sleeping import FIRST_S, FilmClock, FilmSource, film
from tools.fakes.camera import clip, mark_of

SIZE, SECONDS = (320, 180), 24.0
# Looks are seldom in this part of the film.
SELDOM = (4.0, 16.0)


def shown(path, want):
    """The second of each picture of the film, and its brightness."""
    source, found = FilmSource(path, FilmClock(), None), []
    source.want = want(0.0)
    with pytest.raises(SourceError, match="ended"):
        for picture in source.pictures():
            found.append((picture.at.mono - FIRST_S, picture.grey().copy()))
            source.want = want(found[-1][0])
    return found


def seldom(at_s):
    return "nonref" if SELDOM[0] <= at_s < SELDOM[1] else "all"


def psnr(image, right):
    error = float(np.square(image.astype(np.float32) - right).mean())
    return 10.0 * np.log10(255.0**2 / error) if error else np.inf


@pytest.fixture(scope="module", params=["h264", "hevc"])
def path(request, tmp_path_factory):
    coding, arrivals = Coding(request.param, key_s=1.0), (Arrival(6.0, 4.0), Arrival(12.0, 6.0))
    made = live_clip(SIZE, SECONDS, coding, arrivals)
    return film(made, tmp_path_factory.mktemp("deblocking") / "film")


def test_seldom_looked_at_blocks_keep_their_edges(path):
    whole, spared = shown(path, lambda _: "all"), dict(shown(path, seldom))
    assert len(whole) == len(spared) == round(SECONDS * 25)
    begins, ends = SELDOM[0] + SELDOM_S, SELDOM[1] + 1.2
    beside = [(t, psnr(spared[t], right)) for t, right in whole if t in spared]
    assert all(alike == np.inf for t, alike in beside if not begins <= t < ends)
    differing = [alike for t, alike in beside if begins + 1.2 <= t < SELDOM[1] and alike < np.inf]
    assert len(differing) > 40 and min(differing) > 36.0, "and they show the same"


def test_key_pictures_are_as_they_should_be(path):
    whole, spared = shown(path, lambda _: "all"), dict(shown(path, seldom))
    keys = [(t, right) for t, right in whole if round(t * 25) % 25 == 0 and t in spared]
    assert len(keys) >= SECONDS - 1
    assert all(np.array_equal(spared[t], right) for t, right in keys)


def test_no_picture_is_lost_where_the_decoder_begins_anew(tmp_path):
    path = film(clip("h264", *SIZE, seconds=SECONDS, key_s=1.0, bframes=2), tmp_path / "film")
    source, found = FilmSource(path, FilmClock(), None), []
    with pytest.raises(SourceError, match="ended"):
        for picture in source.pictures():
            found.append(mark_of(picture.bgr()))
            source.want = seldom(found[-1] / 25.0)
    assert found == sorted(set(found))
    left_out = set(range(max(found))) - set(found)
    assert left_out, "what nothing depends on"
    assert all(SELDOM[0] <= mark / 25.0 <= SELDOM[1] + 0.2 for mark in left_out)


def test_far_apart_key_pictures_leave_too_much_to_add_up(tmp_path):
    coding = Coding("h264", key_s=4.0)
    path = film(live_clip(SIZE, SECONDS, coding, (Arrival(9.0, 6.0),)), tmp_path / "film")
    whole, spared = shown(path, lambda _: "all"), shown(path, lambda _: "nonref")
    assert len(whole) == len(spared)
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(whole, spared, strict=True))
