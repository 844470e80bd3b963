# SPDX-License-Identifier: AGPL-3.0-or-later
"""Every generator: sound geometry of the right size on the ground, the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from tools.scenery import grills, groups, people, plant, seeds, situations, stalls, trucks, vehicles
from tools.scenery.camera import looking_at
from tools.scenery.groups import Actor
from tools.scenery.labels import CLASSES
from tools.scenery.model import Model
from tools.scenery.sprites import told_by

# What a generator makes, and the least and greatest length, width and height in metres.
SIZES = {
    "muck truck": (trucks.muck_truck, (6.0, 2.2, 2.4), (11.5, 3.6, 4.2)),
    "car": (vehicles.car, (3.6, 1.7, 1.3), (5.1, 2.3, 1.9)),
    "bus": (vehicles.bus, (9.0, 2.4, 2.8), (13.0, 2.8, 3.5)),
    "person": (people.person, (0.3, 0.3, 1.4), (1.2, 1.0, 2.1)),
    "excavator": (plant.excavator, (4.0, 2.2, 3.0), (9.5, 8.5, 8.5)),
    "bicycle": (vehicles.bicycle, (1.4, 0.4, 0.9), (2.0, 0.8, 1.2)),
}


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("seed", range(4))
def test_size_is_that_of_the_real_thing(name: str, seed: int) -> None:
    make, least, most = SIZES[name]
    verts = make(seeds.stream(name, seed)).verts()
    size = verts.max(0) - verts.min(0)
    assert (size >= least).all(), size
    assert (size <= most).all(), size
    assert abs(verts[:, 2].min()) < 0.12


@pytest.mark.parametrize("kind", stalls.STALLS)
@pytest.mark.parametrize("seed", range(3))
def test_stalls_stand_on_the_ground_and_reach_no_further_than_a_stall(kind, seed) -> None:
    model = stalls.stall(seeds.stream(kind, seed), kind)
    verts = model.verts()
    assert np.isfinite(verts).all()
    assert -0.1 < verts[:, 2].min() < 0.15
    assert verts[:, 2].max() < 4.2
    assert np.abs(verts[:, :2]).max() < (5.0 if kind == "food_van" else 4.0)  # a whole lorry


@pytest.mark.parametrize("kind", grills.GRILLS)
@pytest.mark.parametrize("seed", range(3))
def test_grills_stand_on_the_ground_and_are_no_larger_than_a_cart(kind: str, seed: int) -> None:
    model = grills.grill(seeds.stream(kind, seed), kind)
    verts = model.verts()
    assert np.isfinite(verts).all()
    assert -0.05 < verts[:, 2].min() < 0.1
    assert 0.2 < verts[:, 2].max() < 3.6
    assert np.abs(verts[:, :2]).max() < 2.6
    assert any(part.paint.kind == "coal" for part in model.parts)


def test_drop_side_lorries_are_longer_and_lower_than_tippers() -> None:
    size = {}
    for drawn in (trucks.DROPSIDE, trucks.FILMED):
        made = [trucks.muck_truck(seeds.stream("lorry", n), "open_empty", drawn) for n in range(6)]
        size[drawn.sides] = np.mean([np.ptp(one.verts()[:, 0]) for one in made])
    assert size[trucks.DROPSIDE.sides] > size[trucks.FILMED.sides] + 0.8


@pytest.mark.parametrize("name", groups.GROUPS)
def test_groups_carry_labels_of_the_model_and_repeat(name: str) -> None:
    first, again = (groups.GROUPS[name](seeds.stream(name, 5)) for _ in range(2))
    assert [a.label for a in first] == [a.label for a in again]
    assert {a.label for a in first} <= {*CLASSES, ""}
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(one.model.verts(), other.model.verts())


@pytest.mark.parametrize("name", ["closed", "tricycle", "queue", "cafe", "patches"])
def test_hard_negatives_have_no_label_of_a_violation(name: str) -> None:
    for seed in range(6):
        labels = {a.label for a in groups.GROUPS[name](seeds.stream(name, seed))}
        assert not labels & {"vendor_stall", "spillage", "grill", "muck_truck", "dust"}


@pytest.mark.parametrize("load", trucks.LOADS)
def test_a_loaded_truck_is_higher_inside_than_an_empty_one(load: str) -> None:
    model = trucks.muck_truck(seeds.stream("load", 3), load)
    kinds = {part.paint.kind for part in model.parts}
    assert ("soil" in kinds) == (load == "open_loaded")


def test_placing_turns_and_moves_the_vertices() -> None:
    model = Model()
    model.put(vehicles.car(seeds.stream("car", 1)))
    moved = model.placed((10, 5, 0), yaw=np.pi)
    assert np.allclose(moved.verts()[:, 0], 10 - model.verts()[:, 0], atol=1e-4)


@pytest.mark.parametrize("name", situations.SITUATIONS)
def test_scenes_repeat_and_have_what_they_are_named_for(name: str) -> None:
    one, other = (situations.build(9, 4, name=name) for _ in range(2))
    assert one.cameras == other.cameras
    assert one.plumes == other.plumes
    labels = {actor.label for actor in one.actors} | {plume.kind for plume in one.plumes}
    wanted = {
        "market": "vendor_stall",
        "barbecue": "grill",
        "trucks": "muck_truck",
        "spill": "spillage",
        "dust_site": "dust",
        "refuse": "garbage",
        "snack_street": "grill",
    }
    assert name == "negatives" or wanted[name] in labels
    if name == "negatives":
        assert not labels & {"vendor_stall", "spillage", "grill", "muck_truck", "dust", "smoke"}


def test_a_food_van_is_a_stall_only_from_its_open_side() -> None:
    group = groups.stall_group(seeds.stream("van", 1), "food_van", crowd=0)
    labels = {1: "vendor_stall", 2: "person"}
    for y, seen in ((-4.0, labels), (4.0, {2: "person"})):
        camera = looking_at((2.0, y, 1.6), (0, 0, 1), hfov=50, size=(64, 64))
        assert told_by([*group[:1], Actor(group[0].model, "person")], labels, camera) == seen
