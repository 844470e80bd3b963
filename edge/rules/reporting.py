# SPDX-License-Identifier: AGPL-3.0-or-later
"""What is reported of a place: its running clock, a reminder, and the findings with their facts.

A sensor beside the camera may support or contradict what the picture shows (`corroboration`). The
model's manifest says of each class and view whether figures on real pictures make it validated,
weak or unproven: a finding that rests on an unproven class alone is a lead, not a case (`graded`).
Somebody should look, and nothing is claimed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from edge.rules.rule_settings import RuleSettings
from edge.rules.spot import Spot
from edge.rules.trust import UNPROVEN, of_classes
from edge.rules.view import SceneView
from edge.values import Candidate, Finding, Json, Phase, Prompt, Sample


def place_candidate(settings: RuleSettings, spot: Spot, due_s: float) -> Candidate:
    """A running clock for the page: held so long, due after `due_s`."""
    return Candidate(
        key=spot.key,
        camera=settings.camera,
        category=settings.category.id,
        rule=settings.rule,
        box=spot.box,
        place=spot.anchor,
        began=spot.began,
        held_s=round(min(spot.hold.held_s, due_s), 2),
        due_s=due_s,
    )


def place_prompt(view: SceneView, settings: RuleSettings, spot: Spot, hook: str) -> Prompt:
    """What a reminder at the place says, in both languages; it accuses nobody. The Chinese is the
    site's own text where it gives one."""
    category = settings.category
    return Prompt(
        key=spot.key,
        camera=settings.camera,
        category=category.id,
        at=view.now,
        hook=hook,
        zh=settings.word("remind_text").replace("{category}", category.zh),
        en=f"Suspected {category.en} here. Please put it right now.",
    )


def place_facts(
    view: SceneView, settings: RuleSettings, spot: Spot, grid: str | None
) -> dict[str, Json]:
    """What every case of a place carries; the rule kind adds its own."""
    return {
        "class": spot.label,
        "dwell_s": round(spot.seen.mono - spot.began.mono, 1),
        "held_s": round(spot.hold.held_s, 1),
        "dwell_limit_s": settings.dwell_s,
        "seen_share": round(spot.hold.share, 3),
        "best_score": round(spot.score, 3),
        "track_ids": spot.ids,
        "gaps": spot.gaps,
        "limits": settings.limits(),
        "grid": grid,
        "open_in_grid": view.memory.open_in(grid, settings.category.id),
        "first_here": spot.occurrence == 1,
        "outcome": spot.outcome,
        **({"reminded": spot.reminded} if spot.reminded else {}),
        "deadline_h": settings.category.deadline_h,
        "clock_quality": view.now.quality,
    }


def place_finding(
    view: SceneView, settings: RuleSettings, spot: Spot, phase: Phase, facts: dict[str, Json]
) -> Finding:
    """The finding of a decided place; its end asks for an "after" picture at this moment."""
    assert spot.decided is not None, "only a decided case is reported"
    return Finding(
        key=spot.key,
        camera=settings.camera,
        category=settings.category.id,
        rule=settings.rule,
        phase=phase,
        began=spot.began,
        decided=spot.decided,
        ended=spot.seen if phase == "end" else None,
        place=spot.anchor,
        box=spot.box,
        subject=spot.track,
        zone=spot.verdict.decision,
        facts=facts,
        occurrence=spot.occurrence,
        moments=(("after", view.mono),) if phase == "end" else (),
        priority=settings.category.priority,
    )


def interrupted(case: Finding, open_in_grid: int) -> Finding:
    """The end of a case that nobody went on watching, so that nobody knows when it ended."""
    facts = {
        **case.facts,
        "open_in_grid": open_in_grid,
        "ended_because": "watching was interrupted",
    }
    return replace(case, phase="end", ended=None, facts=facts, moments=())


# Multiples of a microgram (or milligram) per cubic metre, as drivers write units.
SCALE = {"ug/m3": 1.0, "µg/m3": 1.0, "µg/m³": 1.0, "ug/m³": 1.0, "mg/m3": 1e3, "mg/m³": 1e3}
CLEAR_SHARE = 0.5


def corroboration(samples: Sequence[Sample], channels: Sequence[str], limit: float) -> Json:
    """The strongest valid reading of these channels against a limit in micrograms per cubic metre.

    "supports" from the limit up, "contradicts" below half of it, "neutral" between. A reading with
    any flag but "ok", or in a unit that is no concentration, does not count: "absent".
    """
    valid = [
        (sample.value * SCALE[sample.unit], sample)
        for sample in samples
        if sample.channel in channels and sample.flag == "ok" and sample.unit in SCALE
    ]
    if not valid:
        return {"says": "absent"}
    value, sample = max(valid, key=lambda pair: pair[0])
    says = "supports" if value >= limit else "contradicts"
    if limit * CLEAR_SHARE <= value < limit:
        says = "neutral"
    return {
        "says": says,
        "sensor": sample.sensor,
        "channel": sample.channel,
        "value": sample.value,
        "unit": sample.unit,
        "limit_ug_m3": limit,
    }


def graded(finding: Finding, trust: Mapping[str, str], classes: Iterable[str]) -> Finding:
    """The finding with the fact `trust`, and a lead where its class is unproven and neither an
    instrument nor smoke and fire beside it say the same. classes: of its category."""
    label = finding.facts.get("class")
    grade = trust.get(str(label)) or of_classes(trust, classes)
    if grade is None:
        return finding
    facts = {**finding.facts, "trust": grade}
    if grade == UNPROVEN and not _backed(finding):
        return replace(finding, facts=facts, priority="lead")
    return replace(finding, facts=facts)


def _backed(finding: Finding) -> bool:
    says = [finding.facts.get(name) for name in ("dust", "fume")]
    measured = any(isinstance(one, dict) and one.get("says") == "supports" for one in says)
    return measured or bool(finding.facts.get("backed_by"))
