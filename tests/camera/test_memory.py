# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a camera keeps in memory is bounded, whatever comes: in bytes and pictures, no clock asked.

The ring's bound is in test_ring.py.
"""

import gc
import resource
from pathlib import Path

import av
import numpy as np
import pytest

from edge.camera.libav import StreamDecoder, open_input, packets_of
from edge.camera.quiet import BYTES_MOST, HeldPacket, QuietStream
from edge.camera.recording import read_file_frames
from edge.camera.remux import describe
from edge.camera.source import SourceError
from edge.camera.url import parse_source
from edge.camera.watch import PacketWatch
from edge.evidence.album import HISTORY_BYTES, RecentFrames
from edge.values import Frame, Stamp
from edge.vision.key_change import KeyChange
from tools.bench.sleeping import FilmClock, FilmSource, film
from tools.fakes.camera import clip, mark_of


def at(mono):
    return Stamp(mono, 1_780_000_000.0 + mono)


class Nothing(KeyChange):
    """Sees no difference, so that a film in which a block moves sleeps."""

    def __call__(self, image, now_s, fresh, times=1.0):
        return False


@pytest.fixture(scope="module", params=[("h264", 0), ("h264", 2), ("hevc", 0)])
def street(request, tmp_path_factory):
    codec, bframes = request.param
    made = clip(codec, 320, 180, seconds=16.0, key_s=1.0, bframes=bframes)
    return film(made, tmp_path_factory.mktemp("memory") / "film")


def test_a_sleeping_camera_keeps_no_decoder(street):
    source = FilmSource(street, FilmClock(), Nothing())
    source.want = "watch"
    shown = (
        (mark_of(picture.bgr()), source.decoder.open)
        for picture in source.pictures()
        if source.quiet.asleep
    )
    asleep: list[tuple[int, bool]] = []
    with pytest.raises(SourceError, match="ended"):
        asleep.extend(shown)
    assert len(asleep) >= 5 and {n % 25 for n, _ in asleep} == {0}, "key pictures, and no others"
    assert not any(is_open for _, is_open in asleep)


def test_a_decoder_made_anew_gives_the_same_pictures_in_the_same_order(street):
    def marks(release):
        opened, found = open_input(parse_source(str(street))), []
        decoder = StreamDecoder(opened, describe(opened).extradata)
        for packet in packets_of(opened):
            if not packet.size:
                break
            if packet.is_keyframe and release:
                found += decoder.release()
            found += decoder.decode(packet, "DEFAULT")
        found += decoder.release()
        return [mark_of(frame.to_ndarray(format="bgr24")) for frame in found]

    whole = marks(release=False)
    assert whole == sorted(whole) and len(whole) == 16 * 25
    assert marks(release=True) == whole


def test_pictures_kept_for_a_before_are_bounded_and_reach_back_a_minute():
    rng, kept, most = np.random.default_rng(3), RecentFrames(bytes_most=400_000), 0
    assert HISTORY_BYTES <= 12_000_000
    noise = [rng.integers(0, 255, (90, 160, 3), np.uint8) for _ in range(3)]
    for second in range(150):
        kept.look(Frame("c", second, at(float(second)), noise[second % 3]))
        most = max(most, kept.bytes)
    assert most <= 400_000
    told = [kept.nearest(149.0 - back)[0].mono for back in range(60)]
    assert told[0] == 149.0 and told[1] == 148.0, "what was just now is kept each second"
    for back, mono in enumerate(told):
        assert 149.0 - back - mono <= 2.0 + 0.4 * back, (back, mono)
        assert mono <= 149.0 - back or mono == min(told), "never one from after it"
    assert 149.0 - min(told) >= 45.0


def test_what_is_held_back_is_bounded_in_bytes():
    quiet, held = QuietStream(PacketWatch(25.0), Nothing()), 0
    while quiet.hold(HeldPacket(None, at(0.0), 500_000, 0.0), held % 50 == 0):
        held += 1
    assert 500_000 * held <= BYTES_MOST


def test_a_decoder_is_bounded_in_size_and_threads(street):
    opened = open_input(parse_source(str(street)))
    context = StreamDecoder(opened, describe(opened).extradata).context
    assert isinstance(context, av.CodecContext)
    assert context.options["max_pixels"] == "13000000" and context.thread_count == 1


def resident_mb():
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


def test_a_recording_that_is_read_keeps_none_of_its_pictures(tmp_path):
    """PyAV ties a picture that was asked for its orientation in a circle to the answer: 900 of them
    at 720p were 1 GB until Python looked for circles."""
    path, count = tmp_path / "long.mp4", 150
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"preset": "ultrafast", "g": "50"})
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        flat = av.VideoFrame.from_ndarray(np.full((540, 640), 90, np.uint8), format="yuv420p")
        for number in range(count):
            flat.pts = number
            out.mux(stream.encode(flat))
        out.mux(stream.encode())
    frames = read_file_frames(str(path), 25.0)
    next(frames)
    gc.disable()
    try:
        before_mb, read = resident_mb(), sum(1 for _ in frames)
        grown_mb = resident_mb() - before_mb
    finally:
        gc.enable()
    # All of them are 52 MB as they leave the decoder.
    assert read == count - 1 and grown_mb < 15.0
