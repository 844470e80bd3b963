# SPDX-License-Identifier: AGPL-3.0-or-later
"""The shell round Blender: puts models, light and a camera into Cycles and gives back arrays."""

from __future__ import annotations

import contextlib
import math
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix

from tools.scenery import exr
from tools.scenery.camera import Camera
from tools.scenery.light import Light
from tools.scenery.model import Lettering, Model, Part
from tools.scenery.shading import Palette, Tree
from tools.scenery.shapes import Floats


@dataclass(frozen=True)
class Render:
    """linear (h, w, 4) light with alpha; index (h, w) entity, 0 none; depth (h, w) metres."""

    linear: Floats
    index: Floats
    depth: Floats


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Cycles writes a line per tile straight to file descriptor 1."""
    kept = os.dup(1)
    with open(os.devnull, "w") as nothing:  # noqa: PTH123
        os.dup2(nothing.fileno(), 1)
        try:
            yield
        finally:
            os.dup2(kept, 1)
            os.close(kept)


class Studio:
    """One Blender scene. `clear` starts the next; the process keeps what Blender loaded."""

    def __init__(self, *, samples: int = 8, threads: int = 2) -> None:
        self.samples, self.threads = samples, threads
        self._out = Path(tempfile.mkdtemp(prefix="scenes-"))
        self.clear()

    def clear(self) -> None:
        bpy.ops.wm.read_factory_settings(use_empty=True)
        self.scene = bpy.context.scene
        self.palette = Palette()
        self._settings()

    def _settings(self) -> None:
        render, cycles = self.scene.render, self.scene.cycles
        render.engine = "CYCLES"
        cycles.device = "CPU"
        cycles.samples = self.samples
        cycles.use_adaptive_sampling = False
        cycles.use_denoising = True
        cycles.denoiser = "OPENIMAGEDENOISE"
        cycles.denoising_input_passes = "RGB_ALBEDO_NORMAL"
        cycles.denoising_prefilter = cycles.denoising_quality = "FAST"
        cycles.max_bounces = 3
        cycles.diffuse_bounces = cycles.glossy_bounces = 1
        cycles.transparent_max_bounces = 8
        cycles.sample_clamp_indirect = 4
        cycles.caustics_reflective = cycles.caustics_refractive = False
        render.threads_mode, render.threads = "FIXED", self.threads
        render.use_persistent_data = True
        render.resolution_percentage = 100
        layer = self.scene.view_layers[0]
        layer.use_pass_object_index = layer.use_pass_z = True
        render.image_settings.media_type = "MULTI_LAYER_IMAGE"
        render.image_settings.file_format = "OPEN_EXR_MULTILAYER"
        render.image_settings.exr_codec = "NONE"
        render.image_settings.color_depth = "32"
        render.image_settings.use_exr_interleave = True

    # -- things ------------------------------------------------------------------------------
    def add(self, model: Model, *, entity: int = 0, catcher: bool = False) -> list[Any]:
        """The model as one Blender mesh (and its lettering); entity is its label number."""
        made = []
        if model.parts:
            made.append(self._mesh_object(model.parts))
        made += [self._text_object(text) for text in model.texts]
        for thing in made:
            thing.pass_index = entity
            thing.is_shadow_catcher = catcher
            self.scene.collection.objects.link(thing)
        return made

    def move(self, things: list[Any], at: tuple[float, float, float], *, yaw: float = 0.0) -> None:
        """Puts what `add` made elsewhere: a turn about its origin, then a shift."""
        matrix = Matrix.Translation(at) @ Matrix.Rotation(yaw, 4, "Z")
        for thing in things:
            home = thing.get("home")
            if home is None:
                thing["home"] = [value for row in thing.matrix_basis for value in row]
                home = thing["home"]
            rows = [list(home)[i : i + 4] for i in range(0, 16, 4)]
            thing.matrix_basis = matrix @ Matrix(rows)

    def show(self, things: list[Any], seen: bool) -> None:
        for thing in things:
            thing.hide_render = not seen

    def _mesh_object(self, parts: list[Part]) -> Any:
        paints = list(dict.fromkeys(p.paint for p in parts))
        slots = {paint: number for number, paint in enumerate(paints)}
        verts = np.concatenate([p.mesh.verts for p in parts])
        loops, sizes, which, smooth = _polygons(parts, slots)
        data = bpy.data.meshes.new("thing")
        data.vertices.add(len(verts))
        data.vertices.foreach_set("co", np.ascontiguousarray(verts, np.float32).ravel())
        data.loops.add(len(loops))
        data.loops.foreach_set("vertex_index", loops)
        data.polygons.add(len(sizes))
        data.polygons.foreach_set("loop_start", np.cumsum(sizes) - sizes)
        data.polygons.foreach_set("loop_total", sizes)
        for paint in paints:
            data.materials.append(self.palette.material(paint))
        data.polygons.foreach_set("material_index", which)
        data.polygons.foreach_set("use_smooth", smooth)
        data.update(calc_edges=True)
        return bpy.data.objects.new("thing", data)

    def _text_object(self, text: Lettering) -> Any:
        curve = bpy.data.curves.new("text", "FONT")
        curve.body, curve.size = text.body, text.height_m
        curve.align_x, curve.align_y = "CENTER", "CENTER"
        curve.resolution_u = 3
        curve.materials.append(self.palette.material(text.paint))
        thing = bpy.data.objects.new("text", curve)
        thing.matrix_basis = Matrix(text.matrix.tolist())
        return thing

    # -- light -------------------------------------------------------------------------------
    def light(self, light: Light) -> None:
        """Sky, sun and lamps of a scene. Angles of `Light` are degrees, azimuth clockwise from
        north."""
        world = bpy.data.worlds.new("sky")
        world.use_nodes = True
        self.scene.world = world
        _sky(Tree(world.node_tree), light)
        if light.sun > 0:
            lamp = bpy.data.lights.new("sun", "SUN")
            lamp.energy, lamp.angle = light.sun, math.radians(light.sun_size)
            lamp.color = light.sun_colour
            thing = bpy.data.objects.new("sun", lamp)
            thing.rotation_euler = (
                math.radians(90 - light.elevation),
                0,
                math.radians(180 - light.azimuth),
            )
            self.scene.collection.objects.link(thing)
        for spot in light.lamps:
            lamp = bpy.data.lights.new("lamp", "POINT")
            lamp.energy, lamp.color, lamp.shadow_soft_size = spot.watts, spot.colour, 0.15
            thing = bpy.data.objects.new("lamp", lamp)
            thing.location = spot.at
            self.scene.collection.objects.link(thing)

    # -- pictures ----------------------------------------------------------------------------
    def camera(self, camera: Camera) -> None:
        """Put the camera where `Camera` says; its picture size is the render's."""
        data = bpy.data.cameras.new("camera")
        data.sensor_fit, data.angle = "HORIZONTAL", math.radians(camera.hfov)
        data.clip_start, data.clip_end = 0.05, 1200
        thing = bpy.data.objects.new("camera", data)
        right, up, ahead = camera.axes()
        rows = np.eye(4)
        rows[:3, 0], rows[:3, 1], rows[:3, 2] = right, up, -ahead
        rows[:3, 3] = camera.x, camera.y, camera.z
        thing.matrix_world = Matrix(rows.tolist())
        self.scene.collection.objects.link(thing)
        self.scene.camera = thing
        self.scene.render.resolution_x = camera.width
        self.scene.render.resolution_y = camera.height

    def shoot(
        self,
        *,
        transparent: bool = False,
        samples: int | None = None,
        window: tuple[int, int, int, int] | None = None,
    ) -> Render:
        """One picture; `window` (x0, y0, x1, y1 in pixels) renders and returns only that part."""
        render = self.scene.render
        render.film_transparent = transparent
        self.scene.cycles.samples = samples or self.samples
        render.use_border = render.use_crop_to_border = window is not None
        if window:
            width, height = render.resolution_x, render.resolution_y
            x0, y0, x1, y1 = window
            # Blender cuts fractions of the frame down to pixels: a quarter keeps off the brink.
            render.border_min_x, render.border_max_x = (x0 + 0.25) / width, (x1 + 0.25) / width
            render.border_min_y = (height - y1 + 0.25) / height
            render.border_max_y = (height - y0 + 0.25) / height
        path = self._out / "picture.exr"
        render.filepath = str(path)
        with quiet():
            bpy.ops.render.render(write_still=True)
        channels = exr.read(path)
        path.unlink()
        return _as_render(channels)


def _as_render(channels: dict[str, Floats]) -> Render:
    short = {".".join(name.split(".")[-2:]): plane for name, plane in channels.items()}
    linear = np.stack([short[f"Combined.{c}"] for c in "RGBA"], -1)
    index = next(
        plane for name, plane in short.items() if "Object Index" in name or "IndexOB" in name
    )
    depth = next(plane for name, plane in short.items() if name.startswith(("Depth.", "Z.")))
    return Render(linear, index, depth)


def _polygons(parts: list[Part], slots: dict[Any, int]) -> tuple[Any, Any, Any, Any]:
    loops, sizes, which, smooth = [], [], [], []
    start = 0
    for part in parts:
        for faces in (part.mesh.tris, part.mesh.quads):
            loops.append((faces + start).ravel())
            sizes.append(np.full(len(faces), faces.shape[1], np.int32))
            which.append(np.full(len(faces), slots[part.paint], np.int32))
            smooth.append(np.full(len(faces), part.smooth, bool))
        start += len(part.mesh.verts)
    return (
        np.concatenate(loops).astype(np.int32),
        np.concatenate(sizes),
        np.concatenate(which),
        np.concatenate(smooth),
    )


def _sky(tree: Tree, light: Light) -> None:
    """Zenith to horizon by the height of the ray, with soft clouds."""
    ray = tree.node("ShaderNodeTexCoord").outputs["Generated"]
    high = tree.node("ShaderNodeSeparateXYZ", {0: ray}).outputs[2]
    lift = tree.math("POWER", tree.math("MAXIMUM", high, 0.0), 0.45)
    colour = tree.mix(lift, light.horizon, light.zenith)
    stretch = tree.node(
        "ShaderNodeVectorMath", {0: ray, 1: (1.0, 1.0, 3.0)}, operation="MULTIPLY"
    ).outputs[0]
    cloud = tree.above(tree.noise(2.2, 6.0, stretch), 0.62 - 0.2 * light.cloud, 4.0)
    colour = tree.mix(tree.math("MULTIPLY", cloud, light.cloud), colour, light.cloud_colour)
    back = tree.node("ShaderNodeBackground", {"Color": colour, "Strength": light.sky})
    tree.feed(tree.node("ShaderNodeOutputWorld").inputs["Surface"], back.outputs[0])
