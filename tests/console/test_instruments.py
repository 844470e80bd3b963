# SPDX-License-Identifier: AGPL-3.0-or-later
"""An instrument on a serial line by form: tried, added, changed and removed without YAML."""

import re
import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import get_args

import pytest
from playwright.sync_api import expect
from starlette.testclient import TestClient

from edge.console import editing
from edge.console.services import Silent
from edge.console.settings_form import SENSOR_FIELDS
from edge.console.texts import TEXTS
from edge.daemons import sensord
from edge.daemons.console_services import services
from edge.daemons.page_settings import load_page_settings
from edge.runtime import Notify, Stop
from edge.sensors.instrument_trial import TriedCause
from tests.console.conftest import PASSWORD, SITE
from tests.console.test_browser import ACCESSIBILITY, playwright, served, visit  # noqa: F401
from tests.console.test_edit_camera import form_of
from tools.fakes.instruments import noise_meter
from tools.fakes.instruments_line import Line
from tools.faultlab.rig import eventually

FORM = {"name": "西侧噪声", "type": "modbus/noise-rs485", "port": "/dev/serial/by-id/usb-1",
        "address": "2", "judged_as": "noise_site", "instrument_maker": "AWA",
        "instrument_expires": "2027-04-30", "instrument_accuracy_class": "1"}  # fmt: skip
HAND = f"""{SITE}sensors:
  # 西侧围挡上
  - id: west
    kind: modbus   # RS-485
    map: noise-rs485
    port: /dev/ttyUSB0
    rename: {{LA: LA-west}}
noise:
  - {{id: west-fence, sensor: west, channel: LA-west}}
  - {{id: east-fence, sensor: east, weather: {{sensor: west}}}}
fume:
  - {{id: shop-1, sensor: west}}
dust:
  - {{id: d, sensor: east, limit: 1, background_sensor: west, background_channel: tsp}}
"""


@pytest.fixture
def able(box):
    """A page that knows what can hang on a port."""
    own = replace(box.console.services, instruments=lambda: {"modbus/noise-rs485": "RS-485 噪声"})
    box.console = replace(box.console, services=own)
    box.app.state.console = box.console
    return box


@pytest.fixture
def client(able):
    client = TestClient(able.app, follow_redirects=False)
    client.headers["accept-language"] = "zh"
    form = {"code": able.console.accounts.first_code, "name": "张工", "password": PASSWORD}
    client.post("/first", data=form)
    return client


def site_of(box):
    return editing.parse(box.site.read_text("utf-8"))


def test_added_by_hand_it_is_judged_and_can_be_changed(able, client):
    before = able.site.read_text("utf-8")
    blank = form_of(client, "/setup/sensor")
    assert (
        client.post("/setup/sensor", data={**blank, **FORM})
        .headers["location"]
        .endswith("sensor-1")
    )
    assert able.site.read_text("utf-8").startswith(before.rstrip()), "what stood there stands there"
    (row,), (place,) = site_of(able)["sensors"], site_of(able)["noise"]
    assert (row["kind"], row["map"], row["address"]) == ("modbus", "noise-rs485", 2)
    assert row["instrument"] == {"maker": "AWA", "expires": "2027-04-30", "accuracy_class": 1}
    assert place == {"id": "sensor-1", "name": "西侧噪声", "sensor": "sensor-1",
                     "standard": "GB 12523", "zone_class": "site"}  # fmt: skip
    path = "/setup/sensors/sensor-1"
    form = form_of(client, path)
    assert (form["type"], form["judged_as"]) == ("modbus/noise-rs485", "")
    assert client.post(path, data={**form, "baud": "9600"}).headers["location"].endswith("baud")
    assert site_of(able)["sensors"][0] == {**row, "baud": 9600}
    assert site_of(able)["noise"] == [place]


def test_a_form_sent_back_untouched_changes_nothing(able, client):
    able.site.write_text(HAND, "utf-8")
    path = "/setup/sensors/west"
    assert client.post(path, data=form_of(client, path)).headers["location"] == f"{path}?changed="
    assert able.site.read_text("utf-8") == HAND


def test_what_the_form_does_not_show_stays(able, client):
    able.site.write_text(HAND, "utf-8")
    form = form_of(client, "/setup/sensors/west")
    client.post("/setup/sensors/west", data={**form, "port": "/dev/ttyUSB7"})
    assert able.site.read_text("utf-8") == HAND.replace("ttyUSB0", "ttyUSB7")


def test_removed_it_takes_along_what_hangs_on_it(able, client):
    able.site.write_text(HAND, "utf-8")
    csrf = form_of(client, "/setup/sensors/west")["csrf"]
    assert (
        client.post("/setup/sensor/remove", data={"csrf": csrf, "sensor": "west"}).status_code
        == 303
    )
    site = site_of(able)
    assert site["sensors"] == [] and site["noise"] == [{"id": "east-fence", "sensor": "east"}]
    assert site["fume"] == [{"id": "shop-1"}]
    assert site["dust"] == [{"id": "d", "sensor": "east", "limit": 1}]
    again = client.post("/setup/sensor/remove", data={"csrf": csrf, "sensor": "west"})
    assert again.status_code == 409 and TEXTS["sensor_missing"][0] in again.text


def test_every_field_and_every_answer_has_its_words():
    assert [one for one in SENSOR_FIELDS if f"field_{one.name}" not in TEXTS] == []
    causes = {*get_args(TriedCause), "running", "busy"}
    assert [one for one in causes if f"tried_{one}" not in TEXTS] == []


def test_a_silent_daemon_is_said(able, client):
    form = form_of(client, "/setup/sensor")
    answer = client.post("/setup/sensor/try", data={**form, **FORM})
    assert answer.status_code == 503 and answer.json()["said"] == TEXTS["daemon_silent"][0]


@contextmanager
def running(box):
    """edge-sensord as it runs on a box, started again when its site changes."""
    device = box.folder / "device.yaml"
    device.write_text("device: bench\nfolders: {state: state, run: run}\n", "utf-8")
    stop = Stop()

    def work():
        while not stop.wait(0.0):
            sensord.main(stop, Notify({}), site_path=box.site, device_path=device)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield services(load_page_settings(box.site, device), box.folder)
    stop.set()
    thread.join(90)


@pytest.mark.browser
def test_by_thumb_with_a_real_line(visit, box, served, tmp_path):  # noqa: F811
    line = Line(tmp_path / "meter", [noise_meter(lambda _: 63.5, address=2)])
    line.start()
    with running(box) as real:
        own = replace(
            box.console.services, try_sensor=real.try_sensor, instruments=real.instruments
        )
        box.console = replace(box.console, services=own)
        box.app.state.console = box.console
        visitor = visit("phone")
        page, told = visitor.page, visitor.page.locator("#told")
        visitor.open("/setup/ports")
        page.get_by_role("link", name=TEXTS["sensor_by_hand"][0]).click()
        page.select_option("[name=type]", "modbus/noise-rs485")
        page.fill("main [name=name]", "东侧")
        page.fill("[name=port]", "/dev/serial/by-id/none")
        page.click("#try")
        expect(told).to_contain_text(TEXTS["tried_port"][0].partition("（")[0], timeout=60_000)
        page.fill("[name=port]", str(line.link))
        page.click("#try")
        expect(told).to_have_text(TEXTS["tried_silent"][0], timeout=60_000)
        page.fill("[name=address]", "2")

        def answers():
            """The meter, whose answer a busy machine may bring too late for one try."""
            page.click("#try")
            expect(page.locator("#try")).to_be_enabled()
            return "A 声级 LA 63.5 dB(A)" in told.inner_text()

        eventually(answers)
        assert page.evaluate(ACCESSIBILITY) == []
        page.select_option("[name=judged_as]", "noise_site")
        page.click("main form button:not([type=button])")
        expect(page.locator("main .good").first).to_contain_text("东侧")
        page.click("main .rows a")
        expect(page.locator("[name=type]")).to_have_value("modbus/noise-rs485")

        def it_runs():
            page.click("#try")
            expect(told).to_contain_text("63.5", timeout=60_000)
            return told.inner_text()

        assert any(TEXTS["tried_running"][0][:8] in it_runs() for _ in range(40))
        visitor.open("/sensors")
        expect(page.locator("[data-channel=LA] .v")).to_have_text("63.5", timeout=60_000)
        assert visitor.wrong == []
    line.stop()


def test_a_daemon_that_is_busy_says_so(able, client):
    def none(_):
        raise Silent

    for answer, words in ((lambda _: {"error": "busy"}, "tried_busy"), (none, "daemon_silent")):
        own = replace(able.console.services, try_sensor=answer)
        able.console = replace(able.console, services=own)
        able.app.state.console = able.console
        form = {**form_of(client, "/setup/sensor"), **FORM}
        assert client.post("/setup/sensor/try", data=form).json()["said"] == TEXTS[words][0]


def test_models_are_told_in_the_readers_language(box, client):
    from edge.sensors.kinds import TALKERS
    from edge.sensors.maps import map_names

    maps = {f"modbus/{name}": one.name for name, one in map_names(box.folder).items()}
    known = {**maps, **{str(kind): name for kind, name in TALKERS.items()}}
    services = replace(box.console.services, instruments=lambda: known)
    box.console = replace(box.console, services=services)
    box.app.state.console = box.console
    told = {}
    for language in ("zh", "en"):
        client.cookies.set("edge-language", language)
        page = client.get("/setup/sensor").text
        select = page.partition('name="type"')[2].partition("</select>")[0]
        told[language] = re.findall(r"<option[^>]*>([^<]+)", select)
        assert len(told[language]) >= len(known) > 8
    named = [line for line in told["zh"] if " · " in line]
    assert len(set(named)) == len(known) and all(re.match("[一-鿿A-Z]", line) for line in named)
    assert not any(re.search("[一-鿿]", line) for line in told["en"])
