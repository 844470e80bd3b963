# SPDX-License-Identifier: AGPL-3.0-or-later
"""Letterbox there and back, every head, suppression."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.vision import yolo
from edge.vision.yolo import Canvas, InputBoxes, decode, detect_head, place, thin
from tools.fakes.onnx_files import grid

SHAPE = (128, 192)
POINTS = yolo.anchors(SHAPE)


def raw(boxes: dict[int, tuple[tuple[float, ...], tuple[float, ...]]], classes: int = 3):
    table = np.zeros((1, 4 + classes, POINTS), np.float32)
    for column, (box, scores) in boxes.items():
        table[0, :4, column], table[0, 4:, column] = box, scores
    return table


TWO = {10: ((50, 40, 20, 10), (0.1, 0.9, 0.2)), 77: ((100, 60, 30, 30), (0.4, 0.2, 0.1))}
TWO_CORNERS = [[40, 35, 60, 45], [85, 45, 115, 75]]


def objectness():
    transposed = raw(TWO)
    table = np.zeros((1, POINTS, 8), np.float32)
    table[0, :, :4] = transposed[0, :4].T
    table[0, :, 4] = 0.5 * (transposed[0, 4:].max(axis=0) > 0)
    table[0, :, 5:] = 2 * transposed[0, 4:].T
    return table


def yolox():
    table = objectness().copy()
    cells, strides = yolo._grid(SHAPE)
    table[0, :, :2] = table[0, :, :2] / strides - cells
    table[0, :, 2:4] = np.log(np.maximum(table[0, :, 2:4], 1e-6) / strides)
    return table


def rows():
    table = np.zeros((1, 300, 6), np.float32)
    table[0, 0], table[0, 1] = (40, 35, 60, 45, 0.9, 1), (85, 45, 115, 75, 0.4, 0)
    return table


BOXES, SCORES = np.array([TWO_CORNERS], np.float32), np.array([[0.9, 0.4]], np.float32)
KINDS = np.array([[1, 0]], np.int64)
HEADS = {
    "raw": [raw(TWO)],
    "raw turned": [raw(TWO).transpose(0, 2, 1)],
    "objectness": [objectness()],
    "yolox": [yolox()],
    "end2end": [rows()],
    "nms rows": [np.array([[0, 40, 35, 60, 45, 1, 0.9], [0, 85, 45, 115, 75, 0, 0.4]], np.float32)],
    "nms": [BOXES, SCORES, KINDS],
    "nms count": [
        np.array([[2]]),
        np.pad(BOXES, ((0, 0), (0, 5), (0, 0))),
        np.pad(SCORES, ((0, 0), (0, 5)), constant_values=0.99),
        np.pad(KINDS, ((0, 0), (0, 5))),
    ],
}


@pytest.mark.parametrize("name", HEADS)
def test_every_head_gives_the_same_boxes(name):
    outputs = HEADS[name]
    head = "yolox" if name == "yolox" else detect_head(outputs, 3, SHAPE)
    assert head.split("_")[0] == name.split()[0]
    found = decode(head, outputs, shape=SHAPE, min_score=0.3)
    assert found.boxes == pytest.approx(np.array(TWO_CORNERS, np.float32), abs=1e-3)
    assert found.scores == pytest.approx([0.9, 0.4])
    assert found.labels.tolist() == [1, 0]
    assert len(decode(head, outputs, shape=SHAPE, min_score=0.5)) == 1
    assert len(decode(head, outputs, shape=SHAPE, min_score=0.999)) == 0


@pytest.mark.parametrize(
    ("shapes", "classes", "words"),
    [
        ([(1, 84, POINTS)], 3, "80 classes, the manifest names 3"),
        ([(1, 1000)], 3, "fit no known head"),
        ([(1, 4 + 3, POINTS - 1)], 3, "fit no known head"),
    ],
)
def test_a_head_that_does_not_fit_is_named(shapes, classes, words):
    with pytest.raises(ValueError, match=words):
        detect_head([np.zeros(shape, np.float32) for shape in shapes], classes, SHAPE)


def test_raw_head_with_two_classes_is_not_taken_for_end_to_end():
    assert detect_head([np.zeros((1, 6, POINTS), np.float32)], 2, SHAPE) == "raw"
    assert detect_head([np.zeros((1, POINTS, 6), np.float32)], 2, SHAPE) == "raw"
    assert detect_head([np.zeros((1, 300, 6), np.float32)], 2, SHAPE) == "end2end"


def test_numbers_that_are_none_give_no_box():
    table = raw({3: ((np.nan, 4, 5, 6), (0.9, 0, 0)), 4: ((1, 2, 3, 4), (np.nan, 0, 0))})
    table[0, :, 5] = (10, 10, np.inf, 4, 0.8, 0, 0)
    table[0, :, 6] = (10, 10, -4, 4, 0.8, 0, 0)
    assert len(decode("raw", [table], shape=SHAPE, min_score=0.3)) == 0


def test_noise_everywhere_is_bounded():
    table = np.ones((1, 4 + 1, POINTS), np.float32)
    table[0, :4] = grid(*SHAPE)
    found = decode("raw", [table], shape=SHAPE, min_score=0.1)
    assert len(thin(found, max_iou=0.6)) <= yolo.MOST_BOXES


def brute_nms(found: InputBoxes, max_iou: float) -> list[int]:
    kept: list[int] = []
    for i in range(len(found)):
        for j in kept:
            low = np.maximum(found.boxes[i, :2], found.boxes[j, :2])
            high = np.minimum(found.boxes[i, 2:], found.boxes[j, 2:])
            both = np.clip(high - low, 0, None).prod()
            areas = [(found.boxes[k, 2:] - found.boxes[k, :2]).prod() for k in (i, j)]
            if found.labels[i] == found.labels[j] and both > max_iou * (sum(areas) - both):
                break
        else:
            kept.append(i)
    return kept


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 60))
def test_suppression_equals_the_definition(seed, count):
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 100, (count, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(5, 60, (count, 2))], 1)
    scores = np.sort(rng.permutation(1000)[:count] / 1000 + 0.0005)[::-1]
    found = InputBoxes(
        boxes.astype(np.float32), scores.astype(np.float32), rng.integers(0, 3, count, np.int32)
    )
    kept = thin(found, max_iou=0.55)
    assert kept.scores.tolist() == found.scores[brute_nms(found, 0.55)].tolist()


sides = st.integers(1, 4000)


@settings(max_examples=200, deadline=None)
@given(sides, sides, st.sampled_from([(384, 640), (640, 640), (640, 384), (32, 64)]))
def test_letterbox_is_inverted_exactly(height, width, canvas):
    placed = place((height, width), canvas, anchor="centre")
    assert 1 <= placed.width <= canvas[1] and 1 <= placed.height <= canvas[0]
    assert placed.left >= 0 and placed.left + placed.width <= canvas[1]
    assert placed.top >= 0 and placed.top + placed.height <= canvas[0]
    there = np.array(
        [
            [placed.left, placed.top, placed.left + placed.width, placed.top + placed.height],
            [placed.left + placed.width / 4, placed.top, placed.left + placed.width / 2, canvas[0]],
        ],
        np.float32,
    )
    back = placed.to_fractions(there)
    assert back == pytest.approx(np.array([[0, 0, 1, 1], [0.25, 0, 0.5, 1]]), abs=1e-5)


def naive(image, canvas, placed):
    import cv2

    small = cv2.resize(image, (placed.width, placed.height))
    whole = np.full((*canvas, 3), 114, np.uint8)
    whole[placed.top : placed.top + placed.height, placed.left : placed.left + placed.width] = small
    return whole[..., ::-1].transpose(2, 0, 1)[None].astype(np.float32) / 255


@pytest.mark.parametrize(
    "size", [(720, 1280), (33, 7), (1, 1), (384, 640), (77, 1001), (640, 384), (2160, 3840)]
)
def test_filling_equals_the_slow_way(size):
    rng = np.random.default_rng(5)
    canvas = Canvas((384, 640))
    for _ in range(2):
        image = rng.integers(0, 256, (*size, 3), np.uint8)
        placed = canvas.fill(image)
        assert np.abs(canvas.tensor - naive(image, (384, 640), placed)).max() < 1e-6


def test_a_canvas_forgets_the_last_picture_when_sizes_change():
    canvas = Canvas((64, 64))
    canvas.fill(np.full((64, 64, 3), 255, np.uint8))
    canvas.fill(np.zeros((16, 64, 3), np.uint8))
    assert canvas.tensor[0, :, 0] == pytest.approx(114 / 255)
    assert canvas.tensor[0, :, 32] == pytest.approx(0)


def test_nothing_is_allocated_between_pictures():
    canvas = Canvas((64, 64))
    image = np.zeros((100, 100, 3), np.uint8)
    canvas.fill(image)
    where = canvas.tensor.ctypes.data
    canvas.fill(image)
    assert canvas.tensor.ctypes.data == where


@pytest.mark.parametrize(
    "image",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 1), np.uint8), np.zeros((4, 4, 4), np.uint8)],
)
def test_grey_and_transparent_pictures_become_bgr(image):
    assert yolo.as_bgr(image).shape == (4, 4, 3)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros(4, np.uint8),
    ],
)
def test_what_is_no_picture_is_refused(image):
    with pytest.raises(ValueError, match="picture"):
        yolo.as_bgr(image)
