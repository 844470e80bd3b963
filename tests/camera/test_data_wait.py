# SPDX-License-Identifier: AGPL-3.0-or-later
"""A wait for data is told apart from a wait for a processor and for Python's own lock."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from edge.camera.data_wait import DataWait
from tests.machine_time import in_real_time

linux = pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel of Linux")

HELD_UP_S = 0.2
# Some milliseconds of work: asking for a thread's time is where Linux likes best to let another
# run, so that what is measured in smaller pieces is hardly ever held up itself.
MANY = 50


def read_all(read, count):
    """(how long so many reads took, how long of that they waited for data, as is told)."""
    waits, took_s, waited_s = DataWait(), 0.0, 0.0
    for _ in range(count):
        waits.begin()
        began_s = time.monotonic()
        read()
        passed_s = time.monotonic() - began_s
        took_s += passed_s
        waited_s += waits.end(passed_s)
    waits.close()
    return took_s, waited_s


def read_at_once(reads=1):
    """Reads that find data at once, until they were held up for a while: (how long they took beyond
    their work, how long of that they waited for data, as is told). reads: so many as one."""
    waits, held_up_s, waited_s = DataWait(), 0.0, 0.0
    began_s = time.monotonic()
    with Path("/dev/zero").open("rb", buffering=0) as file:
        while held_up_s < HELD_UP_S and time.monotonic() - began_s < 4.0:
            waits.begin()
            asked_s, work_s = time.monotonic(), time.thread_time()
            for _ in range(reads):
                file.read(8_000_000)
            took_s, work_s = time.monotonic() - asked_s, time.thread_time() - work_s
            held_up_s += took_s - work_s
            waited_s += waits.end(took_s) - work_s
    waits.close()
    if held_up_s < HELD_UP_S:
        pytest.skip(f"in four seconds reads were held up for {held_up_s:.2f} s only")
    return held_up_s, waited_s


@pytest.fixture
def busy_lock():
    """Three threads that never let go of Python's lock by themselves."""
    ends = threading.Event()

    def spin():
        while not ends.is_set():
            sum(range(500))

    threads = [threading.Thread(target=spin) for _ in range(3)]
    for thread in threads:
        thread.start()
    yield
    ends.set()
    for thread in threads:
        thread.join()


@linux
@in_real_time()
def test_the_wait_for_the_lock_is_no_wait_for_data(busy_lock):
    held_up_s, waited_s = read_at_once()
    assert waited_s < 0.4 * held_up_s


@linux
@in_real_time(fills=True)
def test_the_wait_for_a_processor_is_no_wait_for_data():
    """Three programs on one core, and a reader that needs it."""
    allowed = os.sched_getaffinity(0)
    core = min(allowed)
    spin = f"import os; os.sched_setaffinity(0, {{{core}}})\nprint(flush=True)\nwhile True: pass"
    others = [
        subprocess.Popen([sys.executable, "-c", spin], stdout=subprocess.PIPE) for _ in range(3)
    ]
    try:
        assert all(other.stdout.readline() for other in others), "they do not run"
        os.sched_setaffinity(threading.get_native_id(), {core})
        held_up_s, waited_s = read_at_once(MANY)
    finally:
        os.sched_setaffinity(threading.get_native_id(), allowed)
        for other in others:
            other.kill()
            other.communicate()
    assert waited_s < 0.4 * held_up_s


@in_real_time()
def test_a_wait_for_data_is_one_also_while_the_lock_is_fought_for(busy_lock):
    """What the lock lets wait is a guess by few trials, so one of three runs is enough."""
    runs = [read_all(lambda: time.sleep(0.05), 8) for _ in range(3)]
    assert max(waited_s for _, waited_s in runs) > 0.3 * 8 * 0.05
    assert all(waited_s <= took_s for took_s, waited_s in runs)


@in_real_time()
def test_where_nobody_tells_it_is_what_the_read_took(monkeypatch):
    monkeypatch.setattr("edge.camera.data_wait._own_schedstat", lambda: -1)
    took_s, waited_s = read_all(lambda: time.sleep(0.01), 5)
    assert waited_s == pytest.approx(took_s, abs=0.03)


def test_both_waits_are_taken_off(monkeypatch):
    """Of 100 ms a processor was waited for during 30, and the lock lets wait for 20."""
    told, now, waits = [0.0], [0.0], DataWait()

    def give_lock_away(seconds):
        now[0] += 0.02

    monkeypatch.setattr(waits, "_queue_s", lambda: told[0])
    monkeypatch.setattr("edge.camera.data_wait.time.monotonic", lambda: now[0])
    monkeypatch.setattr("edge.camera.data_wait.time.sleep", give_lock_away)
    waits.begin()
    told[0] += 0.03
    assert waits.end(0.1) == pytest.approx(0.05)
    # A processor that is waited for between reads is not this read's.
    told[0] += 5.0
    waits.begin()
    assert waits.end(0.1) == pytest.approx(0.08)
