# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the tests of the rules share: a judge for one camera, and a stage played to it."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

from stage import Stage

from edge.config import Camera, Rule, Zone, convert
from edge.config.catalogue import load_categories
from edge.config.dated import Calendar
from edge.rules.judge import Judge
from edge.values import Finding, Judgement

ROOT = Path(__file__).resolve().parents[2]
CATEGORIES = load_categories([ROOT / "config/categories.yaml"])
SHANGHAI = ZoneInfo("Asia/Shanghai")
GROUND = ((0.05, 0.4), (0.95, 0.4), (0.95, 0.98), (0.05, 0.98))


def zone(name: str = "pavement", kind: str = "watch", **more: object) -> Zone:
    return convert({"id": name, "kind": kind, "polygon": GROUND, **more}, Zone, "test")


def rule(category: str, **more: object) -> Rule:
    return convert({"category": category, **more}, Rule, "test")


def judge(*rules: Rule, zones: tuple[Zone, ...] = (zone(),), calendar: Calendar | None = None):
    camera = Camera(id="c1", source="rtsp://camera", zones=zones, rules=rules)
    return Judge(camera, categories=CATEGORIES, calendar=calendar or Calendar(), timezone=SHANGHAI)


def play(stage: Stage, sitting: Judge, *, fps: float = 5.0, height: int = 720) -> list[Finding]:
    found: list[Finding] = []
    for scene in stage.scenes(fps, height):
        found += sitting.step(scene).findings
    return found


def judged(stage: Stage, sitting: Judge, *, fps: float = 5.0) -> list[Judgement]:
    return [sitting.step(scene) for scene in stage.scenes(fps)]


def phases(found: list[Finding]) -> list[tuple[str, str]]:
    return [(f.category, f.phase) for f in found]
