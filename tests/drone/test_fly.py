# SPDX-License-Identifier: AGPL-3.0-or-later
"""`edge fly` from end to end on a painted ground: places, ledger, resume, wrong input."""

from __future__ import annotations

import csv
import io
import json
import math
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from edge import cli
from edge.commands import fly
from edge.drone.earth import distance_m
from edge.drone.exports import ledger_csv
from edge.drone.revisits import revisited
from edge.handling.flights import OpenPlace, flight_steps
from edge.outbox import Outbox
from tests.drone.flyover import (
    PLANE,
    Ground,
    PaintDetector,
    Thing,
    joined,
    straight,
    write_sites,
    write_srt,
    write_video,
)
from tests.drone.recordings import mp4_with_subtitles

STALL, LONE = Thing("vendor_stall", 10, 20), Thing("vendor_stall", -34, 52)
OTHER = Thing("vendor_stall", -30, 40)
SPILL, GRILL = Thing("spillage", 25, -10, 2.5), Thing("grill", 40, 30, 1.0)
PEOPLE = [Thing("person", e, n, 0.8) for e, n in ((12, 21.5), (-28, 41), (41.5, 30))]
SOIL = (-60.0, -40.0, -20.0, 0.0)


def passes():
    north = straight(seconds=22, start=(0, -85), course=0)
    south = straight(seconds=13, start=(20, 95), course=180)
    return joined(north, south)


def film(folder: Path, name: str, things, *, day: str, net=None, **srt) -> Path:
    shots = passes()
    write_video(folder / f"{name}.mp4", Ground(things, soil=SOIL, net=net), shots)
    write_srt(folder / f"{name}.SRT", shots, **srt)
    path = folder / f"{name}.SRT"
    path.write_text(path.read_text().replace("2026-05-01", day))
    return folder / f"{name}.mp4"


@pytest.fixture(scope="module")
def field(tmp_path_factory):
    """Two flights a week apart: one stall goes, half the soil is netted."""
    folder = tmp_path_factory.mktemp("field")
    write_sites(
        folder / "sites.geojson",
        ("s1", "site", [(-60, -40), (-20, -40), (-20, 20), (-60, 20)]),
        ("c1", "corridor", [(25, -100), (25, 100)]),
        ("w1", "watch", [(-50, 0), (50, 0), (50, 60), (-50, 60)]),
        ("f1", "forbidden", [(30, 20), (50, 20), (50, 40), (30, 40)]),
        ("far", "site", [(900, 900), (950, 900), (950, 950), (900, 950)]),
    )
    film(folder, "one", [STALL, OTHER, LONE, SPILL, GRILL, *PEOPLE], day="2026-05-01")
    film(folder, "two", [OTHER, LONE, SPILL, GRILL, *PEOPLE], day="2026-05-08",
         net=(-60, -20, -20, 20))  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def flown(field, tmp_path_factory):
    """The ledger of the first flight, for the tests that only read it."""
    root = tmp_path_factory.mktemp("ledgers")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fly, "_model", lambda args, settings: PaintDetector())
        assert fly_one(field, root / "one") == 0
    return root


@pytest.fixture
def detector(monkeypatch):
    paint = PaintDetector()
    monkeypatch.setattr(fly, "_model", lambda args, settings: paint)
    return paint


def run(*words) -> int:
    return cli.main(["fly", *map(str, words)])


def fly_one(field, out, *more):
    return run(field / "one.mp4", "--sites", field / "sites.geojson", "--out", out, *more)


def by_category(ledger):
    return {f["category"]: f for f in ledger["findings"]}


def test_a_flight_becomes_a_ledger_with_places(flown):
    out = flown / "one"
    ledger = json.loads((out / "flight.json").read_text())
    found = [(f["category"], f["site"]) for f in ledger["findings"]]
    assert sorted(found) == [
        ("bare-soil", "s1"), ("outdoor-barbecue", "f1"), ("road-spillage", "c1"),
        ("street-vendor", "w1"), ("street-vendor", "w1"),
    ]  # fmt: skip
    # The stall nobody stands at is no vendor.
    truths = {
        "outdoor-barbecue": [GRILL],
        "road-spillage": [SPILL],
        "street-vendor": [STALL, OTHER],
    }
    for finding in ledger["findings"]:
        if finding["category"] in truths:
            errors = [
                distance_m((finding["lat"], finding["lon"]), PLANE.degrees(t.east, t.north))
                for t in truths[finding["category"]]
            ]
            assert min(errors) < 1.0
    soil = by_category(ledger)["bare-soil"]["facts"]
    assert soil["soil_share"] == pytest.approx(2 / 3, abs=0.03)
    assert ledger["pose_quality"] == {"full": 1.0}


def test_files_of_the_ledger(flown):
    out = flown / "one"
    features = json.loads((out / "findings.geojson").read_text())["features"]
    points = [f for f in features if f["geometry"]["type"] == "Point"]
    assert len(points) == 5
    # RFC 7946: longitude first.
    assert all(121 < f["geometry"]["coordinates"][0] < 122 for f in points)
    kml = ElementTree.fromstring((out / "findings.kml").read_text())
    assert len(kml.findall(".//{*}Placemark")) == 6
    text = (out / "ledger.csv").read_text(encoding="utf-8")
    assert text.startswith("\ufeff")
    assert len(list(csv.reader(io.StringIO(text)))) == 6
    html = (out / "report.html").read_text(encoding="utf-8")
    assert "http" not in html.replace("http://www.w3.org/2000/svg", "")
    assert html.count("data:image/jpeg;base64,") >= 12
    assert "<script" not in html
    for zh, en in (("疑似问题", "Suspected findings"), ("飞行分钟", "minutes flown")):
        assert zh in html
        assert en in html


def test_the_second_flight_is_compared_with_the_first(field, flown, tmp_path, detector, capsys):
    root = tmp_path
    run(field / "two.mp4", "--sites", field / "sites.geojson", "--out", root / "two",
        "--history", flown, "--json")  # fmt: skip
    ledger = json.loads((root / "two" / "flight.json").read_text())
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["id"] for line in lines] == [f["id"] for f in ledger["findings"]]
    assert ledger["counts"] == {
        "findings": 4, "new": 0, "still": 4, "gone": 1, "unplaced": 0,
    }  # fmt: skip
    (gone,) = ledger["gone"]
    place = (gone["lat"], gone["lon"])
    assert distance_m(place, PLANE.degrees(STALL.east, STALL.north)) < 1.0
    for picture in ("before", "after"):
        assert (root / "two" / "pictures" / gone["pictures"][picture]).stat().st_size > 1000
    assert by_category(ledger)["bare-soil"]["facts"]["net_share"] == pytest.approx(2 / 3, abs=0.05)
    assert [row["site"] for row in ledger["overdue"]] == ["far"]
    assert {s["id"]: s["last_utc"] is not None for s in ledger["sites"]}["s1"]


def test_open_cases_are_looked_for_where_the_flight_shows_their_place(
    field, flown, tmp_path, detector
):
    state = tmp_path / "state"
    device = tmp_path / "device.yaml"
    device.write_text(f"device: box-1\nfolders: {{state: {state}}}\n")
    start = ledger_of(flown / "one")["start_utc"]

    def row(case, at, category="street-vendor", found_at=start, accuracy_m=2.0):
        lat, lon = at
        place = {"case": case, "category": category, "lat": lat, "lon": lon}
        return {**place, "found_at": found_at, "accuracy_m": accuracy_m}

    stall, other = (PLANE.degrees(thing.east, thing.north) for thing in (STALL, OTHER))
    rows = [
        row("v-gone", stall), row("v-still", other), row("v-far", (other[0] + 0.1, other[1])),
        row("v-unasked", stall, category="piled-snow"), row("v-later", other, found_at=4e9),
    ]  # fmt: skip
    (state / "handling").mkdir(parents=True)
    (state / "handling" / "open_places.json").write_text(json.dumps(rows))
    out = state / "flights" / "two"
    run(field / "two.mp4", "--sites", field / "sites.geojson", "--out", out, "--device", device)
    ledger = ledger_of(out)
    told = {one["case"]: one for one in json.loads((out / "rechecks.json").read_text())}
    answers = {case: one["answer"] for case, one in told.items()}
    # This flight says itself that it was too coarse for a stall: not finding one says nothing.
    assert answers == {"v-gone": "cannot_see", "v-still": "still_there", "v-unasked": "cannot_see"}
    assert told["v-still"]["finding"] in {f["id"] for f in ledger["findings"]}
    assert told["v-unasked"]["why"]
    assert all(ledger["start_utc"] <= one["at"] for one in told.values())
    steps = {step.case: step for step in flight_steps(state, 5e9)}
    assert {case: step.kind for case, step in steps.items()} == answers
    assert steps["v-gone"].by == ledger["flight_id"]


def test_only_a_clear_look_that_would_have_found_it_says_gone():
    case = OpenPlace(case="v-1", category="x", lat=36.0, lon=120.0, found_at=0.0, accuracy_m=2.0)
    look = SimpleNamespace(t_s=7.0)
    near = {"id": "f-1", "category": "x", "lat": 36.00004, "lon": 120.0, "ce90_m": 1.0}
    away = {**near, "id": "f-2", "lat": 36.0001}
    other = {**near, "id": "f-3", "category": "y"}

    def answer(findings=(), shown=("v-1",), clear=("v-1",), poorly=()):
        looks = dict.fromkeys(shown, look)
        said = revisited([case], findings, looks, set(clear), dict(poorly), "f", 1000.0)
        return [(one.answer, one.finding, one.at) for one in said]

    assert answer() == [("gone", "", 1007.0)]
    assert answer([away, other]) == [("gone", "", 1007.0)]
    assert answer([away, near]) == [("still_there", "f-1", 1007.0)]
    assert answer([near], clear=()) == [("still_there", "f-1", 1007.0)]
    assert answer(clear=()) == [("cannot_see", "", 1007.0)]
    assert answer(poorly=[("x", "coarse")]) == [("cannot_see", "", 1007.0)]
    assert answer([near], shown=()) == []


def test_overdue_lists_what_was_not_flown(field, flown, capsys):
    run("--overdue", flown, "--sites", field / "sites.geojson", "--json")
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {row["site"]: row["last"] for row in rows} == {
        "far": None, "s1": "2026-05-01", "c1": "2026-05-01",
    }  # fmt: skip


def test_only_tiles_with_sites_are_looked_at(field, tmp_path, detector):
    small = tmp_path / "small.geojson"
    write_sites(small, ("s1", "site", [(-5, 15), (15, 15), (15, 25), (-5, 25)]))
    run(field / "one.mp4", "--sites", small, "--out", tmp_path / "a")
    few = detector.calls
    run(field / "one.mp4", "--out", tmp_path / "b")
    everywhere = detector.calls - few
    assert 0 < few < 0.6 * everywhere
    notes = json.loads((tmp_path / "b" / "flight.json").read_text())["notes"]
    assert "no-sites" in {note["key"] for note in notes}


def test_a_register_of_another_town_is_told_not_taken_for_a_clean_flight(
    field, tmp_path, detector, capsys
):
    write_sites(tmp_path / "far.geojson", ("x", "site", [(5000, 0), (5010, 0), (5010, 10)]))
    run(field / "one.mp4", "--sites", tmp_path / "far.geojson", "--out", tmp_path / "out")
    notes = {note["key"]: note["text"] for note in ledger_of(tmp_path / "out")["notes"]}
    assert notes["no-site-seen"].endswith("5.0 km")
    assert "longitude first" in capsys.readouterr().err


class Stopped(Exception):
    pass


def test_a_broken_run_goes_on_where_it_stopped(field, flown, tmp_path, detector, monkeypatch):
    out, whole = tmp_path / "broken", flown / "one"
    complete = ledger_of(whole)["tiles"]
    monkeypatch.setattr("edge.drone.survey.CHECKPOINT_LOOKS", 5)
    real, detector.calls = PaintDetector.detect_in, 0

    def dies(self, image, region, *, min_score):
        if self.calls > complete // 2:
            raise Stopped
        return real(self, image, region, min_score=min_score)

    monkeypatch.setattr(PaintDetector, "detect_in", dies)
    with pytest.raises(Stopped):
        fly_one(field, out)
    monkeypatch.setattr(PaintDetector, "detect_in", real)
    detector.calls = 0
    assert fly_one(field, out) == 0
    assert 0 < detector.calls < 0.75 * complete
    first, second = (json.loads((o / "flight.json").read_text()) for o in (whole, out))
    assert [f["category"] for f in first["findings"]] == [f["category"] for f in second["findings"]]
    detector.calls = 0
    fly_one(field, out)
    assert detector.calls == 0


def test_findings_go_to_the_outbox_once(field, tmp_path, detector):
    device = tmp_path / "device.yaml"
    device.write_text(f"device: box-1\nfolders: {{state: {tmp_path / 'state'}}}\n")
    fly_one(field, tmp_path / "one", "--device", device)
    fly_one(field, tmp_path / "one", "--device", device)
    outbox = Outbox(tmp_path / "state" / "outbox.db")
    try:
        manifests = sorted((tmp_path / "state" / "evidence").glob("*/r*/manifest.json"))
        assert len(manifests) == 5
        for path in manifests:
            body = json.loads(path.read_text())["violation"]
            assert outbox.known("violation", f"{body['id']}/r1")
            assert body["where"]["crs"] == "WGS-84"
            assert body["where"]["accuracy_m"] >= 5.0
            assert body["source"]["kind"] == "drone"
            assert body["status"] == "suspected"
    finally:
        outbox.close()


def test_what_went_out_live_is_updated_not_doubled(field, tmp_path, detector):
    device = tmp_path / "device.yaml"
    device.write_text(f"device: box-1\nfolders: {{state: {tmp_path / 'state'}}}\n")
    fly_one(field, tmp_path / "one", "--device", device)
    ledger = ledger_of(tmp_path / "one")
    live = tmp_path / "live"
    live.mkdir()
    lines = [json.dumps(f) for f in ledger["findings"]]
    (live / "live.jsonl").write_text("\n".join(lines) + "\n")
    fly_one(field, tmp_path / "again", "--device", device, "--live", live)
    folders = sorted(
        p.parent.name for p in (tmp_path / "state").glob("evidence/*/r*/manifest.json")
    )
    assert folders == ["r1"] * 5 + ["r2"] * 5


def ledger_of(out: Path):
    return json.loads((out / "flight.json").read_text())


def test_video_without_telemetry_has_findings_without_places(field, tmp_path, detector):
    video = tmp_path / "alone.mp4"
    video.write_bytes((field / "one.mp4").read_bytes())
    assert run(video, "--sites", field / "sites.geojson", "--out", tmp_path / "out") == 0
    ledger = ledger_of(tmp_path / "out")
    assert ledger["findings"] == []
    assert {row["label"] for row in ledger["unplaced"]} >= {"vendor_stall", "person"}
    assert all("lat" not in row for row in ledger["unplaced"])
    assert "no-telemetry" in {note["key"] for note in ledger["notes"]}
    assert (tmp_path / "out" / "report.html").is_file()


def test_no_fix_and_no_gimbal_invent_no_place(field, tmp_path, detector):
    srt = (field / "one.SRT").read_text()
    no_gimbal = "".join(
        line.partition("[gb_yaw")[0] + "</font>\n" if "[gb_yaw" in line else line
        for line in srt.splitlines(keepends=True)
    )
    no_fix = "\n".join(
        line.split("[latitude")[0] + "[latitude: 0.000000] [longitude: 0.000000] </font>"
        if "[latitude" in line else line
        for line in srt.splitlines()
    )  # fmt: skip
    for name, text, key in (("gimbal", no_gimbal, "no-angles"), ("fix", no_fix, "no-fix")):
        path = tmp_path / f"{name}.SRT"
        path.write_text(text)
        out = tmp_path / name
        assert run(field / "one.mp4", "--telemetry", path, "--out", out) == 0
        ledger = ledger_of(out)
        assert key in {note["key"] for note in ledger["notes"]}
        assert [f for f in ledger["findings"] if f["lat"] is not None] == []
    # With the gimbal typed by hand the same record gives places again.
    out = tmp_path / "typed"
    run(field / "one.mp4", "--telemetry", tmp_path / "gimbal.SRT", "--out", out,
        "--gimbal-pitch", "-60", "--gimbal-yaw", "0")  # fmt: skip
    assert any(f["lat"] is not None for f in ledger_of(out)["findings"])


def test_telemetry_without_a_video_gives_the_track(field, tmp_path, detector):
    srt = tmp_path / "only.SRT"
    srt.write_text((field / "one.SRT").read_text())
    assert run(srt, "--sites", field / "sites.geojson", "--out", tmp_path / "out") == 0
    ledger = ledger_of(tmp_path / "out")
    assert ledger["findings"] == []
    # Legs of 174 and 102 m and the way between them, whose corner a point a second cuts.
    assert ledger["distance_m"] == pytest.approx(296.0, abs=12)
    assert "no-video" in {note["key"] for note in ledger["notes"]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda text: text.replace("00:00:", "00:10:").replace("00:09:", "00:19:"),
            "do not overlap",
        ),
        (lambda text: "", "0 bytes"),
        (lambda text: "hello\n", "no telemetry in it"),
    ],
)
def test_wrong_telemetry_is_one_clear_line(field, tmp_path, detector, capsys, change, message):
    path = tmp_path / "wrong.SRT"
    path.write_text(change((field / "one.SRT").read_text()))
    assert run(field / "one.mp4", "--telemetry", path, "--out", tmp_path / "out") == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert message in line


def test_wrong_video_is_one_clear_line(field, tmp_path, detector, capsys):
    empty = tmp_path / "empty.mp4"
    empty.touch()
    assert run(empty, "--out", tmp_path / "out") == 2
    assert "empty" in capsys.readouterr().err
    assert run(field / "one.mp4", "--out", tmp_path / "out", "--camera", "Nikon") == 2
    assert "known: P4P" in capsys.readouterr().err


def test_yaw_bias_by_a_landmark(field, tmp_path, detector):
    """A compass 12 degrees off puts findings metres away; one known point brings them back."""
    shots = passes()
    srt = tmp_path / "off.SRT"
    write_srt(srt, shots, yaw_error=12.0)
    words = (field / "one.mp4", "--telemetry", srt, "--sites", field / "sites.geojson")
    run(*words, "--out", tmp_path / "off")
    # The stall at second 8: where it is in the picture, and where on Earth.
    look = next(s for s in shots if s.t_s >= 8.0)
    u, v = pixel_of(STALL, look)
    lat, lon = PLANE.degrees(STALL.east, STALL.north)
    run(*words, "--out", tmp_path / "on", "--landmark", f"{look.t_s},{u},{v},{lat:.8f},{lon:.8f}")
    errors = {}
    for name in ("off", "on"):
        spill = [
            f for f in ledger_of(tmp_path / name)["findings"] if f["category"] == "street-vendor"
        ]
        truths = [PLANE.degrees(t.east, t.north) for t in (STALL, OTHER)]
        errors[name] = max(
            (min(distance_m((f["lat"], f["lon"]), t) for t in truths) for f in spill), default=99.0
        )
    assert errors["on"] < 1.0 < errors["off"]
    assert ledger_of(tmp_path / "on")["yaw_bias_deg"] == pytest.approx(-12.0, abs=0.3)


def pixel_of(thing: Thing, shot) -> tuple[float, float]:
    """Projection by hand, independent of edge.drone."""
    from tests.drone.flyover import FX, SIZE

    yaw, pitch = math.radians(shot.yaw), math.radians(shot.pitch)
    ray = np.array([thing.east - shot.east, thing.north - shot.north, -shot.h_m])
    forward = np.array(
        [math.sin(yaw) * math.cos(pitch), math.cos(yaw) * math.cos(pitch), math.sin(pitch)]
    )
    side = np.array([math.cos(yaw), -math.sin(yaw), 0.0])
    under = np.cross(forward, side)
    depth = ray @ forward
    return (
        SIZE[0] / 2 + FX * (ray @ side) / depth,
        SIZE[1] / 2 + FX * (ray @ under) / depth,
    )


def test_subtitles_inside_the_video_are_found(tmp_path, detector):
    text = (
        "FrameCnt: 0 2026-07-08 16:12:57.018\n[focal_len: 24.00] [latitude: 31.229247] "
        "[longitude: 121.634603]\n[rel_alt: 79.969 abs_alt: 96.474] "
        "[gb_yaw: -67.6 gb_pitch: -60.0 gb_roll: 0.0]"
    )
    mp4_with_subtitles(tmp_path / "m3td.mp4", [text] * 50)
    assert run(tmp_path / "m3td.mp4", "--out", tmp_path / "out") == 0
    ledger = ledger_of(tmp_path / "out")
    assert ledger["telemetry"] == "its own track"
    assert ledger["start_utc"] == pytest.approx(1783498377.018, abs=0.1)


def damaged(ledger, how):
    """A ledger as a card may give it back."""
    if how == "a key is missing":
        del ledger["sites"]
    elif how == "a number is a word":
        ledger["start_utc"] = "yesterday"
    elif how == "a finding has no category":
        ledger["findings"] = [{"id": "x"}]
    return json.dumps(ledger)[: 400 if how == "torn" else None]


@pytest.mark.parametrize(
    "how", ["torn", "a key is missing", "a number is a word", "a finding has no category"]
)
def test_a_damaged_earlier_ledger_is_left_out_by_name(
    how, flown, field, tmp_path, detector, capsys
):
    past = tmp_path / "past"
    past.mkdir()
    (past / "flight.json").write_text(damaged(ledger_of(flown / "one"), how))
    srt = tmp_path / "only.SRT"
    srt.write_text((field / "one.SRT").read_text())
    assert run(srt, "--history", tmp_path, "--out", tmp_path / "out") == 0
    assert "no ledger that can be read" in capsys.readouterr().err
    assert run(srt, "--previous", past, "--out", tmp_path / "out") == 2
    assert "no ledger that can be read" in capsys.readouterr().err


def test_an_empty_cell_of_the_table_is_empty(flown):
    ledger = ledger_of(flown / "one")
    ledger["findings"][0].update(site_name="=HYPERLINK(1)", codes={}, first_utc=None)
    rows = list(csv.reader(io.StringIO(ledger_csv(ledger).lstrip("\ufeff"))))
    assert rows[1][4] == "'=HYPERLINK(1)"
    assert rows[1][2] == rows[1][10] == ""
    assert not any(cell == "'" for row in rows for cell in row)
