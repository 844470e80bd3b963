# SPDX-License-Identifier: AGPL-3.0-or-later
"""Open cases whose ground a flight happens to show: is what was found there still there? Pure.

The cases come from the box (`<state>/handling/open_places.json`), the answers go back to it as
`rechecks.json` beside the flight's ledger. A place that no look shows is not answered at all.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

from edge.drone import earth
from edge.drone.look import KeyFrame
from edge.handling.flights import FlightRecheck, OpenPlace

# Beyond what both places may be wrong by, things that were put down anew may lie so far apart.
NEAR_M = 3.0

Row = Mapping[str, Any]


def revisited(
    cases: Sequence[OpenPlace],
    findings: Sequence[Row],
    shown: Mapping[str, KeyFrame],
    clear: Collection[str],
    poorly_seen: Mapping[str, str],
    flight: str,
    start_wall: float,
) -> list[FlightRecheck]:
    """An answer for each case whose place is shown.

    shown: case to the look that shows its place best; clear: cases whose look is fine enough to
    tell. poorly_seen: categories that this flight could hardly have found, and why; what it does
    not look for at all belongs there too.
    """
    answers = []
    for case in cases:
        look = shown.get(case.case)
        if look is None:
            continue
        same = _same(case, findings)
        why = "" if case.case in clear else "too far away or too coarse"
        why = why or poorly_seen.get(case.category, "")
        answer: Literal["still_there", "gone", "cannot_see"] = "cannot_see" if why else "gone"
        answers.append(
            FlightRecheck(
                case=case.case,
                answer="still_there" if same else answer,
                at=start_wall + look.t_s,
                flight=flight,
                second=look.t_s,
                finding=str(same["id"]) if same else "",
                why="" if same else why,
            )
        )
    return answers


def _same(case: OpenPlace, findings: Sequence[Row]) -> Row | None:
    """The nearest finding of the category within what both places may be wrong by."""
    near = [
        (away, number, row)
        for number, row in enumerate(findings)
        if row["category"] == case.category and row["lat"] is not None
        for away in (earth.distance_m((case.lat, case.lon), (row["lat"], row["lon"])),)
        if away <= math.hypot(case.accuracy_m, float(row["ce90_m"])) + NEAR_M
    ]
    return min(near)[2] if near else None
