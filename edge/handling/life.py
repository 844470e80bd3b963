# SPDX-License-Identifier: AGPL-3.0-or-later
"""From suspected to settled: the states of a case, the steps between them, and the fold. Pure.

A case is the sum of its steps. Steps come late, twice, from a page and from a platform, and they
contradict each other; so the state is folded from all of them in the order of their times, and the
same steps give the same state whatever the order of their arrival. The later verdict wins and both
are kept. A step that its state does not allow is kept, marked refused, and changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import msgspec

State = Literal[
    "suspected",
    "confirmed",
    "misdetected",
    "filed",
    "on_the_spot",
    "permitted",
    "duplicate",
    "not_pursued",
    "settled",
]
StepKind = Literal[
    "found",
    "left",
    "confirmed",
    "misdetected",
    "filed",
    "on_the_spot",
    "permitted",
    "duplicate",
    "not_pursued",
    "paused",
    "resumed",
    "overdue",
    "still_there",
    "gone",
    "cannot_see",
    "settled",
]
Role = Literal["box", "page", "platform"]

# A case that somebody still has to do something about, with a due time running.
RUNNING: tuple[State, ...] = ("confirmed", "filed", "on_the_spot")
# What a reviewer decides about a confirmed case; the word is both the step and the state.
OUTCOMES: tuple[StepKind, ...] = ("filed", "on_the_spot", "permitted", "duplicate", "not_pursued")
_CLOSED: tuple[State, ...] = ("permitted", "duplicate", "not_pursued", "settled")
# Nothing but a person takes a case back out of "misdetected" or "settled".
VERDICTS: tuple[StepKind, ...] = ("confirmed", "misdetected")


def _stay(*states: State) -> dict[State, State]:
    return {state: state for state in states}


_DECIDED: dict[State, State] = {
    state: state for state in (*RUNNING, "permitted", "duplicate", "not_pursued")
}
# step -> state before -> state after. What is not here is refused.
ALLOWED: dict[StepKind, dict[State, State]] = {
    "left": _stay("suspected", *RUNNING, "misdetected", *_CLOSED),
    "confirmed": {
        **_stay("filed", "on_the_spot", "settled"),
        **dict.fromkeys(("suspected", "confirmed", "misdetected"), "confirmed"),
        **dict.fromkeys(("permitted", "duplicate", "not_pursued"), "confirmed"),
    },
    "misdetected": dict.fromkeys(
        ("suspected", "misdetected", *RUNNING, *_CLOSED), "misdetected"
    ),
    "filed": dict.fromkeys(_DECIDED, "filed"),
    "on_the_spot": dict.fromkeys(_DECIDED, "on_the_spot"),
    "permitted": dict.fromkeys(_DECIDED, "permitted"),
    "duplicate": dict.fromkeys(_DECIDED, "duplicate"),
    "not_pursued": dict.fromkeys(_DECIDED, "not_pursued"),
    "paused": _stay(*RUNNING),
    "resumed": _stay(*RUNNING),
    "overdue": _stay(*RUNNING),
    "still_there": _stay(*RUNNING),
    "gone": _stay(*RUNNING),
    "cannot_see": _stay(*RUNNING),
    "settled": dict.fromkeys(RUNNING, "settled"),
}  # fmt: skip
# At one instant the verdict comes before the outcome, and the box's words before a person's.
_RANK: dict[str, int] = {
    kind: rank
    for rank, kind in enumerate(
        ("found", "left", "still_there", "gone", "cannot_see", "overdue", *VERDICTS, *OUTCOMES,
         "paused", "resumed", "settled")
    )
}  # fmt: skip


class CaseStep(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened to a case. `at` and `arrived` are UTC seconds.

    `at` is when it happened as its author says, never later than `arrived`, when the box learnt of
    it. `by` is a person's or device's name. `facts` depend on the kind: the head of the case for
    `found`, `due` (UTC seconds) where a due time begins or moves, pictures for a recheck.
    """

    id: str
    case: str
    kind: StepKind
    at: float
    arrived: float
    by: str
    role: Role
    reason: str = ""
    facts: dict[str, Any] = {}


def make_step(
    case: str,
    kind: StepKind,
    at: float,
    *,
    arrived: float,
    by: str,
    role: Role,
    reason: str = "",
    facts: Mapping[str, Any] | None = None,
) -> CaseStep:
    """A step whose id follows from what it says, so that the same word heard twice is one step,
    whatever the clock of the box says by then. What is said to come later came at `arrived`."""
    said = f"{case}\n{kind}\n{at:.6f}\n{by}\n{role}\n{reason}"
    return CaseStep(
        id=hashlib.sha256(said.encode()).hexdigest()[:24],
        case=case,
        kind=kind,
        at=min(at, arrived),
        arrived=arrived,
        by=by,
        role=role,
        reason=reason,
        facts=dict(facts or {}),
    )


@dataclass(frozen=True, slots=True)
class CaseLife:
    """What the steps of one case come to. Times are UTC seconds; None: not (yet).

    `confirmed_at` is the first time somebody confirmed it since it was last suspected or taken for
    a misdetection; `gone` counts the rechecks in a row that found nothing; `overdue` stays true for
    a case that was settled late.
    """

    case: str
    state: State = "suspected"
    category: str = ""
    source: str = ""
    grid: str = ""
    place: str = ""
    subject: str = ""
    found_at: float = 0.0
    left_at: float | None = None
    reviewed_at: float | None = None
    confirmed_at: float | None = None
    outcome: str = ""
    settled_at: float | None = None
    settled_by: str = ""
    due: float | None = None
    paused_at: float | None = None
    paused_s: float = 0.0
    overdue: bool = False
    overdue_at: float | None = None
    gone: int = 0
    rechecks: int = 0
    reminded: bool = False
    steps: tuple[CaseStep, ...] = ()
    refused: tuple[CaseStep, ...] = ()
    head: Mapping[str, Any] = field(default_factory=dict)

    @property
    def medium(self) -> str:
        """How it was found: fixed_camera, drone or sensor."""
        return str(self.head.get("kind", ""))

    @property
    def closed(self) -> bool:
        return self.state == "misdetected" or self.state in _CLOSED

    @property
    def counts(self) -> bool:
        """Whether the case counts as one: a misdetection and a duplicate do not."""
        return self.state not in ("misdetected", "duplicate")


def fold(steps: Iterable[CaseStep]) -> CaseLife | None:
    """The case that these steps (of one case, in any order, some twice) come to.

    None where its `found` is not among them: then nothing is known of what it is about.
    """
    once = {step.id: step for step in steps}
    ordered = sorted(once.values(), key=order)
    if not ordered or ordered[0].kind != "found":
        return None
    life = _found(ordered[0])
    for step in ordered[1:]:
        life = advance(life, step)
    return life


def order(step: CaseStep) -> tuple[bool, float, int, str]:
    """What the steps of a case are sorted by: the finding, then time, then rank."""
    return step.kind != "found", step.at, _RANK[step.kind], step.id


def _found(step: CaseStep) -> CaseLife:
    head = step.facts
    return CaseLife(
        case=step.case,
        category=str(head.get("category", "")),
        source=str(head.get("source", "")),
        grid=str(head.get("grid") or ""),
        place=str(head.get("place") or ""),
        subject=str(head.get("subject") or ""),
        found_at=step.at,
        steps=(step,),
        head=head,
    )


def advance(life: CaseLife, step: CaseStep) -> CaseLife:
    """The case after one more step; unchanged but for `refused` where its state forbids it."""
    after = ALLOWED.get(step.kind, {}).get(life.state)
    if after is None:
        return replace(life, refused=(*life.refused, step))
    life = replace(life, state=after, steps=(*life.steps, step))
    change = _CHANGES.get(step.kind)
    return replace(life, **change(life, step)) if change else life


def _left(life: CaseLife, step: CaseStep) -> dict[str, Any]:
    return {"left_at": step.at, "reminded": bool(step.facts.get("reminded"))}


def _confirmed(life: CaseLife, step: CaseStep) -> dict[str, Any]:
    first = life.confirmed_at is None
    return {
        "reviewed_at": life.reviewed_at or step.at,
        "confirmed_at": step.at if first else life.confirmed_at,
        "due": step.facts.get("due") if first else life.due,
        "outcome": "" if life.state == "confirmed" else life.outcome,
    }


def _misdetected(life: CaseLife, step: CaseStep) -> dict[str, Any]:
    """Nothing that followed from the case stands any longer."""
    return {
        "reviewed_at": life.reviewed_at or step.at,
        "confirmed_at": None,
        "outcome": "",
        "due": None,
        "paused_at": None,
        "paused_s": 0.0,
        "overdue": False,
        "overdue_at": None,
        "settled_at": None,
        "settled_by": "",
        "gone": 0,
    }


def _outcome(life: CaseLife, step: CaseStep) -> dict[str, Any]:
    running = life.state in RUNNING
    return {
        "outcome": step.kind,
        "due": step.facts.get("due", life.due) if running else None,
        "paused_at": life.paused_at if running else None,
    }


def _paused(life: CaseLife, step: CaseStep) -> dict[str, Any]:
    return {} if life.paused_at is not None else {"paused_at": step.at}


def _resumed(life: CaseLife, step: CaseStep) -> dict[str, Any]:
    """`due` of the step says when the case is due now; without it the pause is added."""
    if life.paused_at is None:
        return {}
    pause_s = max(0.0, step.at - life.paused_at)
    moved = None if life.due is None else life.due + pause_s
    return {
        "paused_at": None,
        "paused_s": life.paused_s + pause_s,
        "due": step.facts.get("due", moved),
    }


def _overdue(life: CaseLife, step: CaseStep) -> dict[str, Any]:
    """Said by the box; void where a pause or a new due time had moved the end by then."""
    if life.paused_at is not None or life.due is None or step.at < life.due:
        return {}
    return {"overdue": True, "overdue_at": life.overdue_at or step.at}


def _rechecked(life: CaseLife, step: CaseStep) -> dict[str, Any]:
    gone = {"gone": life.gone + 1, "still_there": 0, "cannot_see": life.gone}[step.kind]
    return {"gone": gone, "rechecks": life.rechecks + 1}


def _settled(life: CaseLife, step: CaseStep) -> dict[str, Any]:
    late = life.due is not None and life.paused_at is None and step.at > life.due
    return {
        "settled_at": step.at,
        "settled_by": step.by,
        "overdue": life.overdue or late,
        "paused_at": None,
    }


_CHANGES: dict[StepKind, Callable[[CaseLife, CaseStep], dict[str, Any]]] = {
    "left": _left,
    "confirmed": _confirmed,
    "misdetected": _misdetected,
    "filed": _outcome,
    "on_the_spot": _outcome,
    "permitted": _outcome,
    "duplicate": _outcome,
    "not_pursued": _outcome,
    "paused": _paused,
    "resumed": _resumed,
    "overdue": _overdue,
    "still_there": _rechecked,
    "gone": _rechecked,
    "cannot_see": _rechecked,
    "settled": _settled,
}
