# SPDX-License-Identifier: AGPL-3.0-or-later
"""Paints as Cycles materials. One table from a paint's kind to the nodes that make it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bpy

from tools.scenery.model import Colour, Paint

GRIME: Colour = (0.16, 0.13, 0.095)


class Tree:
    """Short words for building a node tree."""

    def __init__(self, tree: Any) -> None:
        self.tree = tree
        tree.nodes.clear()

    def node(self, kind: str, inputs: dict[Any, Any] | None = None, **settings: Any) -> Any:
        """A shader node with inputs by name (a value, a colour or another node's output)."""
        made = self.tree.nodes.new(kind)
        for name, value in settings.items():
            setattr(made, name, value)
        for name, value in (inputs or {}).items():
            self.feed(made.inputs[name], value)
        return made

    def feed(self, socket: Any, value: Any) -> None:
        """Link another node's output to a socket, or set its value; three numbers are a colour."""
        if isinstance(value, bpy.types.NodeSocket):
            self.tree.links.new(value, socket)
        elif isinstance(value, tuple) and len(value) == 3 and socket.type == "RGBA":
            socket.default_value = (*value, 1)
        else:
            socket.default_value = value

    def math(self, operation: str, a: Any, b: Any = 0.0, *, clamp: bool = False) -> Any:
        return self.node(
            "ShaderNodeMath", {0: a, 1: b}, operation=operation, use_clamp=clamp
        ).outputs[0]

    def mix(self, factor: Any, a: Any, b: Any) -> Any:
        return self.node("ShaderNodeMix", {0: factor, 6: a, 7: b}, data_type="RGBA").outputs[2]

    def noise(self, scale: float, detail: float = 3.0, where: Any = None) -> Any:
        """Perlin noise, 0 to 1, larger `scale` finer grain."""
        where = self.place() if where is None else where
        return self.node(
            "ShaderNodeTexNoise",
            {"Vector": where, "Scale": scale, "Detail": detail, "Roughness": 0.65},
        ).outputs[0]

    def place(self) -> Any:
        """Object coordinates: a pattern stays on a thing that moves."""
        return self.node("ShaderNodeTexCoord").outputs["Object"]

    def above(self, value: Any, low: float, gain: float) -> Any:
        return self.math(
            "MULTIPLY", self.math("SUBTRACT", value, low, clamp=True), gain, clamp=True
        )

    def surface(self, colour: Any, paint: Paint, **more: Any) -> Any:
        inputs = {"Base Color": colour, "Roughness": paint.rough, "Metallic": paint.metal, **more}
        return self.node("ShaderNodeBsdfPrincipled", inputs).outputs[0]

    def end(self, shader: Any) -> None:
        self.feed(self.node("ShaderNodeOutputMaterial").inputs["Surface"], shader)


def _times(colour: Colour, k: float) -> Colour:
    return (colour[0] * k, colour[1] * k, colour[2] * k)


def _plain(t: Tree, p: Paint) -> Any:
    if not p.dirt:
        return t.surface(p.colour, p)
    spots = t.above(t.noise(2.5, 4.0), 0.42, p.dirt * 3)
    return t.surface(t.mix(spots, p.colour, GRIME), p)


def _asphalt(t: Tree, p: Paint) -> Any:
    fine, big = t.noise(45.0, 2.0), t.noise(0.35, 5.0)
    colour = t.mix(fine, _times(p.colour, 0.7), _times(p.colour, 1.35))
    colour = t.mix(t.above(big, 0.42, 2.4), colour, _times(p.colour, 1.8))
    bent = t.node(
        "ShaderNodeVectorMath",
        {
            0: t.place(),
            1: t.node("ShaderNodeTexNoise", {"Vector": t.place(), "Scale": 1.6}).outputs[1],
        },
        operation="ADD",
    ).outputs[0]
    edges = t.node(
        "ShaderNodeTexVoronoi", {"Vector": bent, "Scale": 0.22}, feature="DISTANCE_TO_EDGE"
    ).outputs[0]
    crack = t.math("MULTIPLY", t.math("LESS_THAN", edges, p.scale * 0.004), 0.6)
    bump = t.node("ShaderNodeBump", {"Strength": 0.3, "Distance": 0.02, "Height": fine}).outputs[0]
    return t.surface(t.mix(crack, colour, (0.025, 0.025, 0.025)), p, Normal=bump)


def _paving(t: Tree, p: Paint) -> Any:
    bricks = t.node(
        "ShaderNodeTexBrick",
        {
            "Vector": t.place(),
            "Color1": p.colour,
            "Color2": p.second,
            "Mortar": (0.1, 0.095, 0.09),
            "Scale": p.scale,
            "Mortar Size": 0.012,
        },
    ).outputs[0]
    worn = t.above(t.noise(0.8, 6.0), 0.45, 1.8)
    return t.surface(t.mix(worn, bricks, GRIME), p)


def _soil(t: Tree, p: Paint) -> Any:
    grain = t.noise(9.0 * p.scale, 6.0)
    wide = t.noise(1.3, 3.0)
    colour = t.mix(grain, _times(p.colour, 0.45), _times(p.colour, 1.5))
    colour = t.mix(t.above(wide, 0.45, 2.0), colour, _times(p.colour, 0.7))
    bump = t.node("ShaderNodeBump", {"Strength": 0.9, "Distance": 0.05, "Height": grain}).outputs[0]
    return t.surface(colour, p, Normal=bump)


def _leaf(t: Tree, p: Paint) -> Any:
    colour = t.mix(t.noise(4.0), _times(p.colour, 0.5), _times(p.colour, 1.6))
    front = t.node("ShaderNodeBsdfDiffuse", {"Color": colour}).outputs[0]
    through = t.node("ShaderNodeBsdfTranslucent", {"Color": colour}).outputs[0]
    return t.node("ShaderNodeMixShader", {0: 0.3, 1: front, 2: through}).outputs[0]


def _cloth(t: Tree, p: Paint) -> Any:
    weave = t.noise(3.0, 4.0)
    colour = t.mix(weave, _times(p.colour, 0.75), _times(p.colour, 1.15))
    front = t.surface(colour, p)
    through = t.node("ShaderNodeBsdfTranslucent", {"Color": colour}).outputs[0]
    return t.node("ShaderNodeMixShader", {0: 0.25, 1: front, 2: through}).outputs[0]


def _glass(t: Tree, p: Paint) -> Any:
    clear = t.node("ShaderNodeBsdfTransparent", {"Color": p.colour}).outputs[0]
    shine = t.node(
        "ShaderNodeBsdfGlossy", {"Color": (0.9, 0.9, 0.9), "Roughness": p.rough}
    ).outputs[0]
    edge = t.node("ShaderNodeLayerWeight", {"Blend": 0.25}).outputs["Facing"]
    return t.node(
        "ShaderNodeMixShader", {0: t.math("ADD", edge, 0.06, clamp=True), 1: clear, 2: shine}
    ).outputs[0]


def _glow(t: Tree, p: Paint) -> Any:
    return t.surface(p.colour, p, **{"Emission Color": p.colour, "Emission Strength": p.glow})


def _coal(t: Tree, p: Paint) -> Any:
    hot = t.above(t.noise(14.0), 0.52, 5.0)
    heat = t.mix(hot, (0.0, 0.0, 0.0), (1.0, 0.22, 0.03))
    return t.surface((0.03, 0.03, 0.03), p, **{"Emission Color": heat, "Emission Strength": p.glow})


def _check(t: Tree, p: Paint) -> Any:
    squares = t.node(
        "ShaderNodeTexChecker",
        {"Vector": t.place(), "Color1": p.colour, "Color2": p.second, "Scale": p.scale},
    ).outputs[0]
    return t.surface(squares, p)


def _mottle(t: Tree, p: Paint) -> Any:
    """Two colours in patches: wet spots, stains, marble, food seen from afar."""
    patch = t.above(t.noise(p.scale, 5.0), 0.47, 6.0)
    return t.surface(t.mix(patch, p.colour, p.second), p)


def _stain(t: Tree, p: Paint) -> Any:
    """A film on the ground that thins out to nothing at its border (unit square in x and y)."""
    where = t.node("ShaderNodeTexCoord").outputs["Generated"]
    off = t.node("ShaderNodeVectorMath", {0: where, 1: (0.5, 0.5, 0.0)}, operation="SUBTRACT")
    flat = t.node(
        "ShaderNodeVectorMath", {0: off.outputs[0], 1: (1.0, 1.0, 0.0)}, operation="MULTIPLY"
    ).outputs[0]
    far = t.node("ShaderNodeVectorMath", {0: flat}, operation="LENGTH").outputs["Value"]
    ragged = t.math(
        "ADD",
        t.math("MULTIPLY", t.math("SUBTRACT", 0.5, far), 2.0),
        t.math("MULTIPLY", t.math("SUBTRACT", t.noise(2.0 * p.scale, 6.0), 0.5), 2.4),
    )
    film = t.above(ragged, 0.15, 3.0)
    if p.second[0] > 0:  # p.second[0]: the greatest opacity of the film
        film = t.math("MULTIPLY", film, p.second[0])
    colour = t.mix(t.noise(9.0, 5.0), _times(p.colour, 0.55), _times(p.colour, 1.4))
    return t.surface(colour, p, Alpha=film)


SHADERS: dict[str, Callable[[Tree, Paint], Any]] = {
    "plain": _plain,
    "asphalt": _asphalt,
    "paving": _paving,
    "soil": _soil,
    "leaf": _leaf,
    "cloth": _cloth,
    "glass": _glass,
    "glow": _glow,
    "coal": _coal,
    "check": _check,
    "mottle": _mottle,
    "stain": _stain,
}


class Palette:
    """Materials of one Blender session, made once per paint."""

    def __init__(self) -> None:
        self._made: dict[Paint, Any] = {}

    def material(self, paint: Paint) -> Any:
        """The Blender material of a paint, made once."""
        if paint not in self._made:
            made = bpy.data.materials.new(paint.kind)
            made.use_nodes = True
            tree = Tree(made.node_tree)
            tree.end(SHADERS[paint.kind](tree, paint))
            self._made[paint] = made
        return self._made[paint]
