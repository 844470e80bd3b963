# SPDX-License-Identifier: AGPL-3.0-or-later
"""From a raw head to a card: decoding, figures of known pictures, the marks in a card."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from edge.config import ConfigError
from tools.training import evaluate, figures, report
from tools.training.classes import CITY, COCO
from tools.training.collection import Item, Label
from tools.training.judge_pictures import judge
from tools.training.pictures import Picture, read_suite
from tools.training.raw_yolo import Found, decode, detect, iou_matrix, letterbox, suppress
from tools.training.relabel import Relabelled

STALL, TRUCK = CITY.index("vendor_stall"), CITY.index("muck_truck")


OURS = len(CITY)


class Fixed:
    """A network that always says the same: rows of (centre x, y, width, height in px, class, p)."""

    def __init__(self, rows, height=96, width=160, classes=OURS):
        self.height, self.width = height, width
        self.raw = np.zeros((1, 4 + classes, max(1, len(rows))), np.float32)
        for place, (x, y, w, h, label, score) in enumerate(rows):
            self.raw[0, :4, place] = (x, y, w, h)
            self.raw[0, 4 + label, place] = score

    def __call__(self, blob):
        assert blob.shape == (1, 3, self.height, self.width) and blob.dtype == np.float32
        return self.raw


@pytest.mark.parametrize("size", [(96, 160), (50, 300), (300, 50), (1080, 1920), (7, 5)])
def test_letterbox_fills_one_side_and_centres(size):
    canvas, scale, left, top = letterbox(np.zeros((*size, 3), np.uint8), 96, 160)
    assert canvas.shape == (96, 160, 3)
    inner = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
    assert inner[0] == 96 or inner[1] == 160
    assert (canvas == 0).all(2).sum() == inner[0] * inner[1]
    assert abs(left - (160 - inner[1]) / 2) <= 0.5 and abs(top - (96 - inner[0]) / 2) <= 0.5


def test_boxes_come_back_to_the_pictures_own_fractions():
    # A 2:1 picture in a 160 x 96 input: 80 px high, 8 px of grey above.
    picture = np.zeros((100, 200, 3), np.uint8)
    found = detect(Fixed([(80, 48, 40, 20, STALL, 0.9)]), picture, min_score=0.1)
    assert found.boxes[0] == pytest.approx([60 / 160, 30 / 80, 100 / 160, 50 / 80])
    assert (found.labels[0], found.scores[0]) == (STALL, pytest.approx(0.9))


def test_one_place_may_have_two_labels_and_doubles_go():
    raw = np.zeros((4 + 2, 3))
    raw[:4] = np.array([[50, 50, 20, 20], [51, 50, 20, 20], [90, 50, 20, 20]]).T
    raw[4:] = [[0.9, 0.8, 0.0], [0.5, 0.0, 0.7]]
    found = decode(raw, 0.1)
    assert sorted(zip(found.labels.tolist(), found.scores.tolist(), strict=True)) == [
        (0, 0.9), (1, 0.5), (1, 0.7),
    ]  # fmt: skip


def test_suppression_is_the_greedy_one():
    rng = np.random.default_rng(0)
    corner, size = rng.random((60, 2)), rng.random((60, 2)) * 0.4 + 0.05
    boxes, scores = np.concatenate([corner, corner + size], 1), rng.random(60)
    labels = rng.integers(0, 2, 60)
    kept, overlap = [], iou_matrix(boxes, boxes)
    for i in np.argsort(-scores):
        if all(labels[i] != labels[k] or overlap[i, k] <= 0.6 for k in kept):
            kept.append(i)
    assert suppress(boxes, scores, labels, 0.6).tolist() == kept
    assert not len(suppress(boxes[:0], scores[:0], labels[:0], 0.6))


def test_foreign_rows_are_seen_as_ours():
    network = Relabelled(Fixed([(80, 48, 40, 20, COCO["bus"], 0.9)], classes=80), COCO, CITY)
    found = detect(network, np.zeros((96, 160, 3), np.uint8), min_score=0.1)
    assert [CITY[label] for label in found.labels] == ["bus"]


def picture(tmp_path, name, labels, *, unlabelled=(), source="street", group=None):
    path = tmp_path / f"{name}.jpg"
    cv2.imwrite(str(path), np.full((96, 160, 3), 90, np.uint8))
    item = Item(path.name, "val", group or name, "real", source, unlabelled)
    return Picture(path, item, tuple(labels))


AT = Label(STALL, 0.5, 0.5, 0.25, 20 / 96)
AWAY = Label(STALL, 0.1, 0.1, 0.1, 0.1)
SAYS = Fixed([(80, 48, 40, 20, STALL, 0.9)])


@pytest.fixture
def judged(tmp_path):
    pictures = [
        picture(tmp_path, "right", [AT]),
        picture(tmp_path, "missed", [AT, AWAY]),
        picture(tmp_path, "empty", [], source="negatives"),
        picture(tmp_path, "unknown", [], unlabelled=("vendor_stall",)),
    ]
    return list(judge(SAYS, pictures, CITY))


def test_rows(judged):
    rows = figures.rows(judged, CITY)
    assert [(r.name, r.source, r.truths, r.pictures) for r in rows] == [
        ("vendor_stall", "street", 3, 3)
    ]
    (row,) = rows
    # Two right, none wrong ("unknown" is not judged, "empty" is another source): recall 2/3.
    assert (row.precision, row.recall) == (1.0, pytest.approx(2 / 3))
    assert row.ap50 == pytest.approx(67 / 101)
    assert row.low <= row.ap50 <= row.high
    assert not row.clustered


def test_negatives_count_against_the_whole(judged):
    everything = figures.row(judged, STALL, "vendor_stall", "all")
    assert everything.precision == pytest.approx(2 / 3)


def test_confusion_and_faults(judged):
    table = figures.confusion(judged, len(CITY))
    nothing = len(CITY)
    assert table[STALL, STALL] == 2
    assert table[STALL, nothing] == 1
    assert table[nothing, STALL] == 1
    assert [figures.faults(one) for one in judged] == [0, 1, 1, 0]
    assert [one.picture.item.image for one in report.worst(judged, 9)] == [
        "empty.jpg",
        "missed.jpg",
    ]


def test_sizes_are_at_the_models_input(judged):
    told = figures.sizes(judged, CITY, 96, 160)["vendor_stall"]
    assert told == {"small": (3, pytest.approx(2 / 3))}


def test_a_contact_sheet_is_drawn(judged):
    sheet = report.contact_sheet(judged, CITY)
    assert sheet.shape == (300, 1600, 3)
    assert (sheet == report.TRUTH_COLOUR).all(2).any()


def test_tables_and_losses(judged):
    rows = figures.rows(judged, CITY)
    assert "| vendor_stall | street | 3 | 3 | 0.663 |" in report.table(rows)
    silent = list(judge(Fixed([]), [one.picture for one in judged], CITY))
    lost = report.losses(rows, {"int8": figures.rows(silent, CITY)})
    assert "| vendor_stall | street | 0.663 | +66.3 |" in lost


def test_only_what_stands_between_the_marks_is_replaced(tmp_path):
    card = tmp_path / "card.md"
    begin, end = evaluate.TABLE_MARKS
    card.write_text(f"above\n{begin}\nold\n{end}\nbelow\n")
    evaluate.into_card(card, "new\n")
    assert card.read_text() == f"above\n{begin}\nnew\n{end}\nbelow\n"
    card.write_text("no marks")
    with pytest.raises(ConfigError, match="has no"):
        evaluate.into_card(card, "new")


def test_a_suite_says_what_is_not_there(tmp_path):
    (tmp_path / "rules.yaml").write_text("names: [vendor_stall]\nsources: []\n")
    (tmp_path / "suite.yaml").write_text(
        "sets:\n  - {folder: $SHARED/here, rules: rules.yaml, split: val}\n"
        "  - {folder: $SHARED/gone, rules: rules.yaml, split: val}\n"
    )
    for part in ("images", "labels"):
        (tmp_path / "here" / part).mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "here/images/a.jpg"), np.zeros((9, 9, 3), np.uint8))
    (tmp_path / "here/labels/a.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    suite = read_suite(tmp_path / "suite.yaml", {"SHARED": tmp_path}, CITY)
    assert [p.labels[0].label for p in suite.pictures] == [STALL]
    assert len(suite.missing) == 1 and "gone" in suite.missing[0]


def test_without_any_picture_it_says_so(tmp_path, capsys):
    assert evaluate.main(["x.onnx", "--shared", str(tmp_path)]) == 2
    assert "no picture of it is on this machine" in capsys.readouterr().err


def test_rows_are_json(judged):
    for row in figures.rows(judged, CITY):
        assert json.loads(json.dumps(row.plain()))["truths"] == 3


def test_found_is_ranked():
    assert isinstance(detect(SAYS, np.zeros((10, 10, 3), np.uint8), min_score=0.95), Found)


def test_two_files_of_one_name_are_told_apart(tmp_path):
    forms = [evaluate.Form("city-v1", SAYS, CITY), evaluate.Form("city-v1", SAYS, CITY)]
    paths = [tmp_path / "models/city-v1.onnx", tmp_path / "10/city-v1.onnx"]
    assert [f.name for f in evaluate.told_apart(forms, paths)] == ["models/city-v1", "10/city-v1"]
    other = evaluate.Form("city-v1-int8", SAYS, CITY)
    assert evaluate.told_apart([forms[0], other], paths)[0].name == "city-v1"


def test_a_model_made_anew_is_held_against_the_shipped_one_row_by_row(judged):
    rows = figures.rows(judged, CITY)
    told = report.losses(rows, {"mine": rows})
    assert told.splitlines()[-1].split("|")[-2].strip() == f"{len(rows)} of {len(rows)}"
