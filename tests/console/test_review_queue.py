# SPDX-License-Identifier: AGPL-3.0-or-later
"""Reviewing as a queue: two questions, the next case by itself, a word taken back, nothing lost."""

import pytest

from edge.console.texts import TEXTS
from tests.console.conftest import csrf_of, put_case

FIRST = "/cases/v-0000000001"


def judge(client, case, verdict, **more):
    form = {"csrf": csrf_of(client), "verdict": verdict, **more}
    return client.post(f"/cases/{case}/review", data=form, follow_redirects=False)


@pytest.mark.parametrize(
    ("verdict", "kept"),
    [
        ("confirmed", ("confirmed", "", "")),
        ("confirmed:filed", ("confirmed", "filed", "")),
        ("confirmed:permitted", ("confirmed", "permitted", "")),
        ("rejected:works", ("rejected", "", TEXTS["mistake_works"][0])),
    ],
)
def test_one_press_answers_both_questions(box, client, verdict, kept):
    put_case(box.state / "evidence", 1)
    assert judge(client, "v-0000000001", verdict).status_code == 303
    assert [row[1:4] for row in box.reviews] == [kept]


@pytest.mark.parametrize("verdict", ["confirmed:works", "rejected:filed", "guilty", "confirmed:x"])
def test_an_answer_that_is_none_is_refused(box, client, verdict):
    put_case(box.state / "evidence", 1)
    assert judge(client, "v-0000000001", verdict).status_code == 404
    assert not box.reviews


def test_the_next_case_comes_by_itself_and_filters_go_along(box, client):
    for number in (1, 2, 3):
        put_case(box.state / "evidence", number)
    assert client.get("/review", follow_redirects=False).headers["location"] == f"{FIRST}?"
    filters = "camera=north"
    answer = judge(client, "v-0000000003", "confirmed", filters=filters)
    to = answer.headers["location"]
    assert to == "/cases/v-0000000002?camera=north&done=v-0000000003"
    assert 'href="/cases?camera=north"' in client.get(to).text
    assert judge(client, "v-0000000001", "confirmed").headers["location"].startswith("/cases/v-")


def test_filters_that_are_nonsense_lead_nowhere_else(box, client):
    put_case(box.state / "evidence", 1)
    answer = judge(client, "v-0000000001", "confirmed", filters="camera=x&to=//evil&page=9")
    assert answer.headers["location"] == "/cases?camera=x&done=v-0000000001"


def test_a_word_is_taken_back_by_who_gave_it(box, client):
    put_case(box.state / "evidence", 1)
    judge(client, "v-0000000001", "confirmed")
    form = {"csrf": csrf_of(client)}
    answer = client.post(f"{FIRST}/undo", data=form, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"], box.reviews) == (303, FIRST, [])
    late = client.post(f"{FIRST}/undo", data=form)
    assert late.status_code == 409
    assert TEXTS["undo_late"][0] in late.text


def test_a_session_that_ended_comes_back_to_its_page(box, client):
    put_case(box.state / "evidence", 1)
    client.cookies.clear()
    headers = {"referer": f"http://testserver{FIRST}?camera=north"}
    answer = client.post(f"{FIRST}/review", data={}, headers=headers, follow_redirects=False)
    to = answer.headers["location"]
    assert (answer.status_code, to) == (
        303, "/login?to=%2Fcases%2Fv-0000000001%3Fcamera%3Dnorth",
    )  # fmt: skip
    page = client.get(to).text
    assert TEXTS["session_over"][0] in page
    assert f'value="{FIRST}?camera=north"' in page


@pytest.mark.parametrize("to", ["//evil.example", "https://evil.example", "/\\evil", "/logout"])
def test_a_log_in_leads_only_to_pages_of_ours(client, to):
    client.cookies.clear()
    assert 'name="to" value="/"' in client.get("/login", params={"to": to}).text
