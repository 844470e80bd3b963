# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a model is good for follows a finding: an unproven class makes a lead."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
import yaml
from stage import Stage, parked
from stage_judge import CATEGORIES, rule, zone

from edge.cli import main
from edge.config import Camera
from edge.config.dated import Calendar
from edge.rules.judge import Judge
from edge.rules.reporting import graded
from edge.rules.trust import AIR, GROUND, best_of, of_classes

GOOD_FOR = {
    "vendor_stall": {"eye": "weak", "pole": "unproven", "drone": "unproven", "top": "validated"},
    "grill": {"eye": "unproven"},
}


def told(trust, actors=None, category="street-vendor"):
    actors = actors or [
        parked("vendor_stall", 0.5, 0.8, 2, 95),
        parked("person", 0.53, 0.81, 2, 95),
    ]
    camera = Camera(
        id="c1", source="x", zones=(zone(),), rules=(rule(category, dwell_s=20, confirm_s=0),)
    )
    judge = Judge(
        camera, categories=CATEGORIES, calendar=Calendar(), timezone=ZoneInfo("UTC"), trust=trust
    )
    found = [f for scene in Stage(actors, 60).scenes(2.0) for f in judge.step(scene).findings]
    return [f for f in found if f.phase == "new"]


def test_the_best_view_that_a_camera_may_have_counts():
    assert best_of(GOOD_FOR, GROUND) == {"vendor_stall": "weak", "grill": "unproven"}
    assert best_of(GOOD_FOR, AIR) == {"vendor_stall": "validated", "grill": "unproven"}
    assert of_classes({"grill": "unproven"}, ["smoke"]) is None


@pytest.mark.parametrize("trust", ["validated", "weak"])
def test_a_class_that_was_measured_makes_a_case_and_says_how_good_it_is(trust):
    (case,) = told({"vendor_stall": trust})
    assert (case.priority, case.facts["trust"]) == ("normal", trust)


def test_an_unproven_class_makes_a_lead():
    (case,) = told({"vendor_stall": "unproven"})
    assert (case.priority, case.facts["trust"]) == ("lead", "unproven")


def test_a_model_that_claims_nothing_changes_nothing():
    (case,) = told({})
    assert case.priority == "normal"
    assert "trust" not in case.facts


def test_an_instrument_or_smoke_beside_it_makes_it_a_case():
    (lead,) = told({"vendor_stall": "unproven"})
    for facts in ({"dust": {"says": "supports"}}, {"backed_by": ["smoke"]}):
        backed = replace(lead, priority="normal", facts=facts)
        assert graded(backed, {"vendor_stall": "unproven"}, ["vendor_stall"]).priority == "normal"


def test_a_grill_with_people_alone_is_a_lead_and_with_smoke_a_case():
    grill = parked("grill", 0.5, 0.8, 0, 60)
    people = parked("person", 0.52, 0.82, 0, 60)
    smoke = parked("smoke", 0.5, 0.78, 5, 60, size=(0.1, 0.2))
    forbidden = zone("night", "forbidden")
    camera = Camera(
        id="c1",
        source="x",
        zones=(forbidden,),
        rules=(rule("outdoor-barbecue", dwell_s=20, confirm_s=0),),
    )
    for actors, priority in (([grill, people], "lead"), ([grill, people, smoke], "normal")):
        judge = Judge(camera, categories=CATEGORIES, calendar=Calendar(), timezone=ZoneInfo("UTC"))
        scenes = Stage(actors, 60).scenes(2.0)
        found = [f for scene in scenes for f in judge.step(scene).findings if f.phase == "new"]
        assert [f.priority for f in found] == [priority]


def test_check_says_what_a_site_relies_on(tmp_path, capsys):
    site = {
        "cameras": [
            {
                "id": "north",
                "source": "rtsp://camera.example/1",
                "zones": [
                    {"id": "z", "kind": "watch", "polygon": [[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]]},
                    {"id": "f", "kind": "forbidden", "polygon": [[0, 0], [0.9, 0.1], [0.5, 0.9]]},
                ],
                "rules": [{"category": "outdoor-barbecue"}, {"category": "street-vendor"}],
            }
        ]
    }
    path = tmp_path / "site.yaml"
    path.write_text(yaml.safe_dump(site))
    assert main(["check", "--site", str(path)]) == 0
    lines = capsys.readouterr().err.splitlines()
    grill = next(line for line in lines if "outdoor-barbecue" in line)
    assert "unproven" in grill and "线索" in grill
