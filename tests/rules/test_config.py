# SPDX-License-Identifier: AGPL-3.0-or-later
"""Categories, overlays, and a site checked against them: every mistake is one line."""

import json
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import pytest
import yaml
from stage import Stage, parked
from stage_judge import CATEGORIES, ROOT, judge, play, zone

from edge.cli import main
from edge.config import Camera, ConfigError, Rule, Site, convert
from edge.config.catalogue import load_categories, shipped_packs
from edge.config.category import ELSEWHERE, Kind
from edge.config.dated import coded
from edge.daemons.console_services import page_categories
from edge.rules.check import check_site, on_trial
from edge.rules.judge import RULES

MODEL = (
    *("person", "vendor_stall", "muck_truck", "spillage", "dust", "smoke", "grill", "fire"),
    *("excavator", "garbage", "car", "truck", "bus", "bicycle", "motorcycle", "umbrella"),
    *("overflowing_bin", "graffiti", "open_manhole", "waterlogging", "kick_scooter"),
)
SQUARE = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]

SIDEWALK_PARKING = """
categories:
  - id: sidewalk-parking
    kind: occupation
    codes: {gb: "0505"}
    zh: 人行道违规停车
    en: parking on the sidewalk
    classes: [car]
    dwell_s: 300
    confirm_s: 60
"""


def check(zones=None, rules=None, site=None, names=MODEL):
    camera = {
        "id": "c1",
        "source": "rtsp://x",
        "zones": [{"id": "pavement", "polygon": SQUARE}] if zones is None else zones,
        "rules": [{"category": "street-vendor"}] if rules is None else rules,
    }
    found = convert({"cameras": [camera], **(site or {})}, Site, "site.yaml")
    return check_site(found, found.cameras[0], CATEGORIES, names, "site.yaml")


def test_a_sound_site_has_no_remarks():
    assert check() == ()


def _z(**more):
    return [{"id": "pavement", "polygon": SQUARE, **more}]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"zones": _z(polygon=SQUARE[:2])}, "at least 3 entries"),
        ({"zones": _z(polygon=[[0, 0], [1, 1], [1, 0], [0, 1]])}, "crosses itself"),
        ({"zones": _z(polygon=[[0, 0], [0.5, 0.5], [1, 1]])}, "no area"),
        ({"zones": _z(polygon=[[0, 0], [1.2, 0], [1, 1]])}, "1.2, 0] lies outside"),
        ({"zones": [*_z(), *_z()]}, "'pavement' stands twice"),
        ({"zones": _z(categories=["street-vender"])}, "did you mean 'street-vendor'"),
        ({"zones": _z(when={"season": ["02-30", "03-01"]})}, "'02-30' is not a day of the year"),
        ({"zones": _z(when={"from_date": "2026-02-30"})}, "not a day"),
        ({"zones": _z(when={"from_date": "2026-05-02", "to_date": "2026-05-01"})}, "after"),
        ({"zones": _z(when={"hours": ["25:00-26:00"]})}, "25:00-26:00"),
        ({"zones": _z(grid="12345")}, "grid"),
        ({"rules": [{"category": "street-vending"}]}, "unknown"),
        (
            {"rules": [{"category": "street-vendor", "zones": ["nowhere"]}]},
            "'nowhere' is not a zone",
        ),
        ({"rules": [{"category": "construction-dust"}]}, "needs a zone of kind site"),
        ({"rules": [{"category": "shop-noise"}]}, "judged by sensors, not by a camera"),
        ({"rules": [{"category": "street-vendor", "dwell": 3}]}, "dwell"),
        ({"rules": [{"category": "street-vendor", "dwell_s": -3}]}, "dwell_s"),
        (
            {"rules": [{"category": "street-vendor", "set": {"contcat": 0.3}}]},
            "did you mean 'contact'",
        ),
        ({"rules": [{"category": "street-vendor", "set": {"contact": 3}}]}, "allowed 0.01 to 1"),
        (
            {"rules": [{"category": "street-vendor", "set": {"contact": "much"}}]},
            "expected a number",
        ),
        ({"names": ["person", "car"]}, "needs class 'vendor_stall'"),
        ({"names": ["vendor_stall"]}, "no class 'person'"),
        ({"site": {"timezone": "Asia/Peking"}}, "Asia/Peking"),
    ],
)
def test_every_mistake_is_one_line(wrong, says):
    with pytest.raises(ConfigError) as error:
        check(**wrong)
    assert says in str(error.value)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith("site.yaml")


def test_a_permitted_zone_is_never_judged():
    zones = [{"id": "market", "kind": "permitted", "polygon": SQUARE}]
    with pytest.raises(ConfigError, match="permitted zone, never judged"):
        check(zones=zones, rules=[{"category": "street-vendor", "zones": ["market"]}])


def test_the_shipped_categories_are_complete():
    for category in CATEGORIES.values():
        assert category.zh
        assert category.en
        if category.kind in RULES:
            camera = Camera(id="c1", source="rtsp://x")
            site = Site(cameras=(camera,))
            one = Camera(id="c1", source="rtsp://x", rules=(Rule(category=category.id),))
            check_site(site, one, CATEGORIES, MODEL, "test")
    today = date(2026, 11, 28)
    codes = {n: c.codes.get("gb") for n, c in coded(CATEGORIES, shipped_packs(), today).items()}
    assert codes["street-vendor"] == "0501"
    assert codes["outdoor-barbecue"] == "0510"
    assert codes["construction-dust"] == "0302"
    assert codes["road-spillage"] == "0112"


def test_a_new_category_is_a_few_lines_and_no_code(tmp_path):
    own = tmp_path / "categories.yaml"
    own.write_text(SIDEWALK_PARKING)
    assert len(SIDEWALK_PARKING.strip().splitlines()) <= 20
    categories = load_categories([ROOT / "config/categories.yaml", own])
    sitting = judge(zones=(zone("sidewalk"),))
    sitting = type(sitting)(
        Camera(
            id="c1",
            source="rtsp://x",
            zones=(zone("sidewalk"),),
            rules=(Rule(category="sidewalk-parking", dwell_s=30.0),),
        ),
        categories=categories,
        calendar=sitting._calendar,
        timezone=sitting._timezone,
    )
    car = parked("car", 0.5, 0.8, 5, 80, size=(0.2, 0.15))
    found = play(Stage([car], 130), sitting, fps=2.0)
    assert [(f.category, f.phase) for f in found] == [
        ("sidewalk-parking", "new"),
        ("sidewalk-parking", "end"),
    ]


def test_an_overlay_changes_only_what_it_names():
    city = load_categories(
        [ROOT / "config/categories.yaml", ROOT / "config/overlays/beijing-chaoyang.yaml"]
    )
    assert city["road-spillage"].codes == {"local": "200304"}
    assert city["road-spillage"].dwell_s == CATEGORIES["road-spillage"].dwell_s
    assert list(city) == list(CATEGORIES)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("categories: [{zh: a}]", "id is missing"),
        ("categories: [{id: street-vendor, dwel_s: 3}]", "did you mean 'dwell_s'"),
        ("categories: [{id: a, kind: occupation}]", "is missing"),
        ("categories: [{id: street-vendor}, {id: street-vendor}]", "stands twice"),
        ("things: []", "expected one key, categories"),
        ("- 1", "expected one key, categories"),
    ],
)
def test_a_wrong_overlay_is_refused(tmp_path, text, says):
    (tmp_path / "city.yaml").write_text(text)
    with pytest.raises(ConfigError, match=says):
        load_categories([ROOT / "config/categories.yaml", tmp_path / "city.yaml"])


def test_the_example_site_is_sound():
    site = convert(yaml.safe_load((ROOT / "config/site.example.yaml").read_text()), Site, "example")
    for camera in site.cameras:
        check_site(site, camera, CATEGORIES, MODEL, "example")


def test_on_trial_everything_visible_is_watched():
    ids = {rule.category for rule in on_trial(CATEGORIES, MODEL)}
    assert {"street-vendor", "outdoor-barbecue", "construction-dust", "road-spillage"} <= ids
    assert not {"shop-spill", "wash-skipped", "shop-noise"} & ids
    assert {r.category for r in on_trial(CATEGORIES, ["truck"])} == {"dumping"}


def test_the_list_for_people_and_machines(capsys):
    assert main(["categories", "list"]) == 0
    assert "无照经营游商" in capsys.readouterr().out
    assert main(["categories", "list", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["id"] for row in rows] == list(CATEGORIES)
    assert main(["categories", "settings", "occupation"]) == 0
    assert "attended_share" in capsys.readouterr().out
    assert main(["categories", "settings", "nothing"]) == 2


def test_every_kind_is_judged_somewhere_and_those_of_cameras_are_on_the_page():
    assert set(get_args(Kind)) == RULES.keys() | ELSEWHERE.keys()
    assert not RULES.keys() & ELSEWHERE.keys()
    settings = SimpleNamespace(categories=CATEGORIES)
    shown = {CATEGORIES[name].kind for name in page_categories(settings)}
    assert shown == {c.kind for c in CATEGORIES.values()} & RULES.keys() == RULES.keys()


def test_a_new_camera_is_tried_with_what_needs_no_file():
    classes = {name for category in CATEGORIES.values() for name in category.classes}
    kinds = {CATEGORIES[rule.category].kind for rule in on_trial(CATEGORIES, classes)}
    assert kinds and not any(RULES[kind].WITH_FILE for kind in kinds)


def test_docs_name_every_category_and_setting():
    text = Path(ROOT / "docs/rules.md").read_text()
    for category in CATEGORIES.values():
        if category.kind in RULES:
            assert f"`{category.id}`" in text, category.id
    for kind in RULES.values():
        for name in kind.SETTINGS:
            assert f"`{name}`" in text, name
