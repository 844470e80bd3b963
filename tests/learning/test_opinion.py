# SPDX-License-Identifier: AGPL-3.0-or-later
"""A camera's second opinion: what it is taught with, when it speaks, what it may do."""

from __future__ import annotations

import json
import time

import cv2
import numpy as np
import pytest

from edge.learning import store
from edge.learning.opinion import LEAST_EACH, Example, features_of, teach
from edge.pipeline.analyzer import Adviser
from edge.values import Finding, Stamp, ZoneDecision
from tests.machine_time import in_real_time

WHOLE = (0.1, 0.1, 0.9, 0.9)


def look(kind, seed):
    """A cart under an umbrella, or a flower tub, with a little of everything changed."""
    rng = np.random.default_rng([seed, len(kind)])
    image = rng.normal(120, 12, (96, 96, 3))
    x, y = rng.integers(-5, 6, 2)
    if kind == "cart":
        cv2.ellipse(image, (48 + int(x), 30 + int(y)), (36, 14), 0, 180, 360, (40, 40, 200), -1)
        cv2.rectangle(image, (24 + int(x), 55), (72 + int(x), 75), (150, 160, 170), -1)
        for at in (32, 64):
            cv2.circle(image, (at + int(x), 80), 9, (30, 30, 30), 3)
    else:
        cv2.rectangle(image, (30 + int(x), 60), (66 + int(x), 88), (80, 100, 130), -1)
        for _ in range(30):
            at = rng.integers(20, 76, 2)
            cv2.circle(image, (int(at[0]), int(at[1]) // 2 + 20), 6, (60, 170, 90), -1)
    return np.clip(image, 0, 255).astype(np.uint8)


def examples(carts, tubs, first=0):
    rows = [("cart", n) for n in range(carts)] + [("tub", n) for n in range(tubs)]
    order = np.random.default_rng(3).permutation(len(rows))
    return [
        Example(features_of(look(kind, first + n), WHOLE, (0.3, 0.3, 0.5, 0.7)), kind == "cart")
        for kind, n in (rows[i] for i in order)
    ]


@pytest.mark.parametrize("few", [(LEAST_EACH - 1, 40), (40, LEAST_EACH - 1), (0, 0)])
def test_too_few_of_either_kind_teach_nothing(few):
    assert teach(examples(*few)) is None


@in_real_time()
def test_taught_with_twenty_of_each_it_tells_others_apart_in_no_time():
    taught = examples(20, 20)
    began = time.process_time()
    opinion = teach(taught)
    assert time.process_time() - began < 1.0
    assert opinion.speaks and (opinion.right, opinion.false) == (20, 20)
    fresh = examples(30, 30, first=500)
    kept = [not opinion.doubts(e.features) for e in fresh if e.right]
    doubted = [opinion.doubts(e.features) for e in fresh if not e.right]
    assert np.mean(kept) >= 0.95
    assert np.mean(doubted) >= 0.7


def test_verdicts_without_rhyme_leave_it_silent():
    rng = np.random.default_rng(1)
    rows = [Example(e.features, bool(rng.integers(2))) for e in examples(30, 30)]
    opinion = teach(rows)
    assert opinion is None or not opinion.speaks


def finding(phase="new", key="k"):
    at = Stamp(1.0, 1.7e9, "recording")
    return Finding(
        key=key,
        camera="gate",
        category="street-vendor",
        rule="occupation/1",
        phase=phase,
        began=at,
        decided=at,
        ended=None,
        place=(0.5, 0.9),
        box=WHOLE,
        subject=None,
        zone=ZoneDecision(False, "", (), None, None),
        facts={},
    )


def test_what_it_doubts_is_a_lead_to_its_end_and_nothing_is_raised():
    adviser = Adviser({"street-vendor": teach(examples(25, 25))})
    doubted = adviser.advise(finding(), look("tub", 901))
    said = doubted.facts["second_opinion"]
    assert (doubted.priority, said["says"]) == ("lead", "doubts")
    assert len(said["sha256"]) == 64
    ended = adviser.advise(finding("end"), look("cart", 902))
    assert (ended.priority, ended.facts["second_opinion"]) == ("lead", said)
    fine = adviser.advise(finding(key="other"), look("cart", 903))
    assert (fine.priority, fine.facts["second_opinion"]["says"]) == ("normal", "agrees")
    assert adviser.advise(finding("update", key="older"), look("tub", 904)).facts == {}


def test_a_restart_does_not_take_back_what_was_doubted():
    opinions = {"street-vendor": teach(examples(25, 25))}
    doubted = Adviser(opinions).advise(finding(), look("tub", 901))
    plain = finding(key="older")
    for known in (opinions, {}):
        again = Adviser(known)
        again.restore([doubted, plain])
        for phase in ("update", "end"):
            after = again.advise(finding(phase), look("cart", 902))
            assert (after.priority, after.facts) == ("lead", doubted.facts)
        assert again.advise(finding("update", key="older"), look("tub", 904)).facts == {}


def test_a_silent_opinion_and_another_category_say_nothing():
    rng = np.random.default_rng(1)
    rows = [Example(e.features, bool(rng.integers(2))) for e in examples(30, 30)]
    opinion = teach(rows)
    silent = Adviser({"street-vendor": opinion} if opinion else {})
    assert silent.advise(finding(), look("tub", 1)).facts == {}
    other = Adviser({"construction-dust": teach(examples(20, 20))})
    assert other.advise(finding(), look("tub", 1)).facts == {}


def samples(state, kinds, outcome=""):
    folder = state / "learning" / "samples"
    folder.mkdir(parents=True, exist_ok=True)
    for n, kind in enumerate(kinds):
        cv2.imwrite(str(folder / f"v-{n}.jpg"), look(kind, n))
        row = {
            "camera": "gate",
            "category": "street-vendor",
            "verdict": "confirmed" if kind == "cart" else "rejected",
            "judged_s": 1.7e9 + n,
            "box": WHOLE,
            "place": (0.2, 0.2, 0.4, 0.6),
            "outcome": "" if kind == "cart" else outcome,
        }
        (folder / f"v-{n}.json").write_text(json.dumps(row))


def test_samples_teach_and_a_deleted_file_is_forgotten(tmp_path):
    samples(tmp_path, ["cart", "tub"] * 12)
    (tmp_path / "learning" / "samples" / "v-old.json").write_text("{}")
    store.teach_opinions(tmp_path / "learning")
    found = store.read_opinions(tmp_path, "gate")
    assert found["street-vendor"].speaks
    path = tmp_path / "learning" / "opinions" / "gate--street-vendor.json"
    row = json.loads(path.read_text())
    path.write_text(json.dumps({**row, "limit": 9.0}))
    assert store.read_opinions(tmp_path, "gate") == {}, "another hash than it says"
    path.unlink()
    assert store.read_opinions(tmp_path, "gate") == {}


def test_cases_that_were_settled_otherwise_teach_nothing(tmp_path):
    samples(tmp_path, ["cart", "tub"] * 12, outcome="on_the_spot")
    store.teach_opinions(tmp_path / "learning")
    assert store.read_opinions(tmp_path, "gate") == {}
