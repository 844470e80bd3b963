# SPDX-License-Identifier: AGPL-3.0-or-later
"""Fume limits where a shop states none: by province or city and by size (mg/m³), of a day.

The figures stand in config/packs/fume.yaml; the national limit is the loosest.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from edge.config.dated import Packs

# GB 18483: small 1 to <3 base stoves, medium 3 to <6, large 6 and more.
Size = Literal["small", "medium", "large"]


@dataclass(frozen=True, slots=True)
class FumeLimit:
    """A limit and the standard it stands in."""

    mg_m3: float
    basis: str


def fume_limit(packs: Packs, day: date, grid: str | None, size: Size) -> FumeLimit | None:
    """The limit of a shop of this size in this unit grid; None where no pack is in force."""
    row = packs.fume(day, grid)
    return FumeLimit(getattr(row, size), row.basis) if row else None
