# SPDX-License-Identifier: AGPL-3.0-or-later
"""What could have been seen, as flown: coarse, blurred, too fast, without a place, uncovered."""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import pytest

from edge import cli
from edge.commands import fly
from edge.config.catalogue import load_categories
from edge.config.shipped import shipped
from edge.drone.asflown import AsFlown, object_m, unseen
from edge.drone.georef import GroundView
from edge.drone.look import BLURRED, KeyFrame
from edge.drone.settings import Judging
from edge.drone.words import BLIND, NOTES, UNSEEN
from tests.drone import flyover
from tests.drone.flyover import Ground, PaintDetector, Thing, straight, write_srt, write_video

VIEW = GroundView(30.0, 114.0, 60.0, 0.0, -90.0, 0.0, 3840, 2160, 2600.0)
LOOK = KeyFrame(0.0, 0.0, VIEW, speed_mps=8.0, sharp=0.6)


@pytest.fixture(scope="module")
def categories():
    return load_categories([shipped("config/categories.yaml")])


def flown(categories, looks, *names, judging=None):
    told = AsFlown(2.0)
    for look in looks:
        told.add(look)
    row = told.row(list(categories.values()), judging or Judging(categories=names), {})
    return {one["category"]: (one["share"], one["why"]) for one in row["categories"]}, row


def test_a_flight_that_shows_everything(categories):
    shares, row = flown(categories, [LOOK] * 10)
    assert set(shares.values()) == {(1.0, None)}
    assert {"street-vendor", "bare-soil", "uncovered-load"} <= set(shares)
    # What is not judged from the air is not promised either.
    assert not {"dirty-wheels", "construction-noise", "wash-skipped"} & set(shares)
    assert unseen(row) == []
    assert row["gsd_m"]["median"] == pytest.approx(60 / 2600, abs=1e-4)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"view": replace(VIEW, h_m=500.0)}, "coarse"),
        ({"view": replace(VIEW, fx=300.0)}, "coarse"),
        ({"sharp": 0.1, "why": BLURRED}, "blurred"),
        ({"shutter_s": 0.25, "speed_mps": 15.0}, "blurred"),
        ({"speed_mps": 80.0}, "quick"),
        ({"view": None, "why": "no position fix"}, "unplaced"),
        ({"why": "camera flatter than 20°"}, "unplaced"),
    ],
)
def test_each_way_of_not_seeing_has_its_name(categories, change, why):
    looks = [replace(LOOK, **change)] * 7 + [LOOK] * 3
    shares, row = flown(categories, looks, "street-vendor")
    assert shares == {"street-vendor": (0.3, why)}
    assert [one["category"] for one in unseen(row)] == ["street-vendor"]


def test_a_large_thing_is_seen_from_where_a_small_one_is_not(categories):
    looks = [replace(LOOK, view=replace(VIEW, h_m=300.0))] * 4
    shares, _ = flown(categories, looks, "street-vendor", "uncovered-load")
    assert shares == {"street-vendor": (0.0, "coarse"), "uncovered-load": (1.0, None)}


def test_what_must_be_seen_of_a_category(categories):
    # A stall needs the people at it; an open load is as large as its truck.
    assert object_m(categories["street-vendor"]) == 0.5
    assert object_m(categories["uncovered-load"]) == 2.5


def test_every_reason_stands_in_both_languages():
    for why in UNSEEN:
        assert all("{text}" in sentence for sentence in NOTES[f"unseen-{why}"])
    assert BLURRED in BLIND


def film(folder, monkeypatch, shots, *, spoil=None):
    monkeypatch.setattr(fly, "_model", lambda args, settings: PaintDetector())
    if spoil is not None:
        render = flyover.render
        monkeypatch.setattr(flyover, "render", lambda *args: spoil(render(*args)))
    write_video(folder / "a.mp4", Ground([Thing("vendor_stall", 5, 5)]), shots)
    write_srt(folder / "a.SRT", shots)
    out = folder / "out"
    assert cli.main(["fly", str(folder / "a.mp4"), "--out", str(out)]) == 0
    return json.loads((out / "flight.json").read_text()), (out / "report.html").read_text()


def test_a_flight_from_too_high_says_that_nothing_found_says_nothing(tmp_path, monkeypatch):
    shots = straight(seconds=5, start=(0, -15), course=0, h_m=100.0, pitch=-90.0)
    ledger, page = film(tmp_path, monkeypatch, shots)
    vendors = next(c for c in ledger["as_flown"]["categories"] if c["category"] == "street-vendor")
    assert (vendors["share"], vendors["why"]) == (0.0, "coarse")
    note = next(n for n in ledger["notes"] if n["key"] == "unseen-coarse")
    assert "Too coarse" in note["words"]["en"]
    assert "street vend" in note["words"]["en"].lower()
    assert note["words"]["zh"] in page


def test_blurred_pictures_are_not_inspected(tmp_path, monkeypatch):
    shots = straight(seconds=5, start=(0, -15), course=0)
    ledger, page = film(
        tmp_path, monkeypatch, shots, spoil=lambda image: cv2.GaussianBlur(image, (0, 0), 20)
    )
    assert ledger["as_flown"]["blurred"] == ledger["looks"]
    assert [part["words"]["zh"] for part in ledger["blind"]] == ["画面模糊"]
    assert ledger["blind_s"] > 3.0
    assert "并非全部都已查看" in page
