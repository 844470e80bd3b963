"""Weather and time of day as numbers: what the sun, the sky and the lamps give."""

from __future__ import annotations

import random
from dataclasses import dataclass

from tools.scenery.model import Colour


@dataclass(frozen=True)
class Lamp:
    at: tuple[float, float, float]
    watts: float
    colour: Colour = (1.0, 0.72, 0.42)


@dataclass(frozen=True)
class Light:
    """sun in W/m2 (0: none), elevation and azimuth (clockwise from north) in degrees; `haze` is
    the extinction per metre that the picture gets by depth; `exposure` evens the scenes out."""

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
    exposure: float
    lamps: tuple[Lamp, ...] = ()


WEATHERS = {"sun": 5, "cloudy": 3, "haze": 3, "dusk": 1, "night": 1.5}


def weather(rng: random.Random, name: str = "", *, lamps: tuple[Lamp, ...] = ()) -> Light:
    """A draw of one kind of light; an empty name draws the kind too. Lamps burn at night only."""
    kind = name or rng.choices(list(WEATHERS), list(WEATHERS.values()))[0]
    elevation, azimuth = rng.uniform(18, 72), rng.uniform(0, 360)
    low = max(0.0, 1 - elevation / 40)
    warm: Colour = (1.0, 0.95 - 0.15 * low, 0.88 - 0.33 * low)
    if kind == "sun":
        return Light(
            kind,
            rng.uniform(3.0, 5.0),
            elevation,
            azimuth,
            warm,
            rng.uniform(0.5, 2),
            (0.16, 0.32, 0.75),
            (0.62, 0.72, 0.86),
            rng.uniform(0.7, 1.2),
            rng.uniform(0, 0.9),
            (0.95, 0.95, 0.95),
            rng.uniform(0, 0.002),
            0.62,
        )
    if kind == "cloudy":
        return Light(
            kind,
            rng.uniform(0, 0.6),
            elevation,
            azimuth,
            (1, 1, 1),
            25,
            (0.62, 0.68, 0.76),
            (0.85, 0.87, 0.9),
            rng.uniform(1.0, 1.5),
            1.0,
            (0.75, 0.77, 0.8),
            rng.uniform(0, 0.003),
            0.9,
        )
    if kind == "haze":
        return Light(
            kind,
            rng.uniform(0.6, 2.0),
            elevation,
            azimuth,
            (1, 0.93, 0.8),
            6,
            (0.6, 0.64, 0.68),
            (0.88, 0.85, 0.78),
            rng.uniform(0.9, 1.3),
            0.5,
            (0.85, 0.84, 0.8),
            rng.uniform(0.003, 0.02),
            0.8,
        )
    if kind == "dusk":
        return Light(
            kind,
            rng.uniform(0.5, 1.5),
            rng.uniform(3, 9),
            azimuth,
            (1, 0.6, 0.32),
            3,
            (0.2, 0.28, 0.5),
            (0.95, 0.65, 0.45),
            rng.uniform(0.35, 0.6),
            0.6,
            (0.8, 0.6, 0.5),
            rng.uniform(0, 0.004),
            1.5,
            lamps,
        )
    return Light(
        "night",
        0.0,
        40,
        azimuth,
        (1, 1, 1),
        1,
        (0.006, 0.009, 0.02),
        (0.03, 0.026, 0.024),
        rng.uniform(0.5, 1.2),
        0.3,
        (0.03, 0.03, 0.03),
        rng.uniform(0, 0.003),
        2.2,
        lamps,
    )
