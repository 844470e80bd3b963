# SPDX-License-Identifier: AGPL-3.0-or-later
"""A camera's worth of evidence parts, on made-up pictures."""

import functools

import numpy as np
import pytest

from edge.config import Category, Recipe, convert
from edge.evidence.casebook import Origin
from edge.values import Candidate, Finding, Frame, Place, Stamp, ZoneDecision

WALL = 1_767_225_600.0


def stamp(mono, quality="ntp"):
    return Stamp(mono, WALL + mono, quality, 5.0)


@functools.lru_cache(maxsize=8)
def picture(seed=0, height=720, width=1280):
    """A sharp, well-lit picture: coarse blocks of random colour."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(20, 235, (height // 20, width // 20, 3), np.uint8)
    image = np.kron(blocks, np.ones((20, 20, 1), np.uint8))
    image.flags.writeable = False
    return image


def frame(mono, seed=0, **size):
    return Frame("north", int(mono * 5), stamp(mono), picture(seed, **size))


BOX = (0.4, 0.3, 0.6, 0.8)


def candidate(mono, began=0.0, due=30.0, key="vending@1"):
    return Candidate(
        key, "north", "street_vending", "r1", BOX, (0.5, 0.8), stamp(began), mono - began, due
    )


def finding(phase, mono, began=0.0, key="vending@1", **more):
    return Finding(
        key=key,
        camera="north",
        category="street_vending",
        rule="r1",
        phase=phase,
        began=stamp(began),
        decided=stamp(mono),
        ended=stamp(mono) if phase == "end" else None,
        place=(0.5, 0.8),
        box=BOX,
        subject=None,
        zone=ZoneDecision(False, "watch zone", ("z1",)),
        facts={"dwell_limit_s": 30.0},
        **more,
    )


@pytest.fixture
def categories():
    data = {
        "id": "street_vending",
        "kind": "occupation",
        "zh": "无照经营游商",
        "en": "street vendor",
        "codes": {"gbt30428": "0501"},
        "classes": ["vendor_stall"],
        "dwell_s": 30.0,
    }
    return {"street_vending": convert(data, Category, "test")}


@pytest.fixture
def origin():
    return Origin("edge-1", {"kind": "camera", "id": "north"}, Place(), "m" * 64, "c" * 64)


@pytest.fixture
def recipe():
    return Recipe()


__all__ = ["BOX", "candidate", "finding", "frame", "picture", "stamp"]
