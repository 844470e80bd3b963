# SPDX-License-Identifier: AGPL-3.0-or-later
"""The pages Violations: ten thousand of them, filters, facts in words, seal, review, package."""

import io
import itertools
import json
import re
import time
import zipfile
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest

from edge.console import (
    access_texts,
    desk_texts,
    facts,
    field_texts,
    instrument_texts,
    manual_texts,
    page_texts,
    setup_texts,
    stages,
    texts,
)
from edge.console import cases as index
from edge.console.cases import CaseIndex, Wanted
from edge.console.texts import TEXTS
from edge.daemons import console_services
from edge.daemons.console_services import examine_case
from tests.console.conftest import csrf_of, put_case, violation


def put_many(root, count, first=0):
    """Manifests of real size (ten kilobytes) without pictures."""
    files = [
        {"role": "overview", "path": f"r1-overview-{n}.jpg", "sha256": "0" * 64, "size": 1,
         "at": {"mono": 1.0}, "masked": False, "padding": "x" * 1500}
        for n in range(5)
    ]  # fmt: skip
    for number in range(first, first + count):
        body = {"violation": violation(number), "files": files}
        day = f"2026-05-{number % 28 + 1:02d}T08:00:00.000000Z"
        body["violation"]["began"] = {**body["violation"]["began"], "utc": day}
        body["violation"]["source"] = {"id": f"cam-{number % 4}", "name": None}
        folder = root / f"v-{number:010d}" / "r1"
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text(json.dumps(body))


def measured(client, path):
    """The quickest of five: what the page costs, not what the neighbours do."""
    took = []
    for _ in range(5):
        began = time.process_time()
        assert client.get(path).status_code == 200
        took.append(time.process_time() - began)
    return min(took)


@pytest.mark.slow
def test_ten_thousand_violations_answer_in_150_ms_a_page(box, client, monkeypatch):
    put_many(box.state / "evidence", 10_000)
    began = time.process_time()
    assert "10000" in client.get("/cases").text
    first_s = time.process_time() - began
    took = {
        path: measured(client, path)
        for path in ("/cases", "/cases?page=400", "/cases?camera=cam-1&review=open&page=99",
                     "/cases?text=9999", "/cases/v-0000005000")
    }  # fmt: skip
    monkeypatch.setattr(index, "LOOK_EVERY_S", 0.0)
    again = measured(client, "/cases?days=7")
    print({**took, "looked again": again, "first": first_s})
    assert max(*took.values(), again) < 0.150, took
    assert first_s < 6.0


def test_a_thousand_are_read_once_and_only_changes_again(box):
    put_many(box.state / "evidence", 300)
    index = CaseIndex(box.state)
    assert len(index.heads()) == 300
    read = []
    index._head = lambda name, stamp, own=index._head: read.append(name) or own(name, stamp)
    index._heads = {name: replace(head, stamp=head.stamp or _stamp(box, name))
                    for name, head in index._heads.items()}  # fmt: skip
    put_case(box.state / "evidence", 7_000)
    revise(box.state / "evidence" / "v-0000000005", 2, "incomplete")
    index._looked = -1e9
    heads = {head.id: head for head in index.heads()}
    assert sorted(read) == ["v-0000000005", "v-0000007000"]
    assert (heads["v-0000000005"].revision, heads["v-0000000005"].gate) == (2, "incomplete")


def _stamp(box, name):
    return (box.state / "evidence" / name).stat().st_mtime_ns


def revise(folder, number, gate):
    body = json.loads((folder / "r1/manifest.json").read_bytes())
    body["violation"]["gate"] = gate
    (folder / f"r{number}").mkdir()
    (folder / f"r{number}" / "manifest.json").write_text(json.dumps(body))


def test_what_is_deleted_or_damaged_leaves_the_list_and_is_counted(box, client):
    for number in range(3):
        put_case(box.state / "evidence", number)
    manifest = box.state / "evidence/v-0000000001/r1/manifest.json"
    manifest.write_text("{ torn")
    page = client.get("/cases").text
    assert page.count('class="card"') == 2
    assert TEXTS["cases_unreadable"][0].format(n=1) in page
    assert client.get("/cases/v-0000000001").status_code == 404


FILTERED = {
    "category=street-vendor": 3,
    "category=none": 0,
    "camera=north": 3,
    "camera=south": 0,
    "gate=incomplete": 1,
    "review=open": 2,
    "review=rejected": 1,
    "review=nonsense": 3,
    "days=7": 0,
    "days=7;drop": 3,
    "text=0000002": 1,
    "text=%3Cscript%3E": 0,
}


@pytest.mark.parametrize("query", FILTERED)
def test_filters(box, client, query):
    for number in range(3):
        put_case(box.state / "evidence", number, gate="incomplete" if number == 2 else "complete")
    put_review(box, "v-0000000001", "confirmed", at="2026-05-01T09:00:00.000000Z")
    put_review(box, "v-0000000001", "rejected", at="2026-05-02T09:00:00.000000Z")
    page = client.get(f"/cases?{query}").text
    assert page.count('class="card"') == FILTERED[query]
    assert "<script>" not in page
    if not FILTERED[query]:
        assert TEXTS["no_case_fits"][0] in page


def test_words_that_come_in_disturb_nobody_who_goes_through_the_cases(box, monkeypatch):
    for number in range(3):
        put_review(box, f"v-{number:010d}", "confirmed")
    held = stages.CaseStages(box.state)
    held.refresh()
    asked = itertools.count(100)

    def late(life, now):
        """As another thread would at this moment."""
        put_review(box, f"v-{next(asked):010d}", "rejected", reason="x")
        held.refresh()
        return True

    monkeypatch.setattr(stages, "late", late)
    assert held.overdue(time.time()) == {f"v-{number:010d}" for number in range(3)}
    assert len(held.judged()) == 6 and held.reason_of(f"v-{100:010d}") == "x"


def test_a_word_of_the_last_minute_is_taken_back_in_the_next_month_too(box, monkeypatch):
    last = datetime(2026, 11, 30, 23, 59, 55, tzinfo=timezone.utc).timestamp()
    monkeypatch.setattr(console_services, "time", SimpleNamespace(time=lambda: last))
    console_services._review(box.state, "v-0000000001", "rejected", "", "oops", "zhang")
    held = stages.CaseStages(box.state)
    held.refresh()
    assert held.of("v-0000000001").state == "misdetected"
    monkeypatch.setattr(console_services, "time", SimpleNamespace(time=lambda: last + 10.0))
    assert not console_services._withdraw(box.state, "v-0000000001", "li")
    assert console_services._withdraw(box.state, "v-0000000001", "zhang")
    held.refresh()
    assert held.of("v-0000000001").state == "suspected"
    assert not console_services._withdraw(box.state, "v-0000000001", "zhang"), "once"
    console_services._review(box.state, "v-0000000002", "rejected", "", "oops", "zhang")
    monkeypatch.setattr(console_services, "time", SimpleNamespace(time=lambda: last + 80.0))
    assert not console_services._withdraw(box.state, "v-0000000002", "zhang"), "too late"


def put_review(box, case_id, verdict, at="2026-05-01T09:00:00.000000Z", **more):
    folder = box.state / "reviews"
    folder.mkdir(exist_ok=True)
    row = {"violation": case_id, "verdict": verdict, "at": at, "by": "console:李", **more}
    with (folder / f"console-{at[:7]}.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")


@pytest.mark.parametrize("page", ["0", "-1", "99999999999", "x", "²", "3"])
def test_odd_page_numbers_show_a_page(box, client, page):
    put_case(box.state / "evidence", 1)
    assert 'class="card"' in client.get(f"/cases?page={page}").text


def test_without_any_case_the_page_says_what_to_do(client):
    page = client.get("/cases").text
    assert TEXTS["no_case"][0] in page
    assert 'href="/zones"' in page


def test_a_case_leads_to_its_neighbours(box, client):
    for number in (1, 2, 3):
        put_case(box.state / "evidence", number)
    page = client.get("/cases/v-0000000002").text
    assert 'rel="prev" href="/cases/v-0000000003"' in page
    assert 'rel="next" href="/cases/v-0000000001"' in page


def test_rejecting_needs_a_reason(box, client):
    put_case(box.state / "evidence", 1)
    form = {"csrf": csrf_of(client), "verdict": "rejected", "reason": "  "}
    answer = client.post("/cases/v-0000000001/review", data=form)
    assert (answer.status_code, box.reviews) == (422, [])
    assert TEXTS["reason_needed"][0] in answer.text
    form["reason"] = "环卫车"
    assert client.post("/cases/v-0000000001/review", data=form).status_code == 303
    put_review(box, "v-0000000001", "rejected", reason="环卫车 <b>")
    assert "环卫车 &lt;b&gt;" in client.get("/cases/v-0000000001").text


def test_the_seal_is_told_for_every_revision(box, client):
    services = replace(box.console.services, examine=examine_case)
    box.app.state.console = replace(box.console, services=services)
    put_case(box.state / "evidence", 1)
    page = client.get("/cases/v-0000000001").text
    assert TEXTS["broken"][0] in page
    assert "r1-overview-1.jpg" in page


def test_a_large_package_is_sent_from_disk_whole(box, client):
    put_case(box.state / "evidence", 1, picture=b"\xff\xd8" + bytes(3_000_000))
    answer = client.get("/package/v-0000000001")
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert zipfile.ZipFile(io.BytesIO(answer.content)).testzip() is None


NOISE = {
    "leq_db": 67.75, "limit_db": 55.0, "over_by_db": 12.8, "period": "night", "l10_db": 69.0,
    "l50_db": 67.6, "l90_db": 66.5, "lmax_db": 69.0, "windows": [{}, {}], "window_s": 1200.0,
    "metrology": {"standing": "indicative"},
}  # fmt: skip
TOLD = [
    ({"dwell_s": 36.5, "dwell_limit_s": 12.0}, "已停留 36 秒，时限 12 秒", "allowed are 12 s"),
    ({"dwell_s": 7200.0}, "已停留 2.0 小时", "Stayed for 2.0 h"),
    (NOISE, "夜间等效声级 67.8 dB(A)，限值 55，超出 12.8 dB", "12.8 dB over"),
    (NOISE, "连续 2 个测量时段，每段 20.0 分钟", "2 measuring periods in a row"),
    ({"kitchen": {"fan": True, "purifier": False, "fume_mg": 2.67}},
     "风机开，净化器关，油烟 2.67 mg/m³", "purifier off"),
    ({"kitchen": {"fan": True, "purifier": None}}, "风机开，净化器未知", "purifier unknown"),
    ({"sources": 2}, "同一摊点疑似烧烤源 2 处", "2 things taken for grill"),
    ({"trust": "unproven"}, "该类别未经真实画面验证，只作线索", "a lead, not a case"),
    ({"trust": "weak"}, "模型对该类别识别较弱（真实画面实测），请仔细核对", "look closely"),
    ({"second_opinion": {"says": "doubts", "taught_with": [9, 12]}},
     "本机位以往审核（属实 9、误识别 12）所教的判断对此存疑，改作线索", "9 confirmed, 12 rejected"),
    ({"clock_quality": "unsynced"}, "时钟未同步，时间仅供参考", "not synchronised"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "zh", "en"), TOLD)
def test_facts_in_words(given, zh, en):
    assert zh in facts.sentences(given, "zh")
    assert any(en in one for one in facts.sentences(given, "en"))


@pytest.mark.parametrize(
    "odd",
    [
        {"dwell_s": "x"},
        {"truck": 3},
        {"kitchen": []},
        {"metrology": 1},
        {"windows": 5},
        {"leq_db": 1},
        {"trust": ["weak"]},
        {"second_opinion": {"says": "doubts", "taught_with": 3}},
    ],
)
def test_facts_of_an_unexpected_shape_cost_no_page(odd):
    assert facts.sentences(odd, "zh") == []


PLACES = {
    "in the forbidden zone no-fire": "在禁止区域“no-fire”内",
    "in the lane zone": "在车道区域内",
    "GB 12523 class site, night: limit 55 dB(A)": "GB 12523 site 类，夜间限值 55 dB(A)",
    "十七号餐饮: fan on, purifier off": "十七号餐饮：风机开，净化器关",
    "something new": "something new",
}


@pytest.mark.parametrize("reason", PLACES)
def test_why_a_place_counts(reason):
    assert facts.place_words(reason, "zh") == PLACES[reason]
    assert facts.place_words(reason, "en") == reason


def test_no_text_hides_another():
    own = (
        desk_texts.DESK_TEXTS,
        page_texts.PAGE_TEXTS,
        setup_texts.SETUP_TEXTS,
        access_texts.ACCESS_TEXTS,
        field_texts.FIELD_TEXTS,
        instrument_texts.INSTRUMENT_TEXTS,
        manual_texts.MANUAL_TEXTS,
    )
    whole = sum(1 for _ in re.finditer(r"^    \"\w[^\"]*\": \(", texts_source(), re.M))
    assert len(TEXTS) == whole + sum(map(len, own))


def texts_source():
    return Path(texts.__file__).read_text("utf-8")


def test_wanted_of_nothing_is_everything(box):
    put_case(box.state / "evidence", 1)
    assert len(CaseIndex(box.state).find(Wanted())) == 1
