# SPDX-License-Identifier: AGPL-3.0-or-later
"""What became of each case, for the pages: the steps of `<state>/handling` and the words of
`<state>/reviews`, folded by `edge.handling.life`, ten thousand of them in a few megabytes.

janitord turns words into steps once a minute; the page shows a word at once, so the words that are
no steps yet are folded on top. Both kinds of files only grow: what is new in them is read.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from edge.handling.life import RUNNING, CaseLife, CaseStep, advance, fold, order
from edge.handling.sources import head_of, steps_of_review
from edge.handling.statistics import CELLS
from edge.jsonfile import decoded
from edge.learning.verdicts import ReviewVerdict
from edge.uplink.wire import utc_seconds

# What a list and the statistics ask of the head of a case; the rest stays on the disk.
_KEPT = ("kind", "anchor", "names", "source_name", "reminded")
# Cases whose steps came out of order are read again, so many of them in one pass over the files:
# the steps of more would be the most that the page ever holds.
_PASS = 400
_NOBODY = CaseLife("")


class _Whose(msgspec.Struct):
    """Of a step no more than its case."""

    case: str


# Whether the found comes first, when, rank: a step that is not behind that is folded in anew.
_Place = tuple[bool, float, int]


@dataclass(slots=True)
class _GrowingFile:
    """A file that is appended to: how far it was read."""

    path: Path
    read: int = 0

    def lines(self) -> Iterator[bytes]:
        """The whole lines that came since. Raises OSError."""
        with self.path.open("rb") as file:
            file.seek(self.read)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self.read += len(line)
                yield line

    @property
    def shrunk(self) -> bool:
        return self.path.stat().st_size < self.read


class _GrowingFolder:
    """Files of lines in a folder, read on where they were left."""

    def __init__(self, folder: Path, pattern: str) -> None:
        self._folder, self._pattern = folder, pattern
        self._files: dict[str, _GrowingFile] = {}

    @property
    def replaced(self) -> bool:
        """Whether a file went or became shorter: then nothing that was read of them holds."""
        now = {path.name for path in self._folder.glob(self._pattern)}
        return any(
            name not in now or file.shrunk for name, file in self._files.items()
        )  # fmt: skip

    def forget(self) -> None:
        self._files = {}

    def lines(self) -> Iterator[bytes]:
        """What is new, the oldest file first."""
        for path in sorted(self._folder.glob(self._pattern)):
            yield from self._files.setdefault(path.name, _GrowingFile(path)).lines()

    def every(self) -> Iterator[bytes]:
        """All that was read so far, again."""
        for name in sorted(self._files):
            left = self._files[name].read
            for line in _GrowingFile(self._folder / name).lines():
                left -= len(line)
                if left < 0:
                    break
                yield line


class CaseStages:
    """See the module. `refresh` and `whole` are for one thread at a time, whose owner holds a lock;
    the others read what the last `refresh` has come to, and any thread may."""

    def __init__(self, state: Path) -> None:
        self._steps = _GrowingFolder(state / "handling", "steps-*.jsonl")
        self._reviews = _GrowingFolder(state / "reviews", "*.jsonl")
        # Never changed, only replaced: somebody may be going through them.
        self._now: Mapping[str, CaseLife] = {}
        self._found: tuple[CaseLife, ...] = ()
        self._clear()

    def _clear(self) -> None:
        self._folded: dict[str, CaseLife] = {}
        self._last: dict[str, _Place] = {}
        self._said: dict[str, tuple[ReviewVerdict, ...]] = {}
        # By what it says: cases of one camera and one cell of its picture share one.
        self._heads: dict[str, dict[str, Any]] = {}

    def refresh(self) -> None:
        """Take in what was written since. Raises OSError for files that cannot be read."""
        anew = self._steps.replaced or self._reviews.replaced
        if anew:
            self._steps.forget()
            self._reviews.forget()
            self._clear()
        changed = self._take_steps() | self._take_words()
        if anew or changed:
            lives = {case: self._with_words(case) for case in changed}
            self._now = lives if anew else {**self._now, **lives}
            self._found = tuple(life for case, life in self._now.items() if case in self._folded)

    def of(self, case: str) -> CaseLife:
        """How far a case is; one that nobody has said anything of is suspected. Its steps are not
        here: see `whole`."""
        return self._now.get(case) or _NOBODY

    def judged(self) -> list[str]:
        """The cases that somebody has judged."""
        return [case for case, life in self._now.items() if life.state != "suspected"]

    def overdue(self, now: float) -> set[str]:
        """The cases that should be done already."""
        return {case for case, life in self._now.items() if late(life, now)}

    def known(self) -> list[CaseLife]:
        """The cases of which the finding is known, also those whose evidence is long gone."""
        return list(self._found)

    def reason_of(self, case: str) -> str:
        """What was written last about a case."""
        said = self._said.get(case)
        return said[-1].reason if said else ""

    def whole(self, case: str, violation: Mapping[str, Any]) -> CaseLife:
        """One case with all its steps, refused ones too; violation: as its manifest states it."""
        steps = list(self._steps_of({case}).get(case, ()))
        steps += self._steps_said(case)
        if not any(step.kind == "found" for step in steps):
            steps.append(_found(case, violation))
        return fold(steps) or CaseLife(case)

    def _take_steps(self) -> set[str]:
        changed, torn_order = set[str](), set[str]()
        for line in self._steps.lines():
            step = _decoded(CaseStep, line)
            if step is None:
                continue
            changed.add(sys.intern(step.case))
            if not self._append(step):
                torn_order.add(step.case)
        waiting = sorted(torn_order)
        while waiting:
            self._fold_again(set(waiting[:_PASS]))
            waiting = waiting[_PASS:]
        return changed

    def _append(self, step: CaseStep) -> bool:
        """False where the step is not the case's last one, so that it must be folded anew."""
        life, place = self._folded.get(step.case), _place(step)
        if life is None:
            if step.kind != "found":
                return False
            self._keep(fold([step]), place)
            return True
        if place <= self._last[step.case]:
            return False
        self._keep(advance(life, step), place)
        return True

    def _keep(self, life: CaseLife | None, place: _Place) -> None:
        if life is not None:
            small = self._small(life)
            self._folded[small.case] = small
            self._last[small.case] = place

    def _fold_again(self, cases: set[str]) -> None:
        for steps in self._steps_of(cases).values():
            self._keep(fold(steps), max(map(_place, steps)))

    def _steps_of(self, cases: set[str]) -> dict[str, list[CaseStep]]:
        found: dict[str, list[CaseStep]] = defaultdict(list)
        one = next(iter(cases)).encode() if len(cases) == 1 else b""
        for line in self._steps.every():
            of = _decoded(_Whose, line) if one in line else None
            if of is None or of.case not in cases:
                continue
            if (step := _decoded(CaseStep, line)) is not None:
                found[step.case].append(step)
        return found

    def _small(self, life: CaseLife) -> CaseLife:
        """Without what only one case's own page shows; words that many cases share once."""
        head = {key: life.head[key] for key in _KEPT if life.head.get(key) not in (None, "")}
        if anchor := _cell(head.get("anchor")):
            head["anchor"] = anchor
        return replace(
            life,
            case=sys.intern(life.case),
            steps=(),
            refused=(),
            head=self._heads.setdefault(repr(head), head),
            outcome=sys.intern(life.outcome),
            category=sys.intern(life.category),
            source=sys.intern(life.source),
            grid=sys.intern(life.grid),
            place=sys.intern(life.place),
        )

    def _take_words(self) -> set[str]:
        changed = set[str]()
        for line in self._reviews.lines():
            word = _decoded(ReviewVerdict, line)
            if word is None or not _has_time(word):
                continue
            changed.add(sys.intern(word.violation))
            said = self._said.get(word.violation, ())
            if word.withdrawn:
                said = tuple(one for one in said if (one.at, one.by) != (word.at, word.by))
            else:
                said = (*said, word)
            self._said[word.violation] = said
        return changed

    def _with_words(self, case: str) -> CaseLife:
        life = self._folded.get(case) or CaseLife(case)
        last = self._last.get(case)
        for step in sorted(self._steps_said(case), key=order):
            if last is None or _place(step) > last:
                life = replace(advance(life, step), steps=(), refused=())
        return life

    def _steps_said(self, case: str) -> Iterator[CaseStep]:
        now = time.time()
        for word in self._said.get(case, ()):
            try:
                yield from steps_of_review(word, now, lambda _: None)
            except ValueError:
                continue


def _cell(anchor: Any) -> tuple[float, ...]:
    """The middle of the cell that a place lies in: what the statistics call one place."""
    numbers = isinstance(anchor, list) and all(isinstance(side, (int, float)) for side in anchor)
    return tuple((int(side * CELLS) + 0.5) / CELLS for side in anchor) if numbers else ()


def _place(step: CaseStep) -> _Place:
    return order(step)[:3]


def _decoded(kind: type[Any], line: bytes) -> Any:
    """None for a line that is none: torn by a power cut, or somebody else's."""
    try:
        return decoded(line, kind)
    except ValueError:
        return None


def _has_time(word: ReviewVerdict) -> bool:
    try:
        return bool(word.wall_s)
    except ValueError:
        return False


def _found(case: str, violation: Mapping[str, Any]) -> CaseStep:
    """The finding as its manifest states it, for a case that janitord has not met yet."""
    try:
        at, head = utc_seconds(violation["decided"]["utc"]), head_of(violation)
    except (KeyError, TypeError, ValueError, AttributeError):
        at, head = 0.0, {}
    return CaseStep(
        id=case, case=case, kind="found", at=at, arrived=at, by="box", role="box", facts=head
    )


def progress_of(life: CaseLife, now: float) -> str:
    """The one word a list shows of a case: unread, overdue, running, or how it ended."""
    if life.state == "suspected":
        return "unread"
    if life.state in RUNNING:
        return "overdue" if late(life, now) else "running"
    return life.state


def late(life: CaseLife, now: float) -> bool:
    """Whether somebody still has to do something that should be done already."""
    waits = life.state in RUNNING and life.paused_at is None
    return waits and life.due is not None and life.due < now
