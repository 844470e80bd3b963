# SPDX-License-Identifier: AGPL-3.0-or-later
"""A clip of a recording shows the recording's own pictures, however they build on one another."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from edge.camera.clips import file_clips
from edge.camera.cutting import whole_end
from edge.camera.libav import to_bgr
from edge.camera.url import parse_source
from tools.fakes.camera import drawing, mark_of, marked

FPS, COUNT = 10, 120
SIZE = (240, 136)
# name: (suffix, encoder, its options)
ENCODED = {
    "no b": ("mp4", "libx264", {"g": "10", "bf": "0"}),
    "pyramid of eight": (
        "mp4",
        "libx264",
        {"g": "30", "bf": "8", "b-pyramid": "normal", "x264-params": "b-adapt=0"},
    ),
    "open groups": (
        "mp4",
        "libx264",
        {"g": "20", "bf": "3", "x264-params": "open-gop=1:b-adapt=0"},
    ),
    "x265": ("mp4", "libx265", {"x265-params": "log-level=none:keyint=20:bframes=4:open-gop=1"}),
    "x265 in a transport stream": (
        "ts",
        "libx265",
        {"x265-params": "log-level=none:keyint=20:bframes=4:open-gop=1"},
    ),
    "b in mkv": ("mkv", "libx264", {"g": "12", "bf": "3", "x264-params": "b-adapt=0"}),
}


def recording(folder: Path, name: str) -> Path:
    suffix, codec, options = ENCODED[name]
    path = folder / f"recording.{suffix}"
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for number in range(COUNT):
            image = marked(drawing(*SIZE, number), number)
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def pictures(path: Path) -> list[tuple[float, int, np.ndarray]]:
    with av.open(str(path)) as file:
        decoded = [(float(f.time), to_bgr(f)) for f in file.decode(video=0)]
    return [(time_s, mark_of(image), image) for time_s, image in decoded]


@pytest.mark.parametrize("name", ENCODED)
@pytest.mark.parametrize(("start_s", "end_s"), [(4.5, 7.5), (3.3, 7.1), (5.0, 6.9), (0.0, 11.9)])
def test_each_picture_of_a_clip_is_the_recordings_own_and_none_is_missing(
    tmp_path: Path, name: str, start_s: float, end_s: float
) -> None:
    path = recording(tmp_path, name)
    own = {number: image for _, number, image in pictures(path)}
    says = file_clips(parse_source(str(path)), 5.0).write_clip(tmp_path / "c.mp4", start_s, end_s)
    assert says is not None
    shown = pictures(tmp_path / "c.mp4")
    for _, number, image in shown:
        assert np.abs(image.astype(int) - own[number]).max() <= 4
    numbers = [number for _, number, _ in shown]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert numbers[0] <= start_s * FPS + 1e-6
    assert numbers[-1] >= end_s * FPS - 1.01
    assert numbers[0] / FPS == pytest.approx(says[0], abs=0.051)
    assert numbers[-1] / FPS == pytest.approx(says[1], abs=0.051)
    assert shown[-1][0] - shown[0][0] == pytest.approx(says[1] - says[0], abs=0.051)


def test_a_cut_goes_on_to_the_next_place_without_a_hole() -> None:
    shown = [0.0, 0.8, 0.4, 0.2, 0.1, 0.3, 0.6, 0.5, 0.7, 1.6, 1.2, 1.0]
    assert whole_end(shown, 0) == 1
    assert whole_end(shown, 3) == 9
    assert whole_end(shown, 8) == 9
    assert whole_end(shown, 9) == 12
    assert whole_end([0.0, 0.3, 0.1, None], 1) == 3
    assert whole_end([5.0, 5.1, 900.0, 900.1], 1) == 2
    assert all(whole_end(shown, a) <= whole_end(shown, b) for a, b in itertools.pairwise(range(9)))
