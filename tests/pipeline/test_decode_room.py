# SPDX-License-Identifier: AGPL-3.0-or-later
"""Who is decoded whole while it learns, and how a full machine is told."""

from types import SimpleNamespace

import pytest

from edge.camera.grabber import Grabber
from edge.camera.mailbox import Mailbox
from edge.clock import SystemClock
from edge.pipeline.camera_worker import CameraWorker
from edge.pipeline.decode_room import (
    AGAIN_S,
    FULL,
    DecodeRoom,
    DecodeRoomControl,
    ProcessorTime,
    slowed,
)

NAMES = [f"c{n}" for n in range(6)]


def step(made, t, *, full=False, room=True, learning=NAMES):
    made.step(float(t), full=full, room=room, learning=learning)
    return set(made.given)


def test_room_is_given_to_some_each_step_those_that_wait_longest_first():
    made = DecodeRoom(2)
    assert step(made, 0, room=False, learning=NAMES[3:]) == set()
    assert step(made, 1) == {"c3", "c4"} and made.waiting == 4
    assert step(made, 2) == {"c3", "c4", "c5", "c0"}
    # In between, those that have it keep it, and who has learnt gives it back.
    assert step(made, 3, room=False, learning=NAMES[:5]) == {"c3", "c4", "c0"}


def test_a_full_machine_takes_it_back_from_all_and_waits():
    made = DecodeRoom(2)
    step(made, 0)
    assert step(made, 1, full=True) == set() and made.waiting == 6
    assert step(made, AGAIN_S) == set()
    assert step(made, 1 + AGAIN_S) == {"c0", "c1"}


def test_who_comes_anew_waits_anew():
    made = DecodeRoom(1)
    step(made, 0, room=False, learning=["old"])
    step(made, 1, room=False, learning=[])
    step(made, 2, room=False, learning=["new"])
    assert step(made, 3, learning=["old", "new"]) == {"new"}


def test_how_long_work_waits_is_told_by_the_work():
    assert slowed(1.0, 2.0, 1.0) == 2.0
    # A process that did next to nothing is not slowed by a thousandth of a second.
    assert slowed(0.0001, 0.001, 1.0) == pytest.approx(0.01)


def test_the_time_of_all_threads_is_summed_and_new_ones_begin_at_nothing(tmp_path):
    def tell(task, ran_s, queued_s):
        (tmp_path / task).mkdir(exist_ok=True)
        (tmp_path / task / "schedstat").write_text(f"{ran_s * 10**9} {queued_s * 10**9} 7\n")

    tell("1", 5, 50)
    made = ProcessorTime(tmp_path)
    made.since_last()
    tell("1", 6, 52)
    tell("2", 100, 100)
    assert made.since_last() == (1.0, 2.0)
    tell("2", 101, 100)
    assert made.since_last() == (1.0, 0.0)


def test_a_kernel_that_does_not_count_tells_nothing(tmp_path):
    (tmp_path / "1").mkdir()
    assert ProcessorTime(tmp_path).since_last() is None


class Camera:
    """One that learns."""

    learning, room, behind_s = True, False, 0.0


def test_cameras_are_told_and_readers_that_starve_are_a_full_machine(monkeypatch):
    cameras, now = {"a": Camera(), "b": Camera()}, [0.0]
    monkeypatch.setattr("edge.pipeline.decode_room.time.monotonic", lambda: now[0])
    made = DecodeRoomControl(cameras)
    monkeypatch.setattr(made._time, "since_last", lambda: (1.0, 0.1))
    now[0] = 1.0
    made.tick()
    assert cameras["a"].room and made.status()["key"] == 0
    cameras["b"].behind_s, now[0] = 3.0, 2.0
    made.tick()
    assert not cameras["a"].room and made.status() == {"slowed": 0.1, "whole": 0, "key": 2}
    cameras["b"].behind_s, now[0] = 0.0, 2.0 + AGAIN_S
    monkeypatch.setattr(made._time, "since_last", lambda: (0.5, 0.5 * FULL + 0.1))
    made.tick()
    assert not cameras["a"].room


def test_a_board_that_grows_hot_wakes_no_camera_that_sleeps():
    """At half the rate all cameras were decoded whole until their next look: on a board too hot."""
    worker = CameraWorker.__new__(CameraWorker)
    reader = Grabber("c", lambda: None, fps=5.0, mailbox=Mailbox(), clock=SystemClock())
    worker._asleep, worker.feed = False, SimpleNamespace(reader=reader)
    reader.want = "watch"
    worker.ease("overheated", asleep=False)
    assert reader.want == "watch" and worker.eased == "overheated"
    worker.ease("overheated", asleep=True)
    assert reader.want == "key"
    worker.ease(None, asleep=False)
    assert reader.want == "all"
