# SPDX-License-Identifier: AGPL-3.0-or-later
"""Every route with every role, and who is locked out by whose wrong passwords."""

import re
from pathlib import Path

import pytest
from starlette.routing import Route
from starlette.testclient import TestClient

from edge.console import roles
from edge.console.accounts import Accounts, audit_rows
from edge.console.attempts import ADDRESS_TRIES, TRIES, LoginRefused
from edge.console.roles import ROLES, allowed
from edge.console.texts import TEXTS
from tests.console.conftest import PASSWORD, QUICK, put_case

CONSOLE = Path(roles.__file__).parent

# What each role may send; what it may fetch besides what everybody may. Written here again, so
# that a change of the table is seen.
SENDS = {
    "viewer": {"/language", "/logout", "/account/password"},
    "auditor": {"/language", "/logout", "/account/password"},
    "reviewer": {
        "/language",
        "/logout",
        "/account/password",
        "/cases/{id}/review",
        "/labels",
        "/teach/{camera}/{zone}",
    },
}
CLOSED = {
    "viewer": {"/setup/accounts", "/setup/audit", "/setup/access", "/setup/file", "/setup/notices"},
    "reviewer": {
        "/setup/accounts",
        "/setup/audit",
        "/setup/access",
        "/setup/file",
        "/setup/notices",
    },
    "auditor": {"/setup/access", "/setup/file", "/setup/notices"},
}
# Forms that come before any log-in.
BEFORE = {"/login", "/first", "/recover"}


@pytest.fixture
def people(box):
    """A client of each role, logged in."""
    accounts = box.console.accounts
    accounts.set_up(accounts.first_code, "installer", PASSWORD, "here")
    put_case(box.state / "evidence", 1)
    found = {}
    for role in ROLES:
        if role != "installer":
            accounts.add(role, PASSWORD, role)
        client = TestClient(box.app, follow_redirects=False, raise_server_exceptions=False)
        form = {"name": role, "password": PASSWORD}
        assert client.post("/login", data=form).status_code == 303
        found[role] = client
    return found


def routes(app):
    return [
        (sorted(route.methods - {"HEAD"})[0], route.path)
        for route in app.routes
        if isinstance(route, Route)
    ]


def filled(path):
    values = {"{id}": "v-0000000001", "{camera}": "north", "{name}": "x.mp4"}
    values |= {"{sensor}": "s", "{channel}": "c", "{file:path}": "f"}
    for mark, value in values.items():
        path = path.replace(mark, value)
    return path


def test_every_route_with_every_role(box, people):
    """Refused by the table: 403, before anything is done; let in: any other answer."""
    asked = 0
    for method, path in routes(box.app):
        if path in BEFORE or path == "/logout":
            continue
        for role, client in people.items():
            answer = client.request(method, filled(path), headers={"x-csrf": "wrong"})
            may = role in allowed(method, path)
            stale = any(words in answer.text for words in TEXTS["stale_form"])
            refused = answer.status_code == 403 and "said" in answer.text and not stale
            assert refused != may, (method, path, role, answer.status_code)
            asked += 1
    assert asked > 100


def test_the_table_is_what_it_should_be(box):
    for method, path in routes(box.app):
        who = allowed(method, path)
        assert "installer" in who, "an installer may do everything"
        if path in BEFORE:
            continue
        for role in ("viewer", "reviewer", "auditor"):
            if method == "GET":
                closed = any(path.startswith(one) for one in CLOSED[role])
                assert (role in who) != closed, (path, role)
            elif path.startswith(("/cases/", "/review")):
                assert (role in who) == (role == "reviewer")
            else:
                assert (role in who) == (path in SENDS[role]), (path, role)


def test_what_nobody_has_opened_is_closed():
    assert allowed("DELETE", "/anything") == frozenset()
    assert allowed("POST", "/new/route") == roles.INSTALLERS


def test_a_refusal_says_what_to_do(people):
    answer = people["viewer"].post(
        "/setup/camera", data={"csrf": "x"}, headers={"accept-language": "en"}
    )
    assert answer.status_code == 403 and "viewer" in answer.text and "installer" in answer.text


def test_five_wrong_passwords_lock_one_account_and_not_the_house(tmp_path):
    accounts = Accounts(tmp_path, session_s=60.0, hasher=QUICK)
    accounts.set_up(accounts.first_code, "zhang", PASSWORD, "10.0.0.1")
    accounts.add("li", PASSWORD, "reviewer")
    for _ in range(TRIES):
        with pytest.raises(LoginRefused, match="wrong_login"):
            accounts.log_in("zhang", "wrong-password", "10.0.0.1")
    with pytest.raises(LoginRefused, match="locked"):
        accounts.log_in("zhang", PASSWORD, "10.0.0.1")
    assert accounts.log_in("li", PASSWORD, "10.0.0.1").role == "reviewer"
    assert accounts.log_in("zhang", PASSWORD, "10.0.0.2"), "and the account elsewhere"


def test_nobody_tries_names_for_ever(tmp_path):
    accounts = Accounts(tmp_path, session_s=60.0, hasher=QUICK)
    accounts.set_up(accounts.first_code, "zhang", PASSWORD, "10.0.0.1")
    said = []
    for number in range(ADDRESS_TRIES + 1):
        with pytest.raises(LoginRefused) as refused:
            accounts.log_in(f"name-{number}", "wrong-password", "10.0.0.9")
        said.append(str(refused.value))
    assert said[-1] == "locked" and said[0] == "wrong_login"


def csrf(client, page="/account"):
    return client.get(page).text.partition('name="csrf" content="')[2].partition('"')[0]


def test_a_password_is_changed_by_its_owner_and_ends_other_log_ins(box, people):
    reviewer, old = people["reviewer"], TestClient(box.app, follow_redirects=False)
    old.post("/login", data={"name": "reviewer", "password": PASSWORD})
    form = {"csrf": csrf(reviewer), "old": "wrong-password", "password": "a-new-password"}
    assert reviewer.post("/account/password", data=form).status_code == 422
    form["old"] = PASSWORD
    assert reviewer.post("/account/password", data=form).status_code == 303
    assert reviewer.get("/live").status_code == 200
    assert old.get("/live").status_code == 303, "the other device is out"
    again = {"name": "reviewer", "password": "a-new-password"}
    assert old.post("/login", data=again).status_code == 303


def test_an_installer_sets_roles_and_passwords(box, people):
    chief = people["installer"]
    form = {"csrf": csrf(chief), "name": "viewer", "role": "reviewer", "password": ""}
    assert chief.post("/setup/account/change", data=form).status_code == 303
    assert box.console.accounts.names()["viewer"] == "reviewer"
    form = {**form, "name": "installer", "role": "viewer"}
    assert chief.post("/setup/account/change", data=form).status_code == 422, "the last one stays"
    assert chief.post("/setup/account/change", data={**form, "name": "?"}).status_code == 404


def test_the_record_is_read_on_the_page_by_who_may(box, people):
    accounts = box.console.accounts
    accounts.audit("<b>eve</b>", "camera north", client="10.0.0.9")
    accounts.audit("zhang", "role changed", name="li", role="auditor")
    page = people["auditor"].get("/setup/audit", headers={"accept-language": "zh"}).text
    assert "修改角色" in page and "审计员" in page and "10.0.0.9" in page
    assert "<b>eve" not in page and "&lt;b&gt;eve" in page
    only = people["auditor"].get("/setup/audit?who=zhang&page=9").text
    assert "10.0.0.9" not in only and "li" in only
    assert [row["who"] for row in audit_rows(accounts.folder)][:2] == ["zhang", "<b>eve</b>"]


def test_everything_that_is_written_down_has_words():
    """Whatever a handler writes into the record is read in both languages."""
    source = "".join(path.read_text("utf-8") for path in sorted(CONSOLE.glob("*.py")))
    words = re.findall(r'\.audit\(\s*[^,()]+(?:\([^)]*\))?,\s*"([^"]+)"', source)
    assert {"zones", "camera added", "role changed"} <= set(words)
    assert [word for word in words if f"did_{word}" not in TEXTS] == []
