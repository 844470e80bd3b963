# SPDX-License-Identifier: AGPL-3.0-or-later
"""Renders a scene's views into labelled training pictures."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tools.scenery import labels, plumes, seeds, situations
from tools.scenery.camera import Camera
from tools.scenery.develop import balanced, draw_look, picture, with_air, write_jpeg
from tools.scenery.labels import Box
from tools.scenery.light import Light
from tools.scenery.plumes import Shine
from tools.scenery.produce import write_labels
from tools.scenery.shapes import Floats
from tools.scenery.turbulence import Plume

if TYPE_CHECKING:
    from tools.scenery.blender import Render, Studio


# A cloud of dust sends back less than a white sheet of the same colour would.
SCATTERED = 0.62


def shine(light: Light) -> Shine:
    """What a plume gets of this light: irradiance over pi is what a white sheet gives back."""
    high, around = math.radians(light.elevation), math.radians(light.azimuth)
    to_sun = (math.sin(around) * math.cos(high), math.cos(around) * math.cos(high), math.sin(high))
    sun = tuple(SCATTERED * light.sun / math.pi * c for c in light.sun_colour)
    both = zip(light.horizon, light.zenith, strict=True)
    sky = tuple(SCATTERED * (0.6 * h + 0.4 * z) * light.sky for h, z in both)
    if light.lamps:
        sky = tuple(s + 0.08 * c for s, c in zip(sky, (1.0, 0.75, 0.5), strict=True))
    return Shine(to_sun, (sun[0], sun[1], sun[2]), (sky[0], sky[1], sky[2]))


def air_light(light: Light) -> Floats:
    return np.asarray(light.horizon, np.float32) * light.sky


def with_plumes(
    shot: Render, drawn: list[Plume], camera: Camera, light: Light
) -> tuple[Floats, list[Box]]:
    """The shot's light with air and plumes in it, and the plumes' boxes."""
    linear = with_air(shot.linear[..., :3], shot.depth, light.haze, air_light(light))
    boxes = []
    for number, plume in enumerate(drawn):
        layer = plumes.draw(plume, camera, shine(light), depth=shot.depth)
        linear = plumes.over(linear, layer)
        box = labels.plume_box(layer.opacity, plume.kind, 1000 + number)
        if box:
            boxes.append(box)
    return linear, boxes


def blocked(depth: Floats) -> bool:
    """The camera stands in a wall, or leaves close to it hide a good part of the view."""
    return float(np.median(depth)) < 1.0 or float((depth < 2.5).mean()) > 0.2


def stage(studio: Studio, scene: situations.Scene) -> dict[int, str]:
    """Loads the scene into Blender; entity numbers and their labels."""
    studio.clear()
    studio.add(scene.ground)
    names = {}
    for entity, actor in enumerate(scene.actors, 1):
        studio.add(actor.model, entity=entity)
        if actor.label:
            names[entity] = actor.label
    studio.light(scene.light)
    return names


def make(
    seed: int, number: int, out: Path, studio: Studio, *, name: str = "", views: int = 4
) -> dict[str, object]:
    """Writes images/ and labels/ for every view of one scene; what there is, for the manifest."""
    scene = situations.build(seed, number, name=name, views=views)
    names = stage(studio, scene)
    stems = []
    (out / "images").mkdir(parents=True, exist_ok=True)
    for view, camera in enumerate(scene.cameras):
        studio.camera(camera)
        shot = studio.shoot()
        linear, boxes = with_plumes(shot, scene.plumes, camera, scene.light)
        boxes = labels.index_boxes(shot.index, names) + boxes
        if blocked(shot.depth):
            continue
        numbers = seeds.array_stream("develop", seed, number, view)
        look = draw_look(numbers, night=scene.light.name == "night")
        image = picture(balanced(linear, 1.0), look, numbers)
        stem = f"sc_{scene.name}_{seed}_{number:05d}_{view}"
        write_jpeg(str(out / "images" / f"{stem}.jpg"), image, look.quality)
        write_labels(out, stem, boxes, (camera.width, camera.height))
        stems.append(stem)
    return {"stems": stems, "situation": scene.name, "light": scene.light.name}
