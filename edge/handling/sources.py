# SPDX-License-Identifier: AGPL-3.0-or-later
"""Steps from what others wrote: published violations and reviewers' words. Pure.

A violation's first revision is the step `found`, its end `left`. A review is a verdict and, where
it names one, an outcome; `rejected` on the wire means "not what the box took it for".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from edge.handling.life import CaseStep, Role, StepKind, make_step
from edge.learning.verdicts import ReviewVerdict, Said
from edge.uplink.wire import utc_seconds

# A later step must sort behind the verdict that it came with.
AFTER_S = 1e-6
# For so long a word of the page can be taken back there.
UNDO_S = 60.0

_VERDICTS: dict[Said, StepKind] = {"confirmed": "confirmed", "rejected": "misdetected"}


def steps_of_violation(body: Mapping[str, Any], arrived: float) -> Iterator[CaseStep]:
    """The steps that one revision of a violation gives. Raises KeyError, TypeError, ValueError."""
    case, device = str(body["id"]), "box"
    found_at = utc_seconds(body["decided"]["utc"])
    if body["phase"] == "new" or int(body["revision"]) == 1:
        yield make_step(
            case, "found", found_at, arrived=max(arrived, found_at), by=device, role="box",
            facts=head_of(body),
        )  # fmt: skip
    if body["phase"] == "end" and body["ended"] is not None:
        left_at = utc_seconds(body["ended"]["utc"])
        outcome = str(body["facts"].get("outcome", ""))
        yield make_step(
            case, "left", left_at, arrived=max(arrived, left_at), by=device, role="box",
            reason=outcome, facts={"reminded": outcome == "self_corrected"},
        )  # fmt: skip


def head_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """What is counted of a case long after its evidence went: its category, source and place.

    `subject` is what a repeated offence hangs on where it is known: a truck's plate.
    """
    source, where, facts = body["source"], body["where"], body["facts"]
    truck = facts.get("truck_file")
    return {
        "category": body["category"],
        "names": dict(body["names"]),
        "source": str(source.get("id", "")),
        "source_name": str(source.get("name") or source.get("id", "")),
        "kind": str(source.get("kind", "fixed_camera")),
        "grid": body["zone"].get("grid") or where.get("grid") or "",
        "place": where.get("address") or str(source.get("name") or ""),
        "lat": where.get("lat"),
        "lon": where.get("lon"),
        "accuracy_m": where.get("accuracy_m"),
        "box": body.get("box"),
        "key": body.get("key"),
        "anchor": list(body.get("place") or ()),
        "began": utc_seconds(body["began"]["utc"]),
        "occurrence": body["occurrence"],
        "priority": body.get("priority", "normal"),
        "gate": body.get("gate", ""),
        "reminded": str(facts.get("reminded") or ""),
        "subject": str(truck.get("plate") or "") if isinstance(truck, Mapping) else "",
    }


def steps_of_review(
    line: ReviewVerdict, arrived: float, due: Callable[[float], float | None]
) -> Iterator[CaseStep]:
    """The verdict, then the outcome. due(confirmed at): when the case is due.

    Raises ValueError for a time that is none.
    """
    role: Role = "page" if line.by.startswith("console:") else "platform"
    by = line.by.removeprefix("console:") or line.reviewer or "platform"
    at = utc_seconds(line.at)
    kind = _VERDICTS[line.verdict]
    facts = {}
    if kind == "confirmed":
        ends = due(min(at, arrived))
        facts = {} if ends is None else {"due": ends}
    reason = "" if line.outcome else line.reason
    yield make_step(line.violation, kind, at, arrived=arrived, by=by, role=role, reason=reason,
                    facts=facts)  # fmt: skip
    if line.outcome and kind == "confirmed":
        yield make_step(line.violation, line.outcome, at + AFTER_S, arrived=arrived + AFTER_S,
                        by=by, role=role, reason=line.reason)  # fmt: skip
