# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a model's outputs are is told by name, type, shape and value, or refused in one line."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from edge.vision.session import _names
from edge.vision.yolo import anchors, check_boxes_are_pixels, decode, detect_head, nms_order

SHAPE = (384, 640)
CLASSES = 12
BOXES = np.zeros((1, 300, 4), np.float32)
BOXES[0, 0] = (160, 96, 320, 288)
SCORES = np.zeros((1, 300), np.float32)
SCORES[0, 0] = 0.9
LABELS = np.ones((1, 300), np.int64)
COUNT = np.array([[1]], np.int32)
NAMED = {"num_dets": COUNT, "boxes": BOXES, "scores": SCORES, "labels": LABELS}


@pytest.mark.parametrize(
    "order",
    [
        *itertools.permutations(("boxes", "scores", "labels")),
        ("num_dets", "boxes", "scores", "labels"),
        ("labels", "scores", "boxes", "num_dets"),
    ],
)
@pytest.mark.parametrize("named", [True, False])
def test_outputs_in_any_order_are_read_right(order: tuple[str, ...], named: bool) -> None:
    outputs = [NAMED[name] for name in order]
    assert detect_head(outputs, CLASSES, SHAPE) == "nms"
    places = nms_order(order if named else (), outputs)
    found = decode("nms", [outputs[p] for p in places], shape=SHAPE, min_score=0.5)
    assert found.boxes.tolist() == [[160, 96, 320, 288]]
    assert found.scores.tolist() == pytest.approx([0.9])
    assert found.labels.tolist() == [1]


def test_labels_as_floats_need_a_name() -> None:
    outputs = [BOXES, SCORES, LABELS.astype(np.float32)]
    assert nms_order(("det_boxes", "det_scores", "det_classes"), outputs) == (0, 1, 2)
    with pytest.raises(ValueError, match=r"cannot tell boxes, scores and labels apart: a float32"):
        nms_order(("a", "b", "c"), outputs)


def test_a_name_that_its_values_belie_is_refused() -> None:
    outputs = [BOXES, SCORES * 100, LABELS]
    with pytest.raises(ValueError, match="scores float32"):
        nms_order(("boxes", "scores", "labels"), outputs)
    with pytest.raises(ValueError, match="cannot tell"):
        nms_order(("boxes", "labels", "scores"), [BOXES, SCORES, SCORES])


def test_the_tensorflow_order_is_refused_by_name() -> None:
    names = ("detection_boxes", "detection_classes", "detection_scores", "num_detections")
    outputs = [BOXES / 640, LABELS.astype(np.float32), SCORES, COUNT.astype(np.float32)]
    with pytest.raises(ValueError, match="y before x"):
        nms_order(names, outputs)


def raw(scale: float = 1.0) -> np.ndarray:
    table = np.zeros((1, 4 + CLASSES, anchors(SHAPE)), np.float32)
    table[0, 2:4] = 8 * scale
    table[0, :4, 100] = np.array((240, 192, 160, 192)) * scale
    table[0, 5, 100] = 0.9
    return table


def test_fractions_are_no_pixels() -> None:
    check_boxes_are_pixels("raw", [raw()])
    with pytest.raises(ValueError, match="fractions"):
        check_boxes_are_pixels("raw", [raw(1 / 640)])
    rows = np.zeros((1, 300, 6), np.float32)
    check_boxes_are_pixels("end2end", [rows])
    rows[0, 0] = (0.25, 0.25, 0.5, 0.75, 0.9, 1)
    with pytest.raises(ValueError, match="fractions"):
        check_boxes_are_pixels("end2end", [rows])
    with pytest.raises(ValueError, match="fractions"):
        check_boxes_are_pixels("nms", [BOXES / 640, SCORES, LABELS])


def test_rows_of_class_minus_one_are_padding() -> None:
    rows = np.zeros((1, 300, 6), np.float32)
    rows[0, 0], rows[0, 1] = (160, 96, 320, 288, 0.9, 1), (160, 96, 320, 288, 0.8, -1)
    assert decode("end2end", [rows], shape=SHAPE, min_score=0.5).labels.tolist() == [1]


def test_a_segmentation_model_is_called_by_its_name() -> None:
    outputs = [np.zeros((1, 48, 5040), np.float32), np.zeros((1, 32, 96, 160), np.float32)]
    with pytest.raises(ValueError, match="segmentation"):
        detect_head(outputs, CLASSES, SHAPE)


MANY = [f"class {n}" for n in range(12)]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (repr(dict(enumerate(MANY))), tuple(MANY)),
        (repr(MANY), tuple(MANY)),
        ("{" + ", ".join(f'"{n}": "{name}"' for n, name in enumerate(MANY)) + "}", tuple(MANY)),
        ("{0: 'a', '1': 'b'}", ("a", "b")),
        ("{0: 'a', 'x': 'b'}", None),
        ("no names", None),
        ("", None),
    ],
)
def test_class_names_in_every_hand(text: str, names: tuple[str, ...] | None) -> None:
    assert _names({"names": text}) == names
