# SPDX-License-Identifier: AGPL-3.0-or-later
"""A clip of a camera with masks: every picture has them, the times are the recording's."""

from __future__ import annotations

import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from edge.camera.clips import file_clips
from edge.camera.libav import to_bgr
from edge.camera.url import parse_source
from edge.config import Camera, convert
from edge.pipeline.masked_clips import FPS_MOST, LONG_SIDE, masked_clips
from tests.machine_time import in_real_time

WINDOW = [[0.5, 0.5], [1.0, 0.5], [1.0, 1.0], [0.5, 1.0]]


def recording(path: Path, *, size: tuple[int, int] = (640, 360), fps: int = 25) -> Path:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=fps, options={"preset": "ultrafast", "g": "25"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for number in range(fps * 8):
            image = np.full((size[1], size[0], 3), 60 + number % 150, np.uint8)
            image[:, ::7] = 230
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def camera(*kinds: str) -> Camera:
    zones = [{"id": f"z{n}", "kind": kind, "polygon": WINDOW} for n, kind in enumerate(kinds)]
    return convert({"id": "a", "source": "x", "zones": zones}, Camera, "camera")


def test_only_a_masked_camera_pays_for_it(tmp_path: Path) -> None:
    clips = file_clips(parse_source(str(recording(tmp_path / "a.mp4"))), 5.0)
    assert masked_clips(clips, camera("watch")) is clips
    assert masked_clips(None, camera("mask")) is None


@pytest.mark.parametrize("size", [(640, 360), (1918, 1078), (300, 500)])
def test_the_mask_is_in_every_picture_and_the_times_are_true(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    clips = file_clips(parse_source(str(recording(tmp_path / "a.mp4", size=size))), 5.0)
    masked = masked_clips(clips, camera("watch", "mask"))
    assert masked is not None
    span = masked.write_clip(tmp_path / "c.mp4", 2.5, 6.0)
    assert span is not None
    assert span[0] == pytest.approx(2.0, abs=0.05)
    assert span[1] == pytest.approx(6.0, abs=0.15)
    with av.open(str(tmp_path / "c.mp4")) as file:
        rows = [(float(f.time), to_bgr(f)) for f in file.decode(video=0)]
    assert rows[-1][0] - rows[0][0] == pytest.approx(span[1] - span[0], abs=0.05)
    assert len(rows) <= (span[1] - span[0]) * FPS_MOST + 2
    for time_s, image in rows:
        height, width = image.shape[:2]
        assert max(height, width) <= LONG_SIDE
        assert image[height // 2 + 9 :, width // 2 + 9 :].max() < 40
        assert image[: height // 2, : width // 2].max() > 140
        # What the recording showed at that time.
        number = round((span[0] + time_s) * 25)
        seen = np.median(image[: height // 2, : width // 2])
        assert abs(float(seen) - (60 + number % 150)) < 12
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "c.mp4"]


def test_a_clip_of_nothing_is_none(tmp_path: Path) -> None:
    clips = file_clips(parse_source(str(recording(tmp_path / "a.mp4"))), 5.0)
    masked = masked_clips(clips, camera("mask"))
    assert masked is not None
    assert masked.write_clip(tmp_path / "c.mp4", 100.0, 110.0) is None
    assert not (tmp_path / "c.mp4").exists()


@in_real_time()
def test_a_masked_clip_costs_less_than_its_own_time(tmp_path: Path) -> None:
    path = recording(tmp_path / "a.mp4", size=(1280, 720))
    masked = masked_clips(file_clips(parse_source(str(path)), 5.0), camera("mask"))
    assert masked is not None
    began = time.process_time()
    assert masked.write_clip(tmp_path / "c.mp4", 0.0, 7.5)
    assert time.process_time() - began < 7.5
