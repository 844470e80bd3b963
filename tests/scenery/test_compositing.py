# SPDX-License-Identifier: AGPL-3.0-or-later
"""Laying things on photographs: boxes are where the pixels changed, hidden boxes go."""

from __future__ import annotations

import json
import random

import cv2
import numpy as np
import pytest

from tools.scenery import compositing, photographs, recipes, seeds
from tools.scenery.camera import Camera, looking_at
from tools.scenery.compositing import Canvas
from tools.scenery.labels import Box
from tools.scenery.photographs import Photo
from tools.scenery.produce import Production
from tools.scenery.sprites import Sprite, load, save


def photo(kind: str = "mt") -> Photo:
    linear = np.full((240, 320, 3), 0.12, np.float32)
    linear[:100] = 0.5
    camera = Camera(0, 0, 3.0, 0, -8, 0, 60, 320, 240)
    light = np.full(3, 0.3, np.float32)
    return Photo("plain", kind, linear, [Box("garbage", 140, 150, 170, 180)], camera, light, light)


def sprite() -> Sprite:
    index = np.zeros((60, 40), np.uint8)
    index[10:55, 5:30] = 1
    rgba = np.zeros((60, 40, 4), np.uint8)
    rgba[index > 0] = (40, 60, 200, 255)
    return Sprite(rgba, index, {1: "vendor_stall"}, looking_at((0, -6, 2), (0, 0, 1)))


def canvas() -> Canvas:
    shot = photo()
    return Canvas(shot, shot.linear.copy(), list(shot.boxes))


@pytest.mark.parametrize("height_px", [45, 90, 30])
def test_the_box_of_a_sprite_is_where_the_picture_changed(height_px: int) -> None:
    work = canvas()
    before = work.linear.copy()
    boxes = compositing.lay_sprite(
        work, sprite(), (80.0, 220.0), height_px=height_px, rng=random.Random(1)
    )
    changed = np.abs(work.linear - before).max(-1) > 0.05
    rows, columns = np.nonzero(changed)
    (box,) = boxes
    assert abs(box.x0 - columns.min()) <= 2
    assert abs(box.x1 - columns.max() - 1) <= 2
    assert abs(box.y1 - 220) <= 2
    assert abs((box.y1 - box.y0) - height_px) <= 2
    assert abs(box.y0 - rows.min()) <= 2


def test_a_box_that_is_hidden_goes() -> None:
    work = canvas()
    compositing.lay_sprite(work, sprite(), (155.0, 200.0), height_px=120, rng=random.Random(1))
    assert [box.label for box in work.boxes] == ["vendor_stall"]


def test_a_sprite_that_lies_outside_leaves_the_picture_alone() -> None:
    work = canvas()
    assert (
        compositing.lay_sprite(work, sprite(), (-400.0, 100.0), height_px=50, rng=random.Random(1))
        == []
    )
    assert np.array_equal(work.linear, work.photo.linear)


@pytest.mark.parametrize("kind", ["dust", "smoke", "fire"])
def test_a_plume_gets_a_box_and_changes_the_picture_in_it(kind: str) -> None:
    laid = 0
    for seed in range(5):
        work = canvas()
        rng = seeds.stream(kind, seed)
        box = compositing.lay_plume(work, compositing.random_plume(rng, kind, work.photo), rng)
        change = np.abs(work.linear - work.photo.linear).max(-1)
        if box is None:
            assert change.max() == 0
            continue
        laid += 1
        inside = change[box.y0 : box.y1, box.x0 : box.x1].mean()
        assert inside > 3 * np.median(change) or inside > 0.05
        assert 0 <= box.x0 < box.x1 <= 320
    assert laid >= 2


def test_sprites_survive_the_disk(tmp_path) -> None:
    save(sprite(), tmp_path, "a", "stall_eye")
    back = load(tmp_path / "a.json")
    assert np.array_equal(back.index, sprite().index)
    assert back.labels == {1: "vendor_stall"}
    assert back.camera == sprite().camera


def test_a_sprite_without_its_picture_is_an_error_that_says_so(tmp_path) -> None:
    save(sprite(), tmp_path, "a", "stall_eye")
    (tmp_path / "a.png").unlink()
    with pytest.raises(ValueError, match=r"a\.json.*missing"):
        load(tmp_path / "a.json")


def _photos(folder) -> None:
    (folder / "images").mkdir(parents=True)
    (folder / "labels").mkdir()
    rng = np.random.default_rng(1)
    for name in ("mt_1", "sg_1", "xx_1"):
        image = cv2.resize(rng.integers(0, 255, (12, 16, 3)).astype(np.uint8), (320, 240))
        cv2.imwrite(str(folder / "images" / f"{name}.jpg"), image)
        (folder / "labels" / f"{name}.txt").write_text("9 .5 .5 .2 .2\n3 .5 .5 .2 .2\n")


def test_bare_soil_of_the_pack_is_not_taken_for_spillage(tmp_path) -> None:
    _photos(tmp_path)
    shot = photographs.open_photo(tmp_path / "images" / "sg_1.jpg", random.Random(3))
    assert [box.label for box in shot.boxes] == ["garbage"]


def test_composites_repeat_and_their_labels_are_fractions(tmp_path) -> None:
    _photos(tmp_path)
    photos = photographs.listed(tmp_path)
    assert set(photos) == {"mt", "sg"}
    save(sprite(), tmp_path / "sprites", "a", "stall_eye")
    shelf = recipes.Shelf(tmp_path / "sprites")
    for out in ("one", "two"):
        for number in range(2):
            recipes.compose(1, number, photos, shelf, tmp_path / out)
    for path in sorted((tmp_path / "one" / "labels").iterdir()):
        assert path.read_text() == (tmp_path / "two" / "labels" / path.name).read_text()
        picture = tmp_path / "one" / "images" / f"{path.stem}.jpg"
        assert picture.read_bytes() == (tmp_path / "two" / "images" / picture.name).read_bytes()
        for line in path.read_text().splitlines():
            assert all(0 <= float(word) <= 1.001 for word in line.split()[1:])


def test_a_folder_without_photographs_is_an_error_that_says_so(tmp_path) -> None:
    with pytest.raises(ValueError, match="no images"):
        photographs.listed(tmp_path)


def test_a_production_goes_on_where_it_was_killed(tmp_path) -> None:
    made: list[int] = []

    def make(number: int) -> dict[str, object]:
        made.append(number)
        if len(made) == 3:
            raise KeyboardInterrupt
        return {"stem": str(number)}

    with pytest.raises(KeyboardInterrupt):
        Production(tmp_path, what="test", series="a").run(5, make)
    with (tmp_path / "manifest.jsonl").open("a") as out:
        out.write('{"series": "a", "num')  # cut by a power failure
    Production(tmp_path, what="test", series="b").run(1, lambda n: {"stem": "b"})
    Production(tmp_path, what="test", series="a").run(5, make)
    assert made == [0, 1, 2, 2, 3, 4]
    lines = (tmp_path / "manifest.jsonl").read_text().splitlines()
    assert json.loads(lines[0]) == {"series": "a", "number": 0, "stem": "0"}
