# SPDX-License-Identifier: AGPL-3.0-or-later
"""A recheck from the platform is carried out and answered, in the daemon and piece by piece."""

import json
import signal
import time

import pytest

from edge.ipc import Spool
from edge.pipeline.recheck import PATIENCE_S, RecheckRequest, Rechecks, still_there
from edge.values import Stamp, Track
from tests.daemons import box
from tests.daemons.test_visiond import LIMIT_S, rows, status


def at(mono):
    return Stamp(mono, 1_700_000_000 + mono)


def track(label, box, *, coasted=False):
    return Track(1, label, box, 0.9, at(0), at(0), coasted=coasted)


# Where the square of the made clip stands, in fractions of the picture.
SQUARE = (0.406, 0.417, 0.594, 0.694)
STALL = (0.4, 0.4, 0.6, 0.7)


@pytest.mark.parametrize(
    ("seen", "there"),
    [
        ([track("vendor_stall", STALL)], True),
        ([track("vendor_stall", (0.42, 0.42, 0.62, 0.72))], True),
        ([track("vendor_stall", STALL, coasted=True)], False),
        ([track("person", STALL)], False),
        ([track("vendor_stall", (0.8, 0.4, 0.95, 0.7))], False),
        ([], False),
    ],
)
def test_what_is_seen_at_the_place_now_decides(seen, there):
    assert still_there(STALL, ["vendor_stall"], seen) is there


def test_only_a_picture_taken_after_the_request_answers_it(tmp_path):
    rechecks = Rechecks()
    rechecks.ask(RecheckRequest(tmp_path / "a", at(10.0)))
    assert rechecks.take(at(9.9), recording=False) == ()
    assert rechecks.take(at(10.1), recording=False) == (RecheckRequest(tmp_path / "a", at(10.0)),)
    assert rechecks.take(at(10.2), recording=False) == ()


def test_a_camera_without_pictures_is_said_to_have_none(tmp_path):
    rechecks = Rechecks()
    rechecks.ask(RecheckRequest(tmp_path / "a", at(10.0)))
    assert rechecks.give_up(at(10.0 + PATIENCE_S)) == 0
    assert rechecks.give_up(at(10.1 + PATIENCE_S)) == 1
    answer = json.loads((tmp_path / "a/answer.json").read_text())
    assert answer["done"] is False
    assert "no picture" in answer["reason"]


def until(what, child, home):
    limit = time.monotonic() + LIMIT_S
    while not what():
        assert child.poll() is None, (home / "log").read_text()
        assert time.monotonic() < limit, (home / "log").read_text()
        time.sleep(0.1)


def test_the_daemon_looks_again_and_answers_with_a_picture(tmp_path):
    home = box.make(tmp_path, seconds=90.0, stands=(0.0, 90.0))
    site = (home / "site.yaml").read_text("utf-8")
    site = site.replace("playback: fast", "playback: realtime").replace("dwell_s: 8", "dwell_s: 2")
    (home / "site.yaml").write_text(site, "utf-8")
    child = box.start(home)
    spool, folder = Spool(home / "run", "visiond"), home / "state/commands"
    try:
        until(lambda: status(home).get("counts", {}).get("violations") == 1, child, home)
        spool.ask("recheck", camera="north", into=str(folder / "one"))
        spool.ask("recheck", camera="south", into=str(folder / "two"))
        places = {"at": SQUARE, "beside": (0.7, 0.1, 0.9, 0.3), "wrong": "x"}
        for name, place in places.items():
            words = {"box": place, "classes": ["vendor_stall"]}
            spool.ask("look", camera="north", into=str(folder / name), **words)
        for name in places:
            until(lambda name=name: (folder / name / "answer.json").exists(), child, home)
        until(lambda: (folder / "one/answer.json").exists(), child, home)
        until(lambda: (folder / "two/answer.json").exists(), child, home)
    finally:
        child.send_signal(signal.SIGTERM)
        assert child.wait(90) == 0
    found = {name: json.loads((folder / name / "answer.json").read_text()) for name in places}
    assert (found["at"]["still_there"], found["beside"]["still_there"]) == (True, False)
    assert found["at"]["blind"] is None
    assert (folder / "at/after-1.jpg").stat().st_size > 1000
    assert found["wrong"]["done"] is False
    one = json.loads((folder / "one/answer.json").read_text())
    assert one["done"] is True
    (case,) = one["cases"]
    assert (case["category"], case["still_there"]) == ("street-vendor", True)
    assert (folder / "one/after-1.jpg").stat().st_size > 1000
    assert json.loads((folder / "two/answer.json").read_text())["done"] is False
    told = [r for r in rows(home).values() if r.get("facts", {}).get("recheck")]
    assert {r["id"] for r in told} == {case["id"]}
    assert "after" in {file["role"] for file in told[0]["evidence"]}
