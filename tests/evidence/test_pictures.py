# SPDX-License-Identifier: AGPL-3.0-or-later
"""Quality checks, strip, ticks, crop and masks on pictures whose answer is known."""

import cv2
import numpy as np
import pytest

from edge.config import Recipe
from edge.evidence.pictures import (
    Shot,
    blackened,
    crop,
    gate,
    measure,
    public_copy,
    when_text,
    where_text,
    with_strip,
    with_ticks,
)
from edge.values import EvidenceFile, Place, Stamp, Track
from tests.evidence.conftest import picture, stamp

DARK = np.full((720, 1280, 3), 6, np.uint8)
WHITE = np.full((720, 1280, 3), 255, np.uint8)
BLURRED = cv2.GaussianBlur(picture(), (0, 0), 25)


@pytest.mark.parametrize(
    ("image", "word"),
    [(DARK, "dark"), (WHITE, "overexposed"), (BLURRED, "blurred"), (picture(), None)],
)
def test_failings_of_a_picture(image, word):
    failings = measure(image).failings()
    assert (word in failings) if word else failings == ()


def shots(*times, image=None, quality="ntp"):
    measured = measure(picture() if image is None else image)
    return [Shot("overview", stamp(t, quality), measured) for t in times]


def files(*roles):
    return [EvidenceFile(r, f"r1/{r}", "0" * 64, 1, stamp(0)) for r in roles]


GATES = [
    (shots(0, 12, 31), files("close"), False, ()),
    (shots(0, 12), files("close"), False, ("pictures", "stay")),
    (shots(0, 2, 31), files("close"), False, ("spacing",)),
    (shots(0, 12, 31), files(), False, ("close",)),
    (shots(0, 12, 31), files("close"), True, ("clip",)),
    (shots(0, 12, 31), files("close", "clip"), True, ()),
    (shots(0, 12, 31, quality="unsynced"), files("close"), False, ("clock",)),
    (shots(0, 12, 31, image=DARK), files("close"), False, ("blurred", "dark")),
    (shots(0, 12, 31, image=picture(0, 360, 640)), files("close"), False, ("resolution",)),
]


@pytest.mark.parametrize(("taken", "listed", "clip_due", "failed"), GATES)
def test_gate(taken, listed, clip_due, failed):
    assert gate(taken, listed, Recipe(), stay_s=30.0, clip_due=clip_due) == failed


def test_a_small_camera_is_not_blamed_for_its_size():
    small = shots(0, 12, 31, image=picture(0, 360, 640))
    listed = files("close")
    assert gate(small, listed, Recipe(), stay_s=30, clip_due=False, native=(640, 360)) == ()


def test_the_strip_is_added_below_and_shrinks_long_text_to_fit():
    image = picture()
    out = with_strip(image, ["解放路口 北口 " * 20, "2026"])
    assert np.array_equal(out[:720], image)
    assert out[720:].max() > 200


def test_ticks_leave_the_inside_of_the_box_alone():
    image = picture()
    out = with_ticks(image, (0.25, 0.25, 0.5, 0.5))
    inside = np.s_[184:356, 324:636]
    assert np.array_equal(out[inside], image[inside])
    assert not np.array_equal(out, image)


@pytest.mark.parametrize("box", [(0.9, 0.9, 1.0, 1.0), (0, 0, 0.01, 0.01), (0.5, 0.5, 0.5, 0.5)])
def test_a_crop_stays_in_the_picture_and_is_never_empty(box):
    part = crop(picture(), box)
    assert part.shape[0] >= 48
    assert part.shape[1] >= 48


def person(box):
    return Track(1, "person", box, 0.9, stamp(0), stamp(0))


def test_a_public_copy_hides_heads_and_leaves_the_original():
    image = picture()
    before = image.copy()
    out = public_copy(image, [person((0.4, 0.2, 0.5, 0.8))], None)
    assert np.array_equal(image, before)
    assert not np.array_equal(out[150:260, 520:630], image[150:260, 520:630])
    assert np.array_equal(out[400:500], image[400:500])


def test_mask_zones_are_black():
    out = blackened(picture(), [((0, 0), (0.5, 0), (0.5, 0.5), (0, 0.5))])
    assert out[:350, :630].max() == 0


def test_the_strip_says_when_and_where_and_how_sure():
    text = when_text(Stamp(0, 1_767_225_600.25, "ntp", 4.6))
    assert text == "2026-01-01 00:00:00.2 +00:00  NTP ±5 ms"
    assert "±" not in when_text(Stamp(0, 0, "unsynced", 16_000))
    place = Place(30.12345, 120.5, 8.0, "WGS-84", "330106001001001")
    assert where_text(place) == "30.12345, 120.50000 WGS-84 ±8 m  网格 330106001001001"
    assert where_text(Place()) == ""
