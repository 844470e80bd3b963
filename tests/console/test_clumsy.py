# SPDX-License-Identifier: AGPL-3.0-or-later
"""A clumsy person at every form, in a real browser: back, two tabs, a session that is over, a
double click, no network, huge names and Arabic, wrong files. No word is lost, no page is blank, and
a refusal is one sentence of the catalogue that says what to do.

A new form without a walk fails. The short run takes one mishap for each form in turn; the long one
(`slow`) all of them.
"""

import re
import time
from dataclasses import replace

import pytest
from playwright.sync_api import Error, expect
from starlette.routing import Route

from edge.config import Site, load
from edge.console.drafts import SiteFile
from edge.console.texts import TEXTS
from edge.sensors.check import check_sensors
from tests.console.clumsy import FILES, KEPT, ODD, WALKS, WHO, fakes, wrong_files
from tests.console.conftest import PASSWORD, put_case
from tests.console.test_browser import playwright, served, visit  # noqa: F401 - fixtures
from tests.console.test_cases import put_many

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]
LIMIT_MS = 60_000
# A status code, the inside of a program, or a key of the catalogue is no sentence.
NO_SENTENCE = re.compile(r"^\s*\d{0,3}\s*$|Traceback|TypeError|SyntaxError|undefined|\[object")
SENTENCES = {zh for zh, _ in TEXTS.values()}
PATTERNS = [re.compile(re.sub(r"\\\{\w+\\\}", ".+", re.escape(zh))) for zh in SENTENCES]


def test_every_form_has_a_walk(box):
    routes = {
        f"{method} {route.path}"
        for route in box.app.routes
        if isinstance(route, Route)
        for method in route.methods - {"GET", "HEAD"}
    }
    assert routes == set(WALKS) | FILES


def test_a_refusal_says_what_is_wrong_and_what_to_do():
    """Every sentence that a walk may be refused with has two halves, in both languages."""
    keys = {key for walk in WALKS.values() for _, key in walk.wrong.values() if key}
    keys |= {"lost_network", "too_long", "too_slow", "stale_form", "failed", "not_found",
             "already_set_up", "account_gone", "hook_gone", "camera_missing", "locked", "busy",
             "bad_name", "bad_password", "last_installer", "reason_needed",
             "undo_late"}  # fmt: skip
    keys |= {key for key in TEXTS if key.startswith(("cause_", "error_", "upload_bad", "hook_bad"))}
    halved = re.compile(r"[:：,，;；。.？?]\s*\S")
    assert [key for key in sorted(keys) if not all(map(halved.search, TEXTS[key]))] == []


def patient(evaluate):
    """Once more where the page was just changing to the next one."""

    def tried(script):
        for _ in range(20):
            try:
                return evaluate(script)
            except Error as error:
                if "context was destroyed" not in str(error):
                    raise
        return evaluate(script)

    return tried


class Desk:
    """A visitor, the walk under way, and what went wrong so far."""

    def __init__(self, visitor, box, root):
        self.visitor, self.box, self.root, self.wrong = visitor, box, root, []
        self.page, self.asked = visitor.page, set()
        self.watch(self.page)

    def watch(self, page):
        """Questions of a page are answered with yes, its requests are known while they run."""
        page.on("dialog", lambda dialog: dialog.accept())
        page.on("request", lambda one: self.asked.add(one))
        page.on("requestfinished", lambda one: self.asked.discard(one))
        page.on("requestfailed", lambda one: self.asked.discard(one))

    def log_in(self):
        """A new session for this browser, whatever was before."""
        accounts = self.box.console.accounts
        session = accounts.log_in(WHO, PASSWORD, f"10.0.0.{len(accounts._sessions) % 200}")
        self.cookie(session.token)

    def cookie(self, token):
        row = {"name": "edge-session", "value": token, "url": self.root}
        self.visitor.context.add_cookies([row])

    def forget(self):
        """This browser as it was bought."""
        if self.page.url.startswith(self.root):
            self.page.evaluate("sessionStorage.clear()")
        self.visitor.context.clear_cookies()

    def begin(self, walk):
        """The walk's world, and its form on the screen, filled in."""
        self.box.console.accounts._attempts._tries.clear()
        if "installer" in self.box.console.accounts.names():
            self.forget()
            accounts = self.box.console.accounts
            with accounts._changing:
                accounts._put(WHO, accounts._hashed(WHO, PASSWORD), "installer")
        walk.ready(self.box)
        if not walk.outside:
            self.log_in()
        self.enter(walk)

    def enter(self, walk, page=None):
        page = page or self.page
        try:
            page.goto(self.root + walk.page)
        except Error as error:
            # A form of the walk before was still on its way.
            if "ERR_ABORTED" not in str(error):
                raise
            page.goto(self.root + walk.page)
        self.show(walk, page)
        self.fill(walk, page)

    def show(self, walk, page):
        page.wait_for_load_state("load")
        page.evaluate("document.querySelectorAll('main details').forEach(d => d.open = true)")
        if walk.open == "#probe":
            page.click("#probe")
        page.wait_for_selector(walk.form, timeout=LIMIT_MS)

    def fill(self, walk, page, words=None):
        for name, value in {**walk.words, **walk.secret, **(words or {})}.items():
            at = name if name.startswith(".") else f"[name='{name}']"
            one = page.locator(f"{walk.form} {at}").first
            if one.evaluate("(node) => node.tagName") == "SELECT":
                one.select_option(value)
            else:
                one.fill(value)
        if walk.form == "section.editor":
            page.keyboard.press("Tab")

    def press(self, walk, page=None, *, twice=False):
        button = (page or self.page).locator(f"{walk.form} {walk.press}").first
        button.dblclick() if twice else button.click()

    def settle(self, page=None):
        """Until whatever was pressed has come to an end: nothing asked, three times in a row. The
        page answers each time, so that on a busy machine it is waited for as long as it needs."""
        page, quiet, until = page or self.page, 0, time.monotonic() + LIMIT_MS / 1000
        while quiet < 3 and time.monotonic() < until:
            page.wait_for_timeout(40)
            ready = patient(page.evaluate)("document.readyState") == "complete"
            quiet = quiet + 1 if ready and not self.asked else 0
        self.asked.clear()
        page.wait_for_load_state("load")

    def check(self, what, page=None):
        """A page of ours with something on it, and refusals that are sentences of the catalogue."""
        page = page or self.page
        page.wait_for_load_state("load")
        try:
            shown = patient(page.evaluate)(
                """() => ({head: document.querySelectorAll('header .brand, h1').length,
                refusals: [...document.querySelectorAll('main .bad[role=alert], .refusal, '
                  + '#told.bad, .told.bad, #snapped.bad, #found .bad, #streams .bad, '
                  + '#coming .bad, #told .bad')]
                  .map((one) => (one.firstChild || one).textContent.trim())})"""
            )
        except Error as error:
            self.wrong.append(f"{what}: {error}")
            return []
        if not page.url.startswith(self.root) or not shown["head"]:
            self.wrong.append(f"{what}: a page that is not ours or is empty: {page.url}")
        for line in shown["refusals"]:
            known = any(pattern.search(line) for pattern in PATTERNS if pattern.pattern)
            if NO_SENTENCE.search(line) or not known:
                self.wrong.append(f"{what}: no sentence: {line!r}")
        return shown["refusals"]

    def kept(self, walk, what, page=None):
        """Every word that was typed stands in the form (passwords never do)."""
        page = page or self.page
        try:
            self.show(walk, page)
        except Error:
            self.wrong.append(f"{what}: the form is gone: {page.url}")
            return
        for name, value in walk.words.items():
            at = name if name.startswith(".") else f"[name='{name}']"
            there = page.locator(f"{walk.form} {at}").first.input_value()
            if there != value:
                self.wrong.append(f"{what}: {name} is {there[:40]!r} and was {value[:40]!r}")


def back(desk, walk, what):
    """Away by the menu with half a form, and back."""
    desk.begin(walk)
    desk.page.goto(desk.root + ("/recover" if walk.outside and walk.page == "/login" else "/login"
                                if walk.outside else "/health"))  # fmt: skip
    desk.page.go_back()
    desk.settle()
    desk.check(what)
    desk.kept(walk, what)


def over(desk, walk, what):
    """The session ends while somebody types; log in again, and the words are there."""
    desk.begin(walk)
    if walk.outside:
        return
    desk.box.console.accounts._sessions.clear()
    if walk.form == "section.editor" or not walk.script or walk.press != "#probe":
        desk.press(walk)
    desk.settle()
    desk.check(what)
    if "/login" not in desk.page.url and walk.press != "#probe":
        desk.wrong.append(f"{what}: no log-in, but {desk.page.url}")
    if "/login" in desk.page.url:
        desk.page.fill("[name=name]", WHO)
        desk.page.fill("main [name=password]", PASSWORD)
        desk.page.click("main form button")
        desk.page.wait_for_url(lambda url: "/login" not in url, timeout=LIMIT_MS)
        desk.kept(walk, what)


def lost(desk, walk, what):
    """No network: said at once, nothing lost, and pressed again it works."""
    desk.begin(walk)
    before = walk.done(desk.box)
    desk.visitor.context.set_offline(True)
    desk.press(walk)
    desk.settle()
    said = desk.check(what)
    desk.visitor.context.set_offline(False)
    if not any(TEXTS["lost_network"][0] in line for line in said):
        probe = desk.page.locator("#told").all_inner_texts() if walk.script else []
        if not any(TEXTS["lost_network"][0] in line for line in probe):
            desk.wrong.append(f"{what}: not told that the network is gone: {said}")
    for name in walk.secret:
        if not desk.page.locator(f"{walk.form} [name='{name}']").first.input_value():
            desk.wrong.append(f"{what}: {name} was emptied")
    desk.press(walk)
    desk.settle()
    desk.check(what)
    if walk.done.__name__ != "<lambda>" and walk.done(desk.box) != before + 1:
        desk.wrong.append(f"{what}: done {walk.done(desk.box) - before} times, once is right")


def twice(desk, walk, what):
    """A double click is one."""
    desk.begin(walk)
    before = walk.done(desk.box)
    desk.press(walk, twice=True)
    desk.settle()
    refused = desk.check(what)
    done = walk.done(desk.box) - before
    if refused:
        desk.wrong.append(f"{what}: refused after a double click: {refused}")
    if walk.done.__name__ != "<lambda>" and done != 1:
        desk.wrong.append(f"{what}: a double click did it {done} times")


def two_tabs(desk, walk, what):
    """The same form in two tabs, sent in both."""
    desk.begin(walk)
    other = desk.visitor.context.new_page()
    desk.watch(other)
    try:
        desk.enter(walk, other)
        desk.press(walk)
        desk.settle()
        desk.check(f"{what}, first tab")
        desk.press(walk, other)
        desk.settle(other)
        refused = desk.check(f"{what}, second tab", other)
        if refused and other.locator(walk.form).count():
            desk.kept(walk, f"{what}, second tab", other)
    finally:
        other.close()


def odd(desk, walk, what):
    """Huge names from right to left: taken or refused in a sentence, and the page stays a page."""
    desk.begin(walk)
    texts = [name for name in walk.words if name not in ("role", "code", "text")]
    desk.fill(walk, desk.page, dict.fromkeys(texts, ODD))
    desk.press(walk)
    desk.settle()
    desk.check(what)
    if desk.page.evaluate("document.documentElement.scrollWidth > innerWidth + 1"):
        desk.wrong.append(f"{what}: wider than the screen at {desk.page.url}")


def mistaken(desk, walk, what):
    """A value that cannot be taken: the right cause, and all that was typed is still there."""
    for name, (value, key) in walk.wrong.items():
        desk.begin(walk)
        desk.page.evaluate("document.querySelectorAll('form').forEach((f) => f.noValidate = true)")
        desk.fill(walk, desk.page, {name: value})
        desk.press(walk)
        desk.settle()
        said = desk.check(f"{what}, {name}")
        if key and not any(line.startswith(TEXTS[key][0]) for line in said):
            desk.wrong.append(f"{what}: {name} = {value!r} should be told as {key}: {said}")
        others = {at: words for at, words in walk.words.items() if at != name}
        desk.kept(replace(walk, words=others), f"{what}, {name}")


MISHAPS = (back, over, lost, twice, two_tabs, odd, mistaken)
FIRST = "POST /first"


def sound(draft):
    """The parts of the daemons' own check that need no process apart."""
    check_sensors(load(draft, Site), where=str(draft))


@pytest.fixture
def desk(visit, box, served):  # noqa: F811
    services = replace(box.console.services, **fakes(box, box.console.services))
    site = SiteFile(box.site, sound, box.state / "console/saves.jsonl")
    box.console = replace(box.console, services=services, site=site)
    box.app.state.console = box.console
    put_case(box.state / "evidence", 2)
    put_case(box.state / "evidence", 3)
    return Desk(visit("phone"), box, served)


def walked(desk, mishaps):
    """(form, mishap) one after the other; what is wrong at the end."""
    for route, mishap in mishaps:
        what = f"{route}, {mishap.__name__}"
        try:
            mishap(desk, WALKS[route], what)
        except Error as error:
            desk.wrong.append(f"{what}: {str(error)[:300]}")
            desk.visitor.context.set_offline(False)
    print("\n".join([*desk.wrong, *desk.visitor.wrong]))
    return desk.wrong


def test_one_mishap_for_each_form(desk):
    forms = [route for route in WALKS if route != FIRST]
    turn = [(route, MISHAPS[n % len(MISHAPS)]) for n, route in enumerate(forms)]
    assert walked(desk, turn) == []


@pytest.mark.slow
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("mishap", MISHAPS, ids=lambda one: one.__name__)
def test_every_mishap_at_every_form(desk, mishap):
    assert walked(desk, [(route, mishap) for route in WALKS if route != FIRST]) == []


def test_the_first_account_is_made_by_one_of_two(playwright, box, served):  # noqa: F811
    from tests.console.test_browser import Visitor

    visitor = Visitor(playwright, served, "phone")
    page, other = visitor.page, visitor.context.new_page()
    for one, name in ((page, "zhang"), (other, "li")):
        one.goto(served)
        one.fill("[name=code]", "00000000" if one is page else box.console.accounts.first_code)
        one.fill("[name=name]", name)
        one.fill("[name=password]", PASSWORD)
    page.click("main button")
    expect(page.locator("main .bad")).to_have_text(TEXTS["wrong_code"][0], timeout=LIMIT_MS)
    expect(page.locator("[name=name]")).to_have_value("zhang")
    other.click("main button")
    other.wait_for_url("**/live", timeout=LIMIT_MS)
    page.fill("[name=password]", PASSWORD)
    page.click("main button")
    expect(page.locator("main .bad")).to_have_text(TEXTS["already_set_up"][0], timeout=LIMIT_MS)
    visitor.context.close()


def test_wrong_files_are_refused_in_a_sentence_and_the_others_arrive(desk, tmp_path):
    desk.begin(WALKS["POST /flights/start"])
    files = wrong_files(tmp_path / "in" if (tmp_path / "in").mkdir() is None else tmp_path)
    desk.page.set_input_files("#files", [str(path) for path, _ in files.values()])
    rows = desk.page.locator("#coming li")
    expect(rows.last.locator("small")).not_to_have_text("", timeout=LIMIT_MS)
    desk.settle()
    desk.check("wrong files")
    said = desk.page.locator("#coming li").all_inner_texts()
    for (name, (_, key)), line in zip(files.items(), said, strict=True):
        assert not key or TEXTS[key][0] in line, (name, line)
    assert desk.wrong == []


def test_an_upload_without_network_says_so(desk, tmp_path):
    desk.begin(WALKS["POST /flights/start"])
    good = tmp_path / "DJI_8.MP4"
    good.write_bytes(b"\x00\x00\x00\x20ftypisom" + bytes(5000))
    desk.visitor.context.set_offline(True)
    desk.page.set_input_files("#files", [str(good)])
    expect(desk.page.locator("#coming .bad")).to_have_text(
        TEXTS["upload_lost"][0], timeout=LIMIT_MS
    )
    desk.visitor.context.set_offline(False)


@pytest.mark.slow
def test_a_thousand_cases_and_filters_of_nonsense(desk):
    put_many(desk.box.state / "evidence", 1000, first=100)
    desk.log_in()
    for query in ("", "?page=999999", f"?text={ODD[:80]}", "?from=2026-13-40&to=x",
                  "?review=x&page=-1", f"?camera={'x' * 3000}",
                  "?days=7&category=%00"):  # fmt: skip
        desk.page.goto(desk.root + "/cases" + query)
        desk.check(f"/cases{query[:40]}")
    desk.page.goto(desk.root + "/review?text=%E2%80%AE")
    desk.check("/review")
    desk.page.goto(desk.root + "/cases?page=20")
    desk.page.click(".cases a")
    desk.page.fill("[name=reason]", KEPT)
    desk.page.click(".danger")
    desk.page.wait_for_url("**done=**", timeout=LIMIT_MS)
    assert desk.wrong == []
