# SPDX-License-Identifier: AGPL-3.0-or-later
"""The pictures of the Chinese guides: each is a page that there is, of our own clips.

    EDGE_PICTURES=docs/zh/pictures python -m pytest -m slow tests/console/test_guide_pictures.py

makes them anew, with real daemons, a broker and a browser; without EDGE_PICTURES the same walk is
made and nothing is kept.
"""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import expect, sync_playwright
from starlette.routing import Match

from tests.console.conftest import PASSWORD
from tests.console.test_browser import ARGS, CHROMIUM, SIZES
from tests.console.test_first_run import box as first_run
from tests.console.test_first_run import code_in, until

ROOT = Path(__file__).parents[2]
GUIDES = ROOT / "docs/zh"
FOLDER = GUIDES / "pictures"
CLIPS = ROOT / "tests/clips"
PICTURE_BYTES_MAX, ALL_BYTES_MAX = 130_000, 1_500_000
PICTURE = re.compile(r"!\[([^\]]+)\]\((pictures/[^)\s]+)\)")
LIMIT_MS = 120_000
# Those further down are fetched once somebody scrolls there.
SEEN_ARE_THERE = """() => [...document.images].every((one) =>
  one.complete || one.getBoundingClientRect().top > innerHeight)"""

__all__ = ["first_run"]


@dataclass(frozen=True)
class Shot:
    """A page as a guide shows it: its address, the screen, and what must stand on it by then."""

    path: str
    shown: str
    size: str = "laptop"
    # What the window begins with; "" for the page's top.
    top: str = ""


# In this order: a clip is live for as long as it lasts.
SHOTS = {
    "live": Shot("/live", ".view img"),
    "zones": Shot("/zones?camera=street", "svg polygon"),
    "case": Shot("/cases/{case}", "#answer"),
    "case-phone": Shot("/cases/{case}", "#answer", "phone"),
    "cases": Shot("/cases", ".cases a", "phone"),
    "sheet": Shot("/cases/{case}/sheet", "img"),
    "camera": Shot("/setup/cameras/street", "form#camera", "phone"),
    "instrument": Shot("/setup/sensor", "form#sensor", "phone"),
    "health": Shot("/health", "main table"),
    "flights": Shot("/flights", ".flights [data-state=done]"),
    "flight": Shot("/flights/{flight}", "main img"),
    "statistics": Shot("/statistics", "main svg"),
}
SITE = """\
name: 河东路口
timezone: Asia/Shanghai
position: {lat: 36.3893, lon: 120.4472}
cameras:
- id: street
  name: 河东路东侧
  source: street.mp4
  fps: 4
"""
# The clip's zones, as an installer would call them.
ZONES = {"pavement": "人行道", "no-fire": "禁止明火", "lane": "车道"}


def named():
    """Each picture that a guide shows: (guide, its words, its file)."""
    return [(guide.name, words, GUIDES / file)
            for guide in sorted(GUIDES.glob("*.md"))
            for words, file in PICTURE.findall(guide.read_text("utf-8"))]  # fmt: skip


def test_every_picture_of_a_guide_is_of_a_page_that_there_is(box):
    assert {file.stem for _, _, file in named()} == set(SHOTS)
    for _, words, file in named():
        assert re.search("[一-鿿]", words)
        assert file.is_file(), file
        path = SHOTS[file.stem].path.partition("?")[0].format(case="v-1", flight="f-1")
        scope = {"type": "http", "method": "GET", "path": path}
        assert any(route.matches(scope)[0] is Match.FULL for route in box.app.routes), path


def test_the_pictures_are_small_and_each_is_shown():
    files = {file for _, _, file in named()}
    assert files == set(FOLDER.iterdir())
    assert all(file.stat().st_size <= PICTURE_BYTES_MAX for file in files)
    assert sum(file.stat().st_size for file in files) <= ALL_BYTES_MAX
    for file in files:
        height, width = cv2.imread(str(file)).shape[:2]
        assert (width, height) == tuple(SIZES[SHOTS[file.stem].size].values()), file


@pytest.fixture
def street(first_run):
    """The box of the first run, which has a street already."""
    folder, root = first_run
    shutil.copy(CLIPS / "street/street.mp4", folder / "edge-home")
    text = (CLIPS / "street/site.yaml").read_text("utf-8")
    text = SITE + text[text.index("  zones:") :]
    for name, words in ZONES.items():
        text = text.replace(f"- id: {name}\n", f"- id: {name}\n    name: {words}\n")
    (folder / "edge-home/site.yaml").write_text(text, "utf-8")
    return folder, root


def kept(page, name):
    """The window's picture, written small where EDGE_PICTURES says."""
    image = cv2.imdecode(np.frombuffer(page.screenshot(), np.uint8), cv2.IMREAD_COLOR)
    for quality in (80, 65, 50, 35):
        webp = cv2.imencode(".webp", image, (cv2.IMWRITE_WEBP_QUALITY, quality))[1]
        if len(webp) <= PICTURE_BYTES_MAX:
            break
    if folder := os.environ.get("EDGE_PICTURES"):
        (Path(folder) / f"{name}.webp").write_bytes(webp.tobytes())


def entered(context, root, code):
    page = context.new_page()
    page.goto(root)
    page.fill("[name=code]", code)
    page.fill("[name=name]", "zhang")
    page.fill("[name=password]", PASSWORD)
    page.click("main button")
    page.wait_for_url("**/live")
    return page


def first_case(folder):
    """The first stall that was found, with its close-up and the scene."""
    manifests = (folder / "edge-home/state/evidence").glob("v-*/r*/manifest.json")
    return next((path.parts[-3] for path in sorted(manifests, key=lambda p: p.stat().st_mtime)
                 if "close" in path.read_text("utf-8")), None)  # fmt: skip


def flown(page, root):
    """A flight that was uploaded and analysed on the box; its name."""
    page.goto(root + "/flights")
    page.set_input_files("#files", [str(CLIPS / f"flyover/flyover.{s}") for s in ("mp4", "SRT")])
    # The page comes anew once a file has arrived, and what was opened is closed again.
    listed = page.locator("#upload li summary")
    until(lambda: listed.count() == 2 or page.wait_for_timeout(1000))
    page.wait_for_timeout(2000)
    page.goto(root + "/flights")
    film = "#upload li:has(summary:has-text('flyover.mp4'))"
    page.click(f"{film} summary")
    page.fill(f"{film} [name=title]", "河东工地 7 月")
    page.click(f"{film} form[action='/flights/start'] button")
    done = page.locator(".flights [data-state=done]")
    until(lambda: done.count() or (page.goto(root + "/flights") and False), 1200.0)
    return done.first.get_attribute("data-flight")


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.broker
@pytest.mark.timeout(1800)
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is missing: apt-get install chromium")
def test_the_guides_pictures_are_made(street):
    folder, root = street
    code = until(lambda: code_in(folder / "run.log"))
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        context = browser.new_context(locale="zh-CN", ignore_https_errors=True)
        context.set_default_timeout(LIMIT_MS)
        page = entered(context, root, code)
        names = {}
        for name, shot in SHOTS.items():
            if "{case}" in shot.path and not names:
                names["case"] = until(lambda: first_case(folder), 300.0)
            if name == "flights":
                names["flight"] = flown(page, root)
            page.set_viewport_size(SIZES[shot.size])
            page.goto(root + shot.path.format(**names))
            expect(page.locator(shot.shown).first).to_be_visible(timeout=LIMIT_MS)
            until(lambda: page.evaluate(SEEN_ARE_THERE))
            page.wait_for_timeout(1500)
            kept(page, name)
        browser.close()
