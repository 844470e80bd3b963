# SPDX-License-Identifier: AGPL-3.0-or-later
"""The steps of all cases on disk: one file of JSON lines a month below `<state>/handling`.

Written by one process (janitord), read by the page and by reports. A step is put into the outbox
first and appended here afterwards: where the power fails between the two, the next pass puts the
same step again, and its id tells the platform that it has it already.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from edge.handling.life import CaseLife, CaseStep, fold
from edge.journal import append
from edge.jsonfile import decoded_lines
from edge.uplink.wire import utc_text


def read_steps(state: Path) -> tuple[list[CaseStep], int]:
    """(all steps, oldest file first; lines that could not be read, as after a power cut)."""
    paths = sorted((state / "handling").glob("steps-*.jsonl"))
    lines = (line for path in paths for line in path.read_bytes().splitlines())
    return decoded_lines(lines, CaseStep)


def append_steps(state: Path, steps: Sequence[CaseStep]) -> None:
    """Add steps durably, each to the month in which the box learnt of it. Raises OSError."""
    months: dict[str, list[str]] = defaultdict(list)
    for step in steps:
        months[utc_text(step.arrived)[:7]].append(msgspec.json.encode(step).decode())
    for month, rows in months.items():
        append(state / "handling" / f"steps-{month}.jsonl", rows)


def by_case(steps: Iterable[CaseStep]) -> dict[str, list[CaseStep]]:
    """The steps of each case, in the order given."""
    cases: dict[str, list[CaseStep]] = defaultdict(list)
    for step in steps:
        cases[step.case].append(step)
    return cases


def lives(steps: Iterable[CaseStep]) -> Iterator[CaseLife]:
    """Every case of which the finding is known, in the order of their first steps."""
    for rows in by_case(steps).values():
        life = fold(rows)
        if life is not None:
            yield life
