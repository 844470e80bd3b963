# SPDX-License-Identifier: AGPL-3.0-or-later
"""Live, Violations, Sensors, Flights and Health in a real browser: sizes, languages, keys."""

import json
import re
import time

import numpy as np
import pytest
from playwright.sync_api import expect

from edge.console.flights import JOB, RECORDINGS
from edge.evidence.album import jpeg
from edge.ipc import Spool
from tests.console.conftest import put_case, sha256_of
from tests.console.sensed import put_sensors, status_of
from tests.console.test_browser import (  # noqa: F401 - fixtures
    ACCESSIBILITY,
    playwright,
    served,
    shot,
    visit,
)
from tests.console.test_cases import put_many
from tests.console.test_flights import put_flight
from tests.console.test_health import put_spans

pytestmark = pytest.mark.browser
LIMIT_MS = 60_000
SVG = "http://www.w3.org/2000/svg"
MAP = f'<svg xmlns="{SVG}" viewBox="0 0 90 60"><rect width="90" height="60"/></svg>'


def picture(shade):
    rng = np.random.default_rng(shade)
    return jpeg(
        np.kron(rng.integers(40, 200, (9, 16, 3), np.uint8), np.ones((40, 40, 1), np.uint8))
    )


def street(seed):
    """A scene of this size as a camera has it: edges, patches and the noise of a sensor."""
    rng = np.random.default_rng(seed)
    coarse = np.kron(rng.integers(40, 210, (18, 32, 3), np.uint8), np.ones((40, 40, 1), np.uint8))
    return jpeg(coarse // 2 + 60 + rng.integers(0, 24, coarse.shape, np.uint8))


def put_pictures(box, number, count):
    """A case with so many overviews."""
    put_case(box.state / "evidence", number, picture(1))
    manifest = box.state / f"evidence/v-{number:010d}/r1/manifest.json"
    body = json.loads(manifest.read_bytes())
    for n in range(2, count + 1):
        name = f"r1-overview-{n}.jpg"
        (manifest.parent / name).write_bytes(picture(n))
        told = {"path": name, "at": {"mono": float(n)}, "sha256": sha256_of(picture(n))}
        body["files"].append({**body["files"][0], **told})
    manifest.write_text(json.dumps(body))


def put_job(box, name, state, **more):
    folder = box.state / "flights" / name
    folder.mkdir(parents=True, exist_ok=True)
    job = {"name": name, "video": "a.mp4", "title": f"巡飞 {name}", "asked_wall": time.time()}
    (folder / JOB).write_text(json.dumps({**job, "state": state, **more}))


def put_progress(box, name, done_s):
    (box.run / "flights").mkdir(exist_ok=True)
    body = {"done_s": done_s, "of_s": 100.0, "began_wall": time.time() - 60}
    (box.run / f"flights/{name}.json").write_text(json.dumps(body))


FOUR = """\
name: 路口
cameras:
  - id: north
    name: 北口
    source: a.mp4
    zones: [{id: z, polygon: [[0.1, 0.5], [0.9, 0.5], [0.9, 0.9]]}]
  - {id: east, name: 东门, source: b.mp4}
  - {id: west, name: 西门, source: c.mp4}
  - {id: south, name: 南门夜市, source: d.mp4}
"""


def fill(box):
    """Everything a bureau's box may show."""
    box.site.write_text(FOUR, "utf-8")
    put_sensors(box)
    name = put_flight(box)
    (box.state / "flights" / name / "map.svg").write_text(MAP)
    (box.state / "flights" / name / "pictures/close-1.jpg").write_bytes(picture(3))
    put_job(box, "f-2", "failed", text="a.mp4: no picture could be decoded from it")
    put_job(box, "f-3", "running")
    put_progress(box, "f-3", 30.0)
    (box.state / "flights" / RECORDINGS).mkdir()
    (box.state / "flights" / RECORDINGS / "DJI_0001.MP4").write_bytes(b"x")
    put_pictures(box, 2, 3)
    now = time.time()
    cameras = {"north": {"looks": 9, "fps": 1.9, "fps_wanted": 2.0, "last_wall": now},
               "east": {"looks": 1, "fps": 0.0, "fps_wanted": 2.0, "blind": "stall"}}  # fmt: skip
    fault = {"kind": "stream_stall", "subject": "east", "text": "refused", "wall": now}
    box.status(cameras=cameras, faults=[fault], board={"temperature_c": 61.0})
    records = {"violation": {"new": 2, "platform_ack": 15}}
    box.status("uplinkd", online=True, outbox={"records": records, "waiting_bytes": 10})
    box.status("janitord", ladder=1, ladder_name="shed_telemetry", free_mb=900)
    put_spans(
        box.state, ("north", now - 7200, 6000.0, "watched"), ("north", now - 1200, 900.0, "stall")
    )
    return name


SLOW = pytest.mark.slow
VIEWS = [
    ("phone", "zh"),
    ("laptop", "en"),
    pytest.param("phone", "en", marks=SLOW),
    pytest.param("laptop", "zh", marks=SLOW),
]


@pytest.mark.parametrize(("size", "language"), VIEWS)
def test_full_pages_are_readable(visit, box, size, language):  # noqa: F811
    visitor = visit(size)
    flight = fill(box)
    paths = ["/live", "/cases", "/cases/v-0000000002", "/sensors", "/flights", f"/flights/{flight}",
             "/flights/f-2", "/health"]  # fmt: skip
    cookie = {"name": "edge-language", "value": language, "url": visitor.root}
    visitor.context.add_cookies([cookie])
    for path in paths:
        visitor.open(path)
        visitor.page.wait_for_load_state("load")
        visitor.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert visitor.page.evaluate(ACCESSIBILITY) == [], (language, path)
        shot(visitor, f"{size}-{language}-full{path.replace('/', '-')}")
    assert visitor.wrong == []


def test_evidence_is_looked_through_by_keys(visit, box):  # noqa: F811
    put_pictures(box, 2, 3)
    visitor = visit("laptop")
    visitor.open("/cases/v-0000000002")
    page = visitor.page
    page.locator("#pictures a").first.focus()
    page.keyboard.press("Enter")
    label, image = page.locator("#viewer .label"), page.locator("#viewer img")
    expect(label).to_contain_text("1 / 3")
    page.keyboard.press("ArrowRight")
    expect(label).to_contain_text("2 / 3")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(label).to_contain_text("3 / 3")
    page.keyboard.press("+")
    page.keyboard.press("+")
    expect(image).to_have_css("width", re.compile(r"^[1-9]\d{3}"))
    shot(visitor, "laptop-viewer")
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).not_to_be_visible()
    assert page.evaluate("document.activeElement.getAttribute('href')").endswith(
        "r1-overview-3.jpg"
    )
    assert visitor.wrong == []


def test_a_recording_is_uploaded_and_asked_for_on_a_phone(visit, box, tmp_path):  # noqa: F811
    visitor = visit("phone")
    page = visitor.page
    good, subtitles, wrong = (tmp_path / n for n in ("DJI_7.MP4", "DJI_7.SRT", "not.mp4"))
    good.write_bytes(b"\x00\x00\x00\x20ftypisom" + bytes(3_000_000))
    subtitles.write_text("1\n00:00:00,000 --> 00:00:01,000\n[latitude: 30]\n")
    wrong.write_bytes(b"no video at all" * 900)
    visitor.open("/flights")
    page.set_input_files("#files", [wrong])
    expect(page.locator("#coming .bad")).to_contain_text("扩展名不符", timeout=LIMIT_MS)
    page.set_input_files("#files", [good, subtitles])
    row = page.locator("summary", has_text="DJI_7.MP4")
    expect(row).to_contain_text("有飞行记录文件", timeout=LIMIT_MS)
    row.click()
    page.locator("details[open] [name=title]").fill("河东 7 月")
    shot(visitor, "phone-flight-start")
    page.locator("details[open] form[action='/flights/start'] button").click()
    page.wait_for_url("**/flights?asked=*")
    (request,) = Spool(box.run, "flightd").take()
    assert (request["video"], request["title"]) == ("DJI_7.MP4", "河东 7 月")
    put_job(box, request["name"], "waiting")
    expect(page.locator("[data-flight]")).to_contain_text("排队中", timeout=LIMIT_MS)
    assert visitor.wrong == []


def test_a_flights_progress_moves_and_its_end_is_shown(visit, box):  # noqa: F811
    put_job(box, "f-3", "running")
    put_progress(box, "f-3", 10.0)
    visitor = visit("laptop")
    visitor.open("/flights/f-3")
    put_progress(box, "f-3", 60.0)
    expect(visitor.page.locator(".left")).to_contain_text("60 %", timeout=LIMIT_MS)
    put_job(box, "f-3", "failed", text="a.mp4: telemetry of another flight")
    expect(visitor.page.locator("[role=alert]")).to_contain_text("another flight", timeout=LIMIT_MS)
    assert visitor.wrong == []


def test_four_cameras_and_the_low_bandwidth_switch(visit, box):  # noqa: F811
    box.site.write_text(FOUR, "utf-8")
    for camera in ("east", "west", "south"):
        (box.run / f"preview/{camera}.jpg").write_bytes(picture(5))
    visitor = visit("laptop")
    asked = []
    visitor.page.on("request", lambda r: "/data/picture/" in r.url and asked.append(r.url))
    visitor.open("/live")
    for camera in ("north", "east", "west", "south"):
        image = visitor.page.locator(f"[data-camera={camera}] img")
        expect(image).to_have_attribute("src", re.compile("^blob:"), timeout=LIMIT_MS)
    expect(visitor.page.locator("[data-camera=north] .clocks")).to_contain_text("1:01 / 3:00")
    visitor.page.check("#slow")
    visitor.open("/live")
    expect(visitor.page.locator("#slow")).to_be_checked()
    expect(visitor.page.locator("[data-camera=north] .age")).to_contain_text(
        "画面延迟", timeout=LIMIT_MS
    )
    asked.clear()
    began_s = time.monotonic()
    visitor.page.wait_for_timeout(2_000)
    rounds = 1 + (time.monotonic() - began_s) // 5
    assert len(asked) <= 4 * rounds, "one picture of each camera in five seconds"
    visitor.page.uncheck("#slow")
    assert visitor.wrong == []


def test_sensor_values_and_faults_come_without_a_reload(visit, box):  # noqa: F811
    put_sensors(box, minutes=False)
    visitor = visit("phone")
    visitor.open("/sensors")
    path = box.run / "samples/noise.json"
    told = json.loads(path.read_bytes())
    told["channels"]["LA"]["value"] = 77.7
    path.write_text(json.dumps(told))
    value = visitor.page.locator("[data-sensor=noise] [data-channel=LA] .v")
    expect(value).to_have_text("77.7", timeout=LIMIT_MS)
    visitor.open("/health")
    fault = {"kind": "line_stuck", "subject": "ttyUSB0", "text": "hangs"}
    facts = {**status_of(box), "faults": [fault], "wall": time.time()}
    (box.run / "status/sensord.json").write_text(json.dumps(facts))
    expect(visitor.page.locator("#faults")).to_contain_text("串口线路卡住", timeout=LIMIT_MS)
    assert visitor.wrong == []


@pytest.mark.slow
@pytest.mark.parametrize("size", ["phone", "laptop"])
def test_ten_thousand_cases_paint_at_once_and_stand_still(visit, box, size):  # noqa: F811
    """What the browser says of the list: bytes, first paint, and shifts of what is shown."""
    put_many(box.state / "evidence", 10_000, first=100)
    for number in range(20_000, 20_024):
        put_case(box.state / "evidence", number, street(number))
        manifest = box.state / f"evidence/v-{number:010d}/r1/manifest.json"
        body = json.loads(manifest.read_bytes())
        body["violation"]["began"]["utc"] = f"2026-06-01T08:{number % 60:02d}:00.000000Z"
        manifest.write_text(json.dumps(body))
    visitor = visit(size)
    visitor.open("/cases")
    visitor.page.wait_for_load_state("networkidle", timeout=60_000)
    took = []
    for _ in range(3):
        visitor.open("/cases")
        visitor.page.wait_for_load_state("networkidle")
        took.append(visitor.page.evaluate(SHOWN_ONCE))
    shown = visitor.page.locator(".cases img")
    assert shown.count() == 24, "the first page is of cases with pictures"
    for one in shown.all():
        one.scroll_into_view_if_needed()
        expect(one).not_to_have_js_property("naturalWidth", 0, timeout=60_000)
    visitor.page.wait_for_load_state("networkidle")
    assert visitor.page.evaluate(THUMBNAILS) == 24
    paint_ms = min(one["paint_ms"] for one in took)
    first = visitor.page.evaluate(WEIGHT)
    print(size, took, first)
    assert paint_ms <= 250.0
    assert max(one["shift"] for one in took) < 0.01
    assert first <= 400_000


THUMBNAILS = """() => performance.getEntriesByType('resource')
  .filter((one) => one.name.includes('/thumb/')).length"""
SHOWN_ONCE = """() => new Promise((done) => {
  let shift = 0;
  new PerformanceObserver((list) => {
    for (const one of list.getEntries()) if (!one.hadRecentInput) shift += one.value;
  }).observe({type: 'layout-shift', buffered: true});
  const paint = performance.getEntriesByName('first-contentful-paint')[0];
  setTimeout(() => done({paint_ms: paint.startTime, shift}), 300);
})"""
# Every byte of the page's body and of what it names, cached or not.
WEIGHT = """async () => {
  const names = performance.getEntriesByType('resource').map((one) => one.name);
  let sum = (await (await fetch(location.href)).arrayBuffer()).byteLength;
  for (const name of new Set(names))
    sum += (await (await fetch(name, {cache: 'reload'})).arrayBuffer()).byteLength;
  return sum;
}"""
