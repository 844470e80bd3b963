# SPDX-License-Identifier: AGPL-3.0-or-later
"""One bad flight, case or release stays one fault: bugs at every seam of flightd, janitord's cases
and edge-updaterd. What each does in its own process is called here as systemd calls it."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from edge.config import Device
from edge.config.dated import Packs
from edge.config.paths import box_files
from edge.console.flights import JOB, RECORDINGS, read_job
from edge.daemons import flightd, janitord
from edge.daemons.flightd import Flights
from edge.daemons.handling import terms_of
from edge.daemons.janitord import Janitor
from edge.handling import casework
from edge.handling.casework import Casework
from edge.handling.store import read_steps
from edge.ipc import Spool
from edge.outbox import Outbox
from edge.runtime import Notify, Stop
from tests.handling.box_of_cases import violation
from tests.release.software_press import SoftBox, press


class Bug(Exception):
    """Nobody expects this one."""


def throws(monkeypatch: pytest.MonkeyPatch, of: Any, name: str, is_it: Any) -> None:
    """The function raises where its arguments are the item's."""
    real = getattr(of, name)

    def thrown(*args: Any, **named: Any) -> Any:
        if is_it(*args):
            raise Bug(name)
        return real(*args, **named)

    monkeypatch.setattr(of, name, thrown)


# --- a flight ------------------------------------------------------------------------------------

FLIGHT_SEAMS = {
    "read": (flightd, "read_job", lambda path: path.parent.name == "f-bad"),
    "ask": (Flights, "_ask", lambda _, name, __: name == "f-bad"),
    "start": (Flights, "_start", lambda _, job: job.name == "f-bad"),
    "watch": (flightd, "last_line", lambda path: path.stem == "f-bad"),
    "end": (Flights, "_end", lambda flights, *_: flights._running.name == "f-bad"),
}


def flights(folder: Path) -> Flights:
    return Flights(folder / "state", folder / "run", lambda job: [sys.executable, "-c", ""])


@pytest.mark.parametrize("seam", FLIGHT_SEAMS)
def test_a_bug_in_one_flight_costs_that_flight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seam: str
) -> None:
    recordings = tmp_path / "state/flights" / RECORDINGS
    recordings.mkdir(parents=True)
    (recordings / "a.SRT").write_text("x")
    ended, daemon = 0, flights(tmp_path)
    throws(monkeypatch, *FLIGHT_SEAMS[seam])
    for name in ("f-bad", "f-good"):
        Spool(tmp_path / "run", "flightd").ask("fly", name=name, video="a.SRT")
    end = time.monotonic() + 120
    while ended < 5 and time.monotonic() < end:
        try:
            daemon.tick()
        except Bug:
            ended, daemon = ended + 1, flights(tmp_path)
            for name in ("f-bad", "f-good"):
                # What a request said that was taken is gone with the process; it is asked again.
                Spool(tmp_path / "run", "flightd").ask("fly", name=name, video="a.SRT")
        good = read_job(tmp_path / "state/flights/f-good" / JOB)
        if ended and daemon._aside and good is not None and good.state == "done":
            break
        time.sleep(0.02)
    assert ended == 1 and set(daemon._aside) == {"f-bad"}
    daemon._report()
    told = json.loads((tmp_path / "run/status/flightd.json").read_bytes())
    assert [(f["kind"], f["subject"]) for f in told["faults"]] == [("item_set_aside", "f-bad")]
    daemon.close()


# --- a case --------------------------------------------------------------------------------------

CASE_SEAMS = {
    "violation": (casework, "steps_of_violation", lambda told, _: told["id"] == "v-bad"),
    "fold": (casework, "fold", lambda steps: any(step.case == "v-bad" for step in steps)),
    "put": (casework, "step_data", None),
    "time": (Casework, "_time_steps", lambda _, life, **__: life.case == "v-bad"),
    "settle": (Casework, "_settle", lambda _, life, **__: life.case == "v-bad"),
    "review": (casework, "steps_of_review", lambda line, *_: line.violation == "v-bad"),
}


def reviewed(state: Path, case: str) -> None:
    row = {"violation": case, "verdict": "confirmed", "at": "2026-05-01T00:00:00.000Z"}
    folder = state / "reviews"
    folder.mkdir(exist_ok=True)
    with (folder / "2026-05.jsonl").open("a") as file:
        file.write(json.dumps({**row, "by": "console:wang"}) + "\n")


@pytest.mark.parametrize("seam", CASE_SEAMS)
def test_a_bug_in_one_case_leaves_the_others_handled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seam: str
) -> None:
    site = tmp_path / "site.yaml"
    site.write_text("name: s\n")
    terms = terms_of(box_files(Device(), site, None))
    with closing(Outbox(tmp_path / "outbox.db")) as outbox:
        for case in ("v-bad", "v-good"):
            body = violation(case, 1_777_593_600.0)
            outbox.put(lane="violation", kind="violation", key=f"{case}/r1", body=body)
            reviewed(tmp_path, case)
    of, name, is_it = CASE_SEAMS[seam]
    if seam == "put":
        from edge.daemons import handling

        of, is_it = handling, lambda step, *_: step.case == "v-bad"
    throws(monkeypatch, of, name, is_it)

    def work() -> None:
        Janitor(Device(), tmp_path, tmp_path / "run", terms).work(time.time())

    with pytest.raises(Bug):
        work()
    work()
    told = json.loads((tmp_path / "run/status/janitord.json").read_text())
    assert [(f["kind"], f["subject"]) for f in told["faults"]] == [("item_set_aside", "v-bad")]
    assert {step.kind for step in read_steps(tmp_path)[0] if step.case == "v-good"} >= {"confirmed"}
    with closing(sqlite3.connect(tmp_path / "outbox.db")) as db:
        rows = db.execute("SELECT body FROM record WHERE kind = 'handling'").fetchall()
    assert "v-good" in {json.loads(body)["violation"] for (body,) in rows}


@pytest.mark.parametrize("seam", ["learn", "delete"])
def test_a_bug_in_one_folder_leaves_the_others_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seam: str
) -> None:
    for case in ("v-bad", "v-good"):
        folder = tmp_path / "evidence" / case / "r1"
        folder.mkdir(parents=True)
        (folder / "receipt.json").write_text("{}")
    if seam == "learn":
        throws(monkeypatch, Janitor, "_learn", lambda *_: True)
    else:
        throws(monkeypatch, Janitor, "_delete_whole", lambda _, case: case.folder.name == "v-bad")
    late = time.time() + 400 * 86_400

    def work() -> None:
        Janitor(Device(), tmp_path, tmp_path / "run").work(late)

    with pytest.raises(Bug):
        work()
    work()
    assert not (tmp_path / "evidence/v-good").exists()


def test_a_bug_in_the_packs_leaves_old_evidence_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, device = tmp_path / "site.yaml", tmp_path / "device.yaml"
    site.write_text("name: s\n")
    device.write_text("folders: {state: state, run: run}\n")
    folder = tmp_path / "state/evidence/v-old/r1"
    folder.mkdir(parents=True)
    (folder / "receipt.json").write_text("{}")
    os.utime(folder / "receipt.json", (0.0, 0.0))
    throws(monkeypatch, Packs, "faults", lambda *_: True)

    def work() -> None:
        janitord.main(Stop(), Notify({}), site_path=site, device_path=device)

    with pytest.raises(Bug):
        work()
    work()
    assert not folder.parent.exists()


# --- a release -----------------------------------------------------------------------------------


@pytest.mark.parametrize("work", ["check", "stage", "test"])
def test_a_release_whose_work_ends_updaterd_twice_is_refused(tmp_path: Path, work: str) -> None:
    box = SoftBox(tmp_path / "box")
    box.update(press(tmp_path / "r1", 1))
    second = press(tmp_path / "r2", 2)
    box.bring(second)

    def daemon() -> Any:
        made = box.updaterd()
        real = made._works[work]

        def thrown(state: Any) -> Any:
            if state.number == 2:
                raise Bug(work)
            return real(state)

        made._works = {**made._works, work: thrown}
        return made

    with pytest.raises(Bug):
        daemon().run(Stop())
    state = daemon().run(Stop())
    assert (state.stage, state.outcome, box.works()) == ("idle", "refused", 1)
    assert "a bug" in state.why
    box.bring(press(tmp_path / "r3", 3))
    assert daemon().run(Stop()).outcome == "settled" and box.works() == 3


# --- a picture of a flight -----------------------------------------------------------------------

# As `edge fly` is where the work for one of its pictures has a bug.
FLY = """
import sys
import numpy as np
from pathlib import Path
from edge.drone.journal import ENDED, Journal
from edge.drone.look import KeyFrame
from edge.drone.settings import Look
from edge.drone.survey import Survey
from edge.isolation import ItemGuard
from edge.values import Frame, Stamp

class Detector:
    workers = 1

def step(self, frame):
    if frame.at.mono == 3.0:
        raise ZeroDivisionError("a picture")
    return KeyFrame(frame.at.mono, frame.at.wall, None, why="no position fix")

Survey.step = step
work = Path(sys.argv[1], "work")
journal = Journal(work, "key")
guard = ItemGuard(work / ENDED, "key", lambda item, why: None)
survey = Survey(None, None, None, (), Detector(), Look(), guard=guard)
image = np.zeros((4, 4, 3), np.uint8)
frames = [Frame("f", t, Stamp(float(t), 1e9 + t, "ntp", 1.0), image) for t in range(8)]
survey.run(frames, journal)
survey.close()
print([(look.t_s, look.why) for look in journal.looks()])
"""


def test_a_bug_in_one_picture_costs_that_picture(tmp_path: Path) -> None:
    """The child ends once; flightd lets it go on, and the picture counts as not inspected."""
    recordings = tmp_path / "state/flights" / RECORDINGS
    recordings.mkdir(parents=True)
    (recordings / "a.SRT").write_text("x")
    folder = tmp_path / "state/flights/f-1"
    words = [sys.executable, "-c", FLY, str(folder)]
    daemon = Flights(tmp_path / "state", tmp_path / "run", lambda job: words)
    Spool(tmp_path / "run", "flightd").ask("fly", name="f-1", video="a.SRT")
    end = time.monotonic() + 120
    job = None
    while (job is None or job.state not in ("done", "failed")) and time.monotonic() < end:
        daemon.tick()
        time.sleep(0.02)
        job = read_job(folder / JOB)
    assert job is not None and job.state == "done", job
    assert daemon._again == {"f-1": 1}
    assert "(3.0, 'left out by a bug')" in job.text and "(7.0, 'no position fix')" in job.text
    daemon.close()
