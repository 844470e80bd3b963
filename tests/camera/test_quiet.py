# SPDX-License-Identifier: AGPL-3.0-or-later
"""A quiet live stream is decoded at its key pictures, and loses nothing when something comes.

A real RTSP server sends a still street on which something crosses once a round; which picture came
when is known from the packets, and each picture given is compared with the same one of a decoder
that decoded the whole clip.
"""

from __future__ import annotations

import io
import time

import av
import numpy as np
import pytest

from edge.camera.grabber import Grabber
from edge.camera.live import LiveSource
from edge.camera.mailbox import Mailbox
from edge.camera.url import parse_source
from edge.camera.watch import LATE, PacketWatch
from edge.clock import SystemClock
from edge.pipeline.camera_worker import streaming_of
from edge.pipeline.decode_policy import DecodePolicy
from edge.vision.gate import AT_LATEST_S, MotionGate
from edge.vision.key_change import KeyChange
from tests.machine_time import in_real_time
from tools.bench.live_clips import Arrival, Coding, live_clip

pytestmark = pytest.mark.decoder

CLOCK = SystemClock()
SIZE, ROUND_S, COMES_S = (480, 270), 20.0, 15.0


def decoded(clip):
    """Every picture of the clip, in the order of showing, grey."""
    with av.open(io.BytesIO(b"".join(clip.units)), format=clip.codec) as file:
        return [frame.to_ndarray(format="bgr24") for frame in file.decode(video=0)]


class Looker:
    """Reads a stream as the policy has it, where whatever moves is an object, and notes each look:
    (picture of the clip, s since it came)."""

    def __init__(self, url, clip, *, differs=None):
        self.clip, self.arrivals, self.looks = clip, [], []
        self.number_of = {}
        self.gate, self.policy = MotionGate(), DecodePolicy(5.0)
        address = parse_source(url)
        self.grabber = Grabber(
            "quiet",
            lambda: LiveSource(address, CLOCK, keep=self.keep, differs=differs or KeyChange()),
            fps=5.0,
            mailbox=Mailbox(),
            clock=CLOCK,
        )

    def keep(self, packet):
        self.number_of[packet.at.mono] = self.clip.shown[len(self.arrivals) % len(self.clip.units)]
        self.arrivals.append(packet.at.mono)

    def decide(self, frame):
        stirs = self.gate.look(frame.image, frame.at.mono).stirs
        self.grabber.want = self.policy.step(
            frame.at.mono,
            stirs=stirs,
            moves=stirs,
            came=stirs,
            searching=False,
            watched=False,
            look_s=AT_LATEST_S * LATE,
            every_s=0.0,
            stream=streaming_of(self.grabber),
            asleep=False,
        )

    def run(self, seconds):
        states, end_s = [], time.monotonic() + seconds
        while time.monotonic() < end_s:
            frame = self.grabber.mailbox.take(0.05)
            if frame is not None:
                self.decide(frame)
            quiet = self.grabber.quiet
            asleep = quiet is not None and quiet.asleep
            if frame is not None:
                now_s = CLOCK.now().mono
                self.looks.append((frame, now_s, asleep))
            states.append(asleep)
        return states


def assert_nothing_lost(camera, path, coding, *, share, seconds=42.0, wakes_by=0.7, differs=None):
    clip = live_clip(SIZE, ROUND_S, coding, (Arrival(COMES_S, 3.0, share),))
    whole = decoded(clip)
    seen = Looker(camera.stream(path, clip), clip, differs=differs)
    seen.grabber.start()
    try:
        states = seen.run(seconds)
    finally:
        seen.grabber.stop(2.0)
    assert any(states), "it never slept"
    assert seen.grabber.quiet.wakes >= 1
    comes = [
        mono
        for n, mono in enumerate(seen.arrivals)
        if clip.shown[n % len(clip.units)] == round((COMES_S + 0.12) * coding.fps)
    ]
    checked = 0
    for came in comes[1:]:
        around = [(f, now) for f, now, _ in seen.looks if came - 3.0 < f.at.mono < came + 2.0]
        if not around or max(f.at.mono for f, _ in around) < came + 1.5:
            continue
        first = min(now for f, now in around if f.at.mono >= came)
        assert first - came <= wakes_by, "the first look at what came is late"
        # In pictures of the stream, not in the time that a busy machine took to send them.
        order = {mono: n for n, mono in enumerate(seen.arrivals)}
        shown = [order[f.at.mono] for f, _ in around if f.at.mono > came - 0.3]
        gaps = np.diff([order[came] - round(0.3 * coding.fps), *sorted(shown)]) / coding.fps
        assert max(gaps) <= 0.45, "looks are missing where it came in"
        checked += 1
    assert checked, "nothing came while it was watched"
    order = [f.at.mono for f, *_ in seen.looks]
    assert order == sorted(order)
    assert seen.grabber._source.undecodable == 0
    if not coding.b_pictures:
        for frame, *_ in seen.looks:
            wanted = whole[seen.number_of[frame.at.mono]].astype(np.int16)
            assert np.abs(frame.image - wanted).mean() < 1.0, "a wrong picture"
    return states


@in_real_time(tries=2)
def test_what_comes_is_seen_from_where_it_came(camera):
    states = assert_nothing_lost(camera, "/q", Coding(key_s=1.0), share=0.2)
    assert np.mean(states[len(states) // 3 :]) > 0.3, "it slept much of the time"


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.08, 0.3])
@pytest.mark.parametrize(
    "coding",
    [
        Coding(key_s=2.0),
        Coding(key_s=4.0),
        Coding(key_s=2.0, b_pictures=2),
        Coding(key_s=2.0, rate=800),
        Coding("hevc", key_s=2.0),
    ],
    ids=["key 2 s", "key 4 s", "b pictures", "constant rate", "hevc"],
)
def test_every_way_of_coding(camera, coding, share):
    path = f"/q-{coding.codec}-{coding.key_s}-{coding.b_pictures}-{coding.rate}-{share}"
    assert_nothing_lost(
        camera, path, coding, share=share, seconds=72.0, wakes_by=coding.key_s + 0.7
    )


@pytest.mark.slow
def test_where_sizes_do_not_tell_key_pictures_do(camera, monkeypatch):
    """Packet sizes are kept from it: the next key picture tells, and the group before is read."""
    monkeypatch.setattr(PacketWatch, "add", lambda self, *packet, learn: False)
    monkeypatch.setattr(PacketWatch, "ready", True)
    assert_nothing_lost(camera, "/q-keys", Coding(key_s=2.0), share=0.2, wakes_by=2.7)
