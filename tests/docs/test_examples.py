# SPDX-License-Identifier: AGPL-3.0-or-later
"""The example files are what people copy: they load, strictly, and agree with each other."""

import re
from pathlib import Path

import pytest

from edge.cli import main
from edge.config import Device, Site, load
from edge.config.catalogue import load_categories
from edge.drone.settings import Drone
from edge.drone.sites import read_sites
from edge.register import load_register
from edge.rules.fence import station_of

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config"
EXAMPLES = CONFIG / "examples"
SITES = sorted([*CONFIG.glob("*site.example.yaml"), *EXAMPLES.glob("*/site.yaml")])
SITES += [CONFIG / "sensors.example.yaml"]


@pytest.mark.parametrize("path", sorted(CONFIG.glob("*device*.example.yaml")), ids=lambda p: p.name)
def test_device_examples_load(path):
    assert load(path, Device).device


@pytest.mark.parametrize("path", SITES, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_edge_check_finds_the_sites_sound(path, capsys):
    assert main(["check", "--site", str(path)]) == 0
    assert "is sound" in capsys.readouterr().err


@pytest.mark.parametrize("folder", [CONFIG, EXAMPLES / "drone-team"], ids=lambda p: p.name)
def test_the_drone_team_can_fly(folder):
    (settings,) = folder.glob("drone*.yaml")
    (register,) = folder.glob("sites*.geojson")
    judging = load(settings, Drone).judging
    # In config/ itself the city's own file is the shipped one.
    files = dict.fromkeys([CONFIG / "categories.yaml", folder / "categories.yaml"])
    assert set(judging.categories) <= set(load_categories(list(files)))
    assert {"site", "corridor", "dump"} <= {site.kind for site in read_sites(register)}


def test_trucks_and_site_tell_one_story():
    folder = EXAMPLES / "building-site"
    site = load(folder / "site.yaml", Site)
    route = load_register(folder / "trucks.yaml").trucks[0].permits[0].route
    assert station_of(site.position.lat, site.position.lon, route)[0] == "loading"
    assert {station_of(*point, route)[0] for point in route.line} == {"loading", "route", "dumping"}


@pytest.mark.parametrize(
    "path", sorted(EXAMPLES.glob("*/*.yaml")), ids=lambda p: str(p.parent.name)
)
def test_examples_are_explained_in_both_languages(path):
    comments = "\n".join(re.findall(r"#(.*)", path.read_text("utf-8")))
    assert re.search(r"[\u4e00-\u9fff]{4}", comments)
    assert re.search(r"[a-z]{3} [a-z]{2}", comments)


def test_the_wheel_takes_every_example_along():
    tomllib = pytest.importorskip("tomllib", reason="Python 3.10 reads no TOML")
    files = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    taken = {p for patterns in files["data-files"].values() for g in patterns for p in ROOT.glob(g)}
    wanted = [p for p in [*CONFIG.rglob("*"), *ROOT.glob("models/*.onnx")] if p.is_file()]
    assert [p.name for p in wanted if p not in taken] == []
