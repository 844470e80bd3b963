# SPDX-License-Identifier: AGPL-3.0-or-later
"""Recordings: every frame due, at its presentation time, whatever the file is like."""

from __future__ import annotations

import itertools
import json
import shutil
import struct
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.camera import libav, recording
from edge.camera.clips import AlbumClips, file_clips
from edge.camera.exif import taken_at
from edge.camera.folder import StillSequence, natural, open_album
from edge.camera.mailbox import Mailbox
from edge.camera.playback import Playback
from edge.camera.recording import FileFrames, read_file_frames
from edge.camera.url import Address, parse_source
from edge.config import ConfigError
from tests.camera.making import corner, look_into, video
from tests.fake_clock import FakeClock


def grid(count: int, fps: float = 25.0) -> list[float]:
    return [index / fps for index in range(count)]


def test_frames_due_at_the_analysed_rate_with_their_own_times(tmp_path: Path) -> None:
    path = video(tmp_path / "a.mp4", grid(100))
    frames = list(read_file_frames(str(path), 5.0, camera="c", start_wall=1000.0))
    assert len(frames) in (20, 21)
    for frame in frames:
        assert corner(frame.image) == pytest.approx(round(frame.at.mono * 25) % 25, abs=0.49)
        assert frame.at.wall == pytest.approx(1000.0 + frame.at.mono)
        assert frame.at.quality == "recording"
    assert [f.at.mono for f in frames[:3]] == pytest.approx([0.0, 0.16, 0.36], abs=0.05)


def test_sparse_and_uneven_times_are_kept(tmp_path: Path) -> None:
    times = [0.0, 2.0, 2.5, 9.0, 9.1, 40.0]
    path = video(tmp_path / "a.mp4", times)
    got = [frame.at.mono for frame in read_file_frames(str(path), 5.0)]
    assert got == pytest.approx([0.0, 2.0, 2.5, 9.0, 40.0])


@pytest.mark.parametrize("size", [(322, 182), (641, 361), (64, 48)])
def test_odd_sizes_give_the_right_picture(tmp_path: Path, size: tuple[int, int]) -> None:
    even = size[0] % 2 == 0
    path = video(
        tmp_path / "a.mkv",
        grid(3),
        size=size,
        pix_fmt="yuv420p" if even else "yuv444p",
    )
    frames = list(read_file_frames(str(path), 25.0))
    assert [f.image.shape for f in frames] == [(size[1], size[0], 3)] * 3
    assert corner(frames[2].image) == pytest.approx(2.0, abs=0.4)


@pytest.mark.slow
def test_8k_is_read(tmp_path: Path) -> None:
    path = video(tmp_path / "a.avi", [0.0], size=(7680, 4320), codec="mjpeg", pix_fmt="yuvj420p")
    assert next(read_file_frames(str(path), 5.0)).image.shape == (4320, 7680, 3)


def test_a_picture_beyond_the_limit_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(libav, "FILE_PIXELS_MAX", 1_000_000)
    path = video(tmp_path / "a.avi", [0.0], size=(1280, 960), codec="mjpeg", pix_fmt="yuvj420p")
    with pytest.raises(ConfigError, match="1280x960, more than 1 megapixels"):
        read_file_frames(str(path), 5.0)


def test_greyscale_becomes_three_channels(tmp_path: Path) -> None:
    path = video(tmp_path / "a.mkv", grid(3), pix_fmt="gray")
    image = next(read_file_frames(str(path), 25.0)).image
    assert image.shape == (180, 320, 3)
    assert np.ptp(image.astype(int), axis=2).max() <= 1


def test_a_joined_transport_stream_goes_on_where_time_runs_back(tmp_path: Path) -> None:
    one = video(tmp_path / "a.ts", grid(25)).read_bytes()
    (tmp_path / "b.ts").write_bytes(one + one)
    times = [f.at.mono for f in read_file_frames(str(tmp_path / "b.ts"), 25.0)]
    assert times == sorted(times)
    assert len(times) >= 45
    assert times[-1] == pytest.approx(2.0, abs=0.2)


def test_size_changes_within_a_recording(tmp_path: Path) -> None:
    small = video(tmp_path / "a.ts", grid(25), size=(320, 180)).read_bytes()
    large = video(tmp_path / "b.ts", grid(25), size=(640, 360)).read_bytes()
    (tmp_path / "c.ts").write_bytes(small + large)
    shapes = [f.image.shape[:2] for f in read_file_frames(str(tmp_path / "c.ts"), 25.0)]
    assert set(shapes) == {(180, 320), (360, 640)}
    assert shapes == sorted(shapes)


BAD_FILES = {
    "empty.mp4": (b"", "empty"),
    "text.mp4": (b"hello, this is no video at all" * 100, "not video"),
    "list.m3u8": (b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n", "not"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_is_no_video_is_one_line(tmp_path: Path, name: str) -> None:
    data, word = BAD_FILES[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ConfigError, match=word) as caught:
        read_file_frames(str(tmp_path / name), 5.0)
    assert "\n" not in str(caught.value)


def test_an_mp4_without_its_index_says_so(tmp_path: Path) -> None:
    whole = video(tmp_path / "a.mp4", grid(50)).read_bytes()
    (tmp_path / "b.mp4").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ConfigError, match="cut off before its index"):
        read_file_frames(str(tmp_path / "b.mp4"), 5.0)


def test_an_mp4_cut_off_behind_its_index_gives_what_there_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = video(tmp_path / "a.mp4", grid(250), options={"movflags": "+faststart"}).read_bytes()
    (tmp_path / "b.mp4").write_bytes(whole[: len(whole) // 2])
    frames = list(read_file_frames(str(tmp_path / "b.mp4"), 25.0))
    assert 20 < len(frames) < 240
    for frame in frames:
        assert corner(frame.image) == pytest.approx(round(frame.at.mono * 25) % 25, abs=0.49)
    assert "although it promises" in caplog.text


def test_damaged_packets_are_left_out_and_counted(tmp_path: Path) -> None:
    data = bytearray(video(tmp_path / "a.ts", grid(100)).read_bytes())
    for at in range(len(data) // 2, len(data) // 2 + 4000, 7):
        data[at] ^= 0xFF
    (tmp_path / "b.ts").write_bytes(bytes(data))
    frames = read_file_frames(str(tmp_path / "b.ts"), 25.0)
    times = [frame.at.mono for frame in frames]
    assert len(times) > 50
    assert times == sorted(times)


def test_the_time_of_recording_is_given_or_read(tmp_path: Path) -> None:
    moment = {"creation_time": "2026-05-01T22:14:05.000000Z"}
    path = video(tmp_path / "a.mp4", grid(5), metadata=moment)
    assert read_file_frames(str(path), 5.0).start.by == "header"
    assert read_file_frames(str(path), 5.0).start.wall == 1777673645.0
    assert read_file_frames(str(path), 5.0, start_wall=7.0).start.wall == 7.0
    plain = video(tmp_path / "b.mkv", grid(5))
    assert read_file_frames(str(plain), 5.0).start.by == "file date"


def test_realtime_waits_for_each_frame_and_progress_grows(tmp_path: Path) -> None:
    path = video(tmp_path / "a.mp4", grid(50))
    clock = FakeClock(mono=500.0)
    shares = []
    with read_file_frames(str(path), 5.0, realtime=True, clock=clock) as frames:
        for frame in frames:
            assert clock.now().mono == pytest.approx(500.0 + frame.at.mono)
            shares.append(frames.progress)
    assert shares == sorted(shares)
    assert shares[-1] > 0.85


# --- folders ------------------------------------------------------------------------------------


def album(folder: Path, names: list[str]) -> Path:
    folder.mkdir(exist_ok=True)
    for index, name in enumerate(names):
        cv2.imwrite(str(folder / name), np.full((90, 160, 3), 10 * index, np.uint8))
    return folder


def test_a_folder_in_the_order_people_count(tmp_path: Path) -> None:
    names = [f"f_{n}.jpg" for n in (1, 2, 9, 10, 11)]
    album(tmp_path / "a", names)
    frames = list(read_file_frames(str(tmp_path / "a"), 2.0))
    assert [round(corner(f.image)) for f in frames] == [0, 1, 2, 3, 4]
    assert [f.at.mono for f in frames] == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert sorted(["a10", "a9", "b1"], key=natural) == ["a9", "a10", "b1"]


def test_times_by_sidecar(tmp_path: Path) -> None:
    folder = album(tmp_path / "a", ["a.jpg", "b.jpg", "c.png"])
    times = {"a.jpg": 10.0, "b.jpg": 12.5, "c.png": 70.0}
    (folder / "times.json").write_text(json.dumps({"start": 1000, "times_s": times}))
    frames = list(read_file_frames(str(folder), 5.0))
    assert [f.at.mono for f in frames] == [0.0, 2.5, 60.0]
    assert frames[0].at.wall == 1010.0
    (folder / "times.json").unlink()
    (folder / "frames.csv").write_text("name,time_s\nc.png,0\nb.jpg,1\na.jpg,3\n")
    assert [round(corner(f.image)) for f in read_file_frames(str(folder), 5.0)] == [2, 1, 0]


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [
        ("times.json", "{", "times_s"),
        ("times.json", '{"times_s": {"a.jpg": "x"}}', "times_s"),
        ("times.json", '{"times_s": {"b.jpg": 1}}', "no time for a.jpg"),
        ("frames.csv", "file,t\na.jpg,1\n", "name,time_s"),
        ("frames.csv", "name,time_s\na.jpg,nan\n", "nan"),
        ("times.json", '{"times_s": {"a.jpg": 1' + "0" * 400 + "}}", "too large"),
        ("times.json", '{"start": 1' + "0" * 400 + ', "times_s": {"a.jpg": 1}}', "too large"),
        ("times.json", "[" * 200_000, "times_s"),
        ("frames.csv", "name,time_s\na.jpg,0\n" + "x" * 140_000 + ",1\n", "name,time_s"),
    ],
)
def test_a_sidecar_that_does_not_fit_is_one_line(
    tmp_path: Path, name: str, text: str, word: str
) -> None:
    folder = album(tmp_path / "a", ["a.jpg"])
    (folder / name).write_text(text)
    with pytest.raises(ConfigError, match=word):
        read_file_frames(str(folder), 5.0)


def exif(taken: str, fraction: str = "", zone: str = "", order: str = "<") -> bytes:
    """An APP1 segment with DateTimeOriginal and what belongs to it."""
    texts = [(0x9003, taken), (0x9291, fraction), (0x9011, zone)]
    entries, data = [], b""
    rows = [(tag, text.encode() + b"\0") for tag, text in texts if text]
    start = 8 + 2 + 12 + 4 + 2 + 12 * len(rows) + 4
    for tag, raw in rows:
        if len(raw) <= 4:
            entries.append(struct.pack(f"{order}HHI4s", tag, 2, len(raw), raw))
        else:
            entries.append(struct.pack(f"{order}HHII", tag, 2, len(raw), start + len(data)))
            data += raw
    main = struct.pack(f"{order}H", 1) + struct.pack(f"{order}HHII", 0x8769, 4, 1, 26) + bytes(4)
    inner = struct.pack(f"{order}H", len(rows)) + b"".join(entries) + bytes(4)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    body = b"Exif\0\0" + head + main + inner + data
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


@pytest.mark.parametrize("order", ["<", ">"])
def test_times_by_exif(tmp_path: Path, order: str) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    for second in (7, 5):
        _, data = cv2.imencode(".jpg", np.full((90, 160, 3), 10 * second, np.uint8))
        block = exif(f"2026:05:01 08:00:0{second}", "25", "+08:00", order)
        jpeg = data.tobytes()
        (folder / f"{9 - second}.jpg").write_bytes(jpeg[:2] + block + jpeg[2:])
    frames = list(read_file_frames(str(folder), 5.0))
    assert [round(corner(f.image)) for f in frames] == [5, 7]
    assert [f.at.mono for f in frames] == pytest.approx([0.0, 2.0])
    assert frames[0].at.wall == pytest.approx(1777593605.25)


@pytest.mark.parametrize("cut", range(0, 120, 3))
def test_a_cut_off_exif_block_is_no_time_and_no_error(cut: int) -> None:
    data = b"\xff\xd8" + exif("2026:05:01 08:00:05", "25", "+08:00") + b"\xff\xda"
    assert taken_at(data[:cut]) in (None, 1777593605.0, 1777593605.25, 1777622405.25, 1777622405.0)


def test_damaged_images_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = album(tmp_path / "a", ["a.jpg", "b.jpg", "c.jpg", "d.png"])
    (folder / "b.jpg").write_bytes((folder / "b.jpg").read_bytes()[:-40])
    (folder / "d.png").write_bytes(b"")
    frames = read_file_frames(str(folder), 5.0)
    assert [round(corner(f.image)) for f in frames] == [0, 2]
    assert frames.bad == 2
    assert "b.jpg: cut off" in caplog.text


def test_an_empty_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no images in it"):
        read_file_frames(str(tmp_path), 5.0)


# --- clips --------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_a_clip_is_cut_from_the_file_at_a_key_picture(tmp_path: Path, suffix: str) -> None:
    path = video(tmp_path / f"a.{suffix}", grid(250))
    source = file_clips(parse_source(str(path)), 5.0)
    span = source.write_clip(tmp_path / "clip.mp4", 3.1, 6.0)
    assert span is not None
    assert 2.6 <= span[0] <= 3.1
    assert span[1] == pytest.approx(6.0, abs=0.05)
    codec, size, times = look_into(tmp_path / "clip.mp4")
    assert (codec, size) == ("h264", (320, 180))
    assert times[-1] - times[0] == pytest.approx(span[1] - span[0], abs=0.05)
    assert source.facts == {"made": "remuxed", "codec": "h264"}


def test_a_clip_of_sparse_pictures_keeps_their_times(tmp_path: Path) -> None:
    path = video(tmp_path / "a.mp4", [2.0 * n for n in range(30)])
    source = file_clips(parse_source(str(path)), 5.0)
    assert source.write_clip(tmp_path / "c.mp4", 20.0, 40.0) == pytest.approx((20.0, 40.0))
    times = look_into(tmp_path / "c.mp4")[2]
    assert [b - a for a, b in itertools.pairwise(times)] == pytest.approx([2.0] * 10)


@pytest.mark.parametrize(("start", "end"), [(100.0, 110.0), (-20.0, -10.0)])
def test_no_clip_where_the_recording_has_nothing(tmp_path: Path, start: float, end: float) -> None:
    path = video(tmp_path / "a.mp4", grid(50))
    source = file_clips(parse_source(str(path)), 5.0)
    assert source.write_clip(tmp_path / "c.mp4", start, end) is None
    assert not (tmp_path / "c.mp4").exists()


def test_a_codec_that_mp4_cannot_hold_becomes_pictures_and_says_so(tmp_path: Path) -> None:
    path = video(tmp_path / "a.avi", grid(50), codec="png", pix_fmt="rgb24")
    source = file_clips(parse_source(str(path)), 5.0)
    assert source.write_clip(tmp_path / "c.mp4", 0.5, 1.5) is not None
    assert source.facts["made"] == "jpeg"
    assert look_into(tmp_path / "c.mp4")[0] == "mjpeg"


def test_a_folder_gives_a_clip_of_its_pictures(tmp_path: Path) -> None:
    folder = album(tmp_path / "a", [f"{n}.png" for n in range(10)])
    source = file_clips(parse_source(str(folder)), 2.0)
    assert source.write_clip(tmp_path / "c.mp4", 1.0, 3.0) == (1.0, 3.0)
    codec, size, times = look_into(tmp_path / "c.mp4")
    assert (codec, size, len(times)) == ("mjpeg", (160, 90), 5)


def test_a_folder_taken_away_between_two_rounds_ends_its_playback_alone(tmp_path: Path) -> None:
    folder, mailbox, rounds = album(tmp_path / "a", ["a.jpg", "b.jpg"]), Mailbox(), []

    def frames() -> FileFrames:
        if rounds:
            shutil.rmtree(folder)
        rounds.append(len(rounds))
        return read_file_frames(Address("folder", str(folder), str(folder)), 5.0)

    player = Playback("gate", frames, mailbox, rounds=0)
    player.start()
    until = time.monotonic() + 60.0
    while not player.ended and time.monotonic() < until:
        mailbox.take(0.05)
    assert player.ended
    assert (player.read, player.error) == (2, f"{folder}: No such file or directory")


@pytest.mark.parametrize("reader", [open_album, AlbumClips])
def test_a_folder_that_is_gone_is_one_line(
    tmp_path: Path, reader: Callable[[Path, float], object]
) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        reader(tmp_path / "gone", 5.0)


def test_pictures_taken_away_while_their_folder_is_opened_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def emptied(folder: Path, fps: float) -> StillSequence:
        found = open_album(folder, fps)
        shutil.rmtree(folder)
        return found

    folder = album(tmp_path / "a", ["a.jpg"])
    monkeypatch.setattr(recording, "open_album", emptied)
    with pytest.raises(ConfigError, match="No such file"):
        read_file_frames(str(folder), 5.0)


def test_of_a_long_recording_without_its_index_only_the_head_is_read(tmp_path: Path) -> None:
    path = tmp_path / "cut-off.mp4"
    with path.open("wb") as file:
        file.write(struct.pack(">I4s4sI4s", 20, b"ftyp", b"isom", 512, b"isom"))
        file.write(struct.pack(">I4sQ", 1, b"mdat", 0))
        file.truncate(150_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(ConfigError, match="no moov"):
            read_file_frames(str(path), 5.0)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
