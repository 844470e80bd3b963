# SPDX-License-Identifier: AGPL-3.0-or-later
"""The pages of waves in a real browser: one is started, halts, is read, goes on, is stopped; in
both languages, on a phone and a laptop."""

import http.client
import os
import re
import time
from contextlib import closing
from dataclasses import replace
from urllib.parse import urlencode

import msgspec
import pytest
from playwright.sync_api import expect

from city_platform.files import Box
from city_platform.page import Page
from city_platform.store import Store
from city_platform.wave_run import Orders, step
from city_platform.wave_store import WaveStore
from city_platform.wave_words import WORDS, word
from city_platform.waves import Wave, chosen
from tests.console.test_browser import (  # noqa: F401 - a fixture
    ACCESSIBILITY,
    SIZES,
    Visitor,
    playwright,
)

pytestmark = pytest.mark.browser
BOXES = 40
SHA256 = "ab" * 32


class FixedSigner:
    """Signs nothing: no box hears these orders."""

    def sign(self, body):
        return msgspec.json.encode(body)


@pytest.fixture
def platform(tmp_path):
    """A store with boxes of two tenants, half of them at schools, and its page."""
    with closing(Store(tmp_path)) as store:
        with store.commit():
            for n in range(BOXES):
                tenant = "east" if n % 4 else "west"
                store.add_key(Box(tenant, f"box-{n:02d}"), f"k{n}", "pem")
                if n % 2:
                    tags = ["school"]
                    WaveStore(store.database).label(Box(tenant, f"box-{n:02d}"), f"33010{n}", tags)
        page = Page(lambda: Store(tmp_path), 0)
        try:
            yield store, f"http://127.0.0.1:{page.port}"
        finally:
            page.close()


@pytest.fixture(params=sorted(SIZES))
def visitor(platform, playwright, request):  # noqa: F811
    found = Visitor(playwright, platform[1], request.param)
    yield found
    found.context.close()
    assert not found.wrong


def sound(page, name=""):
    """Readable, and nothing wider than the screen; a picture where one is asked for."""
    assert page.evaluate(ACCESSIBILITY) == []
    if folder := os.environ.get("SHOTS"):
        page.screenshot(path=f"{folder}/{name}-{page.viewport_size['width']}.png", full_page=True)


def ordered(store):
    """One turn of tools/waves run."""
    return step(store.database, Orders(FixedSigner()), lambda *_: None, time.time())


def ended(store, name, stage, why="", count=1000):
    """So many boxes that were ordered end as they would by their own word."""
    waves = WaveStore(store.database)
    row = waves.one(name)
    under_way = [one for one in chosen(row.wave, waves.rows(row.wave)) if one.stage == "ordered"]
    with store.database.transaction():
        waves.keep(row.wave, [_moved(one, stage, why) for one in under_way[:count]])


def _moved(one, stage, why):
    return replace(one, stage=stage, at=time.time(), why=why)


def test_a_wave_from_its_start_to_its_end_by_a_person(platform, visitor):
    store, _ = platform
    page = visitor.page
    visitor.open("/waves")
    expect(page.locator("main")).to_contain_text("还没有任何批次")
    sound(page, "empty")
    page.click("text=新建批次")
    for name, text in {"name": "spring", "number": "7", "sha256": SHA256, "soak_min": "0",
                       "shares": "50 10 100"}.items():  # fmt: skip
        page.fill(f"[name={name}]", text)
    page.select_option("[name=tag]", "school")
    page.click("main button")
    expect(page.get_by_role("alert")).to_contain_text("须递增")
    assert page.input_value("[name=sha256]") == SHA256, "what was typed stays"
    assert page.input_value("[name=tag]") == "school"
    sound(page, "form")
    page.fill("[name=shares]", "10 50 100")
    page.click("main button")
    page.wait_for_url("**/waves/spring")
    expect(page.locator("dl")).to_contain_text("school")

    ordered(store)
    ended(store, "spring", "settled")
    ordered(store)
    ended(store, "spring", "rolled_back", why="visiond ended <3 times> in the trial", count=3)
    page.reload()
    expect(page.locator("tr[aria-current=step]")).to_contain_text("50.0%")
    expect(page.locator(".boxes tr").nth(1)).to_contain_text("visiond ended <3 times>")
    sound(page, "running")
    ordered(store)
    page.reload()
    expect(page.locator("main")).to_contain_text("5 台有结果，其中 3 台未通过（界限 10%）")
    sound(page, "halted")

    page.click('button:has-text("继续")')
    expect(page.get_by_role("alert")).to_contain_text("请先勾选")
    page.click("text=已退回 3")
    page.wait_for_url("**stage=rolled_back**")
    expect(page.locator(".boxes tr")).to_have_count(4)
    page.click("text=English")
    expect(page.locator("main")).to_contain_text("3 of the 5 boxes that ended did not hold")
    expect(page.locator(".boxes tr")).to_have_count(4)
    sound(page, "halted-en")
    page.check("[name=sure]")
    page.click('button:has-text("Go on")')
    expect(page.locator("main")).to_contain_text("running")
    page.click("text=Stop: order nobody more")
    expect(page.locator("main")).to_contain_text("stopped by a person")
    assert WaveStore(store.database).one("spring").state == "stopped"
    page.click("text=All waves")
    expect(page.locator("table")).to_contain_text("stopped by a person")
    sound(page, "list-en")


def test_nobody_else_steers(platform):
    """Another site's form, a name made to point here, a form too large: refused, nothing done."""
    store, root = platform
    with store.database.transaction():
        WaveStore(store.database).create(Wave(name="w", number=7, sha256=SHA256), 1.0)
    port = int(root.rpartition(":")[2])
    stop = urlencode({"what": "stop", "wave": "w"})

    def post(host, origin, body=stop):
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as wire:
            headers = {"Host": host, "Origin": origin}
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            wire.request("POST", "/waves", body, headers)
            return wire.getresponse().status

    here = f"127.0.0.1:{port}"
    assert post(here, "http://elsewhere.example") == 403
    assert post(f"elsewhere.example:{port}", f"http://elsewhere.example:{port}") == 403
    assert post(here, f"http://{here}", "a=" + "b" * 5000) == 403
    assert post(here, f"http://{here}", "what=burn") == 400
    assert post(here, f"http://{here}", "what=stop&wave=none") == 404
    assert WaveStore(store.database).one("w").state == "running"
    assert post(here, f"http://{here}") == 303
    assert WaveStore(store.database).one("w").state == "stopped"


def test_every_word_is_in_both_languages_with_the_same_facts():
    for key in WORDS:
        zh, en = (re.findall(r"\{\w+\}", word(key, language)) for language in ("zh", "en"))
        assert sorted(zh) == sorted(en), key
