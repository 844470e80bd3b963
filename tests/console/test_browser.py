# SPDX-License-Identifier: AGPL-3.0-or-later
"""The page in a real browser: the installer's way on phone and laptop, mouse and touch, offline."""

import os
import shutil
import socket
import threading
import time

import numpy as np
import pytest
import uvicorn
from playwright.sync_api import expect, sync_playwright

from edge.evidence.album import jpeg
from tests.console.conftest import PASSWORD, put_case

pytestmark = pytest.mark.browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# No name is looked up but the box's own address: what a page asks of others is told and fails.
ARGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]  # fmt: skip
SIZES = {"phone": {"width": 390, "height": 844}, "laptop": {"width": 1366, "height": 768}}
PAGES = ["/live", "/zones", "/cases", "/sensors", "/flights", "/health", "/setup"]

# Labels, names and contrast of what a person must read or press; the rules of WCAG 2.1 AA that
# a script can check.
ACCESSIBILITY = """() => {
  const wrong = [], all = (what) => document.querySelectorAll(what);
  const named = (node) =>
    (node.textContent || node.getAttribute('aria-label') || node.title || '').trim();
  for (const node of all('button, a[href]'))
    if (node.offsetParent && !named(node) && !node.querySelector('img[alt]'))
      wrong.push('no name: ' + node.outerHTML.slice(0, 80));
  for (const node of all('input:not([type=hidden]), select, textarea'))
    if (!node.labels.length && !node.getAttribute('aria-label'))
      wrong.push('no label: ' + node.outerHTML.slice(0, 80));
  for (const node of all('img')) if (!node.hasAttribute('alt')) wrong.push('no alt: ' + node.src);
  if (!document.documentElement.lang) wrong.push('no language');
  if (all('h1').length !== 1) wrong.push('not one h1');
  const linear = (v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = (text) => {
    const [r, g, b] = text.match(/[\\d.]+/g).slice(0, 3).map(linear);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (node) => {
    for (; node; node = node.parentElement) {
      const colour = getComputedStyle(node).backgroundColor;
      if (colour !== 'rgba(0, 0, 0, 0)') return colour;
    }
    return 'rgb(255,255,255)';
  };
  for (const node of all('h1,h2,p,label,button,a,td,th,span,b,figcaption')) {
    if (!node.offsetParent || !node.innerText.trim()) continue;
    const a = light(getComputedStyle(node).color), b = light(ground(node));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) wrong.push(`contrast ${ratio.toFixed(1)}: ${node.innerText.slice(0, 40)}`);
  }
  if (document.documentElement.scrollWidth > innerWidth + 1) wrong.push('wider than the screen');
  return wrong;
}"""


@pytest.fixture(scope="module")
def playwright():
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("chromium is missing: apt-get install chromium")
        pytest.skip("chromium is missing: apt-get install chromium")
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield browser
        browser.close()


@pytest.fixture
def served(box):
    """The application on a real port."""
    rng = np.random.default_rng(1)
    picture = np.kron(rng.integers(60, 200, (9, 16, 3), np.uint8), np.ones((40, 40, 1), np.uint8))
    (box.run / "preview/north.jpg").write_bytes(jpeg(picture))
    look = (
        '{"camera": "north", "tracks": [], "candidates": [{"category": "street-vendor", '
        '"box": [0.2, 0.2, 0.5, 0.8], "held_s": 61.0, "due_s": 180.0}]}'
    )
    (box.run / "preview/north.json").write_text(look)
    put_case(box.state / "evidence", 1, jpeg(picture))
    box.status(cameras={"north": {"looks": 5}})
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        config = uvicorn.Config(box.app, log_level="error", lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
        server.should_exit = True
        thread.join(90)


class Visitor:
    """A browser window that may speak to the box only, and remembers what went wrong."""

    def __init__(self, browser, root, size, *, touch=False):
        self.root, self.wrong = root, []
        self.context = browser.new_context(viewport=SIZES[size], has_touch=touch, locale="zh-CN")
        self.context.on("request", self._asked)
        self.page = self.context.new_page()
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))

    def _console(self, message):
        # A refused save answers 4xx on purpose; the browser reports it as an error of its own.
        if (
            message.type == "error"
            and "the server responded with a status of 4" not in message.text
        ):
            self.wrong.append(message.text)

    def _asked(self, request):
        # Listened to, not held up: an interception costs each file a way through this process, and
        # the browser its cache.
        if not request.url.startswith((self.root, "blob:", "data:")):
            self.wrong.append(f"other host: {request.url}")

    def open(self, path):
        self.page.goto(self.root + path)

    def cookie(self):
        (found,) = [c for c in self.context.cookies() if c["name"] == "edge-session"]
        return found["value"]

    def first_use(self, code):
        self.open("/")
        self.page.fill("[name=code]", code)
        self.page.fill("[name=name]", "installer")
        self.page.fill("[name=password]", PASSWORD)
        self.page.click("main button")
        self.page.wait_for_url("**/live")


@pytest.fixture
def visit(playwright, served, box):
    opened = []

    def make(size, *, touch=False):
        visitor = Visitor(playwright, served, size, touch=touch)
        opened.append(visitor)
        if box.console.accounts.fresh:
            visitor.first_use(box.console.accounts.first_code)
        return visitor

    yield make
    for visitor in opened:
        visitor.context.close()


def shot(visitor, name):
    """Kept where EDGE_SCREENSHOTS says, for a person to look at."""
    folder = os.environ.get("EDGE_SCREENSHOTS")
    if folder:
        visitor.page.screenshot(path=f"{folder}/{name}.png", full_page=True)


@pytest.mark.parametrize("size", SIZES)
def test_every_page_is_readable_and_silent(visit, size):
    visitor = visit(size)
    for path in [*PAGES, "/cases/v-0000000001"]:
        visitor.open(path)
        visitor.page.wait_for_load_state("load")
        assert visitor.page.evaluate(ACCESSIBILITY) == [], path
        shot(visitor, f"{size}{path.replace('/', '-')}")
    assert visitor.wrong == []


def test_live_shows_the_picture_its_age_and_the_running_clock(visit):
    visitor = visit("phone")
    expect(visitor.page.locator(".clocks")).to_contain_text("1:01", timeout=60_000)
    assert visitor.page.evaluate("() => document.querySelector('.view img').naturalWidth") > 0
    assert "秒" in visitor.page.inner_text(".age")
    assert visitor.wrong == []


def test_a_camera_alone_is_seen_whole_with_its_clocks(visit):
    visitor = visit("laptop")
    expect(visitor.page.locator(".clocks")).to_contain_text("1:01", timeout=60_000)
    bottom = "document.querySelector('.camera').getBoundingClientRect().bottom"
    assert visitor.page.evaluate(bottom) <= SIZES["laptop"]["height"]
    assert visitor.page.evaluate("document.querySelector('.view img').clientWidth") > 600


CORNERS = [(0.3, 0.2), (0.7, 0.2), (0.7, 0.45), (0.3, 0.45), (0.3, 0.2)]


def draw(visitor, tap):
    visitor.open("/zones?camera=north")
    visitor.page.wait_for_selector("svg polygon", state="attached")
    # The page grows when its picture arrives; a person taps on what stands still.
    expect(visitor.page.locator("#still")).not_to_have_js_property("naturalWidth", 0)
    area = visitor.page.locator("#drawing").bounding_box()
    for x, y in CORNERS:
        tap(area["x"] + x * area["width"], area["y"] + y * area["height"])
    expect(visitor.page.locator("svg polygon")).to_have_count(2)
    visitor.page.click("#save")
    expect(visitor.page.locator("#told")).to_have_class("good", timeout=60_000)


def test_a_zone_is_drawn_by_mouse_and_saved(visit, box):
    visitor = visit("laptop")
    draw(visitor, visitor.page.mouse.click)
    shot(visitor, "laptop-zone-drawn")
    assert "zone-1" in box.site.read_text()
    assert visitor.wrong == []


def test_a_zone_is_drawn_by_touch_on_a_phone(visit, box):
    visitor = visit("phone", touch=True)
    draw(visitor, visitor.page.touchscreen.tap)
    shot(visitor, "phone-zone-drawn")
    assert "zone-1" in box.site.read_text()


def test_undo_takes_back_one_step_and_the_trial_tells_a_number(visit):
    visitor = visit("laptop")
    visitor.open("/zones?camera=north")
    visitor.page.wait_for_selector("svg polygon", state="attached")
    visitor.page.click("#list .remove")
    assert visitor.page.locator("svg polygon").count() == 0
    visitor.page.click("#undo")
    assert visitor.page.locator("svg polygon").count() == 1
    visitor.page.click("#try")
    expect(visitor.page.locator("#told")).to_contain_text("3", timeout=60_000)


def test_the_language_switch(visit):
    visitor = visit("phone")
    visitor.open("/cases")
    assert "疑似违规" in visitor.page.inner_text("h1")
    visitor.page.click("header form:first-of-type button")
    expect(visitor.page.locator("h1")).to_contain_text("Violations", timeout=60_000)
    assert visitor.page.url.endswith("/cases")


def test_a_case_is_rejected_on_a_phone(visit, box):
    visitor = visit("phone")
    visitor.open("/cases")
    visitor.page.click(".cases a")
    visitor.page.fill("[name=reason]", "正规早餐车")
    visitor.page.click(".danger")
    visitor.page.wait_for_url("**done=v-0000000001")
    assert box.reviews == [("v-0000000001", "rejected", "", "正规早餐车", "installer")]


@pytest.mark.parametrize("size", ["phone", "laptop"])
def test_thirty_cases_are_judged_in_thirty_one_steps(visit, box, size):
    """By keys at the desk, by the thumb on the phone; every button of the answer is in reach."""
    box.keep_reviews = True
    for number in range(2, 31):
        put_case(box.state / "evidence", number)
    visitor = visit(size)
    visitor.open("/cases")
    visitor.page.click("a[href^='/review']")
    steps = 1
    for number in range(30):
        visitor.page.wait_for_selector("#answer")
        visitor.page.wait_for_load_state("load")
        assert in_reach(visitor.page)
        key = "y1637"[number % 5]
        judged = visitor.page.url.partition("/cases/")[2].partition("?")[0]
        if size == "phone":
            visitor.page.locator(f"[data-key='{key.upper()}']").click()
        else:
            visitor.page.keyboard.press(key)
        steps += 1
        visitor.page.wait_for_url(f"**done={judged}", wait_until="load")
        assert len(box.reviews) == number + 1
    assert steps == 31
    assert len({row[0] for row in box.reviews}) == 30


def in_reach(page):
    """Whether every button of the answer lies whole on the screen."""
    return page.evaluate("""() => [...document.querySelectorAll('#answer button')].every((b) => {
      const r = b.getBoundingClientRect();
      return r.top >= 0 && r.bottom <= innerHeight && r.left >= 0 && r.right <= innerWidth;
    })""")


def test_a_written_reason_outlives_a_session_that_ended(visit, box):
    visitor = visit("laptop")
    visitor.open("/cases/v-0000000001")
    visitor.page.fill("[name=reason]", "环卫车在作业，不是摊位")
    box.console.accounts.log_out(visitor.cookie())
    visitor.page.click(".danger")
    visitor.page.wait_for_url("**/login?to=*")
    visitor.page.fill("[name=name]", "installer")
    visitor.page.fill("[name=password]", PASSWORD)
    visitor.page.click("main button")
    visitor.page.wait_for_url("**/cases/v-0000000001**")
    assert visitor.page.input_value("[name=reason]") == "环卫车在作业，不是摊位"
    visitor.page.click(".danger")
    visitor.page.wait_for_url("**done=v-0000000001")
    assert box.reviews[0][3] == "环卫车在作业，不是摊位"


def test_a_camera_is_added_with_a_test_picture(visit, box):
    visitor = visit("phone")
    visitor.open("/setup")
    visitor.page.fill("[name=source]", "ftp://x")
    visitor.page.click("#snap")
    visitor.page.wait_for_selector("#snapped.bad")
    visitor.page.fill("[name=source]", "rtsp://10.0.0.9/1")
    visitor.page.click("#snap")
    visitor.page.wait_for_selector("#snapped img")
    visitor.page.click("#camera button:not([type=button])")
    visitor.page.wait_for_url("**/zones?camera=*")
    assert "rtsp://10.0.0.9/1" in box.site.read_text()
