# SPDX-License-Identifier: AGPL-3.0-or-later
"""The life of a case on the page: states, due times, overdue first, one answer for equal cases."""

import json
import re
import time
from dataclasses import replace
from datetime import datetime, timezone

import numpy as np
import pytest

from edge.console.stages import CaseStages, progress_of
from edge.console.texts import TEXTS
from edge.evidence.album import jpeg
from edge.evidence.thumbnail import BYTES_MOST, HEIGHT, WIDTH, thumbnail
from edge.handling.life import make_step
from edge.handling.statistics import Share, figures
from edge.handling.store import append_steps, lives, read_steps
from edge.uplink.wire import utc_text
from tests.console.conftest import csrf_of, put_case, sha256_of

HOUR_S = 3600.0


def case_id(number):
    return f"v-{number:010d}"


def step(number, word, hours_ago, role="page", by="李", reason="", **facts):
    at = time.time() - hours_ago * HOUR_S
    return make_step(
        case_id(number), word, at, arrived=at, by=by, role=role, reason=reason, facts=facts
    )


def found(number, hours_ago=48.0, **more):
    head = {"category": "street-vendor", "names": {"zh": "无照经营游商", "en": "vending"},
            "source": "north", "kind": "fixed_camera"}  # fmt: skip
    return step(number, "found", hours_ago, role="box", by="box", **head, **more)


def put_life(box, number, *steps, hours_ago=48.0):
    put_case(box.state / "evidence", number)
    append_steps(box.state, [found(number, hours_ago), *steps])


def test_the_page_counts_what_the_reports_count(box):
    """Places whose people stayed when they were reminded lower the share that went."""
    went = step(2, "left", 40.0, role="box", by="box", reminded=True)
    append_steps(box.state, [found(1, reminded="stayed"), found(2), went, found(3)])
    stages = CaseStages(box.state)
    stages.refresh()
    now = time.time()
    whole = figures(lives(read_steps(box.state)[0]), now)
    seen = figures(stages.known(), now)
    assert seen.went == Share(1, 2)
    ours, theirs = ({k: sorted(v) for k, v in one.cases.items()} for one in (seen, whole))
    assert ours == theirs and replace(seen, cases={}) == replace(whole, cases={})


def put_overdue(box, number, late_h=3.0):
    due = time.time() - late_h * HOUR_S
    put_life(box, number, step(number, "confirmed", 20.0, due=due))


def test_the_page_of_a_case_tells_who_when_and_why(box, client):
    confirmed = step(1, "confirmed", 20.0, due=time.time() + HOUR_S)
    settled_too_early = step(1, "settled", 40.0, role="platform", by="平台甲")
    put_life(box, 1, confirmed, step(1, "filed", 19.0, reason="占道三次"), settled_too_early)
    page = client.get(f"/cases/{case_id(1)}").text
    for word in ("step_found", "step_confirmed", "step_filed", "step_refused"):
        assert TEXTS[word][0] in page, word
    assert "占道三次" in page
    assert "李" in page
    assert "前办结" in page
    assert TEXTS["settle"][0] in page


def test_what_is_overdue_is_red_comes_first_and_says_by_how_much(box, client):
    put_overdue(box, 1)
    put_life(box, 2)
    page = client.get("/cases").text
    assert page.index(case_id(1)) < page.index(case_id(2))
    assert 'class="card overdue"' in page
    assert TEXTS["overdue_now"][0].format(n=1) in page
    assert "已超期 3.0 小时" in client.get(f"/cases/{case_id(1)}").text
    assert client.get("/review").headers["location"].startswith(f"/cases/{case_id(1)}?")
    assert client.get("/cases?review=overdue").text.count('class="card') == 1


def test_a_round_of_the_queue_meets_each_case_once(box, client):
    for number, late_h in ((1, 1.0), (2, 5.0)):
        put_overdue(box, number, late_h)
    for number in (3, 4):
        put_life(box, number)
    box.keep_reviews = True
    at, met, word = client.get("/review").headers["location"], [], csrf_of(client)
    while "/cases/" in at and len(met) < 9:
        met.append(re.search(r"/cases/(v-\d+)", at)[1])
        form = {"csrf": word, "verdict": "confirmed:filed"}
        at = client.post(f"/cases/{met[-1]}/review", data=form).headers["location"]
    assert met == [case_id(n) for n in (2, 1, 3, 4)]


def test_a_paused_case_is_not_overdue_and_a_pause_needs_its_reason(box, client):
    put_overdue(box, 1)
    box.keep_reviews = True
    form = {"csrf": csrf_of(client), "verdict": "confirmed:paused", "reason": " "}
    answer = client.post(f"/cases/{case_id(1)}/review", data=form)
    assert (answer.status_code, box.reviews) == (422, [])
    assert TEXTS["pause_reason_needed"][0] in answer.text
    form["reason"] = "等鉴定"
    assert client.post(f"/cases/{case_id(1)}/review", data=form).status_code == 303
    page = client.get(f"/cases/{case_id(1)}").text
    assert "暂停计时" in page
    assert "已超期" not in page
    assert client.get("/cases?review=overdue").text.count('class="card') == 0


def test_a_case_nobody_confirmed_cannot_be_settled(box, client):
    put_life(box, 1)
    form = {"csrf": csrf_of(client), "verdict": "confirmed:settled"}
    answer = client.post(f"/cases/{case_id(1)}/review", data=form)
    assert (answer.status_code, box.reviews) == (409, [])
    assert TEXTS["not_running"][0] in answer.text


def put_at(box, number, place, minutes_ago):
    put_case(box.state / "evidence", number)
    path = box.state / f"evidence/{case_id(number)}/r1/manifest.json"
    body = json.loads(path.read_bytes())
    body["violation"]["place"] = list(place)
    began = {**body["violation"]["began"], "utc": utc_text(time.time() - 60.0 * minutes_ago)}
    body["violation"]["began"] = began
    path.write_text(json.dumps(body))


def test_equal_cases_get_one_answer_and_can_be_taken_back_together(box, client):
    for number, place in ((1, (0.5, 0.7)), (2, (0.52, 0.69)), (3, (0.1, 0.7)), (4, (0.49, 0.7))):
        put_at(box, number, place, minutes_ago=number)
    page = client.get(f"/cases/{case_id(1)}").text
    assert sorted(re.findall(r'name="also_(v-\d+)"', page)) == [case_id(2), case_id(4)]
    form = {"csrf": csrf_of(client), "verdict": "confirmed:permitted"}
    ticked = {f"also_{case_id(n)}": "1" for n in (2, 3)}
    to = client.post(f"/cases/{case_id(1)}/review", data={**form, **ticked}).headers["location"]
    # The third stands elsewhere: ticked by whoever made the form, it is not judged.
    assert [row[0] for row in box.reviews] == [case_id(1), case_id(2)]
    assert TEXTS["judged_many"][0].format(n=2) in client.get(to).text
    undo = {"csrf": form["csrf"], "also": case_id(2)}
    assert client.post(f"/cases/{case_id(1)}/undo", data=undo).status_code == 303
    assert box.reviews == []


def test_steps_in_any_order_and_words_of_this_minute_come_to_the_same(box):
    late = [step(1, "confirmed", 9.0, due=1.0), found(1), step(1, "filed", 8.0)]
    append_steps(box.state, late)
    stages = CaseStages(box.state)
    stages.refresh()
    assert progress_of(stages.of(case_id(1)), time.time()) == "overdue"
    append_steps(box.state, [step(1, "settled", 7.0), step(1, "left", 30.0, role="box")])
    stages.refresh()
    assert (stages.of(case_id(1)).state, stages.of(case_id(1)).left_at is None) == (
        "settled", False,
    )  # fmt: skip
    (box.state / "reviews").mkdir()
    row = {"violation": case_id(1), "verdict": "rejected", "at": utc_text(time.time())}
    path = box.state / "reviews/console-2026-05.jsonl"
    path.write_text(json.dumps({**row, "by": "console:王"}) + "\n" + '{"torn')
    stages.refresh()
    assert stages.of(case_id(1)).state == "misdetected"
    with path.open("a") as file:
        file.write('\n{"violation": "v-x", "verdict": "confirmed", "at": "gestern"}\n')
        file.write(json.dumps({**row, "by": "console:王", "withdrawn": True}) + "\n")
    stages.refresh()
    assert stages.of(case_id(1)).state == "settled"
    whole = stages.whole(case_id(1), {})
    assert [s.kind for s in whole.steps] == ["found", "left", "confirmed", "filed", "settled"]


def test_a_file_of_steps_that_became_shorter_is_read_anew(box):
    put_overdue(box, 1)
    stages = CaseStages(box.state)
    stages.refresh()
    assert stages.of(case_id(1)).state == "confirmed"
    (path,) = (box.state / "handling").glob("*.jsonl")
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    stages.refresh()
    assert stages.of(case_id(1)).state == "suspected"


def picture(shape=(720, 1280), seed=1):
    rng = np.random.default_rng(seed)
    return jpeg(rng.integers(0, 255, (*shape, 3), np.uint8))


def test_a_thumbnail_is_small_whatever_the_picture_and_kept_by_the_browser(box, client):
    """Noise is the worst that JPEG can meet."""
    put_case(box.state / "evidence", 1, picture())
    answer = client.get(f"/thumb/{case_id(1)}/1")
    assert answer.status_code == 200
    assert len(answer.content) <= BYTES_MOST
    assert "immutable" in answer.headers["cache-control"]
    again = client.get(f"/thumb/{case_id(1)}/1")
    assert again.content == answer.content


def test_a_thumbnail_shows_the_offence_and_not_the_street(box):
    street = np.full((720, 1280, 3), 90, np.uint8)
    street[500:600, 900:1000] = (0, 0, 255)
    put_case(box.state / "evidence", 1, jpeg(street))
    path = box.state / f"evidence/{case_id(1)}/r1/manifest.json"
    body = json.loads(path.read_bytes())
    box_of = [900 / 1280, 500 / 720, 1000 / 1280, 600 / 720]
    body["shots"] = [{"role": "overview", "box": box_of, "scene": [0, 1280, 720]}]
    path.write_text(json.dumps(body))
    import cv2

    shown = cv2.imdecode(np.frombuffer(thumbnail(path.parents[1]), np.uint8), cv2.IMREAD_COLOR)
    assert shown.shape == (HEIGHT, WIDTH, 3)
    red = (shown[..., 2].astype(int) - shown[..., 1]) > 60
    assert 0.1 < red.mean() < 0.6


@pytest.mark.parametrize("shots", [None, [{}], [{"role": "overview", "box": [2, 0, 1, "x"]}], [3]])
def test_odd_manifests_and_pictures_cost_a_thumbnail_only(box, client, shots):
    put_case(box.state / "evidence", 1, b"\xff\xd8 no picture")
    path = box.state / f"evidence/{case_id(1)}/r1/manifest.json"
    body = json.loads(path.read_bytes())
    path.write_text(json.dumps({**body, "shots": shots}))
    answer = client.get(f"/thumb/{case_id(1)}/1")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/svg+xml")
    for odd in ("v-..%2f/1", f"{case_id(1)}/0", f"{case_id(1)}/x", f"{case_id(9)}/1"):
        assert client.get(f"/thumb/{odd}").status_code == 404


def test_a_picture_that_is_there_twice_is_shown_once_and_public_copies_apart(box, client):
    put_case(box.state / "evidence", 1, picture((90, 160)))
    folder = box.state / f"evidence/{case_id(1)}/r1"
    body = json.loads((folder / "manifest.json").read_bytes())
    (own,) = body["files"]
    for name, masked, data in (("r1-after-1.jpg", False, picture((90, 160))),
                               ("r1-public-1.jpg", True, picture((90, 160), 2))):  # fmt: skip
        (folder / name).write_bytes(data)
        more = {"path": name, "masked": masked, "sha256": sha256_of(data)}
        body["files"].append({**own, **more})
    (folder / "manifest.json").write_text(json.dumps(body))
    page = client.get(f"/cases/{case_id(1)}").text
    shown = page[page.index('id="pictures"') : page.index('class="two"')]
    assert shown.count("data-label") == 1
    assert TEXTS["public_copies"][0].format(n=1) in page


FOUND = {
    "from=2026-05-01&to=2026-05-01": 2,
    "from=2026-05-02": 0,
    "to=2026-04-30": 0,
    "from=gestern&to=2026-02-31": 2,
    "place=鼓楼": 1,
    "plate=a12": 1,
    "text=鲁A123": 1,
    "text=鼓楼街": 1,
    "text=游商": 2,
    "text=环卫车": 1,
    "text=zzz": 0,
}


@pytest.mark.parametrize("query", FOUND)
def test_cases_are_found_by_day_place_plate_and_words(box, client, query):
    for number in (1, 2):
        put_case(box.state / "evidence", number)
    path = box.state / f"evidence/{case_id(1)}/r1/manifest.json"
    body = json.loads(path.read_bytes())
    body["violation"]["where"] = {"lat": 36.1, "lon": 120.1, "address": "鼓楼街12号"}
    body["violation"]["facts"]["truck_file"] = {"plate": "鲁A12345"}
    path.write_text(json.dumps(body))
    (box.state / "reviews").mkdir()
    row = {"violation": case_id(2), "verdict": "rejected", "at": "2026-05-02T01:00:00Z"}
    text = json.dumps({**row, "reason": "环卫车在作业"}, ensure_ascii=False)
    (box.state / "reviews/platform.jsonl").write_text(text + "\n", "utf-8")
    page = client.get("/cases", params=dict(part.split("=") for part in query.split("&"))).text
    assert page.count('class="card') == FOUND[query]


@pytest.mark.parametrize("truck", ["x", 3, [], {"plate": None}, None])
@pytest.mark.parametrize("place", [None, [], ["x", 1], 5])
def test_facts_of_any_shape_cost_no_row_of_the_list(box, client, truck, place):
    put_case(box.state / "evidence", 1)
    path = box.state / f"evidence/{case_id(1)}/r1/manifest.json"
    body = json.loads(path.read_bytes())
    body["violation"]["facts"]["truck_file"], body["violation"]["place"] = truck, place
    path.write_text(json.dumps(body))
    assert client.get("/cases").text.count('class="card') == 1


def test_days_are_local_ones(box, client):
    put_at(box, 1, (0.5, 0.5), 0)
    path = box.state / f"evidence/{case_id(1)}/r1/manifest.json"
    body = json.loads(path.read_bytes())
    # 23:30 in China on the 3rd is 15:30 UTC.
    at = datetime(2026, 6, 3, 15, 30, tzinfo=timezone.utc).timestamp()
    body["violation"]["began"]["utc"] = utc_text(at)
    path.write_text(json.dumps(body))
    for day, count in (("2026-06-03", 1), ("2026-06-04", 0)):
        page = client.get(f"/cases?from={day}&to={day}").text
        assert page.count('class="card') == count


@pytest.mark.parametrize("path", ["v-0000000001-1/look-1/../x.jpg", "v-1/look-1/a.jpg",
                                  "v-0000000001-1/look-1/plan.json"])  # fmt: skip
def test_only_pictures_of_rechecks_are_served(box, client, path):
    folder = box.state / "rechecks/v-0000000001-1/look-1"
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text("{}")
    (folder / "after.jpg").write_bytes(picture((9, 16)))
    assert client.get(f"/recheck/{path}").status_code == 404
    assert client.get("/recheck/v-0000000001-1/look-1/after.jpg").status_code == 200
