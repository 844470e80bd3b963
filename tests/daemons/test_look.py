# SPDX-License-Identifier: AGPL-3.0-or-later
"""A tip with a place: a real visiond finds the camera, looks, and answers with a case or a note."""

import json
import signal

import pytest
import yaml

from edge.ipc import Spool
from tests.daemons import box
from tests.daemons.test_recheck import until
from tests.daemons.test_visiond import rows, status

# The picture shows 20 m by 20 m of ground, north up; the square's foot is at (0.5, 0.69).
LAT, LON, SIDE = 36.0, 120.0, 0.00018


def place(x: float, y: float) -> dict[str, float]:
    return {"lat": LAT + SIDE * (1.0 - y), "lon": LON + SIDE * x}


def marks() -> list[dict[str, object]]:
    corners = ((0.1, 0.2), (0.9, 0.2), (0.9, 0.9), (0.1, 0.9))
    return [{"at": list(at), **place(*at)} for at in corners]


def looks(home):
    return status(home).get("cameras", {}).get("north", {}).get("looks", 0)


@pytest.fixture
def home(tmp_path):
    made = box.make(tmp_path, seconds=90.0, stands=(0.0, 90.0))
    site = yaml.safe_load((made / "site.yaml").read_text("utf-8"))
    north = site["cameras"][0]
    north |= {"playback": "realtime", "ground": {"marks": marks()}}
    # So long that the camera itself makes no case of it while the test runs.
    north["rules"][0]["dwell_s"] = 3600
    permitted = [[0, 0], [0.3, 0], [0.3, 1], [0, 1]]
    north["zones"].append({"id": "market", "kind": "permitted", "polygon": permitted})
    (made / "site.yaml").write_text(yaml.safe_dump(site, allow_unicode=True), "utf-8")
    return made


def test_a_tip_becomes_a_case_or_a_note_and_a_second_tip_no_second_case(home):
    child = box.start(home)
    spool, folder = Spool(home / "run", "visiond"), home / "state/commands"
    tip = {"category": "street-vendor", "radius_m": 3.0, "source": "hotline", "note": "校门口"}
    asked = {
        "there": {**tip, **place(0.5, 0.69)},
        "again": {**tip, **place(0.52, 0.7)},
        "beside": {**tip, **place(0.85, 0.4)},
        "away": {**tip, **place(0.5, -40.0)},
        "unknown": {**tip, **place(0.5, 0.69), "category": "no-such"},
        "noise": {**tip, **place(0.5, 0.69), "category": "construction-noise"},
        "wrong": {**tip, **place(0.5, 0.69), "radius_m": "x"},
    }
    try:
        until(lambda: looks(home) > 5, child, home)
        for name, words in asked.items():
            spool.ask("clue", into=str(folder / name), **words)
            if name != "wrong":
                until(lambda name=name: (folder / name / "answer.json").exists(), child, home)
        until(lambda: status(home)["requests"]["refused"] == 4, child, home)
    finally:
        child.send_signal(signal.SIGTERM)
        assert child.wait(90) == 0
    told = {
        name: json.loads((folder / name / "answer.json").read_text())
        for name in asked
        if name != "wrong"
    }
    first = told["there"]["data"]
    assert (first["answer"], first["camera"], first["by"]) == ("case", "north", "calibrated")
    assert told["again"]["data"]["violation"] == first["violation"]
    assert (folder / "there/after-1.jpg").stat().st_size > 1000
    assert (told["beside"]["done"], told["beside"]["data"]["answer"]) == (True, "note")
    assert "nothing of this category" in told["beside"]["reason"]
    assert "covers this place" in told["away"]["reason"]
    assert "no category" in told["unknown"]["reason"]
    assert "no camera can see" in told["noise"]["reason"]
    published = [r for r in rows(home).values() if r["id"] == first["violation"]]
    assert [r["phase"] for r in published] == ["new", "end"]
    assert published[0]["priority"] == "lead"
    assert published[0]["facts"]["asked_by"] == "hotline"
    assert published[0]["facts"]["note"] == "校门口"
    assert {"overview", "close"} <= {file["role"] for file in published[0]["evidence"]}
    assert {r["id"] for r in rows(home).values()} == {first["violation"]}
