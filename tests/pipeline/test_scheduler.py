# SPDX-License-Identifier: AGPL-3.0-or-later
"""The scheduler: fair, by need, one worker per camera."""

import threading

from edge.pipeline.scheduler import Scheduler


class Hand:
    """A clock moved by hand."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def looked_at(fps, *, open_cases=None, seconds=20.0, look_s=0.1):
    """Looks per camera when one worker needs `look_s` for each and frames always wait."""
    clock = Hand()
    scheduler = Scheduler(threading.Condition(), clock)
    counts = dict.fromkeys(fps, 0)
    for camera, rate in fps.items():
        scheduler.add(camera, rate, lambda: True)
    while clock.now < seconds:
        camera = scheduler.take(0.0)
        counts[camera] += 1
        clock.now += look_s
        scheduler.done(camera, (open_cases or {}).get(camera, 0))
    return counts


def test_equal_cameras_get_equal_looks():
    counts = looked_at({"a": 5, "b": 5, "c": 5, "d": 5})
    assert max(counts.values()) - min(counts.values()) <= 1


def test_looks_follow_the_rates_asked_for():
    counts = looked_at({"fast": 10, "slow": 2})
    assert 3.5 <= counts["fast"] / counts["slow"] <= 6.5


def test_open_cases_come_first_but_nobody_starves():
    counts = looked_at({"quiet": 5, "case": 5}, open_cases={"case": 2})
    assert counts["case"] > counts["quiet"] > 0.3 * counts["case"]


def test_a_camera_is_with_one_worker_at_a_time():
    scheduler = Scheduler(threading.Condition(), Hand())
    scheduler.add("a", 5, lambda: True)
    assert scheduler.take(0.0) == "a"
    assert scheduler.take(0.0) is None
    scheduler.done("a", 0)
    assert scheduler.take(0.0) == "a"


def test_nothing_waits_nothing_taken_and_close_wakes():
    waiting = []
    scheduler = Scheduler(threading.Condition(), Hand())
    scheduler.add("a", 5, lambda: bool(waiting))
    assert scheduler.take(0.0) is None
    waiting.append(1)
    scheduler.close()
    assert scheduler.take(5.0) is None


def test_whoever_waited_three_intervals_goes_before_open_cases():
    """Third interval: 2.9 s of one second each is not there yet, 3.5 s is."""
    for now, chosen in ((2.9, "busy"), (3.5, "quiet")):
        clock = Hand()
        scheduler = Scheduler(threading.Condition(), clock)
        scheduler.add("quiet", 1, lambda: True)
        assert scheduler.take(0.0) == "quiet"
        scheduler.done("quiet", 0)
        scheduler.add("busy", 1, lambda: True)
        clock.now = 1.4
        assert scheduler.take(0.0) == "busy"
        scheduler.done("busy", 2)
        clock.now = now
        assert scheduler.take(0.0) == chosen
