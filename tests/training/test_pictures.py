# SPDX-License-Identifier: AGPL-3.0-or-later
"""Plumes, cut-outs and samples: seeded, labelled where something is seen, nowhere else."""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from edge.config import ConfigError
from tools.training.classes import CITY
from tools.training.collection import Item
from tools.training.cutouts import Cutout, load_cutouts, paste
from tools.training.plumes import GROW, MIN_CONTRAST, SIZE, colour_of, extent, grow_library, lay
from tools.training.samples import Mixer
from tools.training.settings import Mix, Picture, read_run, resolve
from tools.training.shots import Shot

STREET = np.full((300, 400, 3), 110, np.uint8)


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("kind", GROW)
def test_sprites_are_seeded_and_fade_at_their_sides(kind):
    one, two = GROW[kind](rng(5)), GROW[kind](rng(5))
    assert np.array_equal(one.alpha, two.alpha)
    assert one.alpha.shape == one.shade.shape == (SIZE, SIZE)
    assert one.alpha.max() <= 1 and one.alpha.min() >= 0
    for side in (one.alpha[0], one.alpha[:, 0], one.alpha[:, -1]):
        assert side.max() < 0.05


def test_most_sprites_show_something():
    library = grow_library(rng(1), 10)
    for kind, sprites in library.items():
        assert sum(extent(s.alpha) is not None for s in sprites) >= 7, kind


def test_a_label_stands_exactly_where_the_picture_changed_visibly():
    sprite = grow_library(rng(2), 1)["fire"][0]
    image = STREET.copy()
    box = lay(image, sprite, "fire", (100, 80), (120, 150), rng(3))
    assert box is not None
    changed = np.abs(image.astype(int) - STREET).max(2) > 25
    rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    assert columns[0] >= box[0] - 3 and columns[-1] <= box[2] + 3
    assert rows[0] >= box[1] - 3 and rows[-1] <= box[3] + 3


def test_what_nobody_can_see_is_neither_drawn_nor_labelled():
    haze = grow_library(rng(4), 1)["dust"][0]
    colour = colour_of("dust", STREET, rng(9))
    wall = np.clip(np.tile(colour, (300, 400, 1)), 0, 255).astype(np.uint8)
    before = wall.copy()
    labels = [lay(wall, haze, "dust", (50, 50), (150, 100), rng(n)) for n in range(20)]
    if not any(labels):
        assert np.array_equal(wall, before)
    assert labels.count(None) > 0, f"contrast under {MIN_CONTRAST} must be refused sometimes"


@pytest.mark.parametrize("corner", [(-500, 0), (0, 700), (399, 299)])
def test_outside_the_picture_nothing_happens(corner):
    image = STREET.copy()
    sprite = grow_library(rng(5), 1)["smoke"][0]
    assert lay(image, sprite, "smoke", corner, (60, 60), rng()) is None
    assert np.array_equal(image, STREET)


def square_cutout():
    rgba = np.zeros((40, 60, 4), np.uint8)
    rgba[10:30, 10:50] = (0, 0, 255, 255)
    index = np.zeros((40, 60), np.uint8)
    index[10:30, 10:50] = 1
    index[10:30, 40:50] = 2
    return Cutout(rgba, index, {1: "vendor_stall", 2: "person"}, "stall", "eye")


def test_a_cutout_gets_a_box_for_each_thing_and_covers():
    image = STREET.copy()
    found, covered = paste(image, square_cutout(), 2.0, (100, 100), rng(0))
    boxes = dict(found)
    assert set(boxes) == {"vendor_stall", "person"}
    x1, y1, x2, y2 = boxes["vendor_stall"]
    assert (x2 - x1, y2 - y1) == pytest.approx((60, 40), abs=2)
    assert covered.sum() == pytest.approx(80 * 40, rel=0.05)
    assert np.array_equal(image[:90], STREET[:90])


def test_broken_cutouts_are_left_out(tmp_path):
    cutout = square_cutout()
    for stem in ("good", "torn", "lonely"):
        cv2.imwrite(str(tmp_path / f"{stem}.png"), cutout.rgba)
        cv2.imwrite(str(tmp_path / f"{stem}_index.png"), cutout.index)
        row = {"group": "stall_eye", "labels": {"1": "vendor_stall", "2": ""}}
        (tmp_path / f"{stem}.json").write_text(json.dumps(row))
    (tmp_path / "torn.json").write_text('{"group": "st')
    (tmp_path / "lonely_index.png").unlink()
    (loaded,) = load_cutouts(tmp_path)
    assert (loaded.labels, loaded.kind, loaded.view) == ({1: "vendor_stall"}, "stall", "eye")
    with pytest.raises(ConfigError, match="no such folder"):
        load_cutouts(tmp_path / "none")


def shot(label, *, unlabelled=(), source="street"):
    image = cv2.resize(rng(label).integers(0, 255, (6, 8, 3), dtype=np.uint8), (320, 240))
    item = Item(f"{label}.jpg", "train", f"g/{label}", "real", source, tuple(unlabelled))
    silent = np.array([name in unlabelled for name in CITY])
    box = np.array([[0.4, 0.4, 0.6, 0.6]], np.float32)
    return Shot(item, image, box, np.array([label]), silent)


def mixer(seed=1, shots=None, **picture):
    held = shots or [shot(0), shot(9, unlabelled=("car",))]
    return Mixer([(Mix(set="x"), held)], Picture(**picture), CITY, seed, [square_cutout()])


def test_a_sample_is_the_same_for_ever_and_another_for_another_seed():
    one, two = mixer().sample(7), mixer().sample(7)
    assert np.array_equal(one.image, two.image)
    assert np.array_equal(one.boxes, two.boxes)
    assert not np.array_equal(one.image, mixer(2).sample(7).image)


def test_smoke_rises_from_a_pasted_grill_and_from_no_stall():
    smoke = CITY.index("smoke")
    for label, smokes in (("grill", True), ("vendor_stall", False)):
        cutout = replace(square_cutout(), labels={1: label, 2: "person"}, kind="grill")
        shelves = [(Mix(set="x"), [shot(0)])]
        picture = Picture(plumes=0, cutouts=1, mosaic=0, smoking=1.0, worsen=0, colour=0)
        made = Mixer(shelves, picture, CITY, 1, [cutout])
        samples = [made.sample(number) for number in range(12)]
        assert any(smoke in sample.labels for sample in samples) == smokes
        if smokes:
            grills = sum((sample.labels == CITY.index("grill")).sum() for sample in samples)
            assert sum((sample.labels == smoke).sum() for sample in samples) <= grills


def test_samples_are_well_formed():
    made = mixer(plumes=0.8, cutouts=0.8, mosaic=0.6)
    for number in range(60):
        sample = made.sample(number)
        assert sample.image.shape == (384, 640, 3) and sample.image.dtype == np.uint8
        assert len(sample.boxes) == len(sample.labels)
        assert (sample.boxes[:, 2:] > sample.boxes[:, :2]).all()
        assert sample.boxes.min(initial=0) >= 0
        assert (sample.boxes <= [640, 384, 640, 384]).all()


def test_a_class_of_which_some_things_are_unlabelled_is_silent_in_the_whole_picture():
    """One box does not make the others background: the objective hears a silent class inside its
    own boxes only."""
    plain = {"plumes": 0.0, "cutouts": 0.0, "mosaic": 0.0}
    car = CITY.index("car")
    quiet = mixer(shots=[shot(9, unlabelled=("car",))], **plain)
    assert all(quiet.sample(n).silent[car] for n in range(5))
    loud = mixer(shots=[shot(car, unlabelled=("car",))], **plain)
    kept = [s for n in range(10) if len((s := loud.sample(n)).labels)]
    assert kept and all(s.silent[car] for s in kept)
    told = mixer(shots=[shot(car)], **plain)
    assert not any(told.sample(n).silent.any() for n in range(5))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name: a\nstart: b\ndata: []\nstep: 3\n", "step"),
        ("name: a\nstart: b\ndata: [{set: x, share: 0}]\n", "share"),
        ("name: a\nstart: b\ndata: []\npicture: {width: 100}\n", "width"),
    ],
)
def test_a_wrong_run_file_is_refused_by_name(tmp_path, text, says):
    (tmp_path / "run.yaml").write_text(text)
    with pytest.raises(ConfigError, match=says):
        read_run(tmp_path / "run.yaml")


def test_paths_of_a_run_file(tmp_path):
    base = tmp_path / "run.yaml"
    assert resolve("$DATA/pack", base, {"DATA": tmp_path}) == tmp_path / "pack"
    assert resolve("other", base, {}) == tmp_path / "other"
    with pytest.raises(ConfigError, match=r"\$HOME"):
        resolve("$HOME/pack", base, {"DATA": tmp_path})
