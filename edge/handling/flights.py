# SPDX-License-Identifier: AGPL-3.0-or-later
"""Open cases and drone flights: which places are to be looked for, and what flights said of them.

janitord writes `<state>/handling/open_places.json`; whoever concludes a flight answers in
`rechecks.json` of its folder (edge.drone.revisits), which becomes steps of the cases here.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from edge.handling.life import RUNNING, CaseLife, CaseStep, make_step
from edge.runtime import write_atomic

log = logging.getLogger(__name__)


class FlightWord(msgspec.Struct, frozen=True, kw_only=True):
    """One answer as a flight wrote it."""

    case: str
    answer: Literal["still_there", "gone", "cannot_see"]
    at: float
    flight: str
    second: float
    finding: str = ""
    why: str = ""


def write_open_places(state: Path, lives: Iterable[CaseLife]) -> None:
    """Bring the file up to date; nothing is written where it is. Raises OSError."""
    path = state / "handling" / "open_places.json"
    rows = [row for life in lives if (row := _place(life)) is not None]
    data = msgspec.json.encode(rows)
    known = path.read_bytes() if path.exists() else b"[]"
    if known != data:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, data)


def _place(life: CaseLife) -> dict[str, Any] | None:
    """Only what was found from the air has a place of its own: a camera's is the camera's."""
    lat, lon = life.head.get("lat"), life.head.get("lon")
    if life.state not in RUNNING or life.medium != "drone" or lat is None or lon is None:
        return None
    row = {"case": life.case, "category": life.category, "lat": float(lat), "lon": float(lon)}
    accuracy = life.head.get("accuracy_m")
    more = {} if accuracy is None else {"accuracy_m": float(accuracy)}
    return {**row, **more, "found_at": life.found_at}


def flight_steps(state: Path, now: float) -> Iterator[CaseStep]:
    """A step for each answer of each flight; a flight's file that is none is left out."""
    for path in sorted((state / "flights").glob("*/rechecks.json")):
        try:
            words = msgspec.json.decode(path.read_bytes(), type=list[FlightWord])
        except (OSError, msgspec.MsgspecError) as error:
            log.warning("%s: %s; left out", path, error)
            continue
        for word in words:
            facts = {"flight": word.flight, "second": word.second, "finding": word.finding}
            yield make_step(
                word.case, word.answer, word.at, arrived=max(now, word.at), by=word.flight,
                role="box", reason=word.why, facts=facts,
            )  # fmt: skip
