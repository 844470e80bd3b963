# SPDX-License-Identifier: AGPL-3.0-or-later
"""Live streams from a real RTSP server, over a wire that can be made bad.

Limits are those promised: pictures again at most 15 s after a fault is over, one fault with one
end, memory bounded, other streams untouched.
"""

from __future__ import annotations

import itertools
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from edge.camera import grabber as grabbing
from edge.camera import libav, live, stall
from edge.camera.grabber import Grabber
from edge.camera.live import STALE_S, LiveSource
from edge.camera.mailbox import Mailbox
from edge.camera.recorder import Recorder
from edge.camera.ring import PacketRing
from edge.camera.source import SourceError
from edge.camera.stall import StallWatch
from edge.camera.url import Address, parse_source
from edge.clock import SystemClock
from edge.values import Fault
from tests.camera.making import look_into
from tests.machine_time import in_real_time
from tools.fakes.camera import Clip, FakeCamera, clip, drawing, mark_of, marked
from tools.fakes.camera_wire import Wire
from tools.fakes.rtsp_camera import RtspCamera

pytestmark = pytest.mark.decoder

CLOCK = SystemClock()
HEALED_S = 15.0


@dataclass
class Watched:
    """A grabber with its ring and its stall watch, stepped as the daemon does."""

    grabber: Grabber
    ring: PacketRing
    watch: StallWatch
    faults: list[Fault] = field(default_factory=list)
    shapes: set[tuple[int, ...]] = field(default_factory=set)
    frames: int = 0

    def step(self) -> None:
        error = self.grabber.line.error
        fault = self.watch.step(CLOCK.now(), self.grabber.last_picture_s, error)
        if fault is not None:
            self.faults.append(fault)
        frame = self.grabber.mailbox.take(0.05)
        if frame is not None:
            self.frames += 1
            self.shapes.add(frame.image.shape)

    def until(self, true: Callable[[], bool], within_s: float) -> float:
        """Seconds until `true`; fails where it takes longer."""
        began = time.monotonic()
        while not true():
            if time.monotonic() - began > within_s:
                error = self.grabber.line.error
                pytest.fail(f"not within {within_s} s; {self.faults}; {error}")
            self.step()
        return time.monotonic() - began

    def more(self, count: int, within_s: float) -> float:
        goal = self.frames + count
        return self.until(lambda: self.frames >= goal, within_s)


@contextmanager
def watched(url: str, *, fps: float = 5.0) -> Iterator[Watched]:
    ring = PacketRing(seconds=10.0, bytes_max=4_000_000)
    address = parse_source(url)
    seen = Grabber(
        "gate",
        lambda: LiveSource(address, CLOCK, keep=ring.add),
        fps=fps,
        mailbox=Mailbox(),
        clock=CLOCK,
    )
    seen.start()
    try:
        yield Watched(seen, ring, StallWatch("gate"))
    finally:
        seen.stop()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same code with shorter patience, so that a test of a stall takes seconds."""
    for module in (live, stall, libav):
        monkeypatch.setattr(module, "STALL_S", 2.0)
    monkeypatch.setattr(libav, "OPEN_S", 2.0)
    monkeypatch.setattr(grabbing, "RETRY_CAP_S", 1.0)


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@in_real_time()
def test_pictures_and_a_clip(
    camera: FakeCamera, small: dict[str, Clip], tmp_path: Path, codec: str
) -> None:
    with watched(camera.stream(f"/{codec}", small[codec])) as seen:
        seen.more(20, 60.0)
        end_s = CLOCK.now().mono
        assert seen.shapes == {(180, 320, 3)}
        span = seen.ring.write_clip(tmp_path / "c.mp4", end_s - 2.0, end_s)
        assert span is not None
        assert span[0] <= end_s - 2.0 + 1.1
        name, size, times = look_into(tmp_path / "c.mp4")
        assert (name, size) == (codec, (320, 180))
        assert times[-1] - times[0] == pytest.approx(span[1] - span[0], abs=0.5)
        assert seen.grabber.line.facts.packets
        assert not seen.faults


@pytest.mark.parametrize(
    ("codec", "fault"),
    [
        ("h264", "refuse"),
        ("h264", "mute"),
        ("h264", "setup"),
        ("h264", "drip"),
        ("hevc", "mute"),
    ],
)
@pytest.mark.usefixtures("impatient")
@in_real_time()
def test_one_fault_with_one_end_and_pictures_again(
    camera: FakeCamera, wire: Wire, small: dict[str, Clip], codec: str, fault: str
) -> None:
    camera.stream(f"/{fault}-{codec}", small[codec])
    with watched(wire.url(f"/{fault}-{codec}")) as seen:
        seen.more(5, 60.0)
        if fault == "setup":
            wire.set("cut")
        wire.set(fault)
        seen.until(lambda: bool(seen.faults), 60.0)
        for _ in range(25):
            seen.step()
        wire.set("pass")
        seen.more(5, HEALED_S)
        assert [f.phase for f in seen.faults] == ["start", "end"]
        assert {f.kind for f in seen.faults} == {"stream_stall"}
        assert seen.ring.bytes <= 4_000_000


@pytest.mark.usefixtures("impatient")
@in_real_time()
def test_a_stream_that_falls_silent_and_comes_back(
    camera: FakeCamera, small: dict[str, Clip]
) -> None:
    url = camera.stream("/silent", small["h264"])
    with watched(url) as seen:
        seen.more(5, 60.0)
        camera.set("/silent", mode="silent")
        seen.until(lambda: bool(seen.faults), 60.0)
        camera.set("/silent", mode="play")
        seen.more(5, HEALED_S)
        assert [f.phase for f in seen.faults] == ["start", "end"]


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@in_real_time()
def test_another_resolution_within_the_stream(
    camera: FakeCamera,
    small: dict[str, Clip],
    large: dict[str, Clip],
    tmp_path: Path,
    codec: str,
) -> None:
    path = f"/switch-{codec}"
    with watched(camera.stream(path, small[codec])) as seen:
        seen.more(5, 60.0)
        camera.set(path, content=large[codec])
        seen.until(lambda: (360, 640, 3) in seen.shapes, HEALED_S)
        seen.more(8, 60.0)
        assert seen.shapes == {(180, 320, 3), (360, 640, 3)}
        end_s = CLOCK.now().mono
        assert seen.ring.write_clip(tmp_path / "c.mp4", end_s - 1.0, end_s)
        assert look_into(tmp_path / "c.mp4")[1] == (640, 360)
        assert not seen.faults


@in_real_time()
def test_a_camera_that_restarts_with_another_resolution(
    camera: FakeCamera, wire: Wire, small: dict[str, Clip], large: dict[str, Clip]
) -> None:
    camera.stream("/restart", small["h264"])
    with watched(wire.url("/restart")) as seen:
        seen.more(5, 60.0)
        camera.set("/restart", content=large["h264"])
        wire.set("cut")
        wire.set("pass")
        seen.until(lambda: (360, 640, 3) in seen.shapes, HEALED_S)
        assert seen.grabber.line.connections >= 2


@in_real_time()
def test_a_fault_of_one_stream_leaves_three_others_untouched(
    camera: FakeCamera, wire: Wire, small: dict[str, Clip]
) -> None:
    urls = [camera.stream(f"/four{n}", small["h264"]) for n in range(3)]
    camera.stream("/bad", small["h264"])
    with (
        watched(urls[0]) as one,
        watched(urls[1]) as two,
        watched(urls[2]) as three,
        watched(wire.url("/bad")) as bad,
    ):
        good = (one, two, three)
        for seen in (*good, bad):
            seen.more(3, 60.0)
        wire.set("mute")
        before = [seen.grabber.read for seen in good]
        began = time.monotonic()
        while time.monotonic() - began < 4.0:
            for seen in (*good, bad):
                seen.step()
        lasted_s = time.monotonic() - began
        for seen, count in zip(good, before, strict=True):
            assert (seen.grabber.read - count) / lasted_s > 20.0
            assert not seen.faults


@in_real_time()
def test_idle_streams_decode_key_pictures_only(camera: FakeCamera, small: dict[str, Clip]) -> None:
    with watched(camera.stream("/idle", small["h264"])) as seen:
        seen.more(5, 60.0)
        seen.grabber.want = "key"
        seen.more(1, 60.0)
        before, began = seen.grabber.read, time.monotonic()
        while (lasted_s := time.monotonic() - began) < 2.0:
            seen.step()
        # A key picture a second, of 25.
        assert seen.grabber.read - before <= lasted_s + 2
        seen.grabber.want = "all"
        seen.more(10, 60.0)


@pytest.mark.parametrize(("codec", "bframes"), [("h264", 0), ("h264", 3), ("hevc", 2)])
@in_real_time()
def test_key_pictures_come_at_once_and_what_follows_them_is_whole(codec: str, bframes: int) -> None:
    """Wanted again in the middle of a group, no picture is shown that builds on ones left out."""
    content = clip(codec, 240, 136, seconds=10.0, bframes=bframes)
    with RtspCamera(content) as camera:
        source = LiveSource(parse_source(camera.url), CLOCK)
        pictures = source.pictures()
        for _ in range(10):
            next(pictures)
        source.want = "key"
        for n in range(3):
            picture = next(pictures)
            # What the decoder still held may come first.
            assert n < 1 or mark_of(picture.bgr()) % 25 == 0
            assert CLOCK.now().mono - picture.at.mono < 0.3
        source.want = "all"
        numbers = []
        for picture in itertools.islice(pictures, 30):
            image = picture.bgr()
            number = mark_of(image)
            numbers.append(number)
            wanted = marked(drawing(240, 136, number), number)
            assert np.abs(image.astype(int) - wanted).mean() < 12.0, number
        source.close()
    assert numbers[0] % 25 == 0
    assert numbers == list(range(numbers[0], numbers[0] + 30))


@pytest.mark.parametrize("stuck_s", [4.0, 7.0])
@in_real_time()
def test_a_reader_that_fell_behind_skips_to_what_happens_now(
    camera: FakeCamera, small: dict[str, Clip], stuck_s: float
) -> None:
    """At key pictures; where these are old as well, without them."""
    source = LiveSource(parse_source(camera.stream("/late", small["h264"])), CLOCK)
    pictures = source.pictures()
    for _ in range(50):
        next(pictures)
    assert source.behind_s < 1.0
    time.sleep(stuck_s)
    behind = [source.behind_s for _ in zip(range(40), pictures, strict=False)]
    source.close()
    assert (max(behind) > 2.0) == (stuck_s < STALE_S)
    assert behind[-1] < 0.6


def test_a_recorder_keeps_packets_without_decoding(
    camera: FakeCamera, small: dict[str, Clip], tmp_path: Path
) -> None:
    ring = PacketRing(seconds=10.0, bytes_max=4_000_000)
    address = parse_source(camera.stream("/record", small["h264"]))
    recorder = Recorder("gate", address, ring, CLOCK)
    recorder.start()
    began = CLOCK.now().mono
    while (ring.span() or (0.0, 0.0))[1] < began + 4.0:
        assert CLOCK.now().mono < began + 90.0
        time.sleep(0.1)
    recorder.stop(60.0)
    assert not recorder.line.alive
    assert ring.write_clip(tmp_path / "c.mp4", began, began + 4.0)
    assert len(look_into(tmp_path / "c.mp4")[2]) > 40


@pytest.mark.parametrize(("path", "cause"), [("/nothing-here", "not_found"), ("", "refused")])
def test_what_is_wrong_is_told_without_credentials(
    camera: FakeCamera, path: str, cause: str
) -> None:
    port = camera.port if path else 9
    with pytest.raises(SourceError) as caught:
        LiveSource(parse_source(f"rtsp://user:geheim@127.0.0.1:{port}{path}"), CLOCK)
    assert caught.value.cause == cause
    assert "geheim" not in str(caught.value)


@in_real_time()
def test_a_black_hole_is_given_up_in_time(
    camera: FakeCamera, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(libav, "OPEN_S", 1.0)
    wire.set("mute")
    began = time.monotonic()
    with pytest.raises(SourceError, match="no answer in time"):
        LiveSource(parse_source(wire.url("/x")), CLOCK)
    assert time.monotonic() - began < 5.0, "6 s where the limit is not heeded"


def test_a_huge_picture_is_refused(
    camera: FakeCamera, small: dict[str, Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(libav, "LIVE_PIXELS_MAX", 10_000)
    with pytest.raises(SourceError, match="320x180, more than 0 megapixels"):
        LiveSource(parse_source(camera.stream("/huge", small["h264"])), CLOCK)


@pytest.mark.slow
def test_reconnecting_leaves_no_memory_behind(
    camera: FakeCamera, wire: Wire, small: dict[str, Clip]
) -> None:
    address: Address = parse_source(wire.url("/leak"))
    camera.stream("/leak", small["h264"])
    peaks = []
    for _ in range(40):
        source = LiveSource(address, CLOCK)
        next(source.pictures())
        source.close()
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    assert peaks[-1] - peaks[10] < 10_000
