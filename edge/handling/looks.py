# SPDX-License-Identifier: AGPL-3.0-or-later
"""Rechecks carried out: looks asked of visiond, their answers gathered into rounds.

Each round has a folder `<state>/rechecks/<case>-<n>`; each look is a folder in it that visiond
answers into. What was asked survives a restart, since it is read from the folders.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import tzinfo
from pathlib import Path
from typing import Any

from edge.handling.life import CaseLife, CaseStep, make_step
from edge.handling.rechecks import LATE_S, LOOKS, SPACING_S, Seen, result_of, round_begins
from edge.ipc import Spool, SpoolFull, read_answer
from edge.jsonfile import read_object
from edge.runtime import make_folder, write_atomic

log = logging.getLogger(__name__)

PLAN = "plan.json"
KEEP_ROUNDS = 400
ANSWER_WITHIN_S = 180.0
# A plan begins when its first look is due: one that lies further ahead was made by a wrong clock.
AHEAD_MOST_S = 24 * 3600.0


class Looks:
    """See the module. classes_of(category): what the detector must find for `there`."""

    def __init__(self, state: Path, run: Path, classes_of: Callable[[str], list[str]]) -> None:
        self._root, self._run, self._classes_of = state / "rechecks", run, classes_of

    def step(self, running: Iterable[CaseLife], now: float, timezone: tzinfo) -> Iterator[CaseStep]:
        """Begin rounds that are due, ask for their looks, and give the steps of finished ones."""
        for life in running:
            if life.head.get("kind") != "fixed_camera" or not life.head.get("box"):
                continue
            folder = self._root / f"{life.case}-{life.rechecks + 1}"
            if (folder / PLAN).exists():
                yield from self._go_on(folder, life, now)
                continue
            begins = round_begins(life, timezone)
            if begins is not None and begins <= now:
                self._begin(folder, life, now if now - begins > LATE_S else begins)
        self._forget()

    def _begin(self, folder: Path, life: CaseLife, first: float) -> None:
        make_folder(folder)
        at = [first + n * SPACING_S for n in range(LOOKS)]
        write_atomic(folder / PLAN, json.dumps({"case": life.case, "at": at}).encode())

    def _go_on(self, folder: Path, life: CaseLife, now: float) -> Iterator[CaseStep]:
        times = _plan(folder / PLAN)
        if not times or times[0] - now > AHEAD_MOST_S:
            shutil.rmtree(folder, ignore_errors=True)
            return
        seen: list[Seen] = []
        pictures: list[str] = []
        for number, due in enumerate(times, 1):
            look = folder / f"look-{number}"
            if now < due:
                return
            if not look.exists():
                self._ask(look, life)
                return
            found = self._answer(look, due, now)
            if found is None:
                return
            seen.append(found)
            pictures += [f"look-{number}/{p.name}" for p in sorted(look.glob("*.jpg"))]
        facts = {"looks": seen, "pictures": pictures, "folder": folder.name}
        # The round's own time: the step is the same one when a power cut makes the pass repeat it.
        yield make_step(
            life.case, result_of(seen), times[-1], arrived=now, by="box", role="box", facts=facts
        )

    def _ask(self, look: Path, life: CaseLife) -> None:
        make_folder(look)
        try:
            Spool(self._run, "visiond").ask(
                "look",
                camera=life.source,
                into=str(look),
                box=life.head["box"],
                classes=self._classes_of(life.category),
            )
        except (SpoolFull, OSError) as error:
            log.warning("recheck of %s: %s", life.case, error)

    def _answer(self, look: Path, due: float, now: float) -> Seen | None:
        """None while visiond may still answer."""
        answer = read_answer(look)
        if answer is None:
            return "blind" if now - max(due, look.stat().st_mtime) > ANSWER_WITHIN_S else None
        return _seen(answer)

    def _forget(self) -> None:
        """The oldest rounds go; their steps and records stay."""
        rounds = sorted(self._root.glob("v-*"), key=lambda p: p.stat().st_mtime)
        for old in rounds[:-KEEP_ROUNDS]:
            shutil.rmtree(old, ignore_errors=True)


def _plan(path: Path) -> list[float]:
    """When each look of a round is due; [] for a file that does not say."""
    try:
        return [float(at) for at in read_object(path).get("at", ())]
    except (ValueError, TypeError):
        return []


def _seen(answer: Mapping[str, Any]) -> Seen:
    if not answer.get("done") or answer.get("blind"):
        return "blind"
    return "there" if answer.get("still_there") else "not_there"
