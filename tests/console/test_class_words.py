# SPDX-License-Identifier: AGPL-3.0-or-later
"""Every class of the shipped detector has words for a reader of the page."""

from __future__ import annotations

from pathlib import Path

from edge.config.yamltext import parse
from edge.console.facts import CLASSES, sentences

MANIFEST = Path(__file__).parents[2] / "models/city-v1.yaml"


def test_no_class_of_the_shipped_model_is_shown_by_its_key():
    classes = parse(MANIFEST.read_text(encoding="utf-8"))["classes"]
    assert set(classes) == set(CLASSES)


def test_a_score_is_said_as_a_share_and_a_foreign_class_keeps_its_name():
    facts = {"best_score": 0.963, "class": "vendor_stall"}
    assert sentences(facts, "zh") == ["识别为“摊位”，最高置信度 96 %"]
    assert sentences(facts | {"class": "sled"}, "en") == ["The model says sled, at best 96 %"]
