# SPDX-License-Identifier: AGPL-3.0-or-later
"""Cut-out pictures of groups, with their shadow and entity numbers, to be pasted on photographs."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from tools.scenery import seeds
from tools.scenery.camera import Camera, looking_at
from tools.scenery.develop import tone
from tools.scenery.groups import GROUPS, Group
from tools.scenery.labels import extent
from tools.scenery.light import weather
from tools.scenery.model import Model, plain
from tools.scenery.refusal import Refused
from tools.scenery.shapes import Floats, sheet

if TYPE_CHECKING:
    from tools.scenery.blender import Studio

# Share of the sprites that each group gets, and how large the thing is (metres across).
MENU: dict[str, tuple[float, float]] = {
    "stall": (5, 3.6),
    "grill": (3, 2.6),
    "truck": (3, 7.5),
    "spillage": (1.6, 6.0),
    "closed": (0.6, 2.6),
    "tricycle": (1.0, 3.0),
    "queue": (0.3, 6.0),
    "cafe": (0.4, 3.2),
    "refuse": (0.6, 1.6),
    "passers": (0.8, 2.6),
    "other_truck": (0.5, 7.0),
    "digger": (0.6, 8.0),
    "two_wheeler": (0.3, 2.0),
}
# Heights of view: how often, metres above ground, pitch in degrees.
VIEWS = {
    "eye": (5, (1.2, 2.0)),
    "pole": (4, (3.0, 7.0)),
    "drone": (2, (15.0, 60.0)),
    "nadir": (1.2, (30.0, 60.0)),
}
VIEWS_PER_GROUP = 4


@dataclass(frozen=True)
class Sprite:
    """RGBA uint8 (straight alpha, sRGB) and its entity numbers, cropped to what is there; class
    and, for trucks, state of the load by number."""

    rgba: np.ndarray[Any, Any]
    index: np.ndarray[Any, Any]
    labels: dict[int, str]
    camera: Camera
    states: dict[int, str] = field(default_factory=dict)


def view(
    rng: random.Random, across: float, *, size: int, heights: tuple[str, ...] = ()
) -> tuple[str, Camera]:
    """A camera that has a thing of this size in view from one of `heights`, names of VIEWS; without
    them, from any."""
    names = heights or tuple(VIEWS)
    name = rng.choices(names, [VIEWS[each][0] for each in names])[0]
    high = rng.uniform(*VIEWS[name][1])
    target = (0.0, 0.0, 0.9 if name != "nadir" else 0.0)
    if name == "nadir":
        away = high * math.tan(math.radians(rng.uniform(0, 18)))
    elif name == "drone":
        away = high / math.tan(math.radians(rng.uniform(28, 70)))
    else:
        away = rng.uniform(3.2, 8.0) * (across / 3.6) if name == "eye" else rng.uniform(4, 14)
    side = -math.pi / 2 + rng.choice([rng.gauss(0, 0.7), rng.uniform(-math.pi, math.pi)])
    eye = (away * math.cos(side), away * math.sin(side), high)
    far = math.dist(eye, target)
    hfov = 2 * math.degrees(math.atan(1.5 * across / 2 / far))
    return name, looking_at(
        eye, target, hfov=min(hfov, 100), size=(size, size), roll=rng.gauss(0, 2.5)
    )


def cut(linear: Floats, index: Floats, labels: dict[int, str], camera: Camera) -> Sprite | None:
    """Tone-mapped, straight alpha, cropped; None where next to nothing is in view."""
    alpha = np.clip(linear[..., 3], 0, 1)
    # The far skirt of a soft shadow would draw the square of the picture on the photograph.
    shadow = np.clip(alpha - 0.1, 0, 1) / 0.9 * _border_fade(alpha.shape)
    alpha = np.where(index > 0, alpha, shadow)
    corners = extent(alpha > 0.03)
    if corners is None or not (index > 0).any():
        return None
    light = linear[..., :3] / np.maximum(alpha, 1e-3)[..., None]
    solid = index > 0
    middle = float(np.median(light[solid].mean(-1)))
    light = light * np.clip(0.22 / max(middle, 1e-3), 0.3, 12)
    rgba = np.dstack([tone(light)[..., ::-1] * 255, alpha * 255]).astype(np.uint8)
    x0, y0, x1, y1 = corners
    return Sprite(rgba[y0:y1, x0:x1], index[y0:y1, x0:x1].astype(np.uint8), labels, camera)


def _border_fade(shape: tuple[int, ...]) -> Floats:
    """1 inside, 0 at the rim of the picture: a shadow that runs out of it must not end straight."""
    y, x = (np.minimum(np.arange(n) + 0.5, n - 0.5 - np.arange(n)) for n in shape[:2])
    inside = np.clip(np.minimum(y[:, None], x[None]) / (0.08 * shape[0]), 0, 1)
    return np.asarray(inside.astype(np.float32))


def stage(studio: Studio, group: Group, rng: random.Random) -> dict[int, str]:
    """Puts the group on a shadow catcher under some light; gives back the labels by number."""
    labels = {}
    for number, actor in enumerate(group, 1):
        studio.add(actor.model, entity=number)
        if actor.label:
            labels[number] = actor.label
    floor = Model()
    floor.add(sheet(60, 60), plain((0.3, 0.3, 0.3), 0.9))
    studio.add(floor, catcher=True)
    studio.light(weather(rng, rng.choices(["sun", "cloudy", "haze"], [5, 4, 1])[0]))
    return labels


def told_by(group: Group, labels: dict[int, str], camera: Camera) -> dict[int, str]:
    """The labels of what can be told from this side."""
    behind = camera.y > 0
    return {n: label for n, label in labels.items() if not (behind and group[n - 1].one_sided)}


def checked_heights(given: str) -> tuple[str, ...]:
    """Names of VIEWS from a list with commas. Raises Refused for any other."""
    names = tuple(part.strip() for part in given.split(",") if part.strip())
    for name in names:
        if name not in VIEWS:
            raise Refused(f"--heights {name}: not known; some of {', '.join(VIEWS)}")
    return names


def render(
    seed: int,
    number: int,
    *,
    group: str = "",
    size: int,
    studio: Studio,
    heights: tuple[str, ...] = (),
) -> Iterator[tuple[str, Sprite]]:
    """The sprites of one built group from several views: (group and view, sprite)."""
    if group and group not in GROUPS:
        raise Refused(f"--group {group}: not known; one of {', '.join(GROUPS)}")
    rng = seeds.stream("sprite", seed, number)
    name = group or rng.choices(list(MENU), [share for share, _ in MENU.values()])[0]
    studio.clear()
    actors = GROUPS[name](rng)
    states = {number: actor.state for number, actor in enumerate(actors, 1) if actor.state}
    labels = stage(studio, actors, rng)
    for _ in range(VIEWS_PER_GROUP):
        kind, camera = view(rng, MENU.get(name, (1, 4.0))[1], size=size, heights=heights)
        studio.camera(camera)
        shot = studio.shoot(transparent=True)
        sprite = cut(shot.linear, shot.index, told_by(actors, labels, camera), camera)
        if sprite:
            yield f"{name}_{kind}", replace(sprite, states=states)


def save(sprite: Sprite, folder: Path, stem: str, name: str) -> None:
    """STEM.png (RGBA), STEM_index.png, STEM.json last: its presence says that all are there."""
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / f"{stem}.png"), sprite.rgba)
    cv2.imwrite(str(folder / f"{stem}_index.png"), sprite.index)
    about = {
        "group": name,
        "labels": sprite.labels,
        "camera": asdict(sprite.camera),
        "states": sprite.states,
    }
    (folder / f"{stem}.json").write_text(json.dumps(about))


def load(path: Path) -> Sprite:
    """From the JSON file that `save` wrote."""
    about = json.loads(path.read_text())
    rgba = cv2.imread(str(path.with_suffix(".png")), cv2.IMREAD_UNCHANGED)
    index = cv2.imread(str(path.parent / f"{path.stem}_index.png"), cv2.IMREAD_GRAYSCALE)
    if rgba is None or index is None:
        raise Refused(f"{path}: its pictures are missing; delete it and render again")
    labels = {int(number): label for number, label in about["labels"].items()}
    states = {int(number): state for number, state in about.get("states", {}).items()}
    return Sprite(rgba, index, labels, Camera(**about["camera"]), states)
