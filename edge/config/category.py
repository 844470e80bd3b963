# SPDX-License-Identifier: AGPL-3.0-or-later
"""What may be violated: codes, names, the rule kind and its defaults (categories.yaml)."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from edge.config.site import Fraction, Name, Part, Seconds

# How a rule judges; edge.rules maps visual kinds to code, edge.sensors the sensed ones.
Kind = Literal[
    "occupation",
    "grilling",
    "plume",
    "spill",
    "dumping",
    "uncovered",
    "wash",
    "haulage",
    "cover",
    "state",
    "noise",
    "loudspeaker",
    "fume",
    "dust",
]


# Kinds that no camera judges, and who does.
ELSEWHERE = {
    "noise": "sensors",
    "loudspeaker": "sensors",
    "fume": "sensors",
    "dust": "sensors",
    "cover": "flights",
}


class Recipe(Part, frozen=True, kw_only=True):
    """Which evidence a case needs. `spacing_s`: the second picture at least this long after the
    first; the last one further from the first than the allowed stay."""

    overviews: Annotated[int, msgspec.Meta(ge=1, le=12)] = 3
    spacing_s: Seconds = 10.0
    close: bool = True
    before_after: bool = False
    clip: bool = True
    plate: bool = False


class Category(Part, frozen=True, kw_only=True):
    """One kind of violation. Every threshold here is a default; a site's rule may set its own."""

    id: Name
    kind: Kind
    codes: dict[str, str] = {}
    zh: str
    en: str
    classes: tuple[str, ...] = ()
    with_classes: tuple[str, ...] = ()
    zone_kinds: tuple[str, ...] = ("watch", "forbidden")
    dwell_s: Seconds = 0.0
    seen_share: Fraction = 0.8
    window_s: Seconds = 20.0
    confirm_s: Seconds = 60.0
    realarm_s: Seconds = 1800.0
    reopen_s: Seconds = 1800.0
    gap_s: Seconds = 20.0
    min_score: Fraction = 0.35
    class_scores: dict[str, Fraction] = {}
    recipe: Recipe = Recipe()
    deadline_h: Annotated[float, msgspec.Meta(ge=0)] | None = None
    deadline_counts: Literal["hours", "working_hours"] = "hours"
    auto_settle: bool = False
    law: tuple[str, ...] = ()
    priority: Literal["normal", "lead"] = "normal"
    on_trial: bool = True
    set: dict[str, float | int | str | bool | tuple[str, ...]] = {}

    def least(self, label: str, min_score: float | None = None) -> float:
        """From which score a class counts; min_score: what a rule says instead of the category's,
        which a class with a score of its own follows in proportion."""
        given = self.min_score if min_score is None else min_score
        own = self.class_scores.get(label)
        if own is None:
            return given
        return own * given / self.min_score if self.min_score else own


class Categories(Part, frozen=True, kw_only=True):
    """The whole file; an overlay file of a city replaces entries by id."""

    categories: tuple[Category, ...] = ()
