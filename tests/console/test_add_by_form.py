# SPDX-License-Identifier: AGPL-3.0-or-later
"""An instrument of a scan and the stream of a camera go into the site file without YAML."""

from dataclasses import replace

import pytest
from playwright.sync_api import expect
from starlette.testclient import TestClient

from edge.console import editing
from edge.console.services import NoPicture
from edge.console.texts import TEXTS
from edge.sensors.settings import NoisePoint, Shop
from tests.console.conftest import PASSWORD
from tests.console.test_browser import playwright, served, visit  # noqa: F401

SNIPPET = "sensors:\n- id: modbus-1\n  kind: modbus\n  port: /dev/ttyUSB0\n  map: noise-rs485\n"
ROW = {"name": "meter 噪声", "values": "LA 61.2 dB(A)", "snippet": SNIPPET}
STREAM = {"name": "sub", "codec": "H264", "width": 640, "height": 360}
STREAM["source"] = "rtsp://admin:pw@192.168.1.64:554/2"


def ask(host, user, password):
    if password != "right":
        raise NoPicture("login", f"{host}: wrong user or password")
    return [STREAM]


@pytest.fixture
def able(box):
    port = {"port": "/dev/ttyUSB0", "found": [ROW], "error": ""}
    found = replace(box.console.services, scan_ports=lambda: [port], camera_streams=ask)
    box.console = replace(box.console, services=found)
    box.app.state.console = box.console
    return box


@pytest.fixture
def client(able):
    client = TestClient(able.app, follow_redirects=False)
    form = {"code": able.console.accounts.first_code, "name": "张工", "password": PASSWORD}
    client.post("/first", data=form)
    page = client.get("/live").text
    client.csrf = page.partition('name="csrf" content="')[2].partition('"')[0]
    return client


def add(client, **more):
    form = {"csrf": client.csrf, "snippet": SNIPPET, "name": "西侧 meter", **more}
    return client.post("/setup/sensors", data=form, headers={"accept-language": "zh"})


def test_a_found_instrument_is_added_and_judged(able, client):
    before = able.site.read_text("utf-8")
    for judged_as in editing.JUDGED:
        assert add(client, judged_as=judged_as).status_code == 200
    text = able.site.read_text("utf-8")
    assert text.startswith(before.rstrip()), "what stood there stands there"
    site = editing.parse(text)
    assert len({one["id"] for one in site["sensors"]}) == len(editing.JUDGED)
    for row in site["noise"]:
        NoisePoint(**row)
    assert Shop(**site["fume"][0]).sensor in {one["id"] for one in site["sensors"]}


@pytest.mark.parametrize("snippet", ["", "cameras: []", "sensors: [1]", "{", "sensors: []"])
def test_what_is_no_instrument_is_refused(able, client, snippet):
    answer = add(client, snippet=snippet)
    assert answer.status_code == 422 and answer.json()["said"] == TEXTS["sensor_no_entry"][0]


def test_a_cameras_streams_by_its_login(client):
    form = {"csrf": client.csrf, "host": "192.168.1.64", "user": "admin", "password": "right"}
    assert client.post("/setup/streams", data=form).json() == {"streams": [STREAM]}
    form["password"] = "wrong"
    answer = client.post("/setup/streams", data=form, headers={"accept-language": "zh"})
    assert answer.status_code == 422 and answer.json()["said"] == TEXTS["cause_login"][0]


@pytest.mark.browser
def test_by_thumb(visit, able):  # noqa: F811
    visitor = visit("phone")
    page = visitor.page
    visitor.open("/setup/ports")
    page.click("#probe")
    page.fill("#told [name=name]", "west")
    page.select_option("#told [name=judged_as]", "noise_site")
    page.click("#told form button")
    expect(page.locator("#told .good a[href='/sensors']")).to_be_visible()
    assert "GB 12523" in able.site.read_text("utf-8")
    visitor.open("/setup")
    page.click("#onvif summary")
    page.fill("#onvif [name=host]", "192.168.1.64")
    page.fill("#onvif [name=password]", "wrong")
    page.click("#onvif form button")
    expect(page.locator("#streams .bad")).to_be_visible()
    page.fill("#onvif [name=password]", "right")
    page.click("#onvif form button")
    page.click("#streams button")
    expect(page.locator("#camera [name=source]")).to_have_value(STREAM["source"])
    expect(page.locator("#snapped img")).to_be_visible()
