# SPDX-License-Identifier: AGPL-3.0-or-later
"""visiond from pixels to outbox rows, and what is left of its work after kill -9 anywhere."""

import json
import random
import signal
import sqlite3
import time
from contextlib import closing

import pytest

from tests.daemons import box

LIMIT_S = 150.0


def status(home):
    try:
        return json.loads((home / "run/status/visiond.json").read_text())
    except FileNotFoundError:
        return {}


def run_to_the_end(home, start=box.start, limit_s=LIMIT_S):
    """Start, wait until the recording is over, stop in order."""
    child = start(home)
    until = time.monotonic() + limit_s
    try:
        while status(home).get("recordings_over") != ["north"]:
            assert child.poll() is None, (home / "log").read_text()
            assert time.monotonic() < until, (home / "log").read_text()
            time.sleep(0.1)
    finally:
        child.send_signal(signal.SIGTERM)
        assert child.wait(90) == 0


def rows(home):
    with closing(sqlite3.connect(home / "state/outbox.db")) as db:
        return {key: json.loads(body) for key, body in db.execute("SELECT key, body FROM record")}


def manifests(home):
    found = {}
    for path in (home / "state/evidence").glob("v-*/r*/manifest.json"):
        data = json.loads(path.read_text())
        found[f"{data['id']}/r{data['revision']}"] = data
    return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    home = box.make(tmp_path_factory.mktemp("home"))
    run_to_the_end(home)
    return home


def test_a_stall_becomes_one_violation_with_new_clip_and_end(finished):
    told = [data for data in rows(finished).values() if data.get("category") == "street-vendor"]
    assert len({data["id"] for data in told}) == 1
    phases = [data["phase"] for data in sorted(told, key=lambda d: d["revision"])]
    assert phases == ["new", "update", "end"]
    assert {"overview", "close", "clip", "track", "after"} <= {
        file["role"] for file in max(told, key=lambda d: d["revision"])["evidence"]
    }


def test_began_lies_before_decided_and_both_where_they_were(finished):
    data = next(iter(rows(finished).values()))
    assert data["began"]["mono"] == pytest.approx(4.0, abs=1.0)
    assert data["decided"]["mono"] == pytest.approx(12.0, abs=1.5)


def test_every_manifest_has_its_row_and_every_row_its_manifest(finished):
    assert set(rows(finished)) == set(manifests(finished))


def test_status_tells_what_happened(finished):
    told = status(finished)
    assert told["counts"]["violations"] == 1
    assert told["cameras"]["north"]["size"] == [640, 360]
    assert told["faults"] == []


def test_kill_minus_nine_anywhere_loses_and_invents_nothing(tmp_path, finished):
    """Killed at random moments, then run to the end: the same case, whole, once."""
    dice = random.Random(7)
    home = box.make(tmp_path / "home")
    for _ in range(4):
        child = box.start(home)
        time.sleep(dice.uniform(0.8, 3.0))
        child.kill()
        child.wait()
    run_to_the_end(home)
    assert set(rows(home)) == set(manifests(home))
    assert not list((home / "state/evidence").glob("**/.r*"))
    ids = {data["id"] for data in manifests(home).values()}
    assert len(ids) == 1
    for folder in (home / "state/evidence").glob("v-*/r*"):
        data = json.loads((folder / "manifest.json").read_text())
        for file in data["files"]:
            assert (folder.parent / file["path"].split("-")[0] / file["path"]).stat().st_size == (
                file["size"]
            )


def test_a_changed_site_file_ends_the_daemon_for_a_fresh_start(tmp_path):
    home = box.make(tmp_path, seconds=400.0)
    child = box.start(home)
    try:
        until = time.monotonic() + LIMIT_S
        while not status(home) and time.monotonic() < until:
            time.sleep(0.05)
        (home / "site.yaml").write_text("nonsense: [")
        while "stays" not in (home / "log").read_text() and time.monotonic() < until:
            time.sleep(0.05)
        assert child.poll() is None
        (home / "site.yaml").write_text(box.SITE.replace("model: square", "model: square.yaml"))
        assert child.wait(90) == 0
    finally:
        child.kill()
    assert "the configuration in force stays" in (home / "log").read_text()


def test_a_wrong_configuration_is_exit_code_two_and_one_line(tmp_path):
    home = box.make(tmp_path, seconds=2.0)
    (home / "site.yaml").write_text("camera: [{id: north, source: x}]")
    assert box.start(home).wait(120) == 2
    assert "did you mean 'cameras'?" in (home / "log").read_text()
    assert "Traceback" not in (home / "log").read_text()
