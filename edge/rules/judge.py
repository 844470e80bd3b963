# SPDX-License-Identifier: AGPL-3.0-or-later
"""The judge of one camera: scenes in, findings and candidates out. Pure: time is in the scene.

A scene costs well under a millisecond: what several rules need is worked out once (`SceneView`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from datetime import tzinfo
from typing import Any, ClassVar, Protocol

import msgspec
import numpy as np

from edge.config import Camera, Category, ConfigError, Rule
from edge.config.category import ELSEWHERE
from edge.config.dated import Calendar
from edge.geometry import contact_band
from edge.rules.dumping import Dumping
from edge.rules.grilling import Grilling
from edge.rules.haulage import Haulage
from edge.rules.places import Occupation, PlaceRule
from edge.rules.plume import Plume
from edge.rules.reporting import graded, interrupted
from edge.rules.rule_settings import RuleSettings, Settings, settle
from edge.rules.snapshots import FORM, JudgeSnapshot, StampRow
from edge.rules.spill import Spill
from edge.rules.state import TaughtState
from edge.rules.taught import TaughtPlace
from edge.rules.uncovered import Uncovered
from edge.rules.view import Memory, SceneView, TrackCourses, Verdicts
from edge.rules.wash import Wash
from edge.rules.zones import (
    WHOLE_FRAME,
    LocalMoment,
    ZoneMap,
    ZoneRule,
    shift_between,
)
from edge.values import Box, Finding, Json, Judgement, Scene, Stamp, ZoneDecision


class RuleKind(Protocol):
    """What a rule kind is: one file, one line in RULES.

    WITH_FILE: only the muck-truck file makes a case of what it finds. FROM_PICTURES: what it judges
    is in the pictures, so it cannot be tried on recorded tracks. FAINT: it judges what hardly
    changes a pixel, so that no motion gate can be trusted to see it come. BRIEF: what it judges may
    be there for a second or two only. LOOK_S: looks so far apart tell it all that closer ones do,
    while nothing that it holds is missing. keys: of the cases and places that it holds.
    """

    SETTINGS: ClassVar[Settings]
    WITH_FILE: ClassVar[bool]
    FROM_PICTURES: ClassVar[bool]
    FAINT: ClassVar[bool]
    BRIEF: ClassVar[bool]
    LOOK_S: ClassVar[float]

    def __init__(self, settings: RuleSettings, zones: ZoneRule) -> None: ...
    @property
    def busy(self) -> bool: ...
    @property
    def searching(self) -> bool: ...
    @property
    def keys(self) -> frozenset[str]: ...
    def step(self, view: SceneView, out: Verdicts) -> None: ...
    def finish(self, view: SceneView, out: Verdicts) -> None: ...
    def snapshot(self) -> Json: ...
    def restore(self, data: Any, shift_s: float, down_s: float) -> None: ...


RULES: dict[str, type[RuleKind]] = {
    "occupation": Occupation,
    "grilling": Grilling,
    "plume": Plume,
    "spill": Spill,
    "uncovered": Uncovered,
    "dumping": Dumping,
    "wash": Wash,
    "haulage": Haulage,
    "state": TaughtState,
}


# The lowest share of a box that is asked for its zone where no rule says otherwise.
CONTACT = 0.25


class Judge:
    """All rules of one camera. One owner; frames in the order of time."""

    def __init__(
        self,
        camera: Camera,
        *,
        categories: Mapping[str, Category],
        calendar: Calendar,
        timezone: tzinfo,
        trust: Mapping[str, str] | None = None,
        taught: Mapping[str, tuple[Box, TaughtPlace]] | None = None,
    ) -> None:
        """trust: class to what its model is good for from here (`reporting.graded`); taught: zone
        to its box and the looks that somebody taught there."""
        self._trust = trust or {}
        self._classes = {rule.category: categories[rule.category].classes for rule in camera.rules}
        self._camera, self._calendar, self._timezone = camera, calendar, timezone
        zones = [zone for zone in camera.zones if zone.kind != "mask"] or [WHOLE_FRAME]
        self._zone_map = ZoneMap(zones)
        self._motion, self._memory = TrackCourses(), Memory()
        self._rules: dict[str, RuleKind] = {}
        self._ground: dict[str, ZoneRule] = {}
        self._starts: dict[str, float] = {}
        for rule in camera.rules:
            category = categories[rule.category]
            kind = rule_kind(category)
            settings = settle(camera, rule, category, kind.SETTINGS)
            name = _unique(rule, self._rules)
            zone_rule = _zone_rule(settings, zones)
            self._ground.setdefault(category.id, zone_rule)
            for own in category.class_scores:
                self._starts[own] = min(self._starts.get(own, 1.0), settings.least(own))
            made = self._rules[name] = kind(settings, zone_rule)
            if isinstance(made, TaughtState):
                made.learn(taught or {})
        self._now: Stamp | None = None
        self._misdetected: frozenset[str] = frozenset()

    @property
    def busy(self) -> bool:
        """Whether any place is being watched: the motion gate must not spare the detector then."""
        return any(rule.busy for rule in self._rules.values())

    @property
    def searching(self) -> bool:
        """Whether something that is held was not seen by the last look: every look counts then."""
        return any(rule.searching for rule in self._rules.values())

    @property
    def faint(self) -> bool:
        """Whether any rule judges what a motion gate cannot be trusted to see."""
        return any(rule.FAINT for rule in self._rules.values())

    @property
    def starts(self) -> Mapping[str, float]:
        """Classes that count from a score of their own, and from which a track of them starts."""
        return self._starts

    @property
    def brief(self) -> bool:
        """Whether any rule judges what may be gone before the next key picture."""
        return any(rule.BRIEF for rule in self._rules.values())

    @property
    def need_s(self) -> float:
        """How far apart looks may be for the rules to tell the same; 0: every one counts."""
        if self.searching:
            return 0.0
        return min((rule.LOOK_S for rule in self._rules.values()), default=1.0)

    @property
    def memory(self) -> Memory:
        return self._memory

    def not_reminded(self, key: str) -> None:
        """The hook of this prompt failed: nobody was reminded, at that place and at those that
        counted as reminded with it."""
        for rule in self._rules.values():
            if isinstance(rule, PlaceRule):
                rule.not_reminded(key)

    def misdetected(self, keys: Iterable[str]) -> None:
        """See :meth:`edge.rules.view.Memory.judged`; outlives a `restore`."""
        self._misdetected = frozenset(keys)
        self._memory.judged(self._misdetected)

    def zone_at(self, category: str, box: Box, now: Stamp) -> ZoneDecision | None:
        """What the zones say of a thing in this box, now; None: no rule here judges its category,
        or nobody asked about this ground."""
        rule = self._ground.get(category)
        if rule is None:
            return None
        shares = self._zone_map.shares(np.array([contact_band(box, CONTACT)], np.float32))
        moment = LocalMoment.of(now, self._timezone, self._calendar)
        verdict = rule.ask(shares[0].tolist(), moment)
        return verdict.decision if verdict.judged else None

    def step(self, scene: Scene) -> Judgement:
        """Judge one scene; `scene.at.mono` never goes back."""
        self._now = scene.at
        self._motion.step(scene)
        view, out = self._view(scene), Verdicts()
        for rule in self._rules.values():
            rule.step(view, out)
        return Judgement(self._graded(out), tuple(out.candidates), tuple(out.prompts))

    def _graded(self, out: Verdicts) -> tuple[Finding, ...]:
        """What is reported, with what the model is good for."""
        return tuple(graded(f, self._trust, self._classes[f.category]) for f in out.findings)

    def finish(self, now: Stamp) -> Judgement:
        """The recording is over: every open case is reported a last time, as far as it was seen."""
        view, out = self._view(Scene(self._camera.id, now, ())), Verdicts()
        for rule in self._rules.values():
            rule.finish(view, out)
        return Judgement(self._graded(out))

    def _view(self, scene: Scene) -> SceneView:
        moment = LocalMoment.of(scene.at, self._timezone, self._calendar)
        return SceneView(scene, moment, self._motion, self._zone_map, self._memory)

    def snapshot(self) -> Json:
        """Everything worth keeping over a restart, as JSON."""
        return {
            "version": FORM,
            "now": msgspec.to_builtins(StampRow.of(self._now)) if self._now else None,
            "memory": msgspec.to_builtins(self._memory.snapshot()),
            "rules": {name: rule.snapshot() for name, rule in self._rules.items()},
        }

    def restore(self, data: Json, now: Stamp) -> None:
        """Take over a snapshot of an earlier run. Rules that the site no longer has are left out,
        and what they had open is open no longer (see :meth:`interrupted`).

        Raises ValueError for a snapshot of another version or shape; the judge is fresh then.
        """
        if not isinstance(data, dict) or data.get("version") != FORM:
            raise ValueError(f"no snapshot of form {FORM}")
        if data.get("now") is None:
            return
        # One damaged rule must not leave the others with places of a run that is refused.
        fresh = deepcopy(self._rules)
        try:
            kept = msgspec.convert(data, JudgeSnapshot)
            shift_s, down_s = shift_between(kept.now.stamp(0.0), now)
            for name, rule in self._rules.items():
                if name in kept.rules:
                    rule.restore(kept.rules[name], shift_s, down_s)
            self._memory = Memory.restore(kept.memory)
        except (KeyError, TypeError, ValueError) as error:
            self._rules = fresh
            raise ValueError(f"a damaged snapshot: {error}") from None
        self._memory.judged(self._misdetected)
        for key in self._memory.open_keys - self._held:
            self._memory.ended(key, now)

    @property
    def _held(self) -> frozenset[str]:
        return frozenset(key for rule in self._rules.values() for key in rule.keys)

    def interrupted(self, cases: Iterable[Finding]) -> list[Finding]:
        """After a restart, the ends of those open cases that no rule goes on with: a truck drove
        on meanwhile, the site gave up or changed the rule, or no snapshot was left of it."""
        held = self._held
        return [
            interrupted(case, self._memory.open_in(_grid_of(case), case.category))
            for case in cases
            if case.key not in held
        ]


def _grid_of(case: Finding) -> str | None:
    grid = case.facts.get("grid")
    return grid if isinstance(grid, str) else None


def with_file(category: Category) -> bool:
    """Whether only the muck-truck file makes a case of what the category finds."""
    kind = RULES.get(category.kind)
    return kind is not None and kind.WITH_FILE


def rule_kind(category: Category) -> type[RuleKind]:
    """The code behind a category. Raises ConfigError for a kind that no camera can judge."""
    kind = RULES.get(category.kind)
    if kind is None:
        where = ELSEWHERE.get(category.kind, "nothing here")
        raise ConfigError(
            f"category {category.id}: kind {category.kind!r} is judged by {where}, not by a camera"
        )
    return kind


def _unique(rule: Rule, taken: Mapping[str, object]) -> str:
    """The rule's name in a snapshot: its category and zones, numbered where that is not enough."""
    name = "/".join((rule.category, *rule.zones))
    n = sum(1 for other in taken if other == name or other.startswith(f"{name}#"))
    return f"{name}#{n + 1}" if n else name


def _zone_rule(settings: RuleSettings, zones: list[Any]) -> ZoneRule:
    """Which zones these settings ask: those they name, else all of the category's kinds.

    A camera without any zone is on trial: the whole frame is judged.
    """
    kinds = settings.category.zone_kinds
    if zones == [WHOLE_FRAME]:
        asked = [0]
    elif settings.zones:
        asked = [i for i, zone in enumerate(zones) if zone.id in settings.zones]
    else:
        asked = [i for i, zone in enumerate(zones) if zone.kind in kinds]
    return ZoneRule(
        zones,
        category=settings.category.id,
        asked=asked,
        allowing=("permitted", "dump") if settings.category.kind == "dumping" else ("permitted",),
        leaving=settings.words("except_zones") if "except_zones" in settings.values else (),
        contact=settings.number("contact") if "contact" in settings.values else 0.4,
    )
