# SPDX-License-Identifier: AGPL-3.0-or-later
"""A camera and the site are edited in place: nothing is lost, secrets stay hidden, and what was
typed survives somebody else's save."""

import time

import pytest
from playwright.sync_api import expect
from starlette.testclient import TestClient

from edge.config import Camera, Site
from edge.console import editing
from edge.console.settings_form import (
    CAMERA_DEFAULTS,
    CAMERA_FIELDS,
    HIDDEN,
    SITE_DEFAULTS,
    SITE_FIELDS,
    changed,
    shown,
)
from edge.console.texts import TEXTS
from tests.console.conftest import PASSWORD
from tests.console.test_browser import ACCESSIBILITY, playwright, served, visit  # noqa: F401

SECRET = "p:w@d/1"
SITE_TEXT = f"""\
# 南大街点位
name: 路口
cameras:
  - id: north   # 北口那台
    name: 北口
    source: rtsp://admin:{SECRET}@192.168.1.64/Streaming/Channels/102
    zones:
      - {{id: pavement, polygon: [[0.1, 0.5], [0.9, 0.5], [0.9, 0.95], [0.1, 0.95]]}}
      - {{id: window, kind: mask, polygon: [[0, 0], [0.2, 0], [0.2, 0.2]]}}
    rules:
      - {{category: street-vendor, dwell_s: 90}}
"""


@pytest.fixture
def client(box):
    box.site.write_text(SITE_TEXT, "utf-8")
    client = TestClient(box.app, follow_redirects=False)
    form = {"code": box.console.accounts.first_code, "name": "张工", "password": PASSWORD}
    client.post("/first", data=form)
    return client


def form_of(client, path):
    """The fields as a browser would send them back untouched."""
    from html.parser import HTMLParser

    class Fields(HTMLParser):
        def __init__(self):
            super().__init__()
            self.found, self.select = {}, None

        def handle_starttag(self, tag, attributes):
            facts = dict(attributes)
            if tag == "input" and facts.get("name"):
                if facts.get("type") != "checkbox" or "checked" in facts:
                    self.found[facts["name"]] = facts.get("value") or ""
            elif tag == "select":
                self.select = facts["name"]
            elif tag == "option" and "selected" in facts:
                self.found[self.select] = facts["value"]

    reader = Fields()
    reader.feed(client.get(path).text)
    return reader.found


def test_a_form_sent_back_untouched_changes_nothing(box, client):
    for path in ("/setup/cameras/north", "/setup/place"):
        answer = client.post(path, data=form_of(client, path))
        assert answer.status_code == 303 and answer.headers["location"] == f"{path}?changed="
    assert box.site.read_text("utf-8") == SITE_TEXT


def test_another_address_keeps_zones_rules_masks_comments_and_the_password(box, client):
    form = form_of(client, "/setup/cameras/north")
    assert HIDDEN in form["source"] and SECRET not in str(form)
    form["source"] = form["source"].replace("192.168.1.64", "192.168.1.70")
    answer = client.post("/setup/cameras/north", data=form)
    assert answer.status_code == 303
    text = box.site.read_text("utf-8")
    assert text == SITE_TEXT.replace("192.168.1.64", "192.168.1.70")
    told = client.get(answer.headers["location"], headers={"accept-language": "zh"}).text
    assert TEXTS["source_changed"][0] in told and "/zones?camera=north" in told


def test_every_field_of_a_camera_is_saved_and_shown_again(box, client):
    form = form_of(client, "/setup/cameras/north")
    form |= {
        "name": "南口",
        "fps": "2.5",
        "tile": "on",
        "position_lat": "26.4",
        "record": "rtsp://h/1",
    }
    form |= {"position_lon": "112.8", "sensors": "meter-1，meter-2", "position_accuracy_m": "5"}
    form.pop("enabled")
    answer = client.post("/setup/cameras/north", data=form)
    assert answer.status_code == 303, answer.text
    row = editing.parse(box.site.read_text("utf-8"))["cameras"][0]
    assert row["position"] == {"lat": 26.4, "lon": 112.8, "accuracy_m": 5}
    assert (row["name"], row["fps"], row["tile"], row["enabled"]) == ("南口", 2.5, True, False)
    assert row["sensors"] == ["meter-1", "meter-2"] and len(row["zones"]) == 2
    again = form_of(client, "/setup/cameras/north")
    assert again["fps"] == "2.5" and "enabled" not in again and again["name"] == "南口"
    for key in ("position_lat", "position_lon", "position_accuracy_m"):
        again[key] = ""
    client.post("/setup/cameras/north", data=again)
    assert "position" not in editing.parse(box.site.read_text("utf-8"))["cameras"][0]


@pytest.mark.parametrize(("key", "value"), [("fps", "fast"), ("fps", "99"), ("position_lat", "91")])
def test_a_value_that_cannot_be_is_refused_and_what_was_typed_stays(box, client, key, value):
    form = {**form_of(client, "/setup/cameras/north"), key: value, "name": "新名字"}
    answer = client.post("/setup/cameras/north", data=form)
    assert answer.status_code == 422 and "新名字" in answer.text and value in answer.text
    assert key.rpartition("_")[2] in answer.text
    assert box.site.read_text("utf-8") == SITE_TEXT


def test_a_conflict_keeps_what_was_typed_and_says_what_to_do(box, client):
    mine = {**form_of(client, "/setup/cameras/north"), "name": "我的"}
    theirs = {**form_of(client, "/setup/cameras/north"), "name": "别人的"}
    assert client.post("/setup/cameras/north", data=theirs).status_code == 303
    answer = client.post("/setup/cameras/north", data=mine, headers={"accept-language": "zh"})
    assert answer.status_code == 409 and "我的" in answer.text and "别人的" in answer.text
    assert TEXTS["edit_conflict"][0] in answer.text
    word = answer.text.partition('name="was" value="')[2].partition('"')[0]
    assert client.post("/setup/cameras/north", data={**mine, "was": word}).status_code == 303
    assert "我的" in box.site.read_text("utf-8")


def test_the_site_gets_its_name_and_place(box, client):
    assert "/setup/place" in client.get("/setup").text
    form = {**form_of(client, "/setup/place"), "name": "和平路", "position_lat": "26.4"}
    form |= {"position_lon": "112.8", "position_address": "和平路 12 号"}
    assert client.post("/setup/place", data=form).status_code == 303
    site = editing.parse(box.site.read_text("utf-8"))
    assert site["name"] == "和平路" and site["position"]["address"] == "和平路 12 号"
    assert box.site.read_text("utf-8").startswith("# 南大街点位")
    assert TEXTS["place_first"][0] not in client.get("/setup").text


def test_old_versions_have_a_date_and_an_author(box, client):
    form = {**form_of(client, "/setup/cameras/north"), "name": "一"}
    client.post("/setup/cameras/north", data=form)
    form = {**form_of(client, "/setup/cameras/north"), "name": "二"}
    client.post("/setup/cameras/north", data=form)
    found = box.console.site.authors()
    assert found["site.yaml.1"].who == "张工" and abs(found["site.yaml.1"].wall - time.time()) < 60
    assert found["site.yaml.2"].who == "" and found["site.yaml.2"].wall is None
    page = client.get("/setup/file", headers={"accept-language": "zh"}).text
    assert "张工" in page and TEXTS["not_by_page"][0] in page


def test_the_list_has_picture_state_and_rate(box, client):
    row = {"looks": 5, "blind": None, "fps": 4.9, "fps_wanted": 5.0}
    box.status(cameras={"north": row})
    page = client.get("/setup", headers={"accept-language": "zh"}).text
    assert "/data/picture/north" in page and "4.9 / 5" in page and TEXTS["watched"][0] in page
    box.status(cameras={"north": {**row, "blind": "stall"}})
    assert 'class="bad"' in client.get("/setup").text


def test_the_fields_are_keys_of_the_configuration_with_words():
    for fields, struct in ((CAMERA_FIELDS, Camera), (SITE_FIELDS, Site)):
        assert {field.path[0] for field in fields} <= set(struct.__struct_fields__)
        assert all(f"field_{field.name}" in TEXTS for field in fields)


def test_an_unknown_camera_is_not_found(client):
    assert client.get("/setup/cameras/none").status_code == 404
    form = {"csrf": form_of(client, "/setup/place")["csrf"]}
    assert client.post("/setup/cameras/none", data=form).status_code == 404


def test_defaults_are_not_written_down():
    row = {"id": "a", "source": "b"}
    form = shown(row, CAMERA_FIELDS, CAMERA_DEFAULTS)
    assert changed(row, form, CAMERA_FIELDS, CAMERA_DEFAULTS) == (row, [])
    assert changed({}, shown({}, SITE_FIELDS, SITE_DEFAULTS), SITE_FIELDS, SITE_DEFAULTS) == (
        {},
        [],
    )


@pytest.mark.browser
@pytest.mark.parametrize("size", ["phone", "laptop"])
def test_leaving_with_work_unsaved_asks(visit, box, size):  # noqa: F811
    visitor = visit(size)
    page = visitor.page
    for path in ("/setup/cameras/north", "/setup/place", "/zones?camera=north"):
        visitor.open(path)
        page.wait_for_load_state("load")
        assert page.evaluate(ACCESSIBILITY) == [], path
    visitor.open("/setup/cameras/north")
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    page.fill("[name=name]", "typed and not saved")
    page.evaluate("location.href = '/live'")
    for _ in range(600):
        page.wait_for_timeout(100)
        if asked:
            break
    assert asked == ["beforeunload"]
    expect(page.locator("[name=name]")).to_have_value("typed and not saved")
    page.click("#camera button:not([type=button])")
    page.wait_for_url("**changed=name")
    assert asked == ["beforeunload"], "saving does not ask"


def test_a_copied_camera_is_asked_about_in_the_language_of_the_reader(client, box):
    """The same address under two names, and a camera in another city, are shown where one edits."""
    copied = SITE_TEXT.split("  - id: north")[1].replace("北口", "南口")
    far = "    position: {lat: 39.9, lon: 116.4}\n"
    home = "position: {lat: 36.4, lon: 120.4}\n"
    box.site.write_text(home + SITE_TEXT + "  - id: south" + copied + far, "utf-8")
    listed = client.get("/setup").text
    assert "南口：与摄像机 north 地址相同" in listed
    assert "南口：与站点位置相距" in listed
    assert "地址相同" in client.get("/setup/cameras/south").text
    assert "地址相同" not in client.get("/setup/cameras/north").text
    client.cookies.set("edge-language", "en")
    assert "南口: position stands" in client.get("/setup").text
