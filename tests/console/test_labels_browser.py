# SPDX-License-Identifier: AGPL-3.0-or-later
"""Labels in a real browser: by finger on a phone, by keys on a laptop."""

import pytest
from playwright.sync_api import expect

from edge.learning.labels import read_labels
from tests.console.test_browser import (  # noqa: F401 - fixtures
    ACCESSIBILITY,
    playwright,
    served,
    shot,
    visit,
)
from tests.console.test_labels import keep

pytestmark = pytest.mark.browser


def test_a_box_is_drawn_on_a_phone(visit, box):  # noqa: F811
    crop = keep(box, "north", 1)
    visitor = visit("phone")
    page = visitor.page
    visitor.open("/labels")
    expect(page.locator(".crop img")).not_to_have_js_property("naturalWidth", 0)
    assert page.evaluate(ACCESSIBILITY) == []
    area = page.locator("#drawing").bounding_box()
    place = lambda x, y: (area["x"] + x * area["width"], area["y"] + y * area["height"])  # noqa: E731
    page.mouse.move(*place(0.25, 0.3))
    page.mouse.down()
    page.mouse.move(*place(0.5, 0.5))
    page.mouse.move(*place(0.75, 0.9))
    page.mouse.up()
    shot(visitor, "labels-phone")
    page.click("[data-key=D]")
    expect(page.locator(".note")).to_be_visible()
    said = read_labels(box.state)[crop]
    assert said.answer == "draw"
    assert said.box == pytest.approx((0.25, 0.3, 0.75, 0.9), abs=0.02)
    assert visitor.wrong == []


def test_three_crops_by_keys_alone(visit, box):  # noqa: F811
    crops = [keep(box, "north", n, score=0.35 - n / 100) for n in range(1, 4)]
    visitor = visit("laptop")
    page = visitor.page
    visitor.open("/labels")
    for key in "yn":
        with page.expect_navigation():
            page.keyboard.press(key)
    page.focus("#drawing")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    with page.expect_navigation():
        page.keyboard.press("d")
    said = read_labels(box.state)
    assert [said[crop].answer for crop in crops] == ["accept", "not_this", "draw"]
    assert said[crops[2]].box == pytest.approx((0.22, 0.2, 0.82, 0.82), abs=0.001)
    assert visitor.wrong == []
