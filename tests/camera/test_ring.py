# SPDX-License-Identifier: AGPL-3.0-or-later
"""Packets kept and cut: bounds in bytes and seconds, times repaired, kinds never mixed."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.camera.jpegs import JpegPacker
from edge.camera.mailbox import Mailbox
from edge.camera.pacing import Lag, Pacer
from edge.camera.packets import SETS_MAX, Encoded, nal_units, parameter_sets
from edge.camera.remux import retime
from edge.camera.ring import PacketRing, choose
from edge.values import Frame, Stamp
from tests.camera.making import TICKS, look_into, packets
from tests.machine_time import in_real_time

LIKE = packets(count=2)[0]


def ring_of(made: list[Encoded], *, seconds: float = 30.0, bytes_max: int = 1 << 24) -> PacketRing:
    ring = PacketRing(seconds=seconds, bytes_max=bytes_max)
    for packet in made:
        ring.add(packet)
    return ring


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_a_clip_starts_at_the_key_picture_before_and_plays(tmp_path: Path, codec: str) -> None:
    ring = ring_of(packets(codec, count=100))
    span = ring.write_clip(tmp_path / "c.mp4", 101.1, 103.0)
    assert span == pytest.approx((100.8, 103.0))
    name, size, times = look_into(tmp_path / "c.mp4")
    assert (name, size) == (codec, (320, 180))
    assert len(times) == 56
    assert times[-1] - times[0] == pytest.approx(2.2, abs=0.01)
    assert ring.facts == {"made": "remuxed", "codec": codec}


def test_no_clip_of_a_time_that_is_not_kept(tmp_path: Path) -> None:
    ring = ring_of(packets())
    assert ring.write_clip(tmp_path / "c.mp4", 200.0, 210.0) is None
    assert ring.write_clip(tmp_path / "c.mp4", 10.0, 20.0) is None
    assert PacketRing(seconds=1, bytes_max=1).write_clip(tmp_path / "c.mp4", 0.0, 1.0) is None
    assert not list(tmp_path.iterdir())


def test_a_clip_that_cannot_be_written_is_an_oserror_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="clip not written"):
        ring_of(packets()).write_clip(tmp_path / "no" / "c.mp4", 100.0, 101.0)


def test_seconds_bound_the_ring_to_whole_groups_of_pictures() -> None:
    ring = ring_of(packets(count=250, gop=25), seconds=3.0)
    oldest, newest = ring.span() or (0.0, 0.0)
    assert newest == pytest.approx(109.96)
    assert 3.0 <= newest - oldest <= 4.0


@given(sizes=st.lists(st.integers(1, 5000), max_size=200), gop=st.integers(1, 30))
@settings(max_examples=50, deadline=None)
def test_bytes_are_never_exceeded_and_the_ring_begins_with_a_key(
    sizes: list[int], gop: int
) -> None:
    like = LIKE
    ring = PacketRing(seconds=5.0, bytes_max=20_000)
    for index, size in enumerate(sizes):
        at = Stamp(index / 25, 0.0)
        ring.add(replace(like, data=bytes(size), key=index % gop == 0, at=at))
        assert ring.bytes <= 20_000
        assert ring.bytes == sum(len(p.data) for p in ring._packets)
        assert not ring._packets or ring._packets[0].key


def test_nothing_is_kept_before_the_first_key_picture_of_a_connection() -> None:
    made = packets(count=30)
    assert ring_of(made[3:10]).span() is None
    late = packets(count=30, began_s=200.0)
    ring = ring_of([*made, *late[5:]])
    times = [p.at.mono for p in ring._packets if p.at.mono >= 200.0]
    assert times[0] == pytest.approx(200.4)


def test_two_kinds_of_picture_never_stand_in_one_file(tmp_path: Path) -> None:
    small = packets(count=50)
    large = packets(count=100, size=(640, 360), began_s=102.0)
    ring = ring_of([*small, *large])
    assert ring.write_clip(tmp_path / "a.mp4", 100.5, 106.0) == pytest.approx((102.0, 105.96))
    assert look_into(tmp_path / "a.mp4")[1] == (640, 360)
    assert ring.write_clip(tmp_path / "b.mp4", 100.0, 102.5) == pytest.approx((100.0, 101.96))
    assert look_into(tmp_path / "b.mp4")[1] == (320, 180)


def test_a_camera_that_changes_size_within_the_connection(tmp_path: Path) -> None:
    small = packets(count=50)
    large = packets(count=100, size=(640, 360), began_s=102.0, first_pts=50 * TICKS // 25)
    link = small[0].connection
    ring = ring_of([*small, *(replace(p, connection=link) for p in large)])
    assert ring.write_clip(tmp_path / "a.mp4", 101.0, 106.0) == pytest.approx((102.0, 105.96))
    name, size, times = look_into(tmp_path / "a.mp4")
    assert (name, size, len(times)) == ("h264", (640, 360), 100)


def test_a_reconnection_with_the_same_picture_gives_one_clip_with_its_gap(tmp_path: Path) -> None:
    first, second = packets(count=50), packets(count=50, began_s=107.0, first_pts=777)
    ring = ring_of([*first, *second])
    assert ring.write_clip(tmp_path / "a.mp4", 100.0, 109.0) == pytest.approx((100.0, 108.96))
    times = look_into(tmp_path / "a.mp4")[2]
    assert len(times) == 100
    assert times[50] - times[49] == pytest.approx(5.04, abs=0.01)
    assert times[-1] == pytest.approx(8.96, abs=0.05)


def stamped(dts: list[int | None], arrived: list[float]) -> list[Encoded]:
    return [
        replace(LIKE, dts=d, pts=d, at=Stamp(a, 0.0)) for d, a in zip(dts, arrived, strict=True)
    ]


STEP = TICKS // 25
WRAP = 2**32
# name: (dts as they come, arrival in s, dts in ticks as they should be written)
TIMES = {
    "plain": ([0, STEP, 2 * STEP], [0, 0.04, 0.08], [0, STEP, 2 * STEP]),
    "late arrivals do not matter": ([0, STEP, 2 * STEP], [0, 3, 3], [0, STEP, 2 * STEP]),
    "none": ([None, None, None], [0, 0.04, 0.1], [0, STEP, 9000]),
    "one missing": ([0, None, 2 * STEP], [0, 0.04, 0.08], [0, STEP, 2 * STEP]),
    "twice the same": ([0, STEP, STEP, 2 * STEP], [0, 1, 2, 3], [0, STEP, STEP + 1, 2 * STEP]),
    "a step back": ([0, 2 * STEP, STEP], [0, 0.04, 0.08], [0, 2 * STEP, 2 * STEP + 1]),
    "wraps": ([WRAP - STEP, 0, STEP], [0, 0.04, 0.08], [0, STEP, 2 * STEP]),
    "starts anew": ([9_000_000, 0, STEP], [0, 0.04, 0.08], [0, STEP, 2 * STEP]),
    "jumps ahead": ([0, 10**12, 10**12 + STEP], [0, 0.04, 0.08], [0, STEP, 2 * STEP]),
    "a real gap": ([0, 90 * STEP * 25], [0, 90.0], [0, 90 * STEP * 25]),
}


@pytest.mark.parametrize("name", TIMES)
def test_times_are_repaired(name: str) -> None:
    dts, arrived, wanted = TIMES[name]
    got = [d for _, d, _ in retime(stamped(dts, [float(a) for a in arrived]))]
    assert got == pytest.approx(wanted, abs=2)


@given(
    st.lists(
        st.tuples(
            st.none() | st.integers(-(2**40), 2**40),
            st.none() | st.integers(-(2**40), 2**40),
            st.floats(0, 5),
        ),
        min_size=1,
        max_size=40,
    )
)
@settings(max_examples=100, deadline=None)
def test_written_times_always_rise(rows: list[tuple[int | None, int | None, float]]) -> None:
    like, now, made = LIKE, 0.0, []
    for dts, pts, step in rows:
        now += step
        made.append(replace(like, dts=dts, pts=pts, at=Stamp(now, 0.0)))
    times = [(d, p) for _, d, p in retime(made)]
    assert all(b[0] > a[0] for a, b in itertools.pairwise(times))
    assert all(p >= d for d, p in times)
    assert times[0][0] == 0


def test_a_flood_of_parameter_sets_is_bounded_and_gone_over_once() -> None:
    flood = b"".join(b"\0\0\1\x67" + (n | 0x80808080).to_bytes(5, "big") for n in range(40_000))
    began_s = time.process_time()
    found = list(nal_units(parameter_sets("h264", flood)))
    assert time.process_time() - began_s < 2.0
    assert len(found) == SETS_MAX
    assert found[0] == b"\x67\0\x80\x80\x80\x80"


def test_parameter_sets_are_found_in_front_of_the_picture_only() -> None:
    sps, pps, picture = b"\x67abc", b"\x68de", b"\x65" + bytes([9] * 50)
    data = b"".join(b"\0\0\0\1" + unit for unit in (sps, pps, picture, sps))
    assert parameter_sets("h264", data) == b"\0\0\0\1" + sps + b"\0\0\0\1" + pps
    assert parameter_sets("h264", b"\0\0\1" + picture) == b""
    assert parameter_sets("h264", b"\0\0\0\x20" + picture) == b""
    assert parameter_sets("h264", b"") == b""
    assert parameter_sets("mjpeg", b"\0\0\0\1abc") == b""


@given(st.binary(max_size=200), st.sampled_from(["h264", "hevc"]))
def test_no_packet_breaks_the_search_for_parameter_sets(data: bytes, codec: str) -> None:
    assert isinstance(parameter_sets(codec, b"\0\0\1" + data), bytes)


def test_choose_takes_nothing_without_a_key() -> None:
    assert choose([p for p in packets(count=30) if not p.key], 100.0, 101.0) == []


def test_pictures_without_packets_become_motion_jpeg(tmp_path: Path) -> None:
    packer, ring = JpegPacker(), PacketRing(seconds=30.0, bytes_max=1 << 24)
    for index in range(20):
        image = np.full((90, 161, 3), index * 10, np.uint8)
        ring.add(packer.pack(image, Stamp(index * 0.5, 0.0)))
    assert ring.write_clip(tmp_path / "c.mp4", 2.0, 5.0) == (2.0, 5.0)
    assert ring.facts == {"made": "jpeg", "codec": "mjpeg"}
    name, size, times = look_into(tmp_path / "c.mp4")
    assert (name, size, len(times)) == ("mjpeg", (161, 90), 7)
    assert times[-1] == pytest.approx(3.0, abs=0.01)


@in_real_time()
def test_a_clip_of_ten_seconds_costs_little_cpu(tmp_path: Path) -> None:
    """1080p at 4 Mbit/s. The limit is loose: the machine may be shared."""
    made = packets(count=300, size=(640, 360), fps=30, gop=60)
    made = [replace(p, data=p.data + bytes(16_000)) for p in made]
    ring = ring_of(made)
    spent = []
    for index in range(5):
        began = time.thread_time()
        assert ring.write_clip(tmp_path / f"{index}.mp4", 100.0, 110.0)
        spent.append(time.thread_time() - began)
    assert min(spent) < 0.030


# --- pacing and mailbox -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source_fps", "fps", "count"),
    [(25, 5, 50), (30, 5, 50), (25, 10, 100), (12.5, 5, 50), (5, 5, 50), (2, 5, 20), (30, 30, 300)],
)
def test_pictures_due_come_at_the_analysed_rate(source_fps: float, fps: float, count: int) -> None:
    pacer = Pacer(fps)
    due = sum(pacer.due(index / source_fps) for index in range(int(10 * source_fps)))
    assert abs(due - count) <= 1


def test_the_pace_may_change_at_any_picture() -> None:
    pacer = Pacer(5.0)
    seldom = [t / 25 for t in range(250) if pacer.pace(1.0) or pacer.due(t / 25)]
    assert max(b - a for a, b in itertools.pairwise(seldom)) < 1.02 and len(seldom) <= 11
    pacer.pace(0.2)
    # The next one is due 0.2 s after the last, not when the slow pace had it.
    assert [t / 25 for t in range(250, 263) if pacer.due(t / 25)] == [10.12, 10.32]


def test_pacing_survives_jumps_and_gaps() -> None:
    pacer = Pacer(5.0)
    times = [100.0, 100.1, 100.2, 50.0, 50.1, 50.2, 900.0, 900.1, 903.0, 903.05, 903.2]
    assert [t for t in times if pacer.due(t)] == [100.0, 100.2, 50.0, 50.2, 900.0, 903.0, 903.2]


@given(st.lists(st.floats(0.0, 0.6), max_size=200), st.floats(0.5, 30.0))
def test_never_more_than_asked_for(steps: list[float], fps: float) -> None:
    pacer, now, due = Pacer(fps), 0.0, 0
    for step in steps:
        now += step
        due += pacer.due(now)
    assert due <= now * fps + 2


def test_lag_is_what_a_slow_reader_adds() -> None:
    lag = Lag()
    keeping_up = [lag.behind_s(1000.0 + n / 25 + 0.02 * (n % 3), n / 25, 0.03) for n in range(100)]
    assert max(keeping_up) < 0.05
    assert lag.behind_s(1009.0, 4.0, 0.0) == pytest.approx(5.0, abs=0.1)
    assert lag.behind_s(1009.1, 9.0, 0.0) == pytest.approx(0.1, abs=0.05)


@pytest.mark.parametrize("rate", [0.5, 0.84, 0.9998, 0.0, 2.0])
def test_a_reader_that_waits_is_not_behind_whatever_the_clock_says(rate: float) -> None:
    lag = Lag()
    assert max(lag.behind_s(n / 25, n / 25 * rate, 0.03) for n in range(20_000)) < 0.3
    assert lag.behind_s(801.0, 5.0, 0.9) == 0.0
    assert lag.behind_s(801.04, 5.04, 0.03) < 0.1


def test_the_newest_frame_wins_and_losses_are_counted() -> None:
    box = Mailbox()
    frames = [Frame("c", n, Stamp(n, 0.0), np.zeros((1, 1, 3), np.uint8)) for n in range(3)]
    assert box.take() is None
    for frame in frames:
        box.post(frame)
    assert box.peek() is frames[2]
    assert box.take(1.0) is frames[2]
    assert box.take(0.01) is None
    assert (box.posted, box.dropped) == (3, 2)
