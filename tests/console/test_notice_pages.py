# SPDX-License-Identifier: AGPL-3.0-or-later
"""Chats set up on the page: nothing secret comes back, and the desk hears of new cases."""

from dataclasses import replace

import pytest
from playwright.sync_api import expect
from starlette.testclient import TestClient

from edge.console.texts import TEXTS
from edge.notices.hooks import HOOKS_MOST, hooks_file, read_hooks
from tests.console.conftest import PASSWORD, put_case
from tests.console.test_browser import ACCESSIBILITY, playwright, served, visit  # noqa: F401

URL = "https://qyapi.example/cgi-bin/webhook/send?key=very-secret-key-abcd"
FORM = {"name": "值班群", "kind": "wecom", "url": URL, "secret": "sign-secret", "cases": "on"}
FORM |= {
    "enabled": "on",
    "quiet_begin": "22:00",
    "quiet_end": "07:00",
    "categories": "street-vendor",
}


@pytest.fixture
def client(box):
    services = replace(box.console.services, test_notice=lambda hook: "93000: no such key")
    box.console = replace(box.console, services=services)
    box.app.state.console = box.console
    client = TestClient(box.app, follow_redirects=False)
    form = {"code": box.console.accounts.first_code, "name": "张工", "password": PASSWORD}
    client.post("/first", data=form)
    client.csrf = client.get("/live").text.partition('name="csrf" content="')[2].partition('"')[0]
    return client


def save(client, **more):
    return client.post("/setup/notices", data={"csrf": client.csrf, **FORM, **more})


def test_a_chat_is_saved_and_its_secrets_never_come_back(box, client):
    assert save(client).status_code == 303
    (hook,) = read_hooks(hooks_file(box.state))
    assert (hook.url, hook.quiet, hook.categories) == (URL, "22:00-07:00", ("street-vendor",))
    page = client.get("/setup/notices").text
    assert "值班群" in page and "very-secret" not in page and "sign-secret" not in page
    audit = (box.state / "console/audit.jsonl").read_text()
    assert "very-secret" not in audit and "notice saved" in audit


def test_an_address_that_is_not_typed_again_stays(box, client):
    save(client)
    assert save(client, id="hook-1", url="", secret="", name="夜班群").status_code == 303
    (hook,) = read_hooks(hooks_file(box.state))
    assert (hook.name, hook.url, hook.secret) == ("夜班群", URL, "sign-secret")
    save(client, id="hook-1", url="", secret="", forget="on")
    assert read_hooks(hooks_file(box.state))[0].secret == ""
    client.post("/setup/notices/remove", data={"csrf": client.csrf, "id": "hook-1"})
    assert read_hooks(hooks_file(box.state)) == ()


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"url": "qyapi.example"}, "url"),
        ({"url": "http://qyapi.example/send?key=1"}, "url"),
        ({"name": " "}, "name"),
        ({"quiet_end": "25:99"}, "quiet"),
    ],
)
def test_what_does_not_fit_is_said_and_nothing_is_saved(box, client, wrong, key):
    answer = client.post(
        "/setup/notices",
        data={"csrf": client.csrf, **FORM, **wrong},
        headers={"accept-language": "zh"},
    )
    assert answer.status_code == 422 and TEXTS[f"hook_bad_{key}"][0] in answer.text
    assert read_hooks(hooks_file(box.state)) == ()


def test_there_is_an_end_to_chats(box, client):
    for _ in range(HOOKS_MOST):
        assert save(client).status_code == 303
    assert save(client).status_code == 422 and len(read_hooks(hooks_file(box.state))) == HOOKS_MOST


def test_a_test_says_why_it_was_not_taken(client):
    save(client)
    answer = client.post("/setup/notices/test", data={"csrf": client.csrf, "id": "hook-1"})
    assert answer.status_code == 422 and "93000" in answer.json()["said"]


def test_the_desk_counts_what_waits(box, client):
    put_case(box.state / "evidence", 1)
    put_case(box.state / "evidence", 2)
    told = client.get("/data/desk").json()
    assert told["open"] == 2 and told["newest"].startswith("2026-05-01T08:02")


@pytest.mark.browser
@pytest.mark.parametrize("size", ["phone", "laptop"])
def test_sound_and_badge_of_the_desk(visit, box, size):  # noqa: F811
    visitor = visit(size)
    page = visitor.page
    page.clock.install()
    visitor.open("/setup/notices")
    page.wait_for_load_state("load")
    assert page.evaluate(ACCESSIBILITY) == []
    visitor.open("/live")
    expect(page.locator("#waits")).not_to_be_empty()
    before = int(page.inner_text("#waits"))
    assert page.title().startswith(f"({before}) ")
    page.evaluate(
        "() => { window.rung = 0; AudioContext.prototype.createOscillator = ((made) => function () "
        "{ window.rung += 1; return made.call(this); })(AudioContext.prototype.createOscillator); }"
    )
    page.click("#bell")
    expect(page.locator("#bell")).to_have_attribute("aria-pressed", "true")
    rung = page.evaluate("window.rung")
    assert rung == 2, "a try at once, so that one knows the sound"
    put_case(box.state / "evidence", 59)
    for _ in range(3):
        page.clock.run_for(16_000)
        page.wait_for_timeout(1500)
    expect(page.locator("#waits")).to_have_text(str(before + 1))
    assert page.evaluate("window.rung") == rung + 2
