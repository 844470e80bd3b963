# SPDX-License-Identifier: AGPL-3.0-or-later
"""Of Motion JPEG each picture stands alone: no more of them are decoded than are looked at."""

import itertools
import time

import pytest

from edge.camera.grabber import Grabber
from edge.camera.live import LiveSource
from edge.camera.mailbox import Mailbox
from edge.camera.quiet import EACH_ALONE_S
from edge.camera.url import parse_source
from edge.clock import SystemClock
from tests.machine_time import in_real_time
from tools.fakes.camera import mark_of
from tools.fakes.mjpeg_camera import MjpegCamera

pytestmark = pytest.mark.decoder

CLOCK, FPS = SystemClock(), 20.0


class Same:
    """Finds no two pictures different until it is told to."""

    smallest, tells = 0.02, False

    def __call__(self, image, now_s, fresh, times):
        return self.tells

    def nothing(self):
        pass


class Counted:
    """A source on a real camera, whose decoder is counted."""

    def __init__(self, camera, **more):
        self.source = LiveSource(parse_source(camera.url), CLOCK, **more)
        self.decoded, decode = 0, self.source.decoder.decode

        def counted(packet, skip):
            self.decoded += 1
            return decode(packet, skip)

        self.source.decoder.decode = counted


@pytest.fixture
def camera():
    with MjpegCamera(fps=FPS) as made:
        yield made


@in_real_time()
def test_what_is_not_due_is_not_decoded_and_what_is_due_is_given(camera):
    made, box = Counted(camera), Mailbox()
    grabber = Grabber("m", lambda: made.source, fps=4.0, mailbox=box, clock=CLOCK)
    grabber.start()
    frames, end_s = [], time.monotonic() + 3.0
    while time.monotonic() < end_s:
        frame = box.take(0.1)
        frames += [frame] if frame is not None else []
    grabber.stop(2.0)
    assert 10 <= len(frames) <= 14
    assert made.decoded <= len(frames) + 2, "one in five is due"
    numbers = [mark_of(frame.image) for frame in frames]
    steps = [b - a for a, b in itertools.pairwise(numbers)]
    assert set(steps) <= {3, 4, 5, 6, 7}, "they are even"


@in_real_time()
def test_whoever_asks_for_all_is_given_all(camera):
    made = Counted(camera)
    numbers = [mark_of(one.bgr()) for one in itertools.islice(made.source.pictures(), 15)]
    made.source.close()
    assert numbers == list(range(numbers[0], numbers[0] + 15))


@in_real_time()
def test_asleep_one_in_so_long_is_decoded_and_what_came_meanwhile_is_given_once_it_wakes(camera):
    differs = Same()
    made = Counted(camera, differs=differs)
    source, quiet = made.source, made.source.quiet
    source.want, source.every_s, quiet.room = "watch", 0.2, False
    pictures = source.pictures()
    seen = [mark_of(next(pictures).bgr()) for _ in range(4)]
    assert quiet.asleep and made.decoded == 4
    apart = round(EACH_ALONE_S * FPS)
    assert all(apart - 1 <= b - a <= apart + 3 for a, b in itertools.pairwise(seen))
    differs.tells = True
    woken = [next(pictures) for _ in range(4)]
    numbers = [mark_of(one.bgr()) for one in woken]
    source.close()
    assert not quiet.asleep and woken[0].held
    # From the first that was due after the last look on, five a second.
    assert 0 < numbers[0] - seen[-1] <= 4
    assert all(2 <= b - a <= 6 for a, b in itertools.pairwise(numbers))


@in_real_time()
def test_much_is_not_held_for_long(camera, monkeypatch):
    """Pictures of 3 MB, ten a second, would wake it each time no more may be held."""
    monkeypatch.setattr("edge.camera.live.GROUP_BYTES", 1)
    made = Counted(camera, differs=Same())
    made.source.want, made.source.quiet.room = "watch", False
    numbers = [mark_of(one.bgr()) for one in itertools.islice(made.source.pictures(), 6)]
    made.source.close()
    assert numbers == list(range(numbers[0], numbers[0] + 6)) and made.source.quiet.asleep
