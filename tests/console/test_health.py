# SPDX-License-Identifier: AGPL-3.0-or-later
"""The page Health and the live view's data: faults with advice, blind time, pictures sent once."""

import ast
import html
import json
import re
import time
from datetime import date, datetime, timezone
from pathlib import Path
from typing import get_args
from zoneinfo import ZoneInfo

import pytest

from edge.config.catalogue import shipped_packs
from edge.console.clock import LocalClock
from edge.console.faults import ADVICE, advice_for
from edge.console.health import BlindLedger, today_and_week
from edge.console.texts import TEXTS, text
from edge.outbox import Lane

EDGE = Path(__file__).parents[2] / "edge"
OPERATIONS = Path(__file__).parents[2] / "docs/operations.md"
HOUR_S, DAY_S = 3600.0, 86_400.0
NOON = datetime(2026, 5, 10, 12, tzinfo=ZoneInfo("Asia/Shanghai")).timestamp()


def rows_of_docs():
    """(kind, Chinese name, what to do) of every fault that docs/operations.md explains."""
    row = re.compile(r"^\| (`[a-z_]+`(?:, `[a-z_]+`)*) \| ([^|]+) \| [^|]+ \| ([^|]+) \|", re.M)
    for kinds, name, do in row.findall(OPERATIONS.read_text("utf-8")):
        for kind in re.findall(r"`([a-z_]+)`", kinds):
            yield kind, name.strip(), do.strip().replace("`", "")


def test_page_and_document_say_the_same_of_every_fault():
    told = {kind: (advice.zh, advice.do_en) for kind, advice in ADVICE.items()}
    assert told == {kind: (name, do) for kind, name, do in rows_of_docs()}


def test_an_unknown_fault_still_says_where_to_look():
    assert "journalctl" in advice_for("brand_new").do("zh")


def put_spans(state, *spans):
    folder = state / "ledger"
    folder.mkdir(parents=True, exist_ok=True)
    for camera, start, seconds, reason in spans:
        month = datetime.fromtimestamp(start, ZoneInfo("UTC")).strftime("%Y-%m")
        row = {"camera": camera, "start": start, "seconds": seconds, "reason": reason}
        with (folder / f"inspection-{month}.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")


def test_blind_time_of_today_and_of_seven_days(tmp_path):
    put_spans(
        tmp_path,
        ("north", NOON - 14 * HOUR_S, 4 * HOUR_S, "watched"),  # half of it yesterday
        ("north", NOON - 10 * HOUR_S, HOUR_S, "stall"),
        ("north", NOON - 9 * HOUR_S, 8.95 * HOUR_S, "watched"),
        ("north", NOON - 40 * DAY_S, DAY_S, "stall"),  # too old for either
    )
    today, week = today_and_week(BlindLedger(tmp_path), LocalClock("Asia/Shanghai"), NOON)["north"]
    assert today.watched_s == pytest.approx(10.95 * HOUR_S)
    assert today.reasons == [("stall", HOUR_S)]
    assert week.watched_s == pytest.approx(12.95 * HOUR_S)
    assert today.share == pytest.approx(10.95 / 11.95)


def test_what_no_span_covers_is_off(tmp_path):
    put_spans(
        tmp_path,
        ("north", NOON - 10 * HOUR_S, HOUR_S, "watched"),
        ("north", NOON - HOUR_S, HOUR_S, "watched"),
    )
    (minutes,) = BlindLedger(tmp_path).minutes(NOON - DAY_S, NOON).values()
    assert dict(minutes.reasons) == {"off": pytest.approx(8 * HOUR_S, abs=301)}


def test_torn_rows_are_left_out_and_new_ones_are_seen(tmp_path):
    ledger = BlindLedger(tmp_path)
    assert ledger.minutes(NOON - DAY_S, NOON) == {}
    now = time.time()
    put_spans(tmp_path, ("north", now - 600, 300.0, "watched"))
    path = next((tmp_path / "ledger").iterdir())
    path.write_bytes(path.read_bytes() + b'{"camera": "nor')
    assert ledger.minutes(now - DAY_S, now)["north"].watched_s == 300.0
    path.write_bytes(path.read_bytes() + b"\n")
    put_spans(tmp_path, ("north", now - 300, 200.0, "stall"))
    assert ledger.minutes(now - DAY_S, now)["north"].reasons == [("stall", 200.0)]


def test_an_hour_with_a_clock_that_was_ahead_empties_no_week(tmp_path):
    """All in one file, whatever day of the month it is."""
    now = time.time()
    rows = [
        {"camera": "north", "start": now - 2 * HOUR_S, "seconds": HOUR_S, "reason": ""},
        {"camera": "north", "start": now + 20 * DAY_S, "seconds": 300.0, "reason": ""},
    ]
    (tmp_path / "ledger").mkdir()
    path = tmp_path / f"ledger/inspection-{datetime.fromtimestamp(now, timezone.utc):%Y-%m}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    ledger = BlindLedger(tmp_path)
    assert ledger.minutes(now - 7 * DAY_S, now)["north"].watched_s == pytest.approx(HOUR_S)
    assert len(ledger.spans(now - DAY_S, now)) == 1
    path.write_text(json.dumps(rows[1]) + "\n")
    assert len(ledger.spans(now, now + 21 * DAY_S)) == 1, "a clock that is behind"


def test_faults_of_every_daemon_with_what_to_do(box, client):
    fault = {"kind": "stream_stall", "subject": "north", "text": "refused <x>", "wall": time.time()}
    box.status(faults=[fault], cameras={"north": {"blind": "stall", "looks": 1}})
    box.status("uplinkd", faults=[{"kind": "dead_letter", "subject": "v-12"}], online=False)
    steps = [{"kind": "disk_ladder", "subject": "no_clips", "text": "disk ladder step 2: no_clips"}]
    box.status("janitord", ladder=2, ladder_name="no_clips", free_mb=400, faults=steps)
    for language, words in {
        "zh": (
            "码流中断",
            "检查电源、网线",
            "记录被拒五次",
            "v-12",
            "磁盘不足",
            "未连接",
            "不再存视频",
        ),
        "en": ("No picture", "power, cable", "Record refused", "Disk nearly full", "not connected"),
    }.items():
        client.cookies.set("edge-language", language)
        page = client.get("/health")
        assert [word for word in words if word not in page.text] == []
        assert len(page.content) < 100_000
    assert "refused &lt;x&gt;" in page.text


def test_all_well_is_said_and_a_silent_daemon_too(box, client, monkeypatch):
    monkeypatch.setattr("edge.console.health.clock_trust", lambda: ("ntp", 5.0))
    box.status()
    box.status("uplinkd", online=True)
    assert TEXTS["no_fault"][0] in client.get("/health").text
    box.status("sensord", wall=time.time() - 100)
    assert "journalctl -u edge-sensord" in client.get("/health").text


def test_lanes_of_the_outbox_and_the_clock(box, client):
    records = {"violation": {"platform_ack": 15, "new": 2}}
    outbox = {"records": records, "files": {}, "waiting_bytes": 2_000_000, "oldest_wall": 1.0}
    box.status("uplinkd", online=True, outbox=outbox)
    page = client.get("/health").text
    assert re.search(r"疑似违规</th><td>2</td><td>0</td><td>0</td><td>15</td>", page)
    assert "2.0" in page
    assert "±" in page


def test_a_picture_is_sent_once(box, client):
    path = box.run / "preview/north.jpg"
    assert client.get("/data/picture/north").status_code == 204
    path.write_bytes(b"\xff\xd8one")
    first = client.get("/data/picture/north")
    again = client.get("/data/picture/north", headers={"if-none-match": first.headers["etag"]})
    assert (first.content, again.status_code, again.content) == (b"\xff\xd8one", 304, b"")
    time.sleep(0.02)
    path.write_bytes(b"\xff\xd8two")
    new = client.get("/data/picture/north", headers={"if-none-match": first.headers["etag"]})
    assert (new.status_code, new.content) == (200, b"\xff\xd8two")


def test_zones_and_names_reach_the_live_view_escaped(box, client):
    box.site.write_text(box.site.read_text("utf-8").replace("pavement", "a-b"), "utf-8")
    page = client.get("/live").text
    assert 'data-zones="[{&#34;id&#34;: &#34;a-b&#34;' in page
    names = json.loads(html.unescape(re.search(r'data-names="([^"]+)"', page)[1]))
    assert names["street-vendor"] == "无照经营游商"


STREAM = {
    "arrived_fps": 21.04,
    "stamped_fps": 25.0,
    "jitter_ms": 12.5,
    "key_s": 30.0,
    "b_pictures": True,
    "drift_ppm": None,
    "clock": "rate",
}


@pytest.mark.parametrize("clock", ["true", "rate", "none"])
def test_installers_see_how_a_stream_comes(box, client, clock):
    stream = {**STREAM, "clock": clock, "drift_ppm": -140 if clock == "true" else None}
    row = {"blind": None, "looks": 9, "fps": 5.0, "fps_wanted": 5.0, "age_ms": 80.0}
    box.status(cameras={"north": {**row, "stream": stream}})
    page = client.get("/health").text
    assert 'id="streams"' in page
    assert "21.0" in page and "30.0" in page
    assert ("-140 ppm" in page) == (clock == "true")
    assert text(f"stream_clock_{clock}", "zh") in page


def test_a_box_without_streams_has_no_such_table(box, client):
    box.status(cameras={"north": {"blind": None, "looks": 9, "stream": None}})
    assert 'id="streams"' not in client.get("/health").text


@pytest.mark.parametrize(("language", "words"), [("zh", "日历到 "), ("en", "ends ")])
def test_what_ends_soon_is_told_in_the_readers_language(box, client, language, words):
    (fault, _) = shipped_packs().faults(date(2026, 12, 1))
    row = {"kind": fault.kind, "subject": fault.title, "text": fault.text, "wall": 1.0}
    named = {"kind": "camera_moved", "subject": "north", "text": "north 北口 moved", "wall": 1.0}
    box.status("janitord", faults=[row, named])
    client.cookies.set("edge-language", language)
    page = client.get("/health").text
    told = re.findall(r'<span class="soft">([^<]+)</span>', page)
    assert any(words in line for line in told)
    assert not any(re.search("[一-鿿].*none follows|none follows.*[一-鿿]", line) for line in told)
    assert "north 北口 moved" in told


def test_what_daemons_count_and_send_is_told_in_words(box, client):
    source = "".join(
        (EDGE / name).read_text("utf-8") for name in ("pipeline/publisher.py", "daemons/flightd.py")
    )
    counters = re.findall(r"self\.counts = (\{[^}]+\})", source)
    counted = {key for row in counters for key in ast.literal_eval(row)}
    put = "".join(path.read_text("utf-8") for path in EDGE.rglob("*.py"))
    kinds = set(re.findall(r'lane="\w+",\s*kind="(\w+)"', put)) | {"violation", "fault"}
    assert len(counted) > 6 and len(kinds) > 4
    lanes = kinds | set(get_args(Lane))
    assert {f"count_{key}" for key in counted} | {f"lane_{key}" for key in lanes} <= set(TEXTS)
    outbox = {"records": {key: {"new": 1} for key in kinds}, "files": {"clip": {"new": 1}}}
    box.status("visiond", counts=dict.fromkeys(counted, 1))
    box.status("uplinkd", outbox=outbox, counts={})
    client.cookies.set("edge-language", "zh")
    page = client.get("/health").text
    part = page[page.index('id="lanes"') :]
    told = re.findall(r'<th scope="row">([^<]+)|<span class="value">([^<]+)<b>', part)
    words = {one.strip() for row in told for one in row if one and not one.startswith("edge-")}
    assert len(words) > 8 and not [one for one in words if not re.search("[一-鿿]", one)]
