# SPDX-License-Identifier: AGPL-3.0-or-later
"""The way of a new installer on a fresh box, on a phone, in Chinese: `edge run`, the code, a
camera, a zone, a violation at the platform, verified, rejected. Real daemons, broker and browser.

With EDGE_PICTURES=docs/pictures it writes the pictures of the README's section "First run".
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect, sync_playwright

from edge.console.texts import TEXTS
from tests.console.conftest import PASSWORD
from tests.console.test_browser import ARGS, CHROMIUM
from tools.demonstration.processes import free_port
from tools.faultlab.rig import Mosquitto, Process

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.broker,
    pytest.mark.timeout(400),
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is missing: apt-get install chromium"),
]

ROOT = Path(__file__).parents[2]
# Of ten allowed: until the platform has the violation, and until it is rejected. README says so.
CLICKS = (5, 8)
PHONE = {"width": 390, "height": 844}
PICTURE_BYTES_MAX = 60_000
DEVICE = """\
device: edge-1
tenant: city
broker: {{host: 127.0.0.1, port: {broker}, tls: off}}
trust: {{release: platform, down: tls}}
folders: {{state: state, run: run}}
console: {{port: {page}}}
"""


class Hand:
    """A finger on the phone's glass that counts; typing is not counted, a drag is one."""

    def __init__(self, page, root):
        self.page, self.root, self.clicks = page, root, 0

    def tap(self, what):
        self.clicks += 1
        self.page.click(what)

    def drag(self, area, start, end):
        self.clicks += 1
        box = self.page.locator(area).bounding_box()
        (x1, y1), (x2, y2) = [
            (box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end)
        ]
        mouse = self.page.mouse
        mouse.move(x1, y1)
        mouse.down()
        mouse.move((x1 + x2) / 2, (y1 + y2) / 2)
        mouse.move(x2, y2)
        mouse.up()

    def shot(self, name):
        """A picture of few colours for the README, where one is asked for."""
        folder = os.environ.get("EDGE_PICTURES")
        if not folder:
            return
        import cv2

        data = np.frombuffer(self.page.screenshot(), np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_COLOR)
        for quality in (60, 45, 30, 20):
            webp = cv2.imencode(".webp", image, (cv2.IMWRITE_WEBP_QUALITY, quality))[1]
            if len(webp) <= PICTURE_BYTES_MAX:
                break
        (Path(folder) / f"first-run-{name}.webp").write_bytes(webp.tobytes())


@pytest.fixture
def box(tmp_path):
    """`edge run` in an empty folder, a broker and a platform beside it; the page's address."""
    broker = Mosquitto(tmp_path)
    page = free_port()
    home = tmp_path / "edge-home"
    home.mkdir()
    (home / "device.yaml").write_text(DEVICE.format(broker=broker.port, page=page))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    receiver = Process(
        [sys.executable, "-m", "city_platform.receiver", "--out", str(tmp_path / "received"),
         "--port", str(broker.port)],
        tmp_path / "receiver.log",
    )  # fmt: skip
    with (tmp_path / "run.log").open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "edge", "run"],
            cwd=tmp_path, env=environment, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            yield tmp_path, f"https://127.0.0.1:{page}"
        finally:
            child.terminate()
            child.wait(120)
            receiver.stop()
            broker.stop()


def until(found, limit_s=120.0):
    """Wait for a state of the world, however loaded this machine is."""
    end = time.monotonic() + limit_s
    while not (value := found()):
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.2)
    return value


def code_in(log):
    """The one-time code as the terminal shows it."""
    match = re.search(r"code / 激活码: (\d{8})", log.read_text(errors="replace"))
    return match[1] if match else None


def test_from_edge_run_to_a_rejected_violation(box):
    folder, root = box
    code = until(lambda: code_in(folder / "run.log"))
    clip = folder / "street.mp4"
    shutil.copy(ROOT / "tests/clips/street/street.mp4", clip)
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        context = browser.new_context(
            viewport=PHONE,
            has_touch=True,
            locale="zh-CN",
            device_scale_factor=1,
            ignore_https_errors=True,
        )
        context.set_default_timeout(60_000)
        hand = Hand(context.new_page(), root)
        enter(hand, code)
        camera(hand, clip)
        zone(hand)
        at_platform = until(lambda: stored(folder))
        first = hand.clicks
        reject(hand)
        browser.close()
    assert at_platform["category"] == "street-vendor"
    assert (first, hand.clicks) == CLICKS
    until(lambda: list(folder.glob("edge-home/state/reviews/console-*.jsonl")))
    print(json.dumps({"clicks_to_platform": first, "clicks": hand.clicks}))


def test_the_readme_tells_the_taps():
    for name in ("README.md", "README.zh-CN.md"):
        told = (ROOT / name).read_text("utf-8")
        assert all(re.search(rf"\b{n} taps|点 {n} 下|{n} until", told) for n in CLICKS)


def enter(hand, code):
    page = hand.page
    page.goto(hand.root)
    page.fill("[name=code]", code)
    page.fill("[name=name]", "zhang")
    page.fill("[name=password]", PASSWORD)
    hand.shot("1-code")
    hand.tap("main button")
    page.wait_for_url("**/setup")


def camera(hand, clip):
    page = hand.page
    page.fill("[name=source]", str(clip))
    hand.tap("#snap")
    page.wait_for_selector("#snapped img")
    hand.shot("2-camera")
    hand.tap("#camera button:not([type=button])")
    page.wait_for_url("**/zones?camera=*")


def zone(hand):
    page = hand.page
    expect(page.locator("#still")).not_to_have_js_property("naturalWidth", 0, timeout=90_000)
    page.wait_for_function("document.querySelectorAll('#rules input.on:checked').length == 1")
    page.evaluate("window.scrollTo(0, document.querySelector('#stage').offsetTop)")
    hand.drag("#drawing", (0.04, 0.3), (0.6, 0.97))
    page.locator("#rules li:has(.on:checked) .dwell").fill("12")
    page.evaluate("window.scrollTo(0, 0)")
    hand.shot("3-zone")
    hand.tap("#save")
    expect(page.locator("#told")).to_have_class("good", timeout=90_000)


def stored(folder):
    """The first violation that the platform has, with its evidence."""
    for path in sorted((folder / "received").rglob("*.json")):
        try:
            found = json.loads(path.read_bytes())
        except ValueError:
            continue
        data = found.get("data", found) if isinstance(found, dict) else {}
        if isinstance(data, dict) and data.get("category") == "street-vendor":
            return data
    return None


def reject(hand):
    page = hand.page
    hand.tap("header nav a[href='/cases']")
    until(lambda: page.locator(".cases a").count() or (page.reload() and False))
    hand.shot("4-violations")
    hand.tap(".cases a >> nth=0")
    page.wait_for_url("**/cases/v-*")
    until(lambda: TEXTS["verified"][0] in page.inner_text("main") or (page.reload() and False))
    page.fill("[name=reason]", "正规早餐车")
    hand.shot("5-case")
    hand.tap("button.danger")
    page.wait_for_url("**done=v-*")
    page.goto(page.url.partition("/cases")[0] + "/cases/" + page.url.rpartition("done=")[2])
    expect(page.locator("main")).to_contain_text("正规早餐车", timeout=60_000)
    hand.shot("6-rejected")
