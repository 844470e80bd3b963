# SPDX-License-Identifier: AGPL-3.0-or-later
"""What heat and a weak supply cost: steps with hysteresis, each told once and booked as blind."""

import threading

import pytest

from edge.board import Board, BoardState
from edge.faults import FaultLog
from edge.pipeline.scheduler import Scheduler
from edge.pipeline.thermal import ENTER_HOLD_S, LEAVE_HOLD_S, ThermalPolicy
from edge.pipeline.thermal_control import SILENT_S, ThermalControl
from edge.values import Stamp


class Clock:
    """Moved by hand; gives stamps and seconds."""

    def __init__(self):
        self.mono = 0.0

    def now(self):
        return Stamp(self.mono, 1e9 + self.mono)

    def __call__(self):
        return self.mono


def board(heat=None, *troubles):
    return BoardState("raspberry-pi", "Pi", heat, troubles, (), 0.0, None, None)


def run(plan, *, every_s=5.0):
    """Plan: (seconds, temperature, troubles...); returns (step at the end, [(s, kind, phase)])."""
    care, clock, told, last = ThermalPolicy(), Clock(), [], None
    faults = FaultLog(clock.now, lambda f, _: told.append((clock.mono, f.kind, f.phase)))
    for seconds, heat, *troubles in plan:
        until = clock.mono + seconds
        while clock.mono < until:
            last = care.step(board(heat, *troubles), clock.now())
            for trouble in last.troubles:
                faults.holds(trouble.kind, "board", trouble.holds, trouble.text)
            clock.mono += every_s
    return last, told


HOT, FULL = ("overheated", "start"), ("overheated_one_stream", "start")
WARM, COOL = ("overheated_one_stream", "end"), ("overheated", "end")


@pytest.mark.parametrize(
    ("plan", "step", "told"),
    [
        pytest.param([(600, 79.9)], 0, [], id="below every limit"),
        pytest.param([(600, None)], 0, [], id="a board that does not tell"),
        pytest.param([(5, 90.0), (600, 70.0)], 0, [], id="one short burst"),
        pytest.param([(60, 80.0)], 1, [HOT], id="at 80 the rate is halved"),
        pytest.param([(60, 85.0)], 2, [HOT, FULL], id="at 85 one stream remains"),
        pytest.param([(60, 82.0), (60, 86.0)], 2, [HOT, FULL], id="step by step"),
        pytest.param([(60, 82.0), (600, 77.0)], 1, [HOT], id="between leave and enter it stays"),
        pytest.param([(60, 82.0), (50, 70.0)], 1, [HOT], id="cool, but not for long enough"),
        pytest.param([(60, 82.0), (90, 70.0)], 0, [HOT, COOL], id="cool for a minute"),
        pytest.param([(60, 82.0), (600, None)], 1, [HOT], id="unknown is not cool"),
        pytest.param([(60, 90.0), (80, 60.0)], 1, [HOT, FULL, WARM], id="one step back at a time"),
        pytest.param([(60, 90.0), (200, 60.0)], 0, [HOT, FULL, WARM, COOL], id="all the way back"),
        pytest.param([(60, 82), (50, 70), (5, 76), (50, 70)], 1, [HOT], id="the wait starts anew"),
        pytest.param(
            [(40, 81.0, "throttled")], 1, [("throttled", "start"), HOT], id="both at once"
        ),
    ],
)
def test_heat(plan, step, told):
    care, got = run(plan)
    assert care.step == step
    assert [entry[1:] for entry in got] == told
    assert care.rate == (1.0, 0.5, 0.5)[step]
    assert care.one_stream == (step == 2)


def test_a_swing_around_the_limit_does_not_swing_the_rate():
    """Ten minutes of 78 and 82 in turn: one start, nothing else."""
    plan = [(30, 82.0), *[(15, 78.0), (15, 82.0)] * 20]
    assert [entry[1:] for entry in run(plan)[1]] == [HOT]


def test_steps_are_taken_and_left_after_their_waits():
    _, told = run([(100, 81.0), (100, 60.0)], every_s=1.0)
    assert [at for at, *_ in told] == [ENTER_HOLD_S, 100.0 + LEAVE_HOLD_S]


def test_power_bits_that_flap_are_one_fault():
    plan = [(5, 50.0, "under_voltage"), (10, 50.0)] * 10
    _, told = run([*plan, (120, 50.0)])
    assert [entry[1:] for entry in told] == [("under_voltage", "start"), ("under_voltage", "end")]


def test_a_restart_goes_on_with_the_step_and_waits_for_the_supply():
    care = ThermalPolicy(["overheated", "under_voltage"])
    warm = care.step(board(77.0), Stamp(0.0, 0.0))
    assert (warm.step, warm.rate) == (1, 0.5), "between the limits it stays slowed down"
    assert [t.kind for t in warm.troubles if t.holds] == ["overheated", "under_voltage"]
    cool = [care.step(board(60.0), Stamp(s, s)) for s in (59.0, 119.0)]
    assert [t.kind for t in cool[0].troubles if t.holds] == ["overheated", "under_voltage"]
    assert not any(t.holds for t in cool[1].troubles) and cool[1].step == 0


class Post:
    """A camera as the thermal sees it."""

    def __init__(self, open_cases=0):
        self.open_cases, self.why, self.asleep = open_cases, None, False
        self.looks, self.dead = 0, False

    def counted(self):
        return self.looks, self.looks

    def ease(self, why, *, asleep):
        self.why, self.asleep = why, asleep


@pytest.fixture
def box(tmp_path):
    """Three cameras at 5 looks a second, one worker, a thermal zone that a test may heat."""
    clock, told = Clock(), []
    faults = FaultLog(clock.now, lambda fault, _: told.append(fault))
    scheduler = Scheduler(threading.Condition(), clock)
    posts = {"a": Post(), "b": Post(open_cases=1), "c": Post()}
    taken = dict.fromkeys(posts, -1)

    def gives(name):
        return not every[name].dead and int(clock.mono * 5) > taken[name]

    every = dict(posts)
    for name in posts:
        # A frame every 0.2 s, the newest only, as the mailbox keeps it.
        scheduler.add(name, 5.0, lambda name=name: gives(name))
    zone = tmp_path / "sys/class/thermal/thermal_zone0/temp"
    zone.parent.mkdir(parents=True)
    thermal = ThermalControl(Board(tmp_path), clock, scheduler, posts, faults)

    def live(seconds, heat):
        zone.write_text(f"{heat * 1000:.0f}\n")
        looks, until = dict.fromkeys(every, 0), clock.mono + seconds
        while clock.mono < until:
            thermal.tick()
            camera = scheduler.take(0.0)
            if camera is not None:
                looks[camera] += 1
                every[camera].looks += 1
                taken[camera] = int(clock.mono * 5)
                scheduler.done(camera, every[camera].open_cases)
            clock.mono += 0.02
        return looks

    live.thermal, live.posts, live.told = thermal, posts, told
    return live


def test_a_hot_box_looks_half_as_often_and_books_the_time_as_blind(box):
    box(20, 82.0)
    looks = box(100, 82.0)
    assert all(count == pytest.approx(250, rel=0.1) for count in looks.values()), looks
    assert {post.why for post in box.posts.values()} == {"overheated"}
    assert not any(post.asleep for post in box.posts.values())
    assert box.thermal.status() == {
        "temperature_c": 82.0,
        "troubles": [],
        "step": 1,
        "rate": 0.5,
        "only": None,
    }


def test_a_very_hot_box_keeps_the_camera_with_an_open_case(box):
    box(20, 88.0)
    looks = box(100, 88.0)
    assert looks["a"] == looks["c"] == 0 and looks["b"] > 200
    assert [name for name, post in box.posts.items() if post.asleep] == ["a", "c"]


def test_a_very_hot_box_watches_another_camera_where_the_one_is_dead(box):
    box.posts["b"].dead = True
    box(20, 88.0)
    box(SILENT_S + 10.0, 88.0)
    looks = box(100, 88.0)
    assert looks["b"] == looks["c"] == 0 and looks["a"] > 200
    assert [name for name, post in box.posts.items() if post.asleep] == ["b", "c"]


def test_a_very_hot_box_watches_another_camera_where_the_one_was_set_aside(box):
    box(20, 88.0)
    del box.posts["b"]
    box(5, 88.0)
    looks = box(100, 88.0)
    assert looks["b"] == looks["c"] == 0 and looks["a"] > 200


def test_of_cameras_that_are_all_dead_each_is_tried_in_turn(box):
    for post in box.posts.values():
        post.dead = True
    box(20, 88.0)
    tried = set()
    for _ in range(8):
        box(SILENT_S / 2.0, 88.0)
        tried.add(box.thermal.status()["only"])
    assert tried == {"a", "b", "c"}
    box.posts["c"].dead = False
    box(4 * SILENT_S, 88.0)
    assert box.thermal.status()["only"] == "c" and box(20, 88.0)["c"] > 40


def test_a_cooled_box_watches_all_again(box):
    box(20, 88.0)
    box(200, 60.0)
    assert {post.why for post in box.posts.values()} == {None}
    assert all(count == pytest.approx(250, rel=0.1) for count in box(50, 60.0).values())
    assert [f.phase for f in box.told] == ["start", "start", "end", "end"]
