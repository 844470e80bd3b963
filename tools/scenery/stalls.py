"""Vendors' stalls by kind, and the street furniture that is taken for one."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import numpy as np

from tools.scenery import goods
from tools.scenery.goods import WOODS, bright
from tools.scenery.model import BLACK, CHROME, GLASS, RUBBER, STEEL, WHITE, Model, Paint, plain
from tools.scenery.shapes import (
    Mesh,
    box,
    circle,
    cylinder,
    lathe,
    loft,
    mesh,
    polygon_prism,
    rod,
    sheet,
    tube,
)


def wheel(radius: float, width: float, *, spokes: int = 0) -> Model:
    """Upright wheel that rolls along x, hub at the origin; spokes make a cart or bicycle wheel."""
    model = Model()
    lay = (math.pi / 2, 0, 0)
    if not spokes:
        w = width / 2
        tyre = lathe(
            [
                (radius * 0.6, -w),
                (radius * 0.94, -w),
                (radius, -w * 0.7),
                (radius, w * 0.7),
                (radius * 0.94, w),
                (radius * 0.6, w),
            ],
            sides=20,
        )
        model.add(tyre, RUBBER, rot=lay)
        rim = lathe(
            [(0.02, -w * 0.7), (radius * 0.6, -w * 0.9), (radius * 0.6, w * 0.9), (0.02, w * 0.7)],
            sides=14,
        )
        model.add(rim, plain((0.3, 0.3, 0.31), 0.45, metal=0.7), rot=lay)
        return model
    ring = circle(24) * radius
    points = [(x, 0, z) for x, z in np.vstack([ring, ring[:1]])]
    model.add(tube(points, width / 2, sides=6), RUBBER, smooth=True)
    for i in range(spokes):
        a = math.pi * i / spokes
        end = (radius * math.cos(a), 0, radius * math.sin(a))
        model.add(rod((-end[0], 0, -end[2]), end, 0.006 if spokes > 7 else 0.016, sides=4), CHROME)
    model.add(cylinder(radius * 0.13, 0.1, sides=10), STEEL, (0, 0.05, 0), rot=lay)
    return model


def canopy(radius: float, drop: float, sides: int, colours: list[Paint], *, flap: float) -> Model:
    """Umbrella cloth: gores in turn coloured, top at z = drop, rim at 0, a hanging flap."""
    model = Model()
    angle = [2 * math.pi * i / sides for i in range(sides + 1)]
    for i in range(sides):
        rows = []
        for r, z in ((0.02, drop), (0.55, drop * 0.62), (1.0, 0.0), (1.0, -flap)):
            sag = 0.95 if r == 0.55 else 1.0
            rows.append(
                [
                    (radius * r * sag * math.cos(a), radius * r * sag * math.sin(a), z)
                    for a in (angle[i], angle[i + 1])
                ]
            )
        gore = loft(np.asarray(rows, np.float32), closed=False)
        model.add(gore, colours[i % len(colours)])
    return model


def umbrella(rng: random.Random, radius: float, height: float) -> Model:
    """Big sunshade on a pole, 遮阳伞; rim at `height`."""
    model = Model()
    count = rng.choice([1, 1, 2, 2, 3])
    paints = [Paint("cloth", bright(rng), 0.85) for _ in range(count)]
    tilt = (rng.uniform(-0.08, 0.08), rng.uniform(-0.08, 0.08), rng.uniform(0, 1))
    drop = radius * rng.uniform(0.22, 0.4)
    cloth = canopy(
        radius, drop, rng.choice([6, 8, 8, 10]), paints, flap=rng.choice([0.0, 0.1, 0.18])
    )
    for part in cloth.parts:
        model.add(part.mesh, part.paint, (0, 0, height), rot=tilt)
    model.add(rod((0, 0, 0), (0, 0, height + drop * 0.95), 0.022), STEEL)
    return model


def striped_roof(
    rng: random.Random, width: float, depth: float, rise: float, *, scallop: float = 0.18
) -> Model:
    """Gabled or one-sided cloth roof in stripes, eaves at z = 0, with a scalloped edge."""
    model = Model()
    a, b = Paint("cloth", bright(rng), 0.85), Paint("cloth", (0.72, 0.71, 0.68), 0.85)
    if rng.random() < 0.4:
        b = a
    stripes = max(3, round(width / rng.choice([0.15, 0.25, 0.3])))
    gabled = rng.random() < 0.5
    ridge = 0.0 if gabled else depth / 2
    w = width / stripes
    for i in range(stripes):
        x = -width / 2 + i * w
        rows = [
            (-depth / 2, -scallop),
            (-depth / 2, 0.0),
            (ridge, rise),
            (depth / 2, 0.0 if gabled else rise),
            (depth / 2, (0.0 if gabled else rise) - scallop),
        ]
        strip = loft(
            np.asarray([[(x, y, z), (x + w, y, z)] for y, z in rows], np.float32), closed=False
        )
        model.add(strip, (a, b)[i % 2])
    return model


def frame(
    width: float, depth: float, low: float, high: float, paint: Paint, thick: float = 0.035
) -> Model:
    model = Model()
    for x in (-width / 2, width / 2):
        for y in (-depth / 2, depth / 2):
            model.add(box((thick, thick, high - low)), paint, (x, y, (high + low) / 2))
    for y in (-depth / 2, depth / 2):
        model.add(box((width, thick, thick)), paint, (0, y, high))
    return model


def _body_paint(rng: random.Random) -> Paint:
    kind = rng.random()
    if kind < 0.25:
        return plain(rng.choice(WOODS), 0.6, dirt=0.3)
    if kind < 0.4:
        return plain((0.6, 0.6, 0.61), 0.3, metal=0.85, dirt=0.3)
    return plain(bright(rng), rng.uniform(0.25, 0.6), dirt=rng.choice([0.0, 0.3, 0.6]))


def _roof(rng: random.Random, model: Model, width: float, depth: float, at: float) -> None:
    """Something over the counter: flat, cloth, sloped board, umbrella or nothing."""
    kind = rng.choice(["flat", "flat", "cloth", "cloth", "sloped", "umbrella", "none"])
    high = at + rng.uniform(1.0, 1.25)
    if kind == "none":
        return
    if kind == "umbrella":
        model.put(
            umbrella(rng, rng.uniform(1.0, 1.5), rng.uniform(2.0, 2.35)),
            (rng.uniform(-0.2, 0.2) * width, rng.uniform(-0.1, 0.3), 0),
        )
        return
    posts = STEEL if rng.random() < 0.6 else plain(rng.choice(WOODS), 0.7)
    model.put(frame(width - 0.08, depth - 0.08, at, high, posts))
    if kind == "cloth":
        model.put(
            striped_roof(
                rng,
                width + rng.uniform(0.1, 0.5),
                depth + rng.uniform(0.2, 0.7),
                rng.uniform(0.15, 0.45),
            ),
            (0, 0, high),
        )
        return
    roof = plain(bright(rng), 0.6, dirt=0.4)
    tilt = 0.0 if kind == "flat" else rng.uniform(0.08, 0.2)
    model.add(
        box((width + 0.3, depth + rng.uniform(0.2, 0.5), 0.05)),
        roof,
        (0, 0, high + 0.03),
        rot=(tilt, 0, 0),
    )
    if rng.random() < 0.75:
        model.put(
            goods.poster(rng, width + 0.2, rng.uniform(0.25, 0.4)),
            (0, -depth / 2 - 0.2, high + rng.uniform(-0.1, 0.22)),
        )


def _case(rng: random.Random, width: float, depth: float, height: float) -> Model:
    """Glass box with something to eat inside."""
    model = Model()
    model.put(frame(width, depth, 0, height, STEEL, 0.02))
    for y in (-depth / 2, depth / 2):
        model.add(sheet(width, height), GLASS, (0, y, height / 2), rot=(math.pi / 2, 0, 0))
    for x in (-width / 2, width / 2):
        model.add(sheet(height, depth), GLASS, (x, 0, height / 2), rot=(0, math.pi / 2, 0))
    model.add(sheet(width, depth), GLASS, (0, 0, height))
    model.put(goods.display(rng, width * 0.9, depth * 0.85), (0, 0, 0.01))
    return model


def _counter_load(rng: random.Random, model: Model, width: float, depth: float, top: float) -> None:
    if rng.random() < 0.55:
        case = rng.uniform(0.35, 1.0) * width
        model.put(_case(rng, case, depth * 0.6, rng.uniform(0.3, 0.6)), (0, -0.12 * depth, top))
        model.put(goods.display(rng, width * 0.9, depth * 0.3), (0, depth * 0.32, top))
    else:
        model.put(goods.display(rng, width * 0.95, depth * 0.9), (0, 0, top))


def push_cart(rng: random.Random) -> Model:
    """Box on two or four wheels with a handle, 推车."""
    model = Model()
    width, depth = rng.uniform(1.0, 2.1), rng.uniform(0.6, 1.0)
    low, high = rng.uniform(0.25, 0.5), rng.uniform(0.85, 1.05)
    body = _body_paint(rng)
    model.add(box((width, depth, high - low), bevel=0.02), body, (0, 0, (high + low) / 2))
    top = _body_paint(rng)
    model.add(box((width + 0.08, depth + 0.08, 0.04)), top, (0, 0, high))
    if rng.random() < 0.7:
        model.put(
            goods.poster(rng, width * 0.75, (high - low) * 0.75),
            (0, -depth / 2 - 0.01, (high + low) / 2),
        )
    big = rng.random() < 0.6
    radius = rng.uniform(0.28, 0.42) if big else rng.uniform(0.08, 0.16)
    spokes = rng.choice([0, 5, 10]) if big else 0
    where = rng.uniform(0.1, 0.4) * width * rng.choice([-1, 1])
    spots = [where] if big and rng.random() < 0.6 else [-width * 0.38, width * 0.38]
    for x in spots:
        for y in (-depth / 2 - 0.05, depth / 2 + 0.05):
            model.put(wheel(radius, 0.06, spokes=spokes), (x, y, radius))
    if len(spots) == 1:
        for y in (-depth * 0.4, depth * 0.4):
            model.add(
                box((0.05, 0.05, low)), STEEL, (-math.copysign(width * 0.42, where), y, low / 2)
            )
    side = rng.choice([-1, 1])
    for y in (-depth * 0.4, depth * 0.4):
        model.add(
            tube(
                [(side * width / 2, y, high - 0.1), (side * (width / 2 + 0.25), y, high)],
                0.016,
                sides=6,
            ),
            STEEL,
        )
    model.add(
        rod(
            (side * (width / 2 + 0.25), -depth * 0.4, high),
            (side * (width / 2 + 0.25), depth * 0.4, high),
            0.016,
        ),
        STEEL,
    )
    if rng.random() < 0.88:
        _counter_load(rng, model, width, depth, high + 0.02)
    _roof(rng, model, width, depth, high)
    return model


def table(rng: random.Random) -> Model:
    """Trestle table with or without a cloth to the ground."""
    model = Model()
    width, depth, high = rng.uniform(1.2, 2.6), rng.uniform(0.6, 1.1), rng.uniform(0.6, 0.85)
    model.add(box((width, depth, 0.04)), plain(rng.choice(WOODS), 0.7, dirt=0.4), (0, 0, high))
    if rng.random() < 0.65:
        model.put(_skirt(rng, width, depth, high))
    for x in (-width / 2 + 0.06, width / 2 - 0.06):
        for y in (-depth / 2 + 0.06, depth / 2 - 0.06):
            model.add(box((0.04, 0.04, high)), STEEL, (x, y, high / 2))
    model.put(goods.display(rng, width * 0.97, depth * 0.92), (0, 0, high + 0.03))
    if rng.random() < 0.4:
        model.put(
            goods.poster(rng, rng.uniform(0.4, 1.0), 0.3), (0, -depth / 2 - 0.03, high * 0.65)
        )
    cover = rng.choice(["umbrella", "umbrella", "tent", "none"])
    if cover == "umbrella":
        model.put(umbrella(rng, rng.uniform(1.1, 1.7), rng.uniform(2.0, 2.4)), (0, 0.15, 0))
    elif cover == "tent":
        model.put(tent(rng, width + 0.4, depth + 0.9))
    return model


def _skirt(rng: random.Random, width: float, depth: float, high: float) -> Model:
    """Table cloth hanging down to the front and the sides, plain or striped."""
    model = Model()
    a = Paint("cloth", bright(rng), 0.9)
    b = Paint("cloth", (0.7, 0.7, 0.68), 0.9) if rng.random() < 0.35 else a
    stripes = max(3, round(width / 0.12))
    drop = high * rng.uniform(0.7, 0.97)
    for i in range(stripes):
        x = -width / 2 + (i + 0.5) * width / stripes
        model.add(
            sheet(width / stripes, drop),
            (a, b)[i % 2],
            (x, -depth / 2 - 0.02 - 0.012 * (i % 2), high - drop / 2),
            rot=(math.pi / 2, 0, 0),
        )
    for x in (-width / 2 - 0.02, width / 2 + 0.02):
        model.add(sheet(drop, depth), a, (x, 0, high - drop / 2), rot=(0, math.pi / 2, 0))
    return model


def tent(rng: random.Random, width: float, depth: float) -> Model:
    """Pop-up pavilion on four legs, its eaves at about 2.1 m."""
    model = Model()
    eaves = rng.uniform(1.95, 2.3)
    model.put(frame(width, depth, 0, eaves, STEEL, 0.03))
    if rng.random() < 0.45:
        model.put(striped_roof(rng, width + 0.1, depth + 0.1, rng.uniform(0.3, 0.8)), (0, 0, eaves))
        return model
    cloth = Paint("cloth", bright(rng), 0.8)
    x, y, top = width / 2 + 0.04, depth / 2 + 0.04, rng.uniform(0.5, 1.1)
    ring = [(-x, -y), (x, -y), (x, y), (-x, y)]
    rings = [
        [(a, b, -0.28) for a, b in ring],
        [(a, b, 0) for a, b in ring],
        [(a * 0.45, b * 0.45, top * 0.42) for a, b in ring],
        [(a * 0.02, b * 0.02, top) for a, b in ring],
    ]
    model.add(loft(np.asarray(rings, np.float32), caps=False), cloth, (0, 0, eaves))
    if rng.random() < 0.4:
        model.add(
            sheet(width, eaves),
            Paint("cloth", bright(rng), 0.85),
            (0, depth / 2, eaves / 2),
            rot=(math.pi / 2, 0, 0),
        )
    return model


def tent_stall(rng: random.Random) -> Model:
    """Market stall: pavilion over tables, clothes or crates."""
    model = Model()
    width, depth = rng.uniform(2.0, 3.2), rng.uniform(1.8, 3.0)
    model.put(tent(rng, width, depth))
    if rng.random() < 0.3:
        for y in (-depth * 0.3, depth * 0.2):
            model.put(goods.clothes_rail(rng, width * 0.85), (0, y, 0))
        return model
    high = rng.uniform(0.65, 0.85)
    model.add(
        box((width * 0.95, 0.8, 0.04)), plain(rng.choice(WOODS), 0.7), (0, -depth / 2 + 0.4, high)
    )
    model.put(_skirt(rng, width * 0.95, 0.8, high), (0, -depth / 2 + 0.4, 0))
    model.put(goods.display(rng, width * 0.92, 0.75), (0, -depth / 2 + 0.4, high + 0.02))
    if rng.random() < 0.5:
        model.put(goods.display(rng, width * 0.9, 0.5), (0, depth / 2 - 0.5, 0.8))
    return model


def tricycle(rng: random.Random, *, load: str = "sale") -> Model:
    """Cargo tricycle, 三轮车, driving to +x; load: sale, empty, box (express delivery), covered."""
    model = Model()
    paint = plain(
        rng.choice(
            [
                (0.5, 0.03, 0.03),
                (0.03, 0.1, 0.4),
                (0.03, 0.25, 0.2),
                (0.2, 0.2, 0.22),
                (0.7, 0.7, 0.7),
            ]
        ),
        0.4,
        dirt=0.5,
    )
    width, depth = rng.uniform(1.3, 1.8), rng.uniform(0.85, 1.1)
    bed, side = 0.55, rng.uniform(0.15, 0.35)
    back = -0.4
    model.add(box((width, depth, 0.06)), paint, (back, 0, bed))
    for y in (-depth / 2, depth / 2):
        model.add(box((width, 0.03, side)), paint, (back, y, bed + side / 2))
    for x in (back - width / 2, back + width / 2):
        model.add(box((0.03, depth, side)), paint, (x, 0, bed + side / 2))
    for y in (-depth / 2 + 0.02, depth / 2 - 0.02):
        model.put(wheel(0.27, 0.1), (back - 0.15, y * 0.92, 0.27))
    nose = back + width / 2 + 0.75
    model.put(wheel(0.26, 0.08), (nose, 0, 0.26))
    model.add(
        tube([(back + width / 2, 0, bed), (nose - 0.35, 0, 0.5), (nose - 0.1, 0, 0.8)], 0.04),
        paint,
        smooth=True,
    )
    model.add(tube([(nose, 0, 0.26), (nose - 0.12, 0, 0.95), (nose - 0.2, 0, 1.05)], 0.03), STEEL)
    model.add(
        tube([(nose - 0.3, -0.34, 1.05), (nose - 0.18, 0, 1.02), (nose - 0.3, 0.34, 1.05)], 0.018),
        BLACK,
    )
    model.add(box((0.35, 0.36, 0.12), bevel=0.04), BLACK, (back + width / 2 + 0.18, 0, 0.82))
    model.add(box((0.3, 0.2, 0.3)), paint, (back + width / 2 + 0.18, 0, 0.62))
    if rng.random() < 0.5:
        model.add(
            box((0.04, 0.5, 0.6), bevel=0.015), paint, (nose - 0.05, 0, 0.75), rot=(0, -0.2, 0)
        )
    if rng.random() < 0.3 and load != "sale":
        model.add(box((1.1, depth * 0.9, 0.04)), paint, (nose - 0.6, 0, 1.85))
        for y in (-depth * 0.4, depth * 0.4):
            model.add(rod((nose - 0.1, y, 0.8), (nose - 0.15, y, 1.85), 0.015), STEEL)
    _tricycle_load(rng, model, load, (back, bed + 0.04), (width, depth, side), paint)
    return model


def _tricycle_load(
    rng: random.Random,
    model: Model,
    load: str,
    at: tuple[float, float],
    size: tuple[float, float, float],
    paint: Paint,
) -> None:
    (x, bed), (width, depth, side) = at, size
    if load == "box":
        colour = rng.choice(
            [
                (0.7, 0.7, 0.7),
                (0.65, 0.45, 0.02),
                (0.03, 0.1, 0.35),
                (0.03, 0.28, 0.1),
                (0.5, 0.03, 0.03),
            ]
        )
        high = rng.uniform(0.9, 1.25)
        model.add(
            box((width, depth, high), bevel=0.03),
            plain(colour, 0.5, dirt=0.3),
            (x, 0, bed + high / 2),
        )
        word = rng.choice(["快递", "速运", "邮政", "配送", "EXPRESS"])
        for y, yaw in ((-depth / 2 - 0.01, 0.0), (depth / 2 + 0.01, math.pi)):
            model.write(
                word,
                0.34,
                plain((0.75, 0.75, 0.75) if sum(colour) < 1.6 else (0.5, 0.03, 0.03)),
                (x, y, bed + high * 0.6),
                yaw=yaw,
            )
    elif load == "covered":
        model.put(
            goods.covered_heap(rng, (width, depth, rng.uniform(0.4, 0.9)), bright(rng)),
            (x, 0, bed + side * 0.6),
        )
    elif load == "sale":
        kind = rng.random()
        if kind < 0.55:
            model.add(
                box((width + 0.15, depth + 0.15, 0.03)),
                plain(rng.choice(WOODS), 0.8),
                (x, 0, bed + side),
            )
            model.put(
                goods.display(
                    rng, width + 0.1, depth + 0.1, rng.choice(["fruit", "fruit", "greens", "mix"])
                ),
                (x, 0, bed + side + 0.02),
            )
        else:
            high = bed + rng.uniform(0.35, 0.5)
            model.add(box((width, depth, high - bed)), _body_paint(rng), (x, 0, (high + bed) / 2))
            over = Model()
            _counter_load(rng, over, width, depth, high)
            _roof(rng, over, width, depth, high)
            model.put(over, (x, 0, 0))
            return
        if rng.random() < 0.55:
            model.put(umbrella(rng, rng.uniform(1.0, 1.4), rng.uniform(2.0, 2.3)), (x, 0.1, 0))
        if rng.random() < 0.6:
            model.put(
                goods.poster(rng, rng.uniform(0.4, 0.8), 0.3), (x, -depth / 2 - 0.1, bed + 0.3)
            )


def tricycle_stall(rng: random.Random) -> Model:
    return tricycle(rng, load="sale")


def kiosk(rng: random.Random) -> Model:
    """Trailer or food van body with a serving hatch, 餐车."""
    model = Model()
    width, depth, high = rng.uniform(2.0, 4.0), rng.uniform(1.4, 2.0), rng.uniform(1.7, 2.1)
    low = rng.uniform(0.3, 0.5)
    body = _body_paint(rng)
    sill, lintel = low + high * 0.42, low + high * 0.86
    hatch = width * rng.uniform(0.45, 0.8)
    side = (width - hatch) / 2
    model.add(box((width, depth, sill - low), bevel=0.03), body, (0, 0, (sill + low) / 2))
    model.add(
        box((width, depth, low + high - lintel), bevel=0.03),
        body,
        (0, 0, (low + high + lintel) / 2),
    )
    for x in (-(hatch + side) / 2, (hatch + side) / 2):
        model.add(box((side, depth, lintel - sill)), body, (x, 0, (lintel + sill) / 2))
    model.add(
        box((hatch, 0.04, lintel - sill)),
        plain((0.12, 0.11, 0.1), 0.8),
        (0, depth / 2 - 0.2, (lintel + sill) / 2),
    )
    model.add(box((hatch, 0.35, 0.04)), STEEL, (0, -depth / 2 - 0.15, sill))
    model.put(goods.display(rng, hatch * 0.9, 0.5), (0, -depth / 2 + 0.3, sill))
    model.add(
        box((hatch, 0.75, 0.04)),
        _body_paint(rng),
        (0, -depth / 2 - 0.33, lintel + 0.12),
        rot=(rng.uniform(-0.3, 0.35), 0, 0),
    )
    model.put(
        goods.poster(rng, width * 0.9, (sill - low) * 0.6), (0, -depth / 2 - 0.01, (sill + low) / 2)
    )
    if rng.random() < 0.6:
        model.put(goods.poster(rng, width * 0.8, 0.4), (0, -depth / 2 + 0.1, low + high + 0.22))
    for x in (-width * 0.25, width * 0.25) if width > 3 else (0.0,):
        for y in (-depth / 2 + 0.05, depth / 2 - 0.05):
            model.put(wheel(0.28, 0.16), (x, y, 0.28))
    model.add(box((0.9, 0.08, 0.08)), BLACK, (width / 2 + 0.4, 0, low + 0.05))
    return model


def mat(rng: random.Random) -> Model:
    """Goods on a cloth on the ground, 地摊."""
    model = Model()
    width, depth = rng.uniform(1.2, 3.0), rng.uniform(0.8, 1.7)
    cloth = Paint(
        "cloth",
        rng.choice(
            [
                (0.04, 0.12, 0.4),
                (0.5, 0.05, 0.05),
                (0.65, 0.65, 0.6),
                (0.6, 0.5, 0.1),
                (0.03, 0.03, 0.03),
                (0.1, 0.3, 0.1),
            ]
        ),
        0.95,
    )
    model.add(box((width, depth, 0.015)), cloth, (0, 0, 0.01))
    columns, rows = max(2, int(width / 0.5)), max(1, int(depth / 0.45))
    style = rng.choice(["heaps", "heaps", "baskets", "wares", "mix"])
    for i in range(columns):
        for j in range(rows):
            at = (
                (i + 0.5) * width / columns - width / 2,
                (j + 0.5) * depth / rows - depth / 2,
                0.02,
            )
            one = rng.choice(["heaps", "baskets", "wares"]) if style == "mix" else style
            if one == "heaps":
                model.put(
                    goods.display(rng, 0.42, 0.38, rng.choice(["fruit", "fruit", "greens"])), at
                )
            elif one == "baskets":
                model.put(goods.basket(rng) if rng.random() < 0.5 else goods.crate(rng), at)
            else:
                model.put(goods.display(rng, 0.45, 0.4, rng.choice(["packets", "jars"])), at)
    return model


def crate_steps(rng: random.Random) -> Model:
    """Crates on steps, as before a greengrocer's or on a cargo bicycle."""
    model = Model()
    columns = rng.randint(2, 5)
    for row in range(rng.randint(2, 3)):
        for i in range(columns):
            model.put(goods.crate(rng), ((i - columns / 2 + 0.5) * 0.53, row * 0.38, row * 0.26))
        model.add(
            box((columns * 0.53, 0.36, 0.26 * row + 0.02)),
            plain(rng.choice(WOODS), 0.8),
            (0, row * 0.38, 0.13 * row),
        )
    if rng.random() < 0.5:
        model.put(umbrella(rng, rng.uniform(1.1, 1.5), 2.2), (0, 0.6, 0))
    return model


STALLS: dict[str, tuple[float, Callable[[random.Random], Model]]] = {
    "push_cart": (5, push_cart),
    "table": (4, table),
    "tent_stall": (3, tent_stall),
    "tricycle": (4, tricycle_stall),
    "kiosk": (2, kiosk),
    "mat": (3, mat),
    "crate_steps": (1.5, crate_steps),
}


def stall(rng: random.Random, kind: str = "") -> Model:
    """A stall open for business, its customers to -y."""
    names, weights = list(STALLS), [weight for weight, _ in STALLS.values()]
    return STALLS[kind or rng.choices(names, weights)[0]][1](rng)


def clutter(rng: random.Random) -> Model:
    """Boxes, buckets and stools that stand behind a stall; part of it."""
    model = Model()
    for _ in range(rng.randint(0, 4)):
        at = (rng.uniform(-1.1, 1.1), rng.uniform(0.2, 0.8), 0)
        kind = rng.random()
        if kind < 0.35:
            s = rng.uniform(0.25, 0.42)
            model.add(
                box((s, s, s * 0.8)), plain((0.42, 0.29, 0.16), 0.85), (at[0], at[1], s * 0.4)
            )
        elif kind < 0.6:
            model.put(goods.crate(rng, full=rng.random() < 0.5), at)
        elif kind < 0.75:
            model.put(goods.gas_bottle(), at)
        else:
            model.add(cylinder(0.13, 0.32, top=0.16), plain(bright(rng), 0.5), at, smooth=True)
    return model


def closed_stall(rng: random.Random) -> Model:
    """A cart left shut: shutter down, tarpaulin over it. Not a violation in itself."""
    model = Model()
    if rng.random() < 0.4:
        return tricycle(rng, load=rng.choice(["empty", "covered"]))
    width, depth = rng.uniform(1.3, 2.2), rng.uniform(0.8, 1.1)
    model.add(box((width, depth, 0.6)), plain((0.3, 0.3, 0.32), 0.5, dirt=0.7), (0, 0, 0.6))
    model.put(
        goods.covered_heap(
            rng,
            (width + 0.15, depth + 0.15, rng.uniform(0.5, 1.1)),
            rng.choice([(0.03, 0.1, 0.35), (0.03, 0.2, 0.08), (0.3, 0.3, 0.3)]),
        ),
        (0, 0, 0.7),
    )
    for x in (-width * 0.4, width * 0.4):
        for y in (-depth / 2, depth / 2):
            model.put(wheel(0.2, 0.08), (x, y, 0.2))
    return model


def awning(rng: random.Random, width: float) -> Model:
    """Shop awning fixed to a wall (at y = 0, sloping to -y), eaves at about 2.4 m."""
    model = Model()
    out = rng.uniform(0.9, 1.6)
    model.put(
        striped_roof(rng, width, out, rng.uniform(0.25, 0.5)), (0, -out / 2, rng.uniform(2.3, 2.7))
    )
    return model


def parasol_set(rng: random.Random) -> Model:
    """Café table with chairs and a sunshade: nobody sells here."""
    model = Model()
    paint = plain(rng.choice([(0.6, 0.6, 0.58), (0.25, 0.15, 0.08), (0.03, 0.03, 0.03)]), 0.5)
    model.add(cylinder(0.4, 0.03), paint, (0, 0, 0.72))
    model.add(cylinder(0.03, 0.72), paint)
    model.put(umbrella(rng, rng.uniform(1.2, 1.7), 2.2))
    for i in range(rng.randint(2, 4)):
        a = i * math.pi / 2 + rng.uniform(-0.3, 0.3)
        at = (0.8 * math.cos(a), 0.8 * math.sin(a), 0.0)
        model.add(box((0.42, 0.42, 0.05)), paint, (at[0], at[1], 0.45), rot=(0, 0, a))
        model.add(box((0.04, 0.42, 0.5)), paint, (at[0] * 1.25, at[1] * 1.25, 0.68), rot=(0, 0, a))
        model.add(cylinder(0.03, 0.45), paint, at)
    return model


def bus_stop(rng: random.Random) -> Model:
    """Shelter with bench, glass back and advertisement, front to -y."""
    model = Model()
    width = rng.uniform(4, 6.5)
    grey = plain((0.35, 0.36, 0.38), 0.4, metal=0.6)
    for x in (-width / 2, 0, width / 2):
        model.add(box((0.1, 0.1, 2.5)), grey, (x, 0.5, 1.25))
    model.add(box((width + 0.4, 1.7, 0.1), bevel=0.03), grey, (0, 0, 2.55))
    model.add(sheet(width, 1.8), GLASS, (0, 0.5, 1.3), rot=(math.pi / 2, 0, 0))
    model.put(goods.poster(rng, 1.4, 1.7), (-width / 4, 0.44, 1.3))
    model.add(box((width * 0.4, 0.4, 0.05)), plain((0.3, 0.2, 0.1)), (width / 4, 0.2, 0.45))
    model.write("公交站", 0.22, WHITE, (0, -0.87, 2.55))
    return model


def gazebo_roof(width: float, depth: float) -> Mesh:
    """Plain pitched roof over a rectangle, for huts."""
    x, y = width / 2, depth / 2
    return mesh(
        [
            (-x, -y, 0),
            (x, -y, 0),
            (x, y, 0),
            (-x, y, 0),
            (-x, 0, depth * 0.35),
            (x, 0, depth * 0.35),
        ],
        quads=[(0, 1, 5, 4), (2, 3, 4, 5)],
        tris=[(0, 4, 3), (1, 2, 5)],
    )


def prism_hut(rng: random.Random) -> Model:
    """Guard hut at a gate."""
    model = Model()
    model.add(box((1.8, 1.8, 2.3)), plain((0.6, 0.62, 0.62), 0.5, dirt=0.3), (0, 0, 1.15))
    model.add(
        polygon_prism([(-1.1, 0), (1.1, 0), (0, 0.6)], 2.2), plain(bright(rng), 0.6), (0, 0, 2.3)
    )
    model.add(box((1.2, 0.03, 0.8)), plain((0.03, 0.04, 0.05), 0.1), (0, -0.91, 1.5))
    return model
