# SPDX-License-Identifier: AGPL-3.0-or-later
"""Plates drawn here, read by the extra `ocr` where it is installed."""

import cv2
import numpy as np
import pytest

from edge.rules.trucks import best_match, joined, register_from_rows
from edge.vision import plates

BLUE, YELLOW, WHITE, BLACK = (150, 60, 10), (20, 190, 240), (255, 255, 255), (10, 10, 10)
REGISTER = register_from_rows(
    [
        {"plate": "鲁B12345", "rear_number": "A-017"},
        {"plate": "粤BD12345"},
        {"plate": "京A88F60"},
    ],
    "trucks.csv",
)


def lettering(text, height, *, fore, back=None, wide=None):
    """A picture of one row of text; letters are about `height` pixels high."""
    face = cv2.FontFace("uni")
    size = round(height * 1.3)
    width = cv2.getTextSize((0, 0), text, (0, 0), face, size, 600)[2]
    image = np.full((round(height * 1.7), max(wide or 0, width + height), 3), back, np.uint8)
    x = (image.shape[1] - width) // 2
    cv2.putText(image, text, (x, round(height * 1.35)), fore, face, size, 600)
    return image


def truck(*rows, height=40, at_y=300, seed=1):
    """A truck's tail with noise, its plate below."""
    rng = np.random.default_rng(seed)
    image = np.full((480, 640, 3), (70, 130, 60), np.uint8)
    y = at_y
    for text, fore, back in rows:
        row = lettering(text, height, fore=fore, back=back)
        image[y : y + row.shape[0], 120 : 120 + row.shape[1]] = row
        y += row.shape[0]
    return np.clip(image + rng.normal(0, 5, image.shape), 0, 255).astype(np.uint8)


def test_where_the_extra_is_missing_there_is_no_reader(monkeypatch):
    monkeypatch.setattr(plates.importlib.util, "find_spec", lambda name: None)
    assert plates.open_reader() is None


@pytest.mark.parametrize(("side", "wanted"), [(100, 480), (900, 900), (4000, 1280)])
def test_pictures_are_brought_to_a_size_that_is_worth_reading(side, wanted):
    assert max(plates.scaled(np.zeros((side // 2, side, 3), np.uint8)).shape) == wanted


@pytest.fixture(scope="module")
def reader():
    pytest.importorskip("rapidocr", reason="the extra `ocr` is not installed")
    return plates.open_reader()


@pytest.mark.parametrize(
    ("rows", "status", "plate"),
    [
        ([("鲁B·12345", WHITE, BLUE)], "registered", "鲁B12345"),
        ([("鲁B·12345", BLACK, YELLOW)], "registered", "鲁B12345"),
        ([("鲁·B", BLACK, YELLOW), ("12345", BLACK, YELLOW)], "registered", "鲁B12345"),
        ([("粤B·D12345", BLACK, YELLOW)], "registered", "粤BD12345"),
        ([("A-017", WHITE, (70, 130, 60))], "registered", "鲁B12345"),
        ([("A88F60", WHITE, (70, 130, 60))], "registered", "京A88F60"),
        ([("苏E·73928", WHITE, BLUE)], "unregistered", "苏E73928"),
        ([("大件运输", WHITE, BLUE)], "unknown", None),
    ],
)
def test_plates_and_tail_numbers(reader, rows, status, plate):
    lines = reader.read(truck(*rows))
    match = best_match(joined([(line.text, line.score) for line in lines]), REGISTER)
    assert (match.status, match.plate) == (status, plate), lines


@pytest.mark.parametrize("text", ["鲁B·12345", "京A·88F60", "粤B·D12345"])
def test_letters_of_ten_pixels_are_enough(reader, text):
    lines = reader.read(truck((text, WHITE, BLUE), height=10))
    match = best_match(joined([(line.text, line.score) for line in lines]), REGISTER)
    assert match.status == "registered", lines


@pytest.mark.parametrize("sigma", [1.0, 2.0, 4.0, 8.0])
def test_a_plate_that_is_no_longer_legible_is_never_another(reader, sigma):
    image = cv2.GaussianBlur(truck(("鲁B·54321", WHITE, BLUE), height=12), (0, 0), sigma)
    lines = reader.read(image)
    match = best_match(joined([(line.text, line.score) for line in lines]), REGISTER)
    assert match.plate in (None, "鲁B54321"), lines


def test_a_street_without_letters_reads_as_nothing(reader):
    assert (
        best_match([(x.text, x.score) for x in reader.read(truck())], REGISTER).status == "unknown"
    )
