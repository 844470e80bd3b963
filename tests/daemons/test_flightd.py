# SPDX-License-Identifier: AGPL-3.0-or-later
"""edge-flightd: requests to ledgers through the real `edge fly`, failures in one line, restarts."""

import json
import sys
import time

import pytest

from edge.console.flights import JOB, RECORDINGS, FlightFolder, read_job
from edge.daemons.flightd import Flights, fly_command
from edge.ipc import Spool

CUES = "".join(
    f"{n + 1}\n00:00:{n:02d},000 --> 00:00:{n + 1:02d},000\n"
    f"2026-05-01 10:00:{n:02d}.000\n"
    f"[latitude: {30.26 + n * 1e-5:.6f}] [longitude: 109.48] [rel_alt: 60.0 abs_alt: 500.0] "
    "[gb_yaw: 10.0 gb_pitch: -90.0 gb_roll: 0.0]\n\n"
    for n in range(12)
)


@pytest.fixture
def place(tmp_path):
    """A box's folders with one recording of telemetry, which is looked at without a model."""
    (tmp_path / "device.yaml").write_text("device: b\nfolders: {state: state, run: run}\n")
    recordings = tmp_path / "state/flights" / RECORDINGS
    recordings.mkdir(parents=True)
    (recordings / "north.SRT").write_text(CUES)
    return tmp_path


def ask(place, kind="fly", name="f-1", **fields):
    Spool(place / "run", "flightd").ask(kind, name=name, **{"video": "north.SRT", **fields})


def job_of(place, name="f-1"):
    return read_job(place / "state/flights" / name / JOB)


def until(flights, place, *states, name="f-1", seconds=150.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        flights.tick()
        job = job_of(place, name)
        if job is not None and job.state in states:
            return job
        time.sleep(0.02)
    raise AssertionError(f"{job_of(place, name)} never became {states}")


def flights_with(place, words):
    return Flights(place / "state", place / "run", lambda job: words)


def test_a_recording_becomes_a_ledger(place):
    command = fly_command(place / "state", place / "run", place / "device.yaml", place)
    flights = Flights(place / "state", place / "run", command)
    ask(place, title="北口巡飞", by="张工")
    job = until(flights, place, "done", "failed")
    assert (job.state, job.by) == ("done", "张工"), job.text
    folder = FlightFolder(place / "state", place / "run")
    ledger = folder.ledger("f-1")
    assert (ledger["name"], len(ledger["track"]) > 5) == ("北口巡飞", True)
    assert folder.file("f-1", "map.svg") and folder.file("f-1", "findings.kml")
    assert folder.flights()[0].ledger["counts"]["findings"] == 0


def test_a_failure_is_told_in_one_line(place):
    command = fly_command(place / "state", place / "run", place / "device.yaml", place)
    (place / "state/flights" / RECORDINGS / "north.SRT").write_text("nothing of telemetry\n")
    flights = Flights(place / "state", place / "run", command)
    ask(place)
    job = until(flights, place, "failed", "done")
    assert job.state == "failed"
    assert "north.SRT" in job.text and "\n" not in job.text and "Traceback" not in job.text


SLOW = "import time; time.sleep(60)"


def test_one_at_a_time_and_what_waits_can_be_cancelled(place):
    flights = flights_with(place, [sys.executable, "-c", SLOW])
    ask(place, name="f-1")
    ask(place, name="f-2")
    until(flights, place, "running")
    assert job_of(place, "f-2").state == "waiting"
    ask(place, "cancel", name="f-2")
    until(flights, place, "cancelled", name="f-2")
    ask(place, "cancel", name="f-1")
    until(flights, place, "cancelled")
    flights.close()


def test_an_interrupted_flight_goes_on_after_a_restart(place):
    first = flights_with(place, [sys.executable, "-c", SLOW])
    ask(place)
    until(first, place, "running")
    first.close()
    assert job_of(place).state == "running"
    again = flights_with(place, [sys.executable, "-c", "print('found 2')"])
    assert until(again, place, "done").text == "found 2"
    ask(place)
    assert until(again, place, "waiting", "running").asked_wall > 0
    until(again, place, "done")


def test_a_killed_child_is_a_failed_flight_not_a_dead_daemon(place):
    flights = flights_with(place, [sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"])
    ask(place)
    assert "signal 9" in until(flights, place, "failed").text


@pytest.mark.parametrize(
    "fields",
    [
        {"video": "../../device.yaml"},
        {"video": "absent.mp4"},
        {"video": ".hidden.mp4"},
        {"telemetry": "/etc/passwd"},
        {"name": "../evil"},
        {"name": "recordings/x"},
        {"kind": "dance"},
    ],
)
def test_odd_requests_are_refused_and_counted(place, fields):
    flights = flights_with(place, [sys.executable, "-c", ""])
    ask(place, **fields)
    flights.tick()
    assert (flights.counts["refused"], flights.jobs()) == (1, [])


def test_the_status_tells_who_runs_and_who_waits(place):
    flights = flights_with(place, [sys.executable, "-c", SLOW])
    ask(place, name="f-1")
    ask(place, name="f-2")
    flights.tick()
    status = json.loads((place / "run/status/flightd.json").read_bytes())
    assert (status["running"], status["waiting"]) == ("f-1", 1)
    flights.close()
