# SPDX-License-Identifier: AGPL-3.0-or-later
"""By keyboard alone, on every page: Tab reaches every control once, what has the focus shows it, no
control keeps it, and Enter or Space does what a click would."""

import pytest

from tests.console.test_browser import playwright, served, visit  # noqa: F401 - fixtures
from tests.console.test_every_page import PAGES, fill_desk

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]
MORE = [
    "/setup/place",
    "/setup/access",
    "/teach/north/z",
    "/setup/notices",
    "/setup/cameras/north",
    "/flights/f-2",
]
# Every control that may have the focus now, numbered in the page's order; radio buttons of one name
# are one stop, and so is a video with its own controls.
NUMBERED = """() => {
  document.activeElement.blur();
  document.querySelectorAll('main details').forEach((one) => { one.open = true; });
  const all = [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, '
    + 'textarea, summary, [tabindex="0"], video[controls]')]
    .filter((one) => !one.disabled && one.checkVisibility({visibilityProperty: true})
      && !one.closest('dialog:not([open])'));
  all.forEach((one, n) => { one.dataset.stop = n; });
  window.scrollTo(0, 0);
  return all.map((one) => one.outerHTML.slice(0, 100));
}"""
FOCUSED = """() => {
  const one = document.activeElement, style = getComputedStyle(one);
  const box = one.getBoundingClientRect(), stop = one.dataset.stop;
  return {stop: stop === undefined ? null : Number(stop), body: one === document.body,
    outline: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0,
    seen: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth};
}"""


def walked(page):
    """The stops that Tab makes from the top, in their order; and what was wrong with one."""
    texts = page.evaluate(NUMBERED)
    reached, wrong, last = [], [], None
    for _ in range(4 * len(texts) + 40):
        page.keyboard.press("Tab")
        now = page.evaluate(FOCUSED)
        if now["body"] and reached:
            break
        if now["stop"] is None:
            continue
        if now["stop"] == last:
            # A date or a time has three parts, a video its own buttons: Tab goes on within.
            continue
        last = now["stop"]
        if last in reached:
            break
        reached.append(last)
        if not (now["outline"] and now["seen"]):
            wrong.append(f"focus not seen: {texts[last]}")
    missed = [text for n, text in enumerate(texts) if n not in reached]
    return [*wrong, *(f"not reached by Tab: {text}" for text in missed)]


@pytest.mark.parametrize("size", ["phone", "laptop"])
def test_tab_reaches_every_control_of_every_page(visit, box, size):  # noqa: F811
    visitor = visit(size)
    fill_desk(box)
    wrong = {}
    for path in [*PAGES, *MORE]:
        visitor.open(path)
        visitor.page.wait_for_load_state("load")
        # What comes a moment after the page is walked over the next time.
        for wait_ms in (200, 2_000, 10_000):
            visitor.page.wait_for_timeout(wait_ms)
            if not (found := walked(visitor.page)):
                break
        else:
            wrong[path] = found
    assert wrong == {}


def onward(page, name):
    """Tab to the next control; between two there is no more than the help of the first."""
    for _ in range(2):
        page.keyboard.press("Tab")
        if not page.evaluate("document.activeElement.classList.contains('help')"):
            break
    assert page.evaluate("document.activeElement.name") == name


def test_a_zone_and_a_camera_are_done_without_a_pointer(visit, box):  # noqa: F811
    visitor = visit("laptop")
    page, keys = visitor.page, visitor.page.keyboard
    visitor.open("/zones?camera=north")
    page.wait_for_selector("svg polygon", state="attached")
    page.focus("#drawing")
    for way in ("ArrowUp", "ArrowRight", "ArrowDown"):
        for _ in range(8):
            keys.press(way)
        keys.press("Enter")
    page.focus("#finish")
    keys.press("Enter")
    page.wait_for_function("document.querySelectorAll('svg polygon').length === 2")
    page.focus("#save")
    keys.press("Space")
    page.wait_for_selector("#told.good", timeout=60_000)
    assert "zone-1" in box.site.read_text("utf-8")
    visitor.open("/setup")
    page.focus("[name=source]")
    keys.type("rtsp://10.0.0.9/1")
    keys.press("Enter")
    page.wait_for_url("**/zones?camera=*", timeout=60_000)
    visitor.open("/setup/accounts")
    page.focus("form[action='/setup/account'] [name=name]")
    keys.type("li")
    onward(page, "password")
    keys.type("a-password-of-li")
    onward(page, "role")
    keys.press("ArrowDown")
    onward(page, "")
    keys.press("Enter")
    page.wait_for_selector("main li:has-text('li')", timeout=60_000)
    assert box.console.accounts.names()["li"] == "reviewer"
