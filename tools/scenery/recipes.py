# SPDX-License-Identifier: AGPL-3.0-or-later
"""Composites by number: which photograph, which effects, in which order."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path

from tools.scenery import compositing, photographs, seeds, sprites
from tools.scenery.compositing import Canvas
from tools.scenery.develop import write_jpeg
from tools.scenery.photographs import SETS
from tools.scenery.produce import write_labels
from tools.scenery.refusal import Refused

PHOTO_WEIGHTS = {"mt": 3.0, "hu": 1.6, "sg": 2.2, "ng": 2.6, "va": 1.0}
NADIR_PITCH = -55.0
DRONE_PITCH = -25.0


class Shelf:
    """The sprites there are, by group and view; reads them when asked."""

    def __init__(self, folder: Path | None) -> None:
        self.paths: dict[str, list[Path]] = {}
        for path in sorted(folder.glob("*.json")) if folder else []:
            name = _group_and_view(path)
            self.paths.setdefault(name, []).append(path)

    def draw(self, rng: random.Random, group: str, pitch: float) -> sprites.Sprite | None:
        """A sprite of the group seen from about this pitch; None where there is none."""
        views = (
            ("nadir", "drone")
            if pitch < NADIR_PITCH
            else (("drone", "pole") if pitch < DRONE_PITCH else ("eye", "pole"))
        )
        for view in sorted(views, key=lambda _: rng.random()):
            paths = self.paths.get(f"{group}_{view}", [])
            if paths:
                return sprites.load(rng.choice(paths))
        return None


def _group_and_view(path: Path) -> str:
    text = path.read_text()
    start = text.index('"group": "') + 10
    return text[start : text.index('"', start)]


def _stalls(canvas: Canvas, shelf: Shelf, rng: random.Random, group: str = "stall") -> None:
    """One close stall, a few, or a row of a market; extras walk about."""
    width, height = canvas.photo.size
    pitch = canvas.photo.camera.pitch
    style = rng.choices(["close", "few", "row"], [5, 3, 2])[0]
    if pitch < NADIR_PITCH:
        style = "few"
    count = {"close": 1, "few": rng.randint(1, 4), "row": rng.randint(4, 8)}[style]
    feet = sorted(
        (_foot(rng, style, i, count, width, height) for i in range(count)), key=lambda foot: foot[1]
    )
    for foot in feet:
        _one(canvas, shelf, rng, group if rng.random() < 0.85 else _extra(rng), foot, style)
    for _ in range(rng.choices([0, 1, 3], [5, 3, 1])[0]):
        foot = (rng.uniform(0, 1) * width, rng.uniform(0.6, 1.0) * height)
        _one(canvas, shelf, rng, "passers", foot, "few")


def _extra(rng: random.Random) -> str:
    return rng.choice(["tricycle", "closed", "refuse", "passers", "cafe"])


def _foot(
    rng: random.Random, style: str, i: int, count: int, width: int, height: int
) -> tuple[float, float]:
    if style == "close":
        return rng.uniform(0.35, 0.65) * width, rng.uniform(0.75, 1.0) * height
    if style == "row":
        k = (i + rng.uniform(0.2, 0.8)) / count
        side = 1 if rng.random() < 0.9 else -1
        return (0.08 + 0.84 * k if side > 0 else 0.92 - 0.84 * k) * width, (0.55 + 0.4 * k) * height
    return rng.uniform(0.05, 0.95) * width, rng.uniform(0.4, 0.98) * height


def _one(
    canvas: Canvas,
    shelf: Shelf,
    rng: random.Random,
    group: str,
    foot: tuple[float, float],
    style: str,
) -> None:
    sprite = shelf.draw(rng, group, canvas.photo.camera.pitch)
    if sprite is None:
        return
    x0, y0, x1, y1 = compositing.solid_extent(sprite)
    width, height = canvas.photo.size
    if style == "close":
        high = rng.uniform(0.4, 0.95) * min(height, width * (y1 - y0) / (x1 - x0))
    else:
        at = photographs.ground_point(canvas.photo.camera, *foot, farthest_m=60)
        camera = canvas.photo.camera
        far = math.dist(at, (camera.x, camera.y, camera.z))
        own = sprite.camera
        ratio = (camera.focal_px / far) / (
            own.focal_px / math.dist((0, 0, 0.8), (own.x, own.y, own.z))
        )
        high = (y1 - y0) * ratio * math.exp(rng.gauss(0, 0.3))
        high = min(max(high, 12), 0.95 * height)
    compositing.lay_sprite(canvas, sprite, foot, height_px=high, rng=rng)


def _plume(kind: str) -> Callable[[Canvas, Shelf, random.Random], None]:
    def lay(canvas: Canvas, shelf: Shelf, rng: random.Random) -> None:
        for _ in range(rng.choices([1, 2], [4, 1])[0]):
            for _attempt in range(3):
                plume = compositing.random_plume(rng, kind, canvas.photo)
                if compositing.lay_plume(canvas, plume, rng):
                    break

    return lay


def _fire(canvas: Canvas, shelf: Shelf, rng: random.Random) -> None:
    """Flames, mostly with smoke rising from them."""
    width, height = canvas.photo.size
    foot = (rng.uniform(0.1, 0.9) * width, rng.uniform(0.4, 0.97) * height)
    share = math.exp(rng.uniform(math.log(0.05), math.log(0.4)))
    if rng.random() < 0.65:
        smoke = compositing.random_plume(
            rng, "smoke", canvas.photo, foot=foot, share=share * rng.uniform(1.2, 3)
        )
        compositing.lay_plume(canvas, smoke, rng)
    fire = compositing.random_plume(rng, "fire", canvas.photo, foot=foot, share=share)
    compositing.lay_plume(canvas, fire, rng)


def _group(name: str, most: int) -> Callable[[Canvas, Shelf, random.Random], None]:
    def lay(canvas: Canvas, shelf: Shelf, rng: random.Random) -> None:
        width, height = canvas.photo.size
        close = canvas.photo.camera.pitch > NADIR_PITCH and rng.random() < 0.45
        for _ in range(1 if close else rng.randint(1, most)):
            style = "close" if close else "few"
            _one(canvas, shelf, rng, name, _foot(rng, style, 0, 1, width, height), style)

    return lay


def _grill(canvas: Canvas, shelf: Shelf, rng: random.Random) -> None:
    """A grill; two in three with the smoke that rises from it."""
    before = len(canvas.boxes)
    _group("grill", 1)(canvas, shelf, rng)
    laid = [b for b in canvas.boxes[before:] if b.label == "grill"]
    if laid and rng.random() < 0.66:
        box = laid[0]
        width = canvas.photo.size[0]
        foot = ((box.x0 + box.x1) / 2, float(box.y1))
        share = (box.x1 - box.x0) / width * rng.uniform(1.0, 2.5)
        plume = compositing.random_plume(rng, "smoke", canvas.photo, foot=foot, share=share)
        compositing.lay_plume(canvas, plume, rng)


EFFECTS: dict[str, Callable[[Canvas, Shelf, random.Random], None]] = {
    "stall": _stalls,
    "dust": _plume("dust"),
    "smoke": _plume("smoke"),
    "fire": _fire,
    "truck": _group("truck", 2),
    "spillage": _group("spillage", 2),
    "grill": _grill,
}


def _menu(kind: str, effects: tuple[str, ...]) -> dict[str, float]:
    """Effects that fit a set of photographs; only those asked for, where some are."""
    return {
        name: share for name, share in SETS[kind].effects.items() if not effects or name in effects
    }


def compose(
    seed: int,
    number: int,
    photos: dict[str, list[Path]],
    shelf: Shelf,
    out: Path,
    *,
    effects: tuple[str, ...] = (),
) -> dict[str, object]:
    """Writes images/ and labels/ of one composite; what was done, for the manifest."""
    rng = seeds.stream("composite", seed, number)
    unknown = set(effects) - set(EFFECTS)
    if unknown:
        raise Refused(f"--effects {', '.join(unknown)}: not known; some of {', '.join(EFFECTS)}")
    kinds = [kind for kind in PHOTO_WEIGHTS if kind in photos and _menu(kind, effects)]
    kind = rng.choices(kinds, [PHOTO_WEIGHTS[k] for k in kinds])[0]
    photo = photographs.open_photo(rng.choice(photos[kind]), rng)
    canvas = Canvas(photo, photo.linear.copy(), list(photo.boxes))
    menu = _menu(kind, effects)
    effect = rng.choices(list(menu), list(menu.values()))[0]
    if rng.random() < 0.07:
        compositing.with_fog(canvas, rng)
    EFFECTS[effect](canvas, shelf, rng)
    image, look = compositing.developed(canvas, seeds.array_stream("look", seed, number))
    stem = f"co_{effect}_{seed}_{number:05d}"
    (out / "images").mkdir(parents=True, exist_ok=True)
    write_jpeg(str(out / "images" / f"{stem}.jpg"), image, max(55, look.quality))
    write_labels(out, stem, canvas.boxes, photo.size)
    return {
        "stem": stem,
        "photo": photo.name,
        "effect": effect,
        "labels": sorted(b.label for b in canvas.boxes),
    }
