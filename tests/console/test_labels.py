# SPDX-License-Identifier: AGPL-3.0-or-later
"""The page Labels: the least sure crops first, twenty a day, and a word that reaches training."""

import json
import time

import pytest

from edge.learning.export import export
from edge.learning.labels import read_labels
from tests.console.conftest import csrf_of
from tests.console.test_every_page import street
from tools.training.foreign import read_box

BOX = [0.2, 0.2, 0.8, 0.8]


def keep(box, camera, n, *, why="near_limit", score=0.3, label="vendor_stall"):
    folder = box.state / "harvest" / camera
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{int(time.time() * 1000) + n}-{why}-{label}"
    row = {"camera": camera, "at_s": time.time() - 60.0, "why": why, "label": label,
           "score": score, "box": BOX}  # fmt: skip
    (folder / f"{name}.json").write_text(json.dumps(row))
    (folder / f"{name}.jpg").write_bytes(street(n))
    return f"{camera}/{name}"


def say(client, crop, answer, **more):
    form = {"csrf": csrf_of(client), "crop": crop, "answer": answer, **more}
    return client.post("/labels", data=form)


def test_the_most_telling_comes_first_and_the_next_after_it(box, client):
    near, torn = keep(box, "north", 1), keep(box, "north", 2, why="disagreement", score=0.8)
    page = client.get("/labels").text
    assert torn in page
    assert "摊位" in page
    picture = client.get(f"/labels/picture/{torn}")
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/jpeg")
    assert say(client, torn, "accept").status_code == 303
    assert near in client.get("/labels").text
    assert say(client, near, "not_this").status_code == 303
    assert "没有待标注的画面" in client.get("/labels").text
    assert {label.answer for label in read_labels(box.state).values()} == {"accept", "not_this"}


def test_what_was_said_is_what_training_reads(box, client, tmp_path):
    crops = [keep(box, "north", n) for n in range(4)]
    say(client, crops[0], "accept")
    say(client, crops[1], "not_this")
    say(client, crops[2], "draw", box="0.9,0.7,0.5,0.4")
    for source in (box.state, tmp_path / "week"):
        export(box.state, tmp_path / "week", since_s=0.0, per_day=20, most=200)
        found = {one.path.stem: one for one in read_box(source, unjudged=True)}
        by_crop = [found[crop.partition("/")[2]].boxes for crop in crops]
        assert [len(boxes) for boxes in by_crop] == [1, 0, 1, 1]
        drawn = by_crop[2][0][1]
        assert drawn.xyxy == pytest.approx((0.5, 0.4, 0.9, 0.7))


def test_a_later_word_counts_and_there_is_a_way_back(box, client):
    first, second = keep(box, "north", 1), keep(box, "north", 2)
    for crop in (first, second):
        say(client, crop, "accept")
    keep(box, "north", 3)
    assert f"crop={second}" in client.get("/labels").text
    assert "已回答" in client.get(f"/labels?crop={second}").text
    say(client, second, "not_this")
    assert read_labels(box.state)[second].answer == "not_this"


def test_twenty_a_day_and_more_for_whoever_wants(box, client):
    crops = [keep(box, "north", n) for n in range(22)]
    for crop in crops[:20]:
        say(client, crop, "accept")
    page = client.get("/labels").text
    assert 'id="label"' not in page
    assert "/labels?more" in page
    assert 'id="label"' in client.get("/labels?more").text


@pytest.mark.parametrize(
    "crop", ["north/../../secret", "../north/x", "north/", "", "a/b/c", "n\0/x"]
)
def test_no_other_file_is_a_crop(box, client, crop):
    keep(box, "north", 1)
    assert say(client, crop, "accept").status_code == 404
    assert client.get("/labels", params={"crop": crop or "x"}).status_code == 404


@pytest.mark.parametrize(
    "box_text", ["", "0,0,0,0", "nan,0,1,1", "1,2", "a,b,c,d", "0.5,0.5,0.5,0.9"]
)
def test_a_box_that_is_none_is_said(box, client, box_text):
    crop = keep(box, "north", 1)
    assert say(client, crop, "draw", box=box_text).status_code == 422
    assert read_labels(box.state) == {}


def test_damaged_rows_and_words_cost_themselves(box, client):
    keep(box, "north", 1)
    (box.state / "harvest" / "north" / "5-near_limit-x.json").write_text("{torn")
    (box.state / "labels").mkdir()
    (box.state / "labels" / "labels.jsonl").write_text('{"crop": 3}\n{torn\n[]\n')
    assert 'id="label"' in client.get("/labels").text
