# SPDX-License-Identifier: AGPL-3.0-or-later
"""Cut-outs on photographs: worn, recoloured, close up, in regions of any size; transplants."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from tools.training.classes import CITY
from tools.training.collection import Item
from tools.training.cutouts import Cutout
from tools.training.pasting import Paster
from tools.training.regions import Region
from tools.training.settings import Picture
from tools.training.shots import Shot
from tools.training.transplants import transplants
from tools.training.wear import (
    clad,
    disguised,
    feathered,
    grained,
    half_hidden,
    harmonised,
    recoloured,
    softened,
    under_trees,
)

CART = np.dstack([np.full((90, 240, 3), (40, 60, 200), np.uint8), np.full((90, 240), 255)])


def rng(seed=0):
    return np.random.default_rng(seed)


def shot(source, boxes, label="vendor_stall"):
    image = rng(3).integers(0, 255, (200, 300, 3)).astype(np.uint8)
    item = Item("a.jpg", "train", f"{source}/a", "real", source)
    labels = np.full(len(boxes), CITY.index(label), np.int64)
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    return Shot(item, image, boxes, labels, np.zeros(len(CITY), bool))


def cart(view="eye"):
    index = np.ones((90, 240), np.uint8)
    return Cutout(CART.astype(np.uint8), index, {1: "vendor_stall"}, "stall", view)


@pytest.mark.parametrize("region", [(0, 0, 640, 384), (600, 300, 640, 384), (0, 0, 30, 384)])
@pytest.mark.parametrize("close", [0.0, 1.0])
def test_a_cutout_of_any_size_fits_any_region(region, close):
    place = Region(*region)
    paster = Paster([cart()], [], CITY, Picture(close=close, wear=1.0))
    found = 0
    for seed in range(25):
        canvas = np.zeros((384, 640, 3), np.uint8)
        boxes, labels = [np.zeros((0, 4), np.float32)], [np.zeros(0, np.int64)]
        paster.paste(canvas, place, shot("street", []), boxes, labels, rng(seed))
        every = np.concatenate(boxes)
        found += len(every)
        assert len(every) == len(np.concatenate(labels))
        assert (every[:, :2] >= region[:2]).all() and (every[:, 2:] <= region[2:]).all()
        canvas[place.top : place.bottom, place.left : place.right] = 0
        assert not canvas.any()  # nothing is painted beside the region
    assert found


def test_close_ups_fill_the_picture_and_others_do_not():
    def widest(close):
        paster = Paster([cart()], [], CITY, Picture(close=close))
        sizes = []
        for seed in range(30):
            boxes, labels = [np.zeros((0, 4), np.float32)], [np.zeros(0, np.int64)]
            canvas = np.zeros((384, 640, 3), np.uint8)
            where = Region(0, 0, 640, 384)
            paster.paste(canvas, where, shot("street", []), boxes, labels, rng(seed))
            sizes += [box[2] - box[0] for group in boxes for box in group]
        return np.median(sizes)

    assert widest(1.0) > 2 * widest(0.0)


def test_real_umbrellas_and_trucks_are_transplanted_whole_ones_only():
    whole, cut_off, speck = [0.2, 0.2, 0.5, 0.6], [0.0, 0.2, 0.3, 0.6], [0.7, 0.7, 0.72, 0.72]
    stalls = list(transplants([shot("aerial_stalls", [whole, cut_off, speck])], CITY))
    assert [(c.kind, c.above, c.labels) for c in stalls] == [
        ("real_stall", True, {1: "vendor_stall"})
    ]
    assert stalls[0].rgba[0, 0, 3] < stalls[0].rgba[..., 3].max()  # feathered, round
    assert not list(transplants([shot("street", [whole])], CITY))
    (truck,) = transplants([shot("drone_trucks", [whole], "muck_truck")], CITY)
    assert truck.kind == "real_truck"


def bare(label, kind):
    """A cut-out of one colour that fills its outline, seen from the ground."""
    rgba = np.full((120, 120, 4), 255, np.uint8)
    return Cutout(rgba, np.ones((120, 120), np.uint8), {1: label}, kind, "eye")


def pasted(cutouts, count=60):
    """Classes of what each of `count` single things on an empty street came to."""
    picture = Picture(wear=0.0, close=0.0, cutout_kinds={"real_orderly_bin": 1.0, "real_bag": 1e-9})
    paster, where = Paster(cutouts, [], CITY, picture), Region(0, 0, 640, 384)
    told = []
    for seed in range(count):
        boxes, labels = [np.zeros((0, 4), np.float32)], [np.zeros(0, np.int64)]
        canvas = np.zeros((384, 640, 3), np.uint8)
        paster.paste(canvas, where, shot("street", []), boxes, labels, rng(seed))
        told.append([CITY[label] for label in np.concatenate(labels)])
    return told


def test_a_bin_is_overflowing_where_bags_lie_about_it_and_only_there():
    told = pasted([bare("bin", "real_orderly_bin"), bare("garbage", "real_bag")])
    full = [names for names in told if "overflowing_bin" in names]
    orderly = [names for names in told if "bin" in names]
    assert 15 < len(full) < 45 and len(full) + len(orderly) >= 57  # some lie outside
    assert sum("garbage" in names for names in full) > 0.9 * len(full)
    assert all(names == ["bin"] for names in orderly)


def test_without_a_bag_to_lay_about_it_every_bin_stays_in_order():
    told = pasted([bare("bin", "real_orderly_bin")])
    assert {name for names in told for name in names} == {"bin"}


def test_orderly_bins_are_cut_out_for_the_runs_that_name_them_alone():
    bag = shot("garbage_bags", [[0.2, 0.2, 0.6, 0.8]], "garbage")
    image = np.full((200, 300, 3), 200, np.uint8)
    cv2.ellipse(image, (120, 100), (55, 55), 0, 0, 360, (20, 10, 30), -1)
    bag = replace(bag, image=image)
    (one,) = transplants([bag], CITY)
    assert one.kind == "real_bag"
    for kinds, drawn in (({}, False), ({"real_bag": 1.0}, True)):
        canvas, boxes, labels = np.zeros((384, 640, 3), np.uint8), [], []
        paster = Paster([], [bag], CITY, Picture(cutout_kinds=kinds))
        paster.paste(canvas, Region(0, 0, 640, 384), bag, boxes, labels, rng())
        assert canvas.any() == drawn


def test_wear_is_seeded_and_changes_colour_not_place():
    image = np.ascontiguousarray(CART[..., :3].astype(np.uint8))
    photograph = rng(1).integers(0, 255, (40, 50, 3)).astype(np.uint8)
    for worn in (
        lambda seed: recoloured(image, rng(seed), hue=0.5),
        lambda seed: grained(image, photograph, rng(seed)),
    ):
        assert np.array_equal(worn(1), worn(1))
        assert not np.array_equal(worn(1), worn(2))
        assert worn(1).shape == image.shape and worn(1).dtype == np.uint8
    tiny = np.full((3, 2, 3), 90, np.uint8)
    assert grained(image, tiny, rng(4)).shape == image.shape


SOLID = np.pad(np.ones((60, 160), bool), ((20, 10), (40, 40)))
PHOTOGRAPH = rng(5).integers(0, 255, (120, 200, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    "worn",
    [
        lambda image, seed: clad(image, SOLID, PHOTOGRAPH, rng(seed)),
        lambda image, seed: harmonised(image, SOLID, PHOTOGRAPH, rng(seed)),
        lambda image, seed: softened(PHOTOGRAPH, rng(seed)),
        lambda image, seed: feathered(SOLID.astype(np.uint8) * 255, rng(seed)),
        lambda image, seed: disguised(np.dstack([image, image[..., :1]]), SOLID, image, rng(seed)),
    ],
)
def test_what_hides_the_renderer_is_seeded(worn):
    image = np.ascontiguousarray(CART[..., :3].astype(np.uint8))
    seen = [worn(image, seed) for seed in range(6)]
    assert np.array_equal(seen[0], worn(image, 0)) and seen[0].dtype == np.uint8
    assert any(not np.array_equal(seen[0], other) for other in seen[1:])


def test_colours_go_towards_the_photograph_and_not_past_it():
    image, blue = np.full((90, 240, 3), (40, 60, 200), np.uint8), np.zeros((50, 50, 3), np.uint8)
    blue[..., 0] = 220
    moved = harmonised(image, SOLID, blue, rng(2)).reshape(-1, 3).mean(0)
    assert 40 < moved[0] < 220 and 0 < moved[2] < 200


def test_something_in_front_leaves_most_of_it_and_the_rest_alone():
    canvas = np.zeros((200, 300, 3), np.uint8)
    box, hid = (100, 60, 200, 140), 0
    for seed in range(20):
        canvas[:] = 0
        half_hidden(canvas, box, np.full((80, 90, 3), 255, np.uint8), rng(seed))
        inside = (canvas[60:140, 100:200] > 127).mean()
        assert inside < 0.6 and not canvas[:5].any()
        hid += inside > 0.02
    assert hid > 10


@pytest.mark.parametrize("box", [(100, 60, 200, 100), (140, 40, 170, 160)])
def test_crowns_of_trees_hide_part_of_a_long_side_and_only_where_the_photograph_is_green(box):
    x1, y1, x2, y2 = box
    green = np.full((80, 90, 3), (30, 120, 40), np.uint8)
    soil = np.full((80, 90, 3), (60, 90, 130), np.uint8)
    hid = []
    for seed in range(20):
        canvas = np.zeros((200, 300, 3), np.uint8)
        under_trees(canvas, box, soil, rng(seed))
        assert not canvas.any()
        under_trees(canvas, box, green, rng(seed))
        hid.append((canvas[y1:y2, x1:x2, 1] > 60).mean())
    assert max(hid) < 0.8 and sum(share > 0.03 for share in hid) > 10


def test_crowns_off_the_canvas_are_left_out():
    green = np.full((80, 90, 3), (30, 120, 40), np.uint8)
    for seed in range(60):
        canvas = np.zeros((200, 300, 3), np.uint8)
        under_trees(canvas, (0, 60, 140, 69), green, rng(seed))
        assert not canvas[:, 170:].any()


@pytest.mark.parametrize("share", ["decoys", "terraces"])
def test_decoys_and_terraces_have_no_label_and_hide_what_lies_under_them(share):
    picture = Picture(**{share: 1.0})
    whole = shot("aerial_stalls", [[0.2, 0.2, 0.5, 0.6]])
    paster = Paster([cart("nadir")], [whole], CITY, picture)
    painted = 0
    for seed in range(10):
        canvas = np.zeros((384, 640, 3), np.uint8)
        boxes = [np.array([[100, 100, 110, 110]], np.float32)]
        labels = [np.zeros(1, np.int64)]
        paster.paste(canvas, Region(0, 0, 640, 384), whole, boxes, labels, rng(seed))
        painted += bool(canvas.any())
        assert len(boxes) == 1 and len(boxes[0]) <= 1
    assert painted > 5


def test_a_row_of_two_wheelers_has_a_label_each_and_none_is_a_stall():
    scooter = replace(cart("eye"), labels={1: "motorcycle"}, kind="two_wheeler")
    picture, ground = Picture(rows=1.0, wear=0.0, hidden=0.0), shot("fire_smoke", [])
    counts = []
    for seed in range(12):
        canvas = np.zeros((384, 640, 3), np.uint8)
        boxes, labels = [], []
        region = Region(0, 0, 640, 384)
        Paster([scooter], [ground], CITY, picture).paste(
            canvas, region, ground, boxes, labels, rng(seed)
        )
        assert {CITY[n] for group in labels for n in group} <= {"motorcycle"}
        counts.append(sum(len(group) for group in boxes))
    assert max(counts) >= 3 and np.median(counts) >= 2


def test_without_two_wheelers_a_row_is_nothing():
    canvas, boxes = np.zeros((384, 640, 3), np.uint8), []
    ground = shot("fire_smoke", [])
    paster = Paster([cart("eye")], [ground], CITY, Picture(rows=1.0))
    paster.paste(canvas, Region(0, 0, 640, 384), ground, boxes, [], rng())
    assert not boxes and not canvas.any()
