# SPDX-License-Identifier: AGPL-3.0-or-later
"""Open cases and drone flights: which places are to be looked for, and what flights said of them.

janitord writes `<state>/handling/open_places.json`; whoever concludes a flight answers in
`rechecks.json` of its folder (edge.drone.revisits), which becomes steps of the cases here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from edge.handling.life import RUNNING, CaseLife, CaseStep, make_step
from edge.jsonfile import read_record
from edge.runtime import write_atomic

OPEN_PLACES = Path("handling", "open_places.json")
RECHECKS = "rechecks.json"
# A place that was never measured is taken to be this good.
PLACE_M = 10.0


class OpenPlace(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An open case with a place. Datum WGS-84; `found_at` in UTC seconds."""

    case: str
    category: str
    lat: Annotated[float, msgspec.Meta(ge=-90, le=90)]
    lon: Annotated[float, msgspec.Meta(ge=-180, le=180)]
    accuracy_m: float = PLACE_M
    found_at: float


class FlightRecheck(msgspec.Struct, frozen=True, kw_only=True):
    """What a flight says of one case. `second`: of the look that shows the place best; `finding`:
    the flight's finding that is the same thing."""

    case: str
    answer: Literal["still_there", "gone", "cannot_see"]
    at: float
    flight: str
    second: float
    finding: str = ""
    why: str = ""


def write_open_places(state: Path, lives: Iterable[CaseLife]) -> None:
    """Bring the file up to date; nothing is written where it is. Raises OSError."""
    path = state / OPEN_PLACES
    rows = [row for life in lives if (row := _place(life)) is not None]
    data = msgspec.json.encode(rows)
    known = path.read_bytes() if path.exists() else b"[]"
    if known != data:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, data)


def read_open_places(state: Path, before: float) -> list[OpenPlace]:
    """The cases found before this instant (UTC seconds); [] for no file or one that is none."""
    found = read_record(state / OPEN_PLACES, list[OpenPlace], [], "no case is looked for")
    return [one for one in found if one.found_at < before]


def _place(life: CaseLife) -> OpenPlace | None:
    """Only what was found from the air has a place of its own: a camera's is the camera's."""
    lat, lon = life.head.get("lat"), life.head.get("lon")
    if life.state not in RUNNING or life.medium != "drone" or lat is None or lon is None:
        return None
    accuracy = life.head.get("accuracy_m")
    return OpenPlace(
        case=life.case,
        category=life.category,
        lat=float(lat),
        lon=float(lon),
        accuracy_m=PLACE_M if accuracy is None else float(accuracy),
        found_at=life.found_at,
    )


def flight_steps(state: Path, now: float) -> Iterator[CaseStep]:
    """A step for each answer of each flight; a flight's file that is none is left out."""
    for path in sorted((state / "flights").glob(f"*/{RECHECKS}")):
        for one in read_record(path, list[FlightRecheck], [], "left out"):
            facts = {"flight": one.flight, "second": one.second, "finding": one.finding}
            yield make_step(
                one.case, one.answer, one.at, arrived=max(now, one.at), by=one.flight,
                role="box", reason=one.why, facts=facts,
            )  # fmt: skip
