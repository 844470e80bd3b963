# SPDX-License-Identifier: AGPL-3.0-or-later
"""The steps of all cases on disk: one file of JSON lines a month below `<state>/handling`.

Written by one process (janitord), read by the page and by reports. A step is put into the outbox
first and appended here afterwards: where the power fails between the two, the next pass puts the
same step again, and its id tells the platform that it has it already.
"""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from edge.handling.life import CaseLife, Step, fold
from edge.runtime import make_folder, sync_folder
from edge.uplink.wire import utc_text

log = logging.getLogger(__name__)

_DECODER = msgspec.json.Decoder(Step)


def read_steps(state: Path) -> tuple[list[Step], int]:
    """(all steps, oldest file first; lines that could not be read, as after a power cut)."""
    steps: list[Step] = []
    torn = 0
    for path in sorted((state / "handling").glob("steps-*.jsonl")):
        for line in path.read_bytes().splitlines():
            if not line.strip():
                continue
            try:
                steps.append(_DECODER.decode(line))
            except msgspec.MsgspecError:
                torn += 1
    return steps, torn


def append_steps(state: Path, steps: Sequence[Step]) -> None:
    """Add steps durably, each to the month in which the box learnt of it. Raises OSError."""
    folder = state / "handling"
    make_folder(folder)
    months: dict[str, list[Step]] = defaultdict(list)
    for step in steps:
        months[utc_text(step.arrived)[:7]].append(step)
    for month, rows in months.items():
        _append(folder / f"steps-{month}.jsonl", rows)
    sync_folder(folder)


def _append(path: Path, rows: Iterable[Step]) -> None:
    """A line torn by a power cut is closed off first, so that it spoils nobody else's."""
    with path.open("ab+") as file:
        size = file.tell()
        if size:
            file.seek(size - 1)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
        file.flush()
        os.fsync(file.fileno())


def by_case(steps: Iterable[Step]) -> dict[str, list[Step]]:
    """The steps of each case, in the order given."""
    cases: dict[str, list[Step]] = defaultdict(list)
    for step in steps:
        cases[step.case].append(step)
    return cases


def lives(steps: Iterable[Step]) -> Iterator[CaseLife]:
    """Every case of which the finding is known, in the order of their first steps."""
    for rows in by_case(steps).values():
        life = fold(rows)
        if life is not None:
            yield life
