# SPDX-License-Identifier: AGPL-3.0-or-later
"""A camera that is looked at once a second is looked at at once where something comes between."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from edge.camera.grabber import Grabber
from edge.camera.libav import turned_bgr, turned_grey
from edge.camera.mailbox import Mailbox
from edge.camera.source import Picture, SourceError, SourceFacts
from edge.camera.stream_clock import StreamStatistics
from edge.clock import SystemClock
from edge.values import Stamp

FPS = 25
IMAGE = np.zeros((36, 64, 3), np.uint8)


class Telling:
    """Tells of something at every comparison from at_s on, for for_s."""

    def __init__(self, at_s, for_s=0.05):
        self.at_s, self.for_s, self.compared, self.looked_at = at_s, for_s, [], []

    def due(self, now_s):
        return not self.compared or now_s - self.compared[-1] >= 0.079

    def tells(self, image, now_s):
        assert image.shape == (36, 64)
        self.compared.append(now_s)
        return self.at_s <= now_s < self.at_s + self.for_s

    def posted(self):
        self.looked_at.append(self.compared[-1])


class Film:
    """A source of pictures 1/25 s apart by their stamps."""

    facts, want, quiet = SourceFacts(), "all", None

    def __init__(self, seconds, *, grey=IMAGE[:, :, 0]):
        self.statistics, self._seconds, self._grey = StreamStatistics(), seconds, grey

    def pictures(self):
        for index in range(round(self._seconds * FPS)):
            t = index / FPS
            yield Picture(Stamp(t, t), t, lambda: IMAGE, grey=lambda: self._grey)
        raise SourceError("ended", "the film is over")

    def close(self):
        pass


class Kept(Mailbox):
    """Every frame that was put in."""

    def __init__(self):
        super().__init__()
        self.times = []

    def post(self, frame):
        self.times.append(frame.at.mono)
        super().post(frame)


def looks(arrivals, *, every_s=1.0, more=True, seconds=10.0, **film):
    grabber = Grabber(
        "c",
        lambda: None,
        fps=5.0,
        mailbox=Kept(),
        clock=SystemClock(),
        arrivals=arrivals,
    )
    grabber.every_s, grabber.more = every_s, more
    with pytest.raises(SourceError):
        grabber._pump(Film(seconds, **film))
    return grabber.mailbox.times


def test_a_look_is_due_at_once_and_the_next_one_an_interval_after_it():
    telling = Telling(4.44)
    times = looks(telling)
    assert times[:5] == pytest.approx([0.0, 1.0, 2.0, 3.0, 4.0], abs=0.65)
    told = [t for t in times if 4.44 <= t <= 4.56]
    assert len(told) == 1 and telling.looked_at == times
    assert times[times.index(told[0]) + 1] - told[0] == pytest.approx(1.0, abs=0.65)


def test_no_more_than_they_are_due_where_no_more_may_be_given():
    usual = looks(None)
    assert looks(Telling(4.44), more=False) == usual
    # A picture that says nothing without being converted.
    assert looks(Telling(4.44), grey=None) == usual


def test_at_full_rate_nobody_asks():
    telling = Telling(4.44)
    assert len(looks(telling, every_s=0.2)) == pytest.approx(50, abs=2) and not telling.compared


def made(form, height=36, width=64):
    rng = np.random.default_rng(3)
    image = rng.integers(0, 255, (height, width, 3), np.uint8)
    return av.VideoFrame.from_ndarray(image, format="bgr24").reformat(format=form)


@pytest.mark.parametrize("form", ["yuv420p", "yuvj420p", "nv12", "yuv444p"])
@pytest.mark.parametrize("matrix", [None, (0, 1, -1, 0), (-1, 0, 0, -1)])
def test_how_bright_a_picture_is_lies_ready_in_the_decoder(form, matrix):
    frame = made(form)
    grey, bgr = turned_grey(frame, matrix), turned_bgr(frame, matrix)
    assert grey is not None and grey.shape == bgr.shape[:2]
    weights = np.array([0.114, 0.587, 0.299])
    assert np.corrcoef(grey.ravel(), (bgr @ weights).ravel())[0, 1] > 0.98


def test_where_it_does_not_nothing_is_said():
    assert turned_grey(made("rgb24"), None) is None
    assert turned_grey(made("yuv420p10le"), None) is None


def test_a_picture_that_lies_upside_down_in_memory_is_not_read_in_its_order():
    """FFmpeg flips without copying: the lines go backwards from the first, and what lies behind it
    in memory is none of the picture's."""
    frame, graph = made("yuv420p"), av.filter.Graph()
    size = {"width": frame.width, "height": frame.height}
    way = [graph.add_buffer(**size, format=frame.format, time_base=Fraction(1, 25))]
    way += [graph.add("vflip"), graph.add("buffersink")]
    graph.link_nodes(*way).configure()
    graph.push(frame)
    flipped = graph.pull()
    assert flipped.planes[0].line_size < 0 and turned_grey(flipped, None) is None
    assert (turned_bgr(flipped, None) == turned_bgr(frame, None)[::-1]).mean() > 0.98
