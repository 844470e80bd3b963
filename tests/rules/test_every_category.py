# SPDX-License-Identifier: AGPL-3.0-or-later
"""Every category that a camera can be set to: a recorded or drawn case, its line in both languages,
and what coming back within `reopen_s` says."""

from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from edge.config import Camera, Rule
from edge.config.catalogue import Calendar
from edge.rules.judge import RULES, Judge
from edge.values import Scene, Stamp
from tests.rules.stage_judge import CATEGORIES
from tests.rules.test_state import ZONE
from tools.bench.places import taught
from tools.scenery.places import PLACE, View, drawn

ROOT = Path(__file__).resolve().parents[2]
SEEN = [name for name, one in CATEGORIES.items() if one.kind in RULES]
TAUGHT = [name for name in SEEN if CATEGORIES[name].kind == "state"]
# Judged by the same rule kind as one that has a recorded case, and in tests of their own kind.
NO_RECORDING = {"mud-tracks", "dirty-wheels", "unpermitted-haulage"}


@pytest.fixture(scope="module")
def place():
    return taught("bin", 0, 4, np.random.default_rng(1))


def test_each_category_has_a_recorded_case_or_is_drawn_here():
    sites = [path.read_text("utf-8") for path in ROOT.glob("tests/replay/*/site.yaml")]
    without = {n for n in SEEN if not any(f"category: {n}" in text for text in sites)}
    assert without - set(TAUGHT) == NO_RECORDING


@pytest.mark.parametrize("page", ["docs/rules.md", "docs/zh/rules.md"])
def test_each_category_is_explained_in_both_languages(page):
    text = (ROOT / page).read_text("utf-8")
    assert [name for name in SEEN if name not in text] == []
    assert [name for name in SEEN if not (CATEGORIES[name].zh and CATEGORIES[name].en)] == []


@pytest.mark.parametrize("page", ["docs/operations.md", "docs/zh/operations.md"])
def test_taught_categories_stand_in_the_officers_page(page):
    text = (ROOT / page).read_text("utf-8")
    assert [name for name in TAUGHT if name not in text] == []


def judge(category, place):
    rules = (Rule(category=category, zones=("bin",), dwell_s=20.0),)
    camera = Camera(id="gate", source="rtsp://x", zones=(ZONE,), rules=rules)
    return Judge(
        camera, categories=CATEGORIES, calendar=Calendar(), timezone=ZoneInfo("Asia/Shanghai"),
        taught={"bin": (PLACE, place)},
    )  # fmt: skip


def watch(sitting, start, seconds, wrong):
    found = []
    for t in range(start, start + seconds, 4):
        image = drawn("bin", 0, wrong, View("overcast"), np.random.default_rng(t))
        at = Stamp(1000.0 + t, 1_772_330_400.0 + t, "ntp")
        found += sitting.step(Scene("gate", at, (), 16 / 9, image)).findings
    return found


@pytest.mark.parametrize("category", TAUGHT)
def test_a_taught_category_begins_after_its_dwell_and_ends(category, place):
    sitting = judge(category, place)
    assert watch(sitting, 0, 16, False) == []
    (new,) = [f for f in watch(sitting, 16, 48, True) if f.phase == "new"]
    assert new.category == category and new.facts["look"] == "wrong"
    assert [f.phase for f in watch(sitting, 64, 40, False)] == ["end"]


def test_back_within_reopen_s_the_new_case_names_the_one_before_and_later_it_does_not(place):
    sitting, reopen_s = judge("full-bin", place), round(CATEGORIES["full-bin"].reopen_s)
    (first,) = [f for f in watch(sitting, 0, 48, True) if f.phase == "new"]
    watch(sitting, 48, 40, False)
    (again,) = [f for f in watch(sitting, 88, 48, True) if f.phase == "new"]
    assert again.facts["previous"] == first.key and again.key != first.key
    assert 0 < again.facts["reopened_after_s"] < 100 and again.occurrence == 2
    watch(sitting, 136, 40, False)
    (late,) = [f for f in watch(sitting, 400 + reopen_s, 48, True) if f.phase == "new"]
    assert "previous" not in late.facts and "reopened_after_s" not in late.facts
