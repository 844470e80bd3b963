# SPDX-License-Identifier: AGPL-3.0-or-later
"""Joined, wrapped and raw recordings, all eight orientations, and dates that cannot be."""

from __future__ import annotations

import os
import struct
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from edge.camera.clips import file_clips
from edge.camera.libav import to_bgr, upright
from edge.camera.recording import AHEAD_MOST_S, read_file_frames
from edge.camera.url import parse_source
from tools.fakes.camera import drawing, mark_of, marked

FPS = 10
SIZE = (240, 136)


def piece(path: Path, first: int, count: int, *, stamp_s: float = 0.0, bframes: int = 2) -> bytes:
    """A transport stream of numbered pictures, its stamps beginning at `stamp_s`."""
    with av.open(str(path), "w", options={"mpegts_copyts": "1"}) as out:
        options = {"g": "10", "bf": str(bframes)}
        stream = out.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for number in range(count):
            image = marked(drawing(*SIZE, number), first + number)
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = round(stamp_s * FPS) + number, Fraction(1, FPS)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path.read_bytes()


# name: where the second piece's stamps begin, after 100 s to 110 s.
SECOND = {"runs back": 5.0, "runs back a little": 108.0, "leaps ahead": 40_000.0, "anew": 100.0}


@pytest.mark.parametrize("name", SECOND)
def test_two_joined_pieces_are_one_timeline_of_pictures_and_clips(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / "joined.ts"
    one = piece(tmp_path / "a.ts", 0, 100, stamp_s=100.0)
    two = piece(tmp_path / "b.ts", 100, 100, stamp_s=SECOND[name])
    path.write_bytes(one + two)
    frames = list(read_file_frames(str(path), 5.0))
    assert frames[-1].at.mono == pytest.approx(19.8, abs=0.35)
    for frame in frames:
        assert frame.at.mono == pytest.approx(mark_of(frame.image) / FPS, abs=0.25)
    clips = file_clips(parse_source(str(path)), 5.0)
    for start_s, end_s in ((12.3, 15.1), (4.5, 7.2), (9.1, 11.8), (13.0, 14.0)):
        span = clips.write_clip(tmp_path / "c.mp4", start_s, end_s)
        assert span is not None
        with av.open(str(tmp_path / "c.mp4")) as file:
            rows = [mark_of(to_bgr(f)) for f in file.decode(video=0)]
        assert rows == list(range(rows[0], rows[-1] + 1))
        assert rows[0] / FPS <= start_s + 0.25
        assert rows[-1] / FPS == pytest.approx(end_s, abs=0.45)
        assert (rows[-1] - rows[0]) / FPS == pytest.approx(span[1] - span[0], abs=0.25)


def test_the_33_bits_wrap_within_a_recording(tmp_path: Path) -> None:
    data = bytearray(piece(tmp_path / "a.ts", 0, 200, bframes=0))
    shift = 2**33 - 10 * 90_000
    for at in range(0, len(data), 188):
        _shift_stamps(data, at, shift)
    path = tmp_path / "wraps.ts"
    path.write_bytes(data)
    frames = list(read_file_frames(str(path), 5.0))
    assert len(frames) > 90
    for frame in frames:
        assert frame.at.mono == pytest.approx(mark_of(frame.image) / FPS, abs=0.15)


def _shift_stamps(data: bytearray, at: int, ticks: int) -> None:
    """Add to PTS and DTS of a PES header that begins in this packet (ISO/IEC 13818-1 2.4.3.7)."""
    if not data[at + 1] & 0x40:
        return
    pes = at + 4 + (1 + data[at + 4] if data[at + 3] & 0x20 else 0)
    if data[pes : pes + 3] != b"\0\0\1" or not 0xE0 <= data[pes + 3] <= 0xEF:
        return
    stamps = {2: 1, 3: 2}.get(data[pes + 7] >> 6, 0)
    for number in range(stamps):
        p = pes + 9 + 5 * number
        old = (data[p] >> 1 & 7) << 30 | (data[p + 1] << 7 | data[p + 2] >> 1) << 15
        old |= data[p + 3] << 7 | data[p + 4] >> 1
        new = (old + ticks) % 2**33
        data[p] = data[p] & 0xF1 | (new >> 30) << 1
        data[p + 1 : p + 3] = struct.pack(">H", (new >> 15 & 0x7FFF) << 1 | 1)
        data[p + 3 : p + 5] = struct.pack(">H", (new & 0x7FFF) << 1 | 1)


def test_a_raw_stream_has_the_rate_of_its_parameter_sets(tmp_path: Path) -> None:
    path = tmp_path / "a.264"
    with av.open(str(path), "w", format="h264") as out:
        stream = out.add_stream("libx264", rate=FPS, options={"g": "10", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for number in range(100):
            image = marked(drawing(*SIZE, number), number)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        out.mux(stream.encode(None))
    frames = list(read_file_frames(str(path), 5.0))
    for frame in frames:
        assert frame.at.mono == pytest.approx(mark_of(frame.image) / FPS, abs=0.01)
    clips = file_clips(parse_source(str(path)), 5.0)
    assert clips.write_clip(tmp_path / "c.mp4", 4.0, 6.0) == pytest.approx((4.0, 6.0), abs=0.11)


# Display matrices as (a, b, c, d) and what becomes of a picture with four corners.
CORNERS = np.array([[1, 2], [3, 4]], np.uint8)
EIGHT = {
    (1, 0, 0, 1): [[1, 2], [3, 4]],
    (-1, 0, 0, 1): [[2, 1], [4, 3]],
    (1, 0, 0, -1): [[3, 4], [1, 2]],
    (-1, 0, 0, -1): [[4, 3], [2, 1]],
    (0, 1, 1, 0): [[1, 3], [2, 4]],
    (0, 1, -1, 0): [[3, 1], [4, 2]],
    (0, -1, 1, 0): [[2, 4], [1, 3]],
    (0, -1, -1, 0): [[4, 2], [3, 1]],
}


@pytest.mark.parametrize("matrix", EIGHT)
def test_all_eight_orientations(matrix: tuple[int, int, int, int]) -> None:
    image = np.repeat(CORNERS[:, :, None], 3, axis=2)
    assert upright(image, matrix)[:, :, 0].tolist() == EIGHT[matrix]
    assert upright(image, None) is image


def with_matrix(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """A numbered recording whose track header (tkhd) bears the matrix."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=FPS, options={"g": "10"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        image = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
        image[: SIZE[1] // 2, : SIZE[0] // 2] = 255
        for _ in range(10):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        out.mux(stream.encode(None))
    data = bytearray(path.read_bytes())
    a, b, c, d = (v << 16 for v in matrix)
    at = data.index(b"tkhd") + 44
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("matrix", EIGHT)
def test_a_recording_is_shown_as_its_header_says(
    tmp_path: Path, matrix: tuple[int, int, int, int]
) -> None:
    image = next(read_file_frames(str(with_matrix(tmp_path / "a.mp4", matrix)), 5.0)).image
    bright = np.argwhere(np.array(EIGHT[matrix]) == 1)[0]
    height, width = image.shape[0] // 2, image.shape[1] // 2
    for row in (0, 1):
        for column in (0, 1):
            part = image[row * height :, column * width :][: height - 4, : width - 4]
            assert (part[4:, 4:].mean() > 127) == ((row, column) == tuple(bright))


@pytest.mark.parametrize("year", ["1970-01-01T00:00:23Z", "1904-01-01T00:00:00Z", "2136-02-07"])
def test_a_date_that_cannot_be_is_no_date(
    tmp_path: Path, year: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as out:
        out.metadata["creation_time"] = year
        stream = out.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for number in range(20):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(drawing(*SIZE, number), "bgr24")))
        out.mux(stream.encode(None))
    start = read_file_frames(str(path), 5.0).start
    assert start.by == "file date"
    assert start.wall == pytest.approx(time.time(), abs=120)
    os.utime(path, (0, 0))
    start = read_file_frames(str(path), 5.0).start
    assert start.by == "unknown"
    assert start.error_ms > 300 * AHEAD_MOST_S * 1000
    assert "cannot be" in caplog.text
