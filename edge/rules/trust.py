# SPDX-License-Identifier: AGPL-3.0-or-later
"""How far a model is to be trusted with a class, as its manifest says (`good_for`), and with what a
rule asks of it. Light: the page reads it, too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

VALIDATED, WEAK, UNPROVEN = ORDER = ("validated", "weak", "unproven")
GROUND, AIR = ("eye", "pole"), ("drone", "top")


def best_of(good_for: Mapping[str, Mapping[Any, str]], views: Iterable[str]) -> dict[str, str]:
    """Class to the best that is known of it from any of the views; unproven where nothing is."""
    kept = tuple(views)
    return {
        name: min((grade.get(view, UNPROVEN) for view in kept), key=ORDER.index)
        for name, grade in good_for.items()
    }


def of_classes(trust: Mapping[str, str], classes: Iterable[str]) -> str | None:
    """What a rule may rely on: the best of its classes; None where nothing is claimed of any."""
    known = [trust[name] for name in classes if name in trust]
    return min(known, key=ORDER.index) if known else None
