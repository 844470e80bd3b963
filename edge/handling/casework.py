# SPDX-License-Identifier: AGPL-3.0-or-later
"""One pass over all cases: what is new becomes steps, each published and kept. Run by janitord.

New are violations in the outbox, reviewers' words, due times that have passed and answers of
rechecks. The pass may be repeated at any point without harm.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import tzinfo
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from edge.config import Category
from edge.handling.deadlines import Office, due_at, left_hours
from edge.handling.flights import flight_steps, write_open_places
from edge.handling.life import RUNNING, CaseLife, CaseStep, fold, make_step
from edge.handling.looks import Looks
from edge.handling.misdetected import write_misdetected
from edge.handling.scheduled import ReportTerms
from edge.handling.sources import UNDO_S, steps_of_review, steps_of_violation
from edge.handling.store import append_steps, by_case, read_steps
from edge.jsonfile import decoded
from edge.learning.verdicts import ReviewVerdict, parse_lines, standing
from edge.outbox.schema import connect
from edge.uplink import messages as m
from edge.uplink.wire import moment, plain, utc_seconds, utc_text
from edge.values import Json, Stamp

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HandlingTerms:
    """What the site says of handling: categories with their limits, the office and its zone."""

    categories: Mapping[str, Category]
    office: Office
    timezone: tzinfo
    reports: ReportTerms | None = None

    def due(self, category: str, start: float) -> float | None:
        """UTC seconds at which a case confirmed at `start` is due; None without a limit.

        Raises ValueError where the office never works as long as the limit: see `check`.
        """
        found = self.categories.get(category)
        if found is None or found.deadline_h is None:
            return None
        return due_at(start, found.deadline_h, self._office(found))

    def check(self, now: float) -> None:
        """Raises ValueError for a category whose limit can never be over by these office hours."""
        for name in self.categories:
            try:
                self.due(name, now)
            except ValueError as error:
                raise ValueError(f"category {name}: {error}; see office_hours") from None

    def resumed(self, life: CaseLife, at: float) -> float | None:
        """When a case is due whose pause ends now: what was left at its beginning is left now."""
        found = self.categories.get(life.category)
        if found is None or life.due is None or life.paused_at is None:
            return None
        office = self._office(found)
        return due_at(at, left_hours(life.paused_at, life.due, office), office)

    def classes(self, category: str) -> list[str]:
        """What the detector must find at the place for the offence to stand."""
        found = self.categories.get(category)
        return list(found.classes) if found else []

    def settles_itself(self, category: str) -> bool:
        found = self.categories.get(category)
        return found is not None and found.auto_settle

    def _office(self, category: Category) -> Office | None:
        return self.office if category.deadline_counts == "working_hours" else None


Put = Callable[[CaseStep, CaseLife | None], None]
# Around the work for one case, by its id (edge.isolation): what fails by a bug again is left out.
WorkingFor = Callable[[str], AbstractContextManager[None]]


class Casework:
    """The cases of one box. `put` makes a step durable for the platform. Raises OSError, and
    whatever `put` raises; the pass is then repeated."""

    def __init__(
        self,
        state: Path,
        terms: HandlingTerms,
        put: Put,
        looks: Looks | None = None,
        working_for: WorkingFor = lambda case: nullcontext(),
    ) -> None:
        self._working_for = working_for
        self._state, self._terms, self._put, self._looks = state, terms, put, looks
        steps, self.torn = read_steps(state)
        self._cases = by_case(steps)
        self._known = {step.id for step in steps}

    def life(self, case: str) -> CaseLife | None:
        with self._working_for(case):
            return fold(self._cases.get(case, ()))
        return None

    def lives(self) -> list[CaseLife]:
        return [life for case in self._cases if (life := self.life(case)) is not None]

    def _each(
        self, lives: Iterable[CaseLife], steps: Callable[[CaseLife], Iterable[CaseStep]]
    ) -> Iterator[CaseStep]:
        for life in lives:
            with self._working_for(life.case):
                yield from steps(life)

    def work(self, now: float, *, date_known: bool = True) -> int:
        """One pass; how many steps were new. What follows from the date alone waits until it is
        known (edge.handling.known_time): it could not be taken back."""
        taken = self._take(violation_steps(self._state, now, self._working_for))
        taken += self._take(self._review_steps(now))
        steps = flight_steps(self._state, now)
        taken += self._take(step for step in steps if step.case in self._cases)
        running = [life for life in self.lives() if life.state in RUNNING]
        if date_known:
            taken += self._take(self._each(running, partial(self._time_steps, now=now)))
        if date_known and self._looks is not None:
            answered = self._looks.step(running, now, self._terms.timezone)
            taken += self._take(answered)
        settled = [life for one in running if (life := self.life(one.case)) is not None]
        taken += self._take(self._each(settled, partial(self._settle, now=now)))
        write_misdetected(self._state, self.lives())
        write_open_places(self._state, self.lives())
        return taken

    def _take(self, steps: Iterable[CaseStep]) -> int:
        """Publish and keep those that are new."""
        fresh: list[CaseStep] = []
        for step in steps:
            if step.id in self._known:
                continue
            self._known.add(step.id)
            self._cases.setdefault(step.case, []).append(step)
            with self._working_for(step.case):
                self._put(step, self.life(step.case))
                fresh.append(step)
        if fresh:
            append_steps(self._state, fresh)
        return len(fresh)

    def _review_steps(self, now: float) -> Iterator[CaseStep]:
        for line in read_reviews(self._state / "reviews", now):
            if line.violation in self._cases:
                with self._working_for(line.violation):
                    yield from self._steps_of(line, now)

    def _steps_of(self, line: ReviewVerdict, now: float) -> Iterator[CaseStep]:
        life = self.life(line.violation)
        due = partial(self._terms.due, life.category if life else "")
        try:
            for step in steps_of_review(line, now, due):
                yield self._with_due(step, life)
        except ValueError as error:
            log.debug("review of %s: %s", line.violation, error)

    def _with_due(self, step: CaseStep, life: CaseLife | None) -> CaseStep:
        if step.kind != "resumed" or life is None:
            return step
        due = self._terms.resumed(life, step.at)
        return step if due is None else msgspec.structs.replace(step, facts={"due": due})

    def _time_steps(self, life: CaseLife, now: float) -> Iterator[CaseStep]:
        if life.overdue or life.due is None or life.paused_at is not None or now <= life.due:
            return
        yield make_step(life.case, "overdue", life.due, arrived=now, by="box", role="box")

    def _settle(self, life: CaseLife, now: float) -> Iterator[CaseStep]:
        """Twice in a row nothing there: the case ends by itself where its category allows it."""
        if life.state not in RUNNING or life.gone < 2:
            return
        if self._terms.settles_itself(life.category):
            last = max(s.at for s in life.steps if s.kind == "gone")
            yield make_step(
                life.case, "settled", last, arrived=now, by="box", role="box",
                reason=f"复查 {life.gone} 次均未再见 not seen in {life.gone} rechecks",
            )  # fmt: skip


def violation_steps(
    state: Path, now: float, working_for: WorkingFor = lambda case: nullcontext()
) -> Iterator[CaseStep]:
    """Steps of the violations that the outbox still holds; a row that cannot be read is skipped."""
    path = state / "outbox.db"
    if not path.exists():
        return
    db = connect(path)
    try:
        rows = db.execute(
            "SELECT key, body, payload, folder, put_wall FROM record WHERE kind = 'violation'"
        )
        for key, body, payload, folder, put_wall in rows:
            try:
                with working_for(key.partition("/")[0]):
                    data = {**_data_of(body, payload), **_of_manifest(folder)}
                    yield from steps_of_violation(data, min(put_wall, now))
            except (KeyError, TypeError, ValueError) as error:
                log.warning("handling: a violation in the outbox cannot be read: %s", error)
    except sqlite3.OperationalError as error:
        log.warning("handling: %s; next time", error)
    finally:
        db.close()


def _data_of(body: bytes | None, payload: bytes | None) -> dict[str, Any]:
    """What a violation says. Once it is sealed its body is gone: the sealed bytes hold it."""
    if body is not None:
        return decoded(body, dict)
    return dict(decoded(payload or b"", dict)["data"])


def _of_manifest(folder: str | None) -> dict[str, Any]:
    """The box of what was found (a recheck must know where to look) and the key by which its
    source knows it. {} without a manifest."""
    if folder is None:
        return {}
    try:
        manifest = json.loads((Path(folder) / "manifest.json").read_bytes())
        box = [round(float(side), 4) for side in manifest["finding"]["box"]]
        return {"box": box, "key": manifest.get("key")}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def read_reviews(folder: Path, now: float) -> list[ReviewVerdict]:
    """Every readable word that nobody took back, oldest file first. What the page said within the
    last minute waits: it may still be taken back there. A stamp from the future is an old word of a
    clock that was set since."""
    lines = [line for path in sorted(folder.glob("*.jsonl")) for line in _lines(path)]
    said, _ = parse_lines(lines)
    return [v for v in standing(said) if not v.by or abs(now - v.wall_s) >= UNDO_S]


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines()


def step_data(step: CaseStep, life: CaseLife | None, heard: Stamp) -> dict[str, Json]:
    """A step as `data` of its record; life: the case with the step in it."""
    due = life.due if life else None
    data = m.HandlingData(
        id=step.id,
        violation=step.case,
        step=step.kind,
        state=life.state if life else "suspected",
        at=utc_text(step.at),
        heard=moment(heard),
        by=step.by,
        role=step.role,
        reason=step.reason,
        due=None if due is None else utc_text(due),
        overdue=life.overdue if life else False,
        facts=step.facts,
    )
    return dict(plain(msgspec.to_builtins(data)))


def step_from(data: m.HandlingData) -> CaseStep:
    """The inverse of :func:`step_data`, for a receiver. Raises msgspec.ValidationError."""
    return msgspec.convert(
        {
            "id": data.id,
            "case": data.violation,
            "kind": data.step,
            "at": utc_seconds(data.at),
            "arrived": utc_seconds(data.heard.utc),
            "by": data.by,
            "role": data.role,
            "reason": data.reason,
            "facts": data.facts,
        },
        CaseStep,
    )
