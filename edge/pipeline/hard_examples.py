# SPDX-License-Identifier: AGPL-3.0-or-later
"""Learning's two ends in visiond: thresholds that verdicts moved, crops worth a label."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence

import msgspec

from edge.config import Camera, Category, Rule
from edge.learning.harvest import disagreement, near_limit
from edge.learning.store import Harvest, read_offsets
from edge.learning.thresholds import Offset, limit
from edge.pipeline.settings import Settings
from edge.runtime import Trouble
from edge.values import Detections, Frame, Track

log = logging.getLogger(__name__)

SWEEP_EVERY_S = 86_400.0


class HardExamples:
    """Keeps crops of one camera within the budget. One owner: the thread that looks."""

    def __init__(self, harvest: Harvest, limits: dict[str, float]) -> None:
        self._harvest, self._limits = harvest, limits
        self._trouble = Trouble(log)
        self._swept_s = -math.inf

    def glean(self, frame: Frame, found: Detections, tracks: Sequence[Track]) -> None:
        """Offer doubtful and lost detections of one look to the harvest; a full disk is reported
        once, as is that as much is kept as may be; the camera goes on watching."""
        wishes = near_limit(found, self._limits) + disagreement(found, tracks, self._limits)
        people = [t.box for t in tracks if t.label == "person"]
        try:
            self._sweep(frame.at.wall)
            for wish in wishes:
                self._harvest.offer(frame.image, wish, people, frame.at)
        except OSError as error:
            self._trouble.failed("harvest", str(error))

    def _sweep(self, now_s: float) -> None:
        """At the first look and once a day."""
        if abs(now_s - self._swept_s) >= SWEEP_EVERY_S:
            self._swept_s = now_s
            gone = self._harvest.sweep(now_s=now_s)
            log.debug("harvest: %d crop(s) were too old", gone)
        if self._harvest.limit_mb is None:
            self._trouble.healed("harvest limit")
        else:
            text = f"{self._harvest.limit_mb:.0f} MB are kept: no more before older ones go"
            self._trouble.failed("harvest limit", text)


def hard_examples_for(settings: Settings, camera: Camera) -> HardExamples:
    """What this camera keeps for labelling: for each class the least score that any of its rules
    counts from."""
    limits: dict[str, float] = {}
    for rule in camera.rules:
        category = settings.categories[rule.category]
        score = least_score(rule, category)
        for name in category.classes:
            limits[name] = min(score, limits.get(name, 1.0))
    return HardExamples(Harvest(settings.state / "harvest", camera.id), limits)


def least_score(rule: Rule, category: Category) -> float:
    return category.min_score if rule.min_score is None else rule.min_score


def with_learnt(camera: Camera, settings: Settings) -> Camera:
    """The camera with the least scores that reviewers' verdicts have moved (edge.learning)."""
    offsets = read_offsets(settings.state)
    rules = tuple(_moved(camera, rule, settings.categories, offsets) for rule in camera.rules)
    return msgspec.structs.replace(camera, rules=rules)


def _moved(
    camera: Camera,
    rule: Rule,
    categories: Mapping[str, Category],
    offsets: Mapping[tuple[str, str], Offset],
) -> Rule:
    offset = offsets.get((camera.id, rule.category))
    if offset is None:
        return rule
    configured = least_score(rule, categories[rule.category])
    moved = limit(configured, offset.value)
    if moved == configured:
        return rule
    log.info(
        "%s %s: least score %.2f instead of %.2f, moved by reviewers' verdicts",
        camera.id,
        rule.category,
        moved,
        configured,
    )
    return msgspec.structs.replace(rule, min_score=moved)
