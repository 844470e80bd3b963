# SPDX-License-Identifier: AGPL-3.0-or-later
"""Weather and time of day as numbers: what the sun, the sky and the lamps give."""

from __future__ import annotations

import random
from dataclasses import dataclass

from tools.scenery.model import Colour


@dataclass(frozen=True)
class Lamp:
    """A street lamp: its place in metres, its power, linear RGB."""

    at: tuple[float, float, float]
    watts: float
    colour: Colour = (1.0, 0.72, 0.42)


@dataclass(frozen=True)
class Light:
    """sun in W/m2 (0: none), elevation and azimuth (clockwise from north) in degrees; `haze` is
    the extinction per metre that the picture gets by depth."""

    name: str
    sun: float
    elevation: float
    azimuth: float
    sun_colour: Colour
    sun_size: float
    zenith: Colour
    horizon: Colour
    sky: float
    cloud: float
    cloud_colour: Colour
    haze: float
    lamps: tuple[Lamp, ...] = ()


@dataclass(frozen=True)
class Weather:
    """Ranges that one kind of light is drawn from; the angles of the sun in degrees."""

    weight: float
    sun: tuple[float, float]
    elevation: tuple[float, float]
    sun_colour: Colour | None  # None: white at noon, orange when it stands low
    sun_size: tuple[float, float]
    zenith: Colour
    horizon: Colour
    sky: tuple[float, float]
    cloud: tuple[float, float]
    cloud_colour: Colour
    haze: tuple[float, float]


HIGH = (18.0, 72.0)
WEATHERS: dict[str, Weather] = {
    "sun": Weather(
        5,
        (3.0, 5.0),
        HIGH,
        None,
        (0.5, 2.0),
        (0.16, 0.32, 0.75),
        (0.62, 0.72, 0.86),
        (0.7, 1.2),
        (0.0, 0.9),
        (0.95, 0.95, 0.95),
        (0.0, 0.002),
    ),
    "cloudy": Weather(
        3,
        (0.0, 0.6),
        HIGH,
        (1, 1, 1),
        (25, 25),
        (0.62, 0.68, 0.76),
        (0.85, 0.87, 0.9),
        (1.0, 1.5),
        (1, 1),
        (0.75, 0.77, 0.8),
        (0.0, 0.003),
    ),
    "haze": Weather(
        3,
        (0.6, 2.0),
        HIGH,
        (1, 0.93, 0.8),
        (6, 6),
        (0.6, 0.64, 0.68),
        (0.88, 0.85, 0.78),
        (0.9, 1.3),
        (0.5, 0.5),
        (0.85, 0.84, 0.8),
        (0.003, 0.02),
    ),
    "dusk": Weather(
        1,
        (0.5, 1.5),
        (3.0, 9.0),
        (1, 0.6, 0.32),
        (3, 3),
        (0.2, 0.28, 0.5),
        (0.95, 0.65, 0.45),
        (0.35, 0.6),
        (0.6, 0.6),
        (0.8, 0.6, 0.5),
        (0.0, 0.004),
    ),
    "night": Weather(
        1.5,
        (0, 0),
        (40, 40),
        (1, 1, 1),
        (1, 1),
        (0.006, 0.009, 0.02),
        (0.03, 0.026, 0.024),
        (0.5, 1.2),
        (0.3, 0.3),
        (0.03, 0.03, 0.03),
        (0.0, 0.003),
    ),
}
LAMPS_BURN = ("dusk", "night")


def weather(rng: random.Random, name: str = "", *, lamps: tuple[Lamp, ...] = ()) -> Light:
    """A draw of one kind of light; an empty name draws the kind too."""
    kind = name or rng.choices(list(WEATHERS), [row.weight for row in WEATHERS.values()])[0]
    row = WEATHERS[kind]
    elevation = rng.uniform(*row.elevation)
    low = max(0.0, 1 - elevation / 40)
    return Light(
        name=kind,
        elevation=elevation,
        azimuth=rng.uniform(0, 360),
        sun=rng.uniform(*row.sun),
        sun_colour=row.sun_colour or (1.0, 0.95 - 0.15 * low, 0.88 - 0.33 * low),
        sun_size=rng.uniform(*row.sun_size),
        zenith=row.zenith,
        horizon=row.horizon,
        sky=rng.uniform(*row.sky),
        cloud=rng.uniform(*row.cloud),
        cloud_colour=row.cloud_colour,
        haze=rng.uniform(*row.haze),
        lamps=lamps if kind in LAMPS_BURN else (),
    )


def clear_day(elevation: float, azimuth: float) -> Light:
    """A fixed sunny day for clips."""
    return Light(
        "sun",
        3.3,
        elevation,
        azimuth,
        (1.0, 0.95, 0.88),
        1.5,
        (0.2, 0.36, 0.72),
        (0.65, 0.72, 0.82),
        0.9,
        0.5,
        (0.95, 0.95, 0.95),
        0.0012,
    )
