# SPDX-License-Identifier: AGPL-3.0-or-later
"""The application without a browser: who may do what, hostile input, and what is shown."""

import io
import re
import zipfile
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from edge.console.accounts import Accounts
from edge.console.attempts import LoginRefused
from edge.console.metrics import render
from edge.console.texts import TEXTS
from tests.console.conftest import PASSWORD, QUICK, put_case


@pytest.fixture
def fresh(box):
    return TestClient(box.app, follow_redirects=False)


@pytest.fixture
def client(box, fresh):
    """Logged in as the installer."""
    code = box.console.accounts.first_code
    form = {"code": code, "name": "张工", "password": PASSWORD}
    assert fresh.post("/first", data=form).status_code == 303
    return fresh


def csrf(client, path="/setup"):
    return re.search(r'name="csrf" (?:content|value)="([^"]+)"', client.get(path).text)[1]


PAGES = [
    "/live", "/zones", "/cases", "/sensors", "/flights", "/health", "/setup", "/setup/file",
    "/setup/link", "/setup/ports", "/setup/accounts",
]  # fmt: skip


@pytest.mark.parametrize("path", [*PAGES, "/data/picture/north", "/metrics", "/evidence/v-1/x"])
def test_before_the_first_password_everything_leads_to_the_code(fresh, path):
    answer = fresh.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/first")


@pytest.mark.parametrize("path", PAGES)
def test_pages_need_a_login_and_then_come_small_and_with_headers(client, path):
    answer = client.get(path)
    assert answer.status_code == 200
    assert len(answer.content) < 100_000
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    client.cookies.clear()
    assert client.get(path).headers["location"] == f"/login?to={quote(path, safe='')}"


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("path", PAGES)
def test_every_page_in_both_languages(client, path, language):
    client.cookies.set("edge-language", language)
    tag = {"zh": "zh-CN", "en": "en"}[language]
    assert f'<html lang="{tag}">' in client.get(path).text


def test_every_text_has_both_languages():
    assert [key for key, (zh, en) in TEXTS.items() if not zh or not en] == []


def test_a_wrong_code_locks_after_five_tries(box, fresh):
    form = {"code": "0", "name": "a", "password": PASSWORD}
    words = [fresh.post("/first", data=form).text for _ in range(6)]
    assert "那个" not in words[0]
    assert TEXTS["wrong_code"][0] in words[4]
    assert TEXTS["locked"][0] in words[5]
    right = {**form, "code": box.console.accounts.first_code}
    assert TEXTS["locked"][0] in fresh.post("/first", data=right).text


def test_a_wrong_password_locks_and_is_audited(box, client):
    client.cookies.clear()
    for _ in range(5):
        assert client.post("/login", data={"name": "张工", "password": "x"}).status_code == 403
    good = client.post("/login", data={"name": "张工", "password": PASSWORD})
    assert TEXTS["locked"][0] in good.text
    audit = (box.state / "console/audit.jsonl").read_text()
    assert audit.count("wrong_login") == 5


POSTS = [
    "/setup/site", "/setup/camera", "/setup/camera/remove", "/setup/roll-back", "/setup/snap",
    "/setup/account", "/setup/account/remove", "/setup/link/test", "/setup/ports/scan",
    "/setup/find", "/cases/v-0000000001/review", "/logout",
    "/data/zones/north", "/data/zones/north/try",
]  # fmt: skip


@pytest.mark.parametrize("path", POSTS)
def test_nothing_changes_without_the_forms_word(box, client, path):
    before = box.site.read_bytes()
    assert client.post(path, data={"csrf": "wrong"}).status_code == 403
    assert box.site.read_bytes() == before


@pytest.mark.parametrize("path", [p for p in POSTS if "setup" in p or "zones" in p])
def test_a_viewer_changes_no_configuration(box, client, path):
    box.console.accounts.add("看客", PASSWORD, "viewer")
    client.cookies.clear()
    client.post("/login", data={"name": "看客", "password": PASSWORD})
    word = csrf(client, "/live")
    assert client.post(path, data={"csrf": word}, headers={"x-csrf": word}).status_code == 403


def test_cookies_are_strict_and_secure_under_tls(box, fresh):
    box.with_tls()
    form = {"code": box.console.accounts.first_code, "name": "a", "password": PASSWORD}
    cookie = fresh.post("/first", data=form).headers["set-cookie"].lower()
    assert all(word in cookie for word in ("httponly", "samesite=strict", "secure"))


def test_script_in_a_camera_name_is_text(client):
    page = client.get("/live").text
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page


HOSTILE = [
    "../../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e/manifest.json", "manifest.json",
    "r1-overview-1.jpg%00.png", ".hidden", "r1-close-9.jpg",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_only_listed_evidence_is_served(box, client, name):
    put_case(box.state / "evidence", 1)
    assert client.get(f"/evidence/v-0000000001/{name}").status_code == 404


def test_listed_evidence_is_served_with_its_type(box, client):
    put_case(box.state / "evidence", 1)
    answer = client.get("/evidence/v-0000000001/r1-overview-1.jpg")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")


def test_a_camera_that_is_not_in_the_site_names_no_file(client):
    assert client.get("/data/picture/..%2f..%2fsecret").status_code == 404
    assert "other" not in client.get("/data/looks").json()


def test_many_violations_come_in_pages(box, client):
    for number in range(60):
        put_case(box.state / "evidence", number, gate="incomplete" if number % 2 else "complete")
    first, last = client.get("/cases").text, client.get("/cases?page=3").text
    assert (first.count('class="card"'), last.count('class="card"')) == (24, 12)
    assert client.get("/cases?gate=incomplete&page=2").text.count('class="card"') == 6
    assert (
        client.get("/cases?page=-1").status_code == client.get("/cases?page=x").status_code == 200
    )


def test_a_case_shows_verification_and_takes_a_review(box, client):
    put_case(box.state / "evidence", 1)
    # Nothing was sealed yet: files that agree with their own manifest prove little.
    assert TEXTS["unsealed_fit"][0] in client.get("/cases/v-0000000001").text
    box.broken = "r1/r1-overview-1.jpg: other bytes"
    assert TEXTS["broken"][0] in client.get("/cases/v-0000000001").text
    form = {"csrf": csrf(client), "verdict": "rejected", "reason": "环卫车"}
    assert client.post("/cases/v-0000000001/review", data=form).status_code == 303
    assert box.reviews == [("v-0000000001", "rejected", "", "环卫车", "张工")]
    form["verdict"] = "guilty"
    assert client.post("/cases/v-0000000001/review", data=form).status_code == 404


def test_the_package_holds_every_file(box, client):
    put_case(box.state / "evidence", 1)
    data = client.get("/package/v-0000000001").content
    assert zipfile.ZipFile(io.BytesIO(data)).namelist() == [
        "v-0000000001/r1/manifest.json",
        "v-0000000001/r1/r1-overview-1.jpg",
    ]


def editor(client, polygon, version):
    zones = [{"id": "new-zone", "kind": "watch", "polygon": polygon}]
    body = {"version": version, "zones": zones, "rules": [{"category": "street-vendor"}]}
    return client.post("/data/zones/north", json=body, headers={"x-csrf": csrf(client)})


TRIANGLE = [[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]]


def test_zones_are_saved_and_the_older_file_is_kept(box, client):
    version = client.get("/data/zones/north").json()["version"]
    answer = editor(client, TRIANGLE, version)
    assert answer.status_code == 200, answer.text
    assert "new-zone" in box.site.read_text()
    assert "pavement" in (box.folder / "site.yaml.1").read_text()


def test_two_installers_the_second_sees_the_difference(box, client):
    version = client.get("/data/zones/north").json()["version"]
    assert editor(client, TRIANGLE, version).status_code == 200
    answer = editor(client, [[0.2, 0.2], [0.8, 0.2], [0.5, 0.7]], version)
    assert answer.status_code == 409
    assert "+" in answer.json()["conflict"]
    assert "0.9" in box.site.read_text()


@pytest.mark.parametrize(
    "polygon", [[[0, 0]], [[0, 0]] * 500, [["a", 0], [1, 1], [0, 1]], "zone", [[0, 0, 0]] * 3]
)
def test_bad_drawings_are_refused_in_words(box, client, polygon):
    before = box.site.read_bytes()
    version = client.get("/data/zones/north").json()["version"]
    answer = editor(client, polygon, version)
    assert answer.status_code == 422
    assert answer.json()["error"]
    assert box.site.read_bytes() == before


def test_a_wrong_site_file_is_refused_with_its_reason_and_kept_in_the_form(box, client):
    page = client.get("/setup/file").text
    version = re.search(r'name="version" value="([^"]+)"', page)[1]
    form = {"csrf": csrf(client), "version": version, "text": "nam: x"}
    answer = client.post("/setup/site", data=form)
    assert answer.status_code == 422
    assert "did you mean" in answer.text
    assert "nam: x" in answer.text


def test_a_camera_in_three_fields_then_its_zones(box, client):
    form = {"csrf": csrf(client), "source": "rtsp://10.0.0.9/1", "name": "South Gate"}
    answer = client.post("/setup/camera", data=form)
    assert answer.headers["location"] == "/zones?camera=southgate"
    assert "rtsp://10.0.0.9/1" in box.site.read_text()


def test_a_test_picture_or_one_line(client):
    word = csrf(client)
    good = client.post("/setup/snap", data={"csrf": word, "source": "rtsp://10.0.0.9/1"})
    bad = client.post("/setup/snap", data={"csrf": word, "source": "exec:rm"})
    assert (good.status_code, good.headers["content-type"]) == (200, "image/jpeg")
    assert (bad.status_code, "not allowed" in bad.json()["error"]) == (422, True)


def test_rolling_back(box, client):
    version = client.get("/data/zones/north").json()["version"]
    editor(client, TRIANGLE, version)
    page = client.get("/setup/file").text
    form = {
        "csrf": csrf(client),
        "version": re.search(r'name="version" value="([^"]+)"', page)[1],
        "file": "site.yaml.1",
    }
    assert client.post("/setup/roll-back", data=form).status_code == 303
    assert "pavement" in box.site.read_text()
    form["file"] = "../../etc/passwd"
    assert client.post("/setup/roll-back", data=form).status_code == 422


def test_the_last_installer_stays(box, client):
    answer = client.post("/setup/account/remove", data={"csrf": csrf(client), "name": "张工"})
    assert answer.status_code == 422
    assert box.console.accounts.names() == {"张工": "installer"}


@pytest.mark.parametrize("name", ["", " a", "a" * 33, "a\nb"])
def test_odd_names_are_refused(tmp_path, name):
    accounts = Accounts(tmp_path, session_s=60.0, hasher=QUICK)
    with pytest.raises(LoginRefused):
        accounts.set_up(accounts.first_code, name, PASSWORD, "here")


def test_the_first_code_survives_a_restart_and_dies_with_its_use(tmp_path):
    accounts = Accounts(tmp_path, session_s=60.0, hasher=QUICK)
    again = Accounts(tmp_path, session_s=60.0, hasher=QUICK)
    assert again.first_code == accounts.first_code
    again.set_up(again.first_code, "a", PASSWORD, "here")
    assert Accounts(tmp_path, session_s=60.0, hasher=QUICK).first_code is None


def test_a_session_ends(tmp_path):
    now = [0.0]
    accounts = Accounts(tmp_path, session_s=60.0, hasher=QUICK, now=lambda: now[0])
    session = accounts.set_up(accounts.first_code, "a", PASSWORD, "here")
    assert accounts.session(session.token) == session
    now[0] = 61.0
    assert accounts.session(session.token) is None


def test_metrics_name_daemons_and_cameras(box, client):
    box.status(cameras={'n"1': {"looks": 5, "open": 1}}, counts={"violations": 2})
    text = client.get("/metrics").text
    assert 'edge_daemon_up{daemon="visiond"} 1' in text
    assert 'edge_camera_looks_total{camera="n\\"1"} 5' in text
    assert "edge_violations_total 2" in text
    assert render({}).endswith("\n")


def test_healthz_needs_nothing(fresh):
    assert fresh.get("/healthz").text == "ok"


def test_a_huge_body_is_refused(client):
    headers = {"content-length": "99999999"}
    assert client.post("/login", content=b"x", headers=headers).status_code == 413


def test_language_goes_back_only_to_our_own_pages(client):
    assert client.post("/language?to=//evil.example/").headers["location"] == "/"
    assert client.post("/language?to=/cases").headers["location"] == "/cases"
