# SPDX-License-Identifier: AGPL-3.0-or-later
"""An officer teaches a place by clicks: real browser, real page, visiond's own work behind it."""

from dataclasses import replace

import numpy as np
import pytest
from playwright.sync_api import expect

from edge.config import Camera, Rule, Zone
from edge.config.catalogue import load_categories
from edge.config.shipped import shipped
from edge.daemons import console_services
from edge.evidence.album import jpeg
from edge.ipc import Responder, Spool
from edge.pipeline.taught_looks import read_looks, taught_places
from edge.pipeline.teaching import Teaching
from tests.console.test_browser import (  # noqa: F401 - fixtures
    ACCESSIBILITY,
    playwright,
    served,
    shot,
    visit,
)
from tests.console.test_probing import Daemon
from tools.scenery.places import PLACE, View, drawn

X1, Y1, X2, Y2 = PLACE
BIN = Zone(id="bin", polygon=((X1, Y1), (X2, Y1), (X2, Y2), (X1, Y2)))
CATEGORIES = load_categories([shipped("config/categories.yaml")])
WEATHERS = ("sun", "overcast", "rain", "dusk")


class Street:
    """A camera whose bin is full or not; each look at it is in another weather."""

    def __init__(self, looks, rules=()):
        self.camera = Camera(id="north", source="rtsp://x", zones=(BIN,), rules=rules)
        self.wrong, self.looked, self.on = False, 0, True
        self.teaching = Teaching({"north": self.camera}, CATEGORIES, looks, self.picture)

    def picture(self, _):
        if not self.on:
            return None
        self.looked += 1
        weather, rng = WEATHERS[self.looked % 4], np.random.default_rng(self.looked)
        return drawn("bin", 0, self.wrong, View(weather), rng)

    def ask(self, do, **words):
        request = {"camera": "north", "zone": "bin", "do": do, **words}
        return self.teaching.answer(request).facts


@pytest.fixture
def street(box):
    """The box's page with a bin to teach, asked over the spool of a daemon's own loop."""
    box.site.write_text(
        "cameras:\n  - id: north\n    name: 北口\n    source: rtsp://x\n"
        f"    zones: [{{id: bin, name: 垃圾箱, polygon: {[list(p) for p in BIN.polygon]}}}]\n"
    )
    made = Street(box.state / "looks")
    (box.run / "preview" / "north.jpg").write_bytes(jpeg(made.picture("north")))
    daemon = Daemon(box.run, "visiond", {})
    daemon.spool = Spool(box.run, "visiond")
    daemon.probes = Responder(box.run, {"teach": made.teaching.answer})
    daemon.start()
    services = replace(
        box.console.services,
        teach=lambda words: console_services._answered(
            box.run, "visiond", "teach", console_services.TEACH_S, **words
        ),
    )
    box.console = replace(box.console, services=services)
    box.app.state.console = box.console
    yield made
    daemon.ended.set()
    daemon.join()


@pytest.mark.browser
def test_a_place_is_taught_judged_by_itself_and_taken_back_by_clicks(street, box, visit):  # noqa: F811
    visitor = visit("phone")
    page = visitor.page
    visitor.open("/zones?camera=north")
    page.click("#list .teaching")
    expect(page.locator("#surely")).to_have_class("warn", timeout=60_000)
    expect(page.locator("#use")).to_be_disabled()
    for look, wrong in (("right", False), ("wrong", True)):
        street.wrong = wrong
        card = page.locator(f".look[data-look={look}]")
        for count in range(1, 5):
            card.locator(".now").click()
            expect(card.locator(".taught li")).to_have_count(count, timeout=60_000)
    # How surely it is told stands first, and only then may it be put in force.
    expect(page.locator("#surely")).to_contain_text("留一检验", timeout=60_000)
    expect(page.locator("#use")).to_be_enabled()
    assert page.evaluate(ACCESSIBILITY) == []
    assert {k: len(v) for k, v in read_looks(box.state / "looks/north/bin").items()} == {
        "right": 4,
        "wrong": 4,
    }
    page.locator(".look[data-look=wrong] .taught button").first.click()
    expect(page.locator(".look[data-look=wrong] .taught li")).to_have_count(3, timeout=60_000)
    assert not street.teaching.put_in_force
    page.click("#use")
    expect(page.locator("#told")).to_have_class("good", timeout=60_000)
    assert street.teaching.put_in_force
    assert visitor.wrong == []
    rules = (Rule(category="full-bin", zones=("bin",)),)
    camera = Camera(id="north", source="rtsp://x", zones=(BIN,), rules=rules)
    assert set(taught_places(camera, CATEGORIES, box.state / "looks")) == {"bin"}


def test_what_cannot_be_done_says_why_and_changes_nothing(tmp_path):
    street = Street(tmp_path / "looks")
    assert street.ask("use") == {"error": "teach_too_few"}
    assert street.ask("teach", look="../../x") == {"error": "teach_no_look"}
    assert street.ask("take_back", look="right", name="../a.png") == {"error": "teach_no_look"}
    assert street.ask("show", zone="other") == {"error": "teach_no_zone"}
    street.on = False
    assert street.ask("teach", look="right") == {"error": "teach_no_picture"}
    assert not (tmp_path / "looks").exists()


def test_a_picture_that_a_rule_needs_is_not_taken_back(tmp_path):
    street = Street(tmp_path / "looks", (Rule(category="full-bin", zones=("bin",)),))
    for look, wrong in (("right", False), ("wrong", True)):
        street.wrong = wrong
        for _ in range(3):
            row = street.ask("teach", look=look)
    assert row["ready"] and row["rules"] == ["full-bin"]
    assert row["right"] + row["wrong"] + row["untold"] == 6
    name = row["looks"]["wrong"][0]
    assert street.ask("take_back", look="wrong", name=name) == {"error": "teach_in_use"}
    assert len(street.ask("teach", look="wrong")["looks"]["wrong"]) == 4
    assert name not in street.ask("take_back", look="wrong", name=name)["looks"]["wrong"]
