# SPDX-License-Identifier: AGPL-3.0-or-later
"""Fume limits where a shop states none: by province or city and by size (mg/m³).

The national limit is the loosest; those below were read in reprints or lists and
must be compared with the official text before delivery.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

# GB 18483: small 1 to <3 base stoves, medium 3 to <6, large 6 and more.
Size = Literal["small", "medium", "large"]
SIZES: tuple[Size, ...] = ("small", "medium", "large")


@dataclass(frozen=True, slots=True)
class FumeLimit:
    """A limit and the standard it stands in."""

    mg_m3: float
    basis: str


def _same(mg_m3: float, basis: str) -> dict[Size, FumeLimit]:
    return {size: FumeLimit(mg_m3, basis) for size in SIZES}


NATIONAL = _same(2.0, "GB 18483-2001")
# By the beginning of the six-digit division code with which every unit grid begins.
LOCAL: Mapping[str, Mapping[Size, FumeLimit]] = {
    "11": _same(1.0, "DB11/1488-2018"),
    "12": _same(1.0, "天津 Tianjin, local standard"),
    "31": _same(1.0, "DB31/844-2014"),
    "50": _same(1.0, "DB50/859-2018"),
    "4403": _same(1.0, "深圳 Shenzhen, local standard"),
    "37": {
        "small": FumeLimit(1.5, "DB37/597-2006"),
        "medium": FumeLimit(1.2, "DB37/597-2006"),
        "large": FumeLimit(1.0, "DB37/597-2006"),
    },
}


def fume_limit(grid: str | None, size: Size) -> FumeLimit:
    """The limit of a shop of this size in this unit grid; the national one elsewhere."""
    known = (LOCAL[(grid or "")[:n]] for n in (4, 2) if (grid or "")[:n] in LOCAL)
    return next(known, NATIONAL)[size]
