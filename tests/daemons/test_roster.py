# SPDX-License-Identifier: AGPL-3.0-or-later
"""The roster: fair, by need, one worker per camera."""

import threading

from edge.daemons.roster import Roster


class Hand:
    """A clock moved by hand."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def looked_at(fps, *, open_cases=None, seconds=20.0, look_s=0.1):
    """Looks per camera when one worker needs `look_s` for each and frames always wait."""
    clock = Hand()
    roster = Roster(threading.Condition(), clock)
    counts = dict.fromkeys(fps, 0)
    for camera, rate in fps.items():
        roster.add(camera, rate, lambda: True)
    while clock.now < seconds:
        camera = roster.take(0.0)
        counts[camera] += 1
        clock.now += look_s
        roster.done(camera, (open_cases or {}).get(camera, 0))
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
    roster = Roster(threading.Condition(), Hand())
    roster.add("a", 5, lambda: True)
    assert roster.take(0.0) == "a"
    assert roster.take(0.0) is None
    roster.done("a", 0)
    assert roster.take(0.0) == "a"


def test_nothing_waits_nothing_taken_and_close_wakes():
    waiting = []
    roster = Roster(threading.Condition(), Hand())
    roster.add("a", 5, lambda: bool(waiting))
    assert roster.take(0.0) is None
    waiting.append(1)
    roster.close()
    assert roster.take(5.0) is None
