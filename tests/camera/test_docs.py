# SPDX-License-Identifier: AGPL-3.0-or-later
"""docs/cameras.md names every pipeline, fault and cause there is, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from edge.camera.health import KINDS
from edge.camera.pipelines import PIPELINES
from edge.camera.stall import CAUSES, KIND

TEXT = (Path(__file__).parents[2] / "docs" / "cameras.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    part = TEXT.split(heading, 1)[1]
    table = re.search(r"(?:^\|.*\n)+", part, re.MULTILINE)
    assert table is not None
    lines = table[0].splitlines()[2:]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]


def test_pipelines() -> None:
    told = {row[0]: (row[2], row[3]) for row in rows("### Pipelines")}
    assert told == {name: (row.zh, row.en) for name, row in PIPELINES.items()}


def test_faults_and_how_long_they_must_last() -> None:
    told = {row[0]: (row[1], row[2]) for row in rows("## When a stream fails")}
    del told[KIND]
    assert told == {kind: (zh, f"{start:.0f} s") for kind, (start, _, zh, _) in KINDS.items()}


def test_causes() -> None:
    told = {row[0]: row[1] for row in rows("Causes of `stream_stall`")}
    assert told == {cause: zh for cause, (zh, _) in CAUSES.items()}
