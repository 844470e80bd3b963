# SPDX-License-Identifier: AGPL-3.0-or-later
"""How far a model is to be trusted with a class, and what that makes of a finding.

The model's manifest says of each class and view whether figures on real pictures make it validated,
weak or unproven. A finding that rests on an unproven class alone is a lead, not a case: somebody
should look, and nothing is claimed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from edge.values import Finding

VALIDATED, WEAK, UNPROVEN = ORDER = ("validated", "weak", "unproven")
GROUND, AIR = ("eye", "pole"), ("drone", "top")


def best_of(good_for: Mapping[str, Mapping[Any, str]], views: Iterable[str]) -> dict[str, str]:
    """Class to the best that is known of it from any of the views; unproven where nothing is."""
    kept = tuple(views)
    return {
        name: min((told.get(view, UNPROVEN) for view in kept), key=ORDER.index)
        for name, told in good_for.items()
    }


def of_classes(trust: Mapping[str, str], classes: Iterable[str]) -> str | None:
    """What a rule may rely on: the best of its classes; None where nothing is claimed of any."""
    known = [trust[name] for name in classes if name in trust]
    return min(known, key=ORDER.index) if known else None


def graded(finding: Finding, trust: Mapping[str, str], classes: Iterable[str]) -> Finding:
    """The finding with the fact `trust`, and a lead where its class is unproven and neither an
    instrument nor smoke and fire beside it say the same. classes: of its category."""
    label = finding.facts.get("class")
    told = trust.get(str(label)) or of_classes(trust, classes)
    if told is None:
        return finding
    facts = {**finding.facts, "trust": told}
    if told == UNPROVEN and not _backed(finding):
        return replace(finding, facts=facts, priority="lead")
    return replace(finding, facts=facts)


def _backed(finding: Finding) -> bool:
    says = [finding.facts.get(name) for name in ("dust", "fume")]
    measured = any(isinstance(one, dict) and one.get("says") == "supports" for one in says)
    return measured or bool(finding.facts.get("backed_by"))
