# SPDX-License-Identifier: AGPL-3.0-or-later
"""Statistics, Day and Map: figures as the report counts them, time that nobody watched, places."""

import csv
import io
import json
import re
import time
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from edge.console.map_pages import read_streets
from edge.console.texts import TEXTS
from edge.drone.shifted import gcj02
from tests.console.test_desk import case_id, put_at, put_life, put_overdue, step
from tests.console.test_health import put_spans

ZONE = ZoneInfo("Asia/Shanghai")


def numbers(page):
    return re.findall(r"<dd[^>]*>(?:<a [^>]*>)?(\d+)", page)


def test_the_figures_are_those_of_the_cases_and_lead_to_them(box, client):
    put_life(box, 1, step(1, "confirmed", 10.0), step(1, "on_the_spot", 9.0))
    put_life(box, 2, step(2, "misdetected", 10.0, reason="环卫"))
    put_life(box, 3)
    put_overdue(box, 4)
    put_life(box, 5, hours_ago=24.0 * 100)
    page = client.get("/statistics").text
    assert numbers(page)[:6] == ["4", "2", "1", "1", "0", "1"]
    assert "67 %" in page.replace("<b>", "").replace("</b>", "")
    assert "2/3" in page
    assert "review=rejected" in page
    assert "无照经营游商" in page
    assert client.get("/statistics?from=2020-01-01&to=2020-01-02").text.count("<svg") >= 1
    rows = list(csv.reader(io.StringIO(client.get("/statistics.csv").text.lstrip("\ufeff"))))
    assert rows[1][2:6] == ["4", "2", "1", "1"]


@pytest.mark.parametrize("query", ["from=x&to=9999-99-99", "from=2026-02-30", "to=0001-01-01",
                                   "from=1900-01-01&to=2100-01-01", "from=&to="])  # fmt: skip
@pytest.mark.parametrize("path", ["/statistics", "/statistics.csv", "/statistics/report"])
def test_odd_days_are_some_days(box, client, path, query):
    put_life(box, 1)
    assert client.get(f"{path}?{query}").status_code == 200


def test_the_report_to_print_runs_nothing(box, client):
    put_life(box, 1)
    answer = client.get("/statistics/report")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src")
    assert "<script" not in answer.text
    assert TEXTS["not_found"][0] not in answer.text


def test_a_day_shows_cases_watched_and_blind_minutes(box, client):
    noon = datetime.now(ZONE).replace(hour=0, minute=0, second=5) - timedelta(days=1)
    begin = noon.timestamp()
    put_spans(box.state, ("north", begin, 3600.0, ""), ("north", begin + 3600, 1800.0, "stall"))
    put_at(box, 1, (0.5, 0.5), (time.time() - begin - 7200) / 60)
    page = client.get(f"/day?date={noon:%Y-%m-%d}").text
    assert page.count('class="tick"') == 2  # the stroke, and the word for it
    assert 'class="watched" x=' in page
    assert 'class="blind" x=' in page
    assert "码流中断 30 分钟" in page
    assert case_id(1) in page
    other = client.get(f"/day?date={noon - timedelta(days=3):%Y-%m-%d}").text
    assert case_id(1) not in other
    assert client.get("/day?date=2999-01-01").status_code == 200


def test_health_counts_watched_time_as_the_daemon_writes_it(box, client):
    now = time.time()
    put_spans(box.state, ("north", now - 4000, 3000.0, ""), ("north", now - 1000, 700.0, "stall"))
    box.status(cameras={"north": {"looks": 1, "fps": 2.0, "fps_wanted": 2.0, "last_wall": now}})
    assert "81.1 %" in client.get("/health").text


def test_the_map_draws_places_and_leads_to_maps_in_their_own_datum(box, client):
    services = replace(box.console.services, to_gcj02=gcj02)
    box.app.state.console = replace(box.console, services=services)
    put_at(box, 1, (0.5, 0.5), 5)
    path = box.state / f"evidence/{case_id(1)}/r1/manifest.json"
    body = json.loads(path.read_bytes())
    body["violation"]["where"] = {"lat": 36.3893, "lon": 120.4472}
    path.write_text(json.dumps(body))
    line = {"type": "LineString", "coordinates": [[120.44, 36.38], [120.45, 36.39]]}
    features = [{"type": "Feature", "geometry": line}, {"type": "Feature", "geometry": None}, 3]
    (box.site.parent / "streets.geojson").write_text(json.dumps({"features": features}))
    page = client.get("/map").text
    assert page.count('class="street"') == 1
    lat, lon = gcj02(36.3893, 120.4472)
    assert f"position={lon:.6f},{lat:.6f}" in page
    assert "center=120.447200,36.389300" in page


ODD_STREETS = ["", "[]", "{", '{"features": 3}', '{"features": [[]]}', "x" * 9,
               '{"type": "LineString", "coordinates": [["a", 1], 3]}']  # fmt: skip


@pytest.mark.parametrize("odd", ODD_STREETS)
def test_a_file_of_streets_that_is_none_draws_nothing(tmp_path, odd):
    (tmp_path / "s").write_text(odd)
    assert sum(map(len, read_streets(tmp_path / "s"))) == 0
    assert read_streets(tmp_path / "none") == []


def test_without_any_position_the_map_says_what_to_do(client):
    assert TEXTS["map_empty"][0] in client.get("/map").text


@pytest.mark.parametrize(
    ("clock", "online", "camera", "word"),
    [
        ("unsynced", True, {}, "doubt_clock"),
        ("ntp", False, {}, "doubt_link"),
        ("ntp", True, {"blind": "stall"}, "doubt_camera"),
        ("ntp", True, {"last_wall": 5.0}, "doubt_camera"),
        ("ntp", True, {"last_wall": 5.0, "recording": True}, ""),
        ("ntp", True, {}, ""),
    ],
)
def test_no_fault_never_stands_beside_a_red_light(
    box, client, monkeypatch, clock, online, camera, word
):
    monkeypatch.setattr("edge.console.health.clock_trust", lambda: (clock, 5.0))
    box.status(cameras={"north": {"fps": 2.0, "fps_wanted": 2.0, **camera}})
    box.status("uplinkd", online=online)
    page = client.get("/health").text
    assert (TEXTS["no_fault"][0] in page) is not bool(word)
    assert not word or TEXTS[word][0] in page
