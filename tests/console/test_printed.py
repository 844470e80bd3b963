# SPDX-License-Identifier: AGPL-3.0-or-later
"""What comes out of the printer: Chromium's own pages of A4, without a button, nothing cut off."""

import re

import pytest

from tests.console.conftest import put_case
from tests.console.test_browser import playwright, served, visit  # noqa: F401 - fixtures
from tests.console.test_every_page import street

pytestmark = pytest.mark.browser
A4_PX = {"width": 794, "height": 1123}
PAGE = re.compile(rb"/Type\s*/Page\b")
# What a sheet must not show, and what sticks out to the right of the paper.
SEEN = """() => ({
  buttons: [...document.querySelectorAll('button, nav, .help, video')].filter((one) =>
    one.checkVisibility() && one.getBoundingClientRect().height).length,
  wide: [...document.querySelectorAll('body *')].filter((one) =>
    one.getBoundingClientRect().right > innerWidth + 1).map((one) => one.outerHTML.slice(0, 80)),
})"""


@pytest.fixture
def paper(visit, box):  # noqa: F811
    for number in range(2, 9):
        put_case(box.state / "evidence", number, street(number))
    visitor = visit("laptop")
    visitor.page.add_init_script("window.print = () => {}")
    visitor.page.emulate_media(media="print")
    visitor.page.set_viewport_size(A4_PX)
    return visitor


def pages(visitor):
    return len(PAGE.findall(visitor.page.pdf(format="A4", prefer_css_page_size=True)))


@pytest.mark.parametrize("path", ["/cases/v-0000000002", "/cases/v-0000000002/sheet", "/cases",
                                  "/statistics", "/statistics/report", "/day", "/health",
                                  "/manual/quick-card", "/manual/operations"])  # fmt: skip
def test_no_button_is_printed_and_nothing_is_cut_off(paper, path):
    paper.open(path)
    assert paper.page.evaluate(SEEN) == {"buttons": 0, "wide": []}


def test_the_quick_card_is_one_sheet_of_paper(paper):
    paper.open("/manual/quick-card")
    assert pages(paper) == 1


def test_signatures_stand_below_what_is_signed_for(paper):
    paper.open("/cases/v-0000000002/sheet")
    kept = """() => { const end = document.querySelector('.sign').closest('.end');
      return [getComputedStyle(end).breakInside, end.querySelectorAll('table').length]; }"""
    assert paper.page.evaluate(kept) == ["avoid", 1]
    words = """() => [...document.querySelectorAll('.files td:not(.hash)')].map((one) =>
      one.getBoundingClientRect().height / parseFloat(getComputedStyle(one).lineHeight))"""
    # One line each: two characters of a kind do not stand below each other.
    assert all(lines < 2 for lines in paper.page.evaluate(words))
    assert pages(paper) <= 2


def test_the_key_of_a_plot_keeps_its_colours_on_paper(paper):
    for path in ("/statistics", "/statistics/report", "/day"):
        paper.open(path)
        told = """() => [...document.querySelectorAll('.key span')]
          .map((one) => getComputedStyle(one).printColorAdjust)"""
        assert set(paper.page.evaluate(told)) == {"exact"}, path
