# SPDX-License-Identifier: AGPL-3.0-or-later
"""Folders of photographs as phones and aircraft leave them: strays, paddings, orientations."""

from __future__ import annotations

import os
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.camera.folder import open_album, read_still
from edge.camera.recording import read_file_frames
from edge.config import ConfigError
from tools.fakes import photographs

PADDINGS = {
    "motion photo": lambda data: data + b"\0\0\0\x18ftypmp42" + bytes(range(1, 200)) * 60,
    "padded": lambda data: data + bytes(6000),
    "a second picture behind it": lambda data: data + data,
    "end marker overwritten": lambda data: (
        data[:-2] + b"SEFH" + bytes(range(1, 200)) * 45 + b"SEFT"
    ),
}


def dated(folder: Path, seconds: list[int], orientation: int | None = None) -> list[np.ndarray]:
    """Pictures of four colours with their EXIF times, as they are to be seen."""
    folder.mkdir(exist_ok=True)
    seen = []
    for number, second in enumerate(seconds):
        image = np.zeros((90, 160, 3), np.uint8)
        image[:45, :80], image[:45, 80:], image[45:, :80] = (220, 0, 0), (0, 200, 0), (0, 0, 220)
        image[45:, 80:] = 20 + 40 * number
        block = photographs.exif(
            taken=f"2026:05:01 08:00:{second:02d}", zone="+08:00", orientation=orientation
        )
        stored = STORED[orientation or 1](image)
        data = photographs.with_blocks(photographs.jpeg(np.ascontiguousarray(stored)), block)
        (folder / f"IMG_{number}.jpg").write_bytes(data)
        seen.append(image)
    return seen


# How a picture lies in a file of each EXIF orientation.
STORED = {
    1: lambda i: i, 2: lambda i: i[:, ::-1], 3: lambda i: i[::-1, ::-1], 4: lambda i: i[::-1],
    5: lambda i: i.transpose(1, 0, 2), 6: lambda i: np.rot90(i, 1),
    7: lambda i: np.rot90(i, 2).transpose(1, 0, 2), 8: lambda i: np.rot90(i, -1),
}  # fmt: skip


def times_and_names(folder: Path) -> list[tuple[float, str]]:
    album = open_album(folder, 5.0)
    return [(still.time_s, still.path.name) for still in album.stills]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_eight_orientations_stand_upright(orientation: int, tmp_path: Path) -> None:
    seen = dated(tmp_path / "a", [0, 2], orientation)
    frames = list(read_file_frames(str(tmp_path / "a"), 5.0))
    for frame, image in zip(frames, seen, strict=True):
        assert frame.image.shape == image.shape
        assert np.abs(frame.image.astype(int) - image).mean() < 4.0


STRAYS = {
    "._IMG_0.jpg": b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        " + bytes(200),
    "IMG_9.jpg": b"\0\0\0\x18ftypheic" + bytes(100),
    "IMG_9.HEIC": b"\0\0\0\x18ftypheic" + bytes(100),
    "screen.png": cv2.imencode(".png", np.zeros((9, 9, 3), np.uint8))[1].tobytes(),
    "tomorrow.jpg": photographs.with_blocks(
        photographs.jpeg(np.zeros((9, 9, 3), np.uint8)),
        photographs.exif(taken="2098:01:01 00:00:00"),
    ),
}


@pytest.mark.parametrize("name", sorted(STRAYS))
def test_a_stray_file_is_left_out_by_name_and_moves_no_time(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dated(tmp_path / "a", [0, 3, 7])
    (tmp_path / "a" / name).write_bytes(STRAYS[name])
    rows = times_and_names(tmp_path / "a")
    assert rows == [(0.0, "IMG_0.jpg"), (3.0, "IMG_1.jpg"), (7.0, "IMG_2.jpg")]
    assert name in caplog.text
    frames = read_file_frames(str(tmp_path / "a"), 5.0)
    assert (frames.start.by, frames.bad) == ("exif", 1)
    assert frames.start.wall == 1777593600.0


def test_dates_that_cannot_be_leave_the_order_of_the_names(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dated(tmp_path / "a", [4, 2])
    for path in (tmp_path / "a").iterdir():
        path.write_bytes(path.read_bytes().replace(b"2026:05:01", b"1970:01:01"))
    assert times_and_names(tmp_path / "a") == [(0.0, "IMG_0.jpg"), (0.2, "IMG_1.jpg")]
    assert "0 of 2 images tell when they were taken" in caplog.text


def test_a_folder_of_what_cannot_be_read_says_so(tmp_path: Path) -> None:
    (tmp_path / "IMG_1.HEIC").write_bytes(STRAYS["IMG_9.HEIC"])
    with pytest.raises(ConfigError, match=r"IMG_1.HEIC: make JPEGs"):
        read_file_frames(str(tmp_path), 5.0)


@pytest.mark.parametrize("how", sorted(PADDINGS))
def test_what_follows_a_picture_is_somebody_elses(how: str, tmp_path: Path) -> None:
    seen = dated(tmp_path / "a", [0, 1])
    for path in (tmp_path / "a").iterdir():
        path.write_bytes(PADDINGS[how](path.read_bytes()))
    frames = list(read_file_frames(str(tmp_path / "a"), 5.0))
    for frame, image in zip(frames, seen, strict=True):
        assert np.abs(frame.image.astype(int) - image).mean() < 4.0


@pytest.mark.parametrize("left", [0.3, 0.6, 0.9, 0.99])
def test_a_picture_cut_off_is_no_picture_though_its_thumbnail_ends(
    left: float, tmp_path: Path
) -> None:
    rng = np.random.default_rng(1)
    image = rng.integers(0, 255, (90, 160, 3), np.uint8)
    thumb = photographs.jpeg(image[::8, ::8])
    data = photographs.with_blocks(photographs.jpeg(image), thumb)
    head = len(thumb) + 40
    (tmp_path / "cut.jpg").write_bytes(data[: head + round((len(data) - head) * left)])
    (tmp_path / "whole.jpg").write_bytes(data)
    frames = read_file_frames(str(tmp_path), 5.0)
    assert len(list(frames)) == 1
    assert frames.bad == 1


def test_names_with_digits_of_other_kinds_have_an_order(tmp_path: Path) -> None:
    for name in ("1\u00b23.jpg", "1\u00b22.jpg", "\u0663.jpg", "\u0662.jpg"):
        (tmp_path / name).write_bytes(photographs.jpeg(np.zeros((9, 9, 3), np.uint8)))
    names = [name for _, name in times_and_names(tmp_path)]
    assert names.index("1\u00b22.jpg") < names.index("1\u00b23.jpg")
    assert names.index("\u0662.jpg") < names.index("\u0663.jpg")


def test_a_tail_of_erased_memory_is_gone_over_once(tmp_path: Path) -> None:
    """Erased flash reads 0xFF: what a card holds behind the last byte that was written."""
    noise = np.random.default_rng(3).integers(0, 255, (120, 160, 3), np.uint8)
    whole, path = photographs.jpeg(noise), tmp_path / "DJI_0001.JPG"
    path.write_bytes(whole[: len(whole) // 2] + b"\xff" * 60_000)
    began_s = time.process_time()
    assert read_still(path) is None
    assert time.process_time() - began_s < 5.0
    path.write_bytes(whole)
    seen = read_still(path)
    # A filling in front of the end marker is one.
    path.write_bytes(whole[:-2] + b"\xff" * 60_000 + b"\xd9")
    assert np.array_equal(read_still(path), seen)


def test_a_file_larger_than_any_picture_is_not_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "DJI_0001.JPG"
    path.write_bytes(b"\xff\xd8\xff\xe0")
    os.truncate(path, 10_000_000_000)
    assert read_still(path) is None
    assert "DJI_0001.JPG: larger than any picture" in caplog.text
