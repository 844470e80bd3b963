# SPDX-License-Identifier: AGPL-3.0-or-later
"""The life of a case that drives through: a truck in view, decided on the way, ended when gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from edge.rules.passage import Passage, Passages
from edge.rules.rule_settings import RuleSettings, Setting
from edge.rules.view import Open, SceneView, Verdicts
from edge.rules.zones import ZoneRule, reread, when_fits
from edge.values import Candidate, Finding, Json, Phase, Stamp, ZoneDecision

PASSING_SETTINGS: Mapping[str, Setting] = {
    "band": Setting(0.25, "lowest share of the box that is asked for its zone", 0.02, 1.0),
    "contact": Setting(0.3, "share of that band that must lie in the zone", 0.01, 1.0),
    "displacement": Setting(0.5, "the truck must move by so many of its own sizes", 0.0, 50.0),
}


class PassingRule:
    """Base of the rule kinds that judge trucks on their way. One owner: the judge."""

    SETTINGS: ClassVar[Mapping[str, Setting]] = PASSING_SETTINGS
    WITH_FILE: ClassVar[bool] = False
    FROM_PICTURES: ClassVar[bool] = False
    FAINT: ClassVar[bool] = False
    BRIEF: ClassVar[bool] = True
    LOOK_S: ClassVar[float] = 0.2

    def __init__(self, settings: RuleSettings, zones: ZoneRule) -> None:
        self.settings, self._zones = settings, zones
        name = f"{settings.camera}/{settings.category.id}"
        self._trucks = Passages(name, settings.category.classes, settings.min_score)
        self._open: dict[str, tuple[Passage, Finding]] = {}

    def observe(self, view: SceneView, truck: Passage) -> None:
        """Tally what one look at a truck shows."""

    def proven(self, view: SceneView, truck: Passage) -> bool:
        """Whether this truck, here and now, is a case."""
        return False

    def facts(self, truck: Passage) -> dict[str, Json]:
        return {}

    @property
    def busy(self) -> bool:
        return bool(self._open)

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(self._open)

    @property
    def searching(self) -> bool:
        return self.busy

    def step(self, view: SceneView, out: Verdicts) -> None:
        """Judge each truck that is in the picture; close the case of one unseen for `gap_s`."""
        present = self._trucks.step(view)
        if present and when_fits(self.settings.when, view.moment):
            band = self.settings.number("band")
            rows = view.shares([t.track.box for t in present], band).tolist()
            for truck, row in zip(present, rows, strict=True):
                self._judge(view, truck, row, out)
        for key, (truck, case) in list(self._open.items()):
            if view.mono - truck.seen.mono >= self.settings.category.gap_s:
                self._close(key, view, case, truck.seen, out)

    def _judge(self, view: SceneView, truck: Passage, row: list[float], out: Verdicts) -> None:
        self.observe(view, truck)
        verdict = self._zones.ask(row, view.moment)
        if not verdict.judged or verdict.decision.allowed or truck.reported:
            return
        if view.now.wall - truck.tallies.get("told_wall", -1e18) < self.settings.realarm_s:
            return
        if truck.moved(view.aspect) < self.settings.number("displacement"):
            return
        if self.proven(view, truck):
            self._report(view, truck, verdict.decision, out)
        elif truck.seen_s > 0.0:
            out.candidates.append(self._candidate(truck))

    def _report(self, view: SceneView, truck: Passage, zone: ZoneDecision, out: Verdicts) -> None:
        truck.reported = True
        grid = self._zones.grid_of(zone) or self.settings.grid
        case = Open(grid or "", self.settings.category.id, truck.track.box, truck.subject)
        view.memory.passes(truck.key, case)
        parent = view.memory.cause_of(truck.key, case)
        finding = self._finding(view, truck, zone, "new", parent)
        self._open[truck.key] = (truck, finding)
        out.findings.append(finding)

    def _finding(
        self, view: SceneView, truck: Passage, zone: ZoneDecision, phase: Phase, parent: str | None
    ) -> Finding:
        _, early, late = truck.moments()
        grid = self._zones.grid_of(zone) or self.settings.grid
        return Finding(
            key=truck.key,
            camera=self.settings.camera,
            category=self.settings.category.id,
            rule=self.settings.rule,
            phase=phase,
            began=reread(truck.began, view.now),
            decided=view.now,
            ended=None,
            place=truck.track.foot,
            box=truck.track.box,
            subject=truck.track,
            zone=zone,
            facts={
                **truck.facts(view.aspect),
                "dwell_limit_s": 0.0,
                "limits": self.settings.limits(),
                "grid": grid,
                "open_in_grid": view.memory.open_in(grid, self.settings.category.id),
                "outcome": "to_report",
                "deadline_h": self.settings.category.deadline_h,
                "clock_quality": view.now.quality,
                **self.facts(truck),
            },
            parent=parent,
            moments=(("overview", early), ("overview", late)),
            priority=self.settings.category.priority,
        )

    def _candidate(self, truck: Passage) -> Candidate:
        return Candidate(
            key=truck.key,
            camera=self.settings.camera,
            category=self.settings.category.id,
            rule=self.settings.rule,
            box=truck.track.box,
            place=truck.track.foot,
            began=truck.began,
            held_s=round(min(truck.seen_s, 1.0), 2),
            due_s=1.0,
        )

    def _close(
        self, key: str, view: SceneView, case: Finding, ended: Stamp | None, out: Verdicts
    ) -> None:
        view.memory.ended(key, view.now)
        out.findings.append(ended_of(case, ended))
        del self._open[key]

    def finish(self, view: SceneView, out: Verdicts) -> None:
        for key, (truck, case) in list(self._open.items()):
            here = view.mono - truck.seen.mono < self.settings.category.gap_s
            self._close(key, view, case, None if here else truck.seen, out)

    def snapshot(self) -> Json:
        """A truck does not wait for a restart: its case is interrupted (`Judge.interrupted`)."""
        return []

    def restore(self, data: Any, shift_s: float, down_s: float) -> None:
        del data, shift_s, down_s


def ended_of(case: Finding, ended: Stamp | None) -> Finding:
    """The closing word of a case that drove away."""
    because = "out of view" if ended else "recording ended"
    facts = {**case.facts, "ended_because": because}
    return replace(case, phase="end", ended=ended, facts=facts, moments=())
