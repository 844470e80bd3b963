# SPDX-License-Identifier: AGPL-3.0-or-later
"""The zone editor and the tabs of Setup in a real browser, by mouse and keyboard."""

import re

import pytest
import yaml
from playwright.sync_api import expect

from tests.console.test_browser import (  # noqa: F401 - fixtures
    ACCESSIBILITY,
    SIZES,
    playwright,
    served,
    shot,
    visit,
)
from tests.console.test_trust_words import with_trust

pytestmark = pytest.mark.browser

TABS = ["/setup", "/setup/link", "/setup/ports", "/setup/file", "/setup/accounts"]


class Editor:
    """The zone page of a visitor, in fractions of the picture."""

    def __init__(self, visitor):
        self.visitor, self.page = visitor, visitor.page
        visitor.open("/zones?camera=north")
        self.page.wait_for_selector("svg polygon", state="attached")
        expect(self.page.locator("#still")).not_to_have_js_property("naturalWidth", 0)
        self.page.locator("#drawing").scroll_into_view_if_needed()

    def place(self, point):
        area = self.page.locator("#drawing").bounding_box()
        return area["x"] + point[0] * area["width"], area["y"] + point[1] * area["height"]

    def drag(self, start, end):
        mouse = self.page.mouse
        mouse.move(*self.place(start))
        mouse.down()
        mouse.move(*self.place(((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)))
        mouse.move(*self.place(end))
        mouse.up()

    def saved(self, box):
        self.page.click("#save")
        expect(self.page.locator("#told")).to_have_class("good", timeout=60_000)
        return yaml.safe_load(box.site.read_text())["cameras"][0]


@pytest.fixture
def editor(visit):  # noqa: F811
    return Editor(visit("laptop"))


def test_a_rectangle_a_line_a_move_and_undo(editor, box):
    editor.drag((0.1, 0.05), (0.4, 0.3))
    expect(editor.page.locator("svg polygon")).to_have_count(2)
    editor.page.click("#line")
    editor.drag((0.6, 0.1), (0.9, 0.1))
    expect(editor.page.locator("svg polygon")).to_have_count(3)
    editor.drag((0.2, 0.2), (0.3, 0.2))
    camera = editor.saved(box)
    rectangle, line = camera["zones"][1:]
    assert [round(x, 1) for x, _ in rectangle["polygon"]] == [0.2, 0.5, 0.5, 0.2]
    assert line["kind"] == "gate" and len(line["polygon"]) == 4
    for _ in range(3):
        editor.page.click("#undo")
    expect(editor.page.locator("svg polygon")).to_have_count(1)
    assert editor.visitor.wrong == []


@pytest.mark.slow
def test_corners_are_added_and_deleted(editor, box):
    editor.page.mouse.click(*editor.place((0.5, 0.7)))
    editor.drag((0.5, 0.5), (0.5, 0.35))
    assert len(editor.saved(box)["zones"][0]["polygon"]) == 5
    editor.page.mouse.dblclick(*editor.place((0.5, 0.35)))
    expect(editor.page.locator("svg ellipse")).to_have_count(8)
    assert len(editor.saved(box)["zones"][0]["polygon"]) == 4


def test_a_permitted_place_with_hours_and_days_in_chinese_signs(editor, box):
    row = editor.page.locator("#list li").first
    row.locator(".kind").select_option("permitted")
    row = editor.page.locator("#list li").first
    for name, value in (("title", "早市 <b>"), ("hours", "05：00—09:00，16:00至19:00"),
                        ("from", "2026-05-01"), ("permit", "疏导〔2026〕3 号")):  # fmt: skip
        field = editor.page.locator("#list li").first.locator(f".{name}")
        field.fill(value)
        field.dispatch_event("change")
    editor.drag((0.1, 0.05), (0.9, 0.4))
    zone = editor.saved(box)["zones"][0]
    assert zone["when"] == {"hours": ["05:00-09:00", "16:00-19:00"], "from_date": "2026-05-01"}
    assert (zone["kind"], zone["name"], zone["permit"]) == (
        "permitted",
        "早市 <b>",
        "疏导〔2026〕3 号",
    )


@pytest.mark.slow
def test_a_rule_knows_its_zones_and_goes_with_the_last(editor, box):
    editor.drag((0.1, 0.05), (0.4, 0.3))
    editor.page.locator("#rules .chips label", has_text="zone-1").click()
    assert editor.saved(box)["rules"][0]["zones"] == ["zone-1"]
    editor.page.locator("#list li").nth(1).locator(".remove").click()
    assert editor.saved(box)["rules"] == []


@pytest.mark.slow
def test_a_zone_by_keyboard_alone(editor, box):
    svg = editor.page.locator("#drawing")
    svg.focus()
    for keys in (["ArrowUp"] * 10, ["ArrowRight"] * 10, ["ArrowUp"] * 8):
        for key in keys:
            svg.press(key)
        svg.press("Enter")
    editor.page.click("#finish")
    assert len(editor.saved(box)["zones"]) == 2


@pytest.mark.slow
def test_a_wrong_drawing_is_told_in_chinese(editor):
    for point in ((0.1, 0.1), (0.4, 0.4), (0.4, 0.1), (0.1, 0.4)):
        editor.page.mouse.click(*editor.place(point))
    editor.page.click("#finish")
    editor.page.locator("#list li").nth(1).locator(".hours").fill("7-22")
    editor.page.locator("#list li").nth(1).locator(".hours").dispatch_event("change")
    editor.page.click("#save")
    told = editor.page.locator("#told")
    expect(told).to_have_class("bad", timeout=60_000)
    expect(told).to_contain_text("时段写作")


@pytest.mark.parametrize(
    "size", [pytest.param(s, marks=[pytest.mark.slow] if s == "laptop" else []) for s in SIZES]
)
def test_the_tabs_are_readable(visit, size):  # noqa: F811
    visitor = visit(size)
    for path in TABS:
        visitor.open(path)
        visitor.page.wait_for_load_state("load")
        assert visitor.page.evaluate(ACCESSIBILITY) == [], path
        shot(visitor, f"{size}{path.replace('/', '-')}")
    assert visitor.wrong == []


def test_an_error_stands_beside_its_line_and_the_daemons_are_asked(visit, box):  # noqa: F811
    visitor = visit("phone")
    visitor.open("/setup/file")
    text = visitor.page.input_value("#text")
    visitor.page.fill("#text", text.replace("id: north", "id: 北"))
    visitor.page.click("button[value=check]")
    expect(visitor.page.locator("#numbers .wrong")).to_have_text("3")
    expect(visitor.page.locator("#where")).to_contain_text("id: 北")
    shot(visitor, "phone-error-line")
    visitor.page.fill("#text", text.replace("name: 路口", "name: 新路口"))
    visitor.page.click("button[value=check]")
    expect(visitor.page.locator(".diff")).to_contain_text("+name: 新路口")
    visitor.page.click("button[value=save]")
    visitor.page.wait_for_url("**/setup/file?saved=1")
    visitor.page.click("a[href*='show=site.yaml.1']")
    expect(visitor.page.locator(".diff")).to_contain_text("-name: 新路口")
    visitor.open("/setup/link")
    visitor.page.click("#probe")
    expect(visitor.page.locator("#told li")).to_contain_text("无响应")
    assert "新路口" in box.site.read_text()


@pytest.mark.parametrize("word", ["unproven", ""])
def test_beside_a_rule_stands_what_the_model_is_not_proven_for(visit, box, word):  # noqa: F811
    with_trust(box, {"street-vendor": word} if word else {})
    note = Editor(visit("laptop")).page.locator("#rules li .trust")
    if word:
        expect(note).to_contain_text(re.compile("未经真实画面验证|unproven on real pictures"))
    else:
        expect(note).to_be_hidden()
