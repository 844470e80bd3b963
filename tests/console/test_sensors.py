# SPDX-License-Identifier: AGPL-3.0-or-later
"""The page Sensors from what edge-sensord's own code leaves: values, plots, calibration, bytes."""

import json
import re
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest

from edge.console import plots
from edge.console.plots import Dot, LimitSpan, Plot, Strip
from edge.console.texts import TEXTS
from edge.sensors import reasons
from edge.sensors.acoustics import levels_of
from edge.sensors.verdict import judge
from tests.console.sensed import put_sensors
from tests.sensors.limits_today import limit_for

SVG = "{http://www.w3.org/2000/svg}"
NOON = 1_777_608_000.0


def test_values_limits_calibration_and_bytes_in_both_languages(box, client):
    put_sensors(box)
    for language, words in {
        "zh": ("58.3", "西侧厂界", "可作执法依据", "无应答", "+0.2 dB", "01 03 04 02 47"),
        "en": ("58.3", "fit for enforcement", "indicative only", "valid until", "unanswered"),
    }.items():
        client.cookies.set("edge-language", language)
        page = client.get("/sensors")
        assert [word for word in words if word not in page.text] == []
        assert len(page.content) < 100_000
    assert "湘味馆 &lt;i&gt;" in page.text


def test_a_meter_that_lies_is_named_and_the_judgement_can_be_followed(box, client):
    put_sensors(box, minutes=False)
    path = box.run / "status/sensord.json"
    told = json.loads(path.read_bytes())
    zh, en = reasons.words("clipped")
    suspect = {"channel": "LA", "why": "clipped", "zh": zh, "en": en, "since_wall": 1.0}
    told["sensors"]["noise"] |= {"suspect": suspect, "state": "suspect", "clock_off_s": 200.0}
    told["points"][0]["steps"] = judge(
        levels_of([62.2] * 60, expected=60), limit_for("GB 22337", "2"), "day", background_db=51.9
    ).steps_json()
    path.write_text(json.dumps(told))
    for language, words in {
        "zh": (zh, "不参与判定", "HJ 706-2014 5.2", "修约到个位", "+200"),
        "en": (en, "not judged", "HJ 706-2014 5.4", "rounded to whole decibels"),
    }.items():
        client.cookies.set("edge-language", language)
        page = client.get("/sensors").text
        assert [word for word in words if word not in page] == []


def test_without_sensors_the_page_says_what_to_do(client):
    assert TEXTS["no_sensor"][0] in client.get("/sensors").text


def test_a_silent_daemon_is_said_aloud(box, client):
    put_sensors(box, minutes=False)
    path = box.run / "status/sensord.json"
    path.write_text(re.sub(r'"wall":[\d.]+', '"wall":1.0', path.read_text(), count=1))
    assert TEXTS["sensord_silent"][0] in client.get("/sensors").text


def test_values_for_the_script_carry_their_age(box, client):
    put_sensors(box, minutes=False)
    row = client.get("/data/sensors").json()["noise"]["channels"]["LA"]
    assert (row["value"], row["unit"], row["age_s"] < 30) == (58.3, "dB", True)


def test_a_noise_plot_has_curve_band_gap_and_both_limits(box, client):
    put_sensors(box)
    answer = client.get("/sensors/noise/plot/LA.svg")
    assert answer.headers["content-type"] == "image/svg+xml"
    assert len(answer.content) < 60_000
    narrow = client.get("/sensors/noise/plot/LA.svg?narrow").text
    assert f'viewBox="0 0 {plots.NARROW} ' in narrow
    drawn = ElementTree.fromstring(answer.text)
    paths = {path.get("class"): path.get("d") for path in drawn.iter(f"{SVG}path")}
    assert paths["c"].count("M") >= 2, "the gap stays a gap"
    assert {"b", "d", "l"} <= set(paths)
    told = {text.text for text in drawn.iter(f"{SVG}text") if text.get("class") == "lt"}
    assert told == {"70", "55"}


def test_a_fume_plot_has_its_machines_below(box, client):
    put_sensors(box)
    drawn = ElementTree.fromstring(client.get("/sensors/fume/plot/fume.svg").text)
    kinds = [rect.get("class") for rect in drawn.iter(f"{SVG}rect")]
    assert kinds.count("on") >= 2 and "off" in kinds


@pytest.mark.parametrize(
    "path",
    ["/sensors/other/plot/LA.svg", "/sensors/noise/plot/x.svg", "/sensors/..%2fx/minutes.csv"],
)
def test_only_known_sensors_and_channels_are_plotted(box, client, path):
    put_sensors(box, minutes=False)
    assert client.get(path).status_code == 404


def test_a_day_as_csv(box, client):
    put_sensors(box)
    lines = client.get("/sensors/noise/minutes.csv").text.splitlines()
    assert lines[0].startswith("began_utc,channel,unit")
    assert 1300 < len(lines) < 1440
    assert all(line.count(",") == 10 for line in lines)


def plot(dots, **more):
    facts = {"title": "A <b>", "unit": "mg/m3", "begin": NOON, "end": NOON + 86_400.0}
    return Plot(
        **facts, zone=ZoneInfo("Asia/Shanghai"), dots=tuple(dots), mean=max, empty="none", **more
    )


def drawn(dots, **more):
    return ElementTree.fromstring(plots.svg(plot(dots, **more)))


def test_nothing_valid_is_said_and_titles_are_escaped():
    texts = {text.text for text in drawn([Dot(NOON + 5, None)]).iter(f"{SVG}text")}
    assert "none" in texts
    assert "A <b> · mg/m3" in texts


def test_a_lone_minute_can_be_seen():
    paths = [p for p in drawn([Dot(NOON + 600, 1.0)]).iter(f"{SVG}path") if p.get("class") == "c"]
    assert "L" in paths[0].get("d")


@pytest.mark.parametrize("value", [0.0, 1e-5, 0.02, 7.0, 99.9, 12_345.6, -40.0])
def test_every_value_lies_inside_the_picture(value):
    found = drawn(
        [Dot(NOON + 60 * n, value) for n in range(1, 30)],
        limits=(LimitSpan(NOON, NOON + 9e4, value * 1.5),),
    )
    places = [
        float(y)
        for path in found.iter(f"{SVG}path")
        if path.get("class") in ("c", "l")
        for y in re.findall(r"[\d.]+ ([\d.-]+)", path.get("d"))
    ]
    assert places and all(plots.TOP - 1 <= y <= plots.HEIGHT - plots.BOTTOM + 1 for y in places)


def test_a_day_of_minutes_is_thinned_to_what_can_be_seen():
    day = plot([Dot(NOON + 60 * n, n % 7) for n in range(1440)])
    assert len(plots.thinned(day)) <= plots.BUCKETS + 1
    assert len(plots.svg(day)) < 30_000


def test_stretches_of_a_machine_end_where_nothing_is_known():
    minutes = [(0.0, True), (60.0, True), (120.0, False), (600.0, False), (660.0, True)]
    assert list(plots.stretches(minutes)) == [
        (0.0, 120.0, True), (120.0, 180.0, False), (600.0, 660.0, False), (660.0, 720.0, True)
    ]  # fmt: skip
    strip = Strip("风机", tuple((NOON + wall, on) for wall, on in minutes))
    assert len(list(drawn([], strips=(strip,)).iter(f"{SVG}rect"))) == 4
