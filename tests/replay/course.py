# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a judge does between its findings, and each finding whole: `python tests/replay/course.py`
writes course.jsonl of every case anew. Read the difference, as that of golden events.

A row each time that what the camera is asked for changes (does it watch a place, is something
missing, how far apart may looks be, which clocks run), one for each finding and prompt, and what is
kept over a restart at the end.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from unittest import mock

from edge.commands.replay import judge_case
from edge.rules import judge
from edge.values import Finding, Judgement, Scene, Stamp

HERE = Path(__file__).resolve().parent
# Of a finding's facts these are long and the same in every case of a category.
LONG = ("limits",)


def _rounded(value: Any) -> Any:
    """Numbers to a thousandth: what boards differ in is less."""
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, dict):
        return {str(key): _rounded(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(one) for one in value]
    return value


def _finding(finding: Finding) -> dict[str, Any]:
    subject = finding.subject
    return {
        "finding": f"{finding.phase} {finding.rule}",
        "key": finding.key,
        "began": finding.began.wall,
        "decided": finding.decided.mono,
        "ended": finding.ended and finding.ended.mono,
        "box": finding.box,
        "subject": subject and subject.id,
        "zone": [finding.zone.zones, finding.zone.permit, finding.zone.hours],
        "facts": {name: v for name, v in finding.facts.items() if name not in LONG},
        "parent": finding.parent,
        "moments": finding.moments,
        "priority": finding.priority,
    }


class WatchedJudge(judge.Judge):
    """Writes down what it is asked and says."""

    rows: list[dict[str, Any]]

    def step(self, scene: Scene) -> Judgement:
        found = super().step(scene)
        t = scene.at.mono
        asked = {"busy": self.busy, "searching": self.searching, "need_s": self.need_s}
        clocks = {c.key: [c.category, c.began.mono, c.held_s, c.due_s] for c in found.candidates}
        state = (asked, {key: clock[3] for key, clock in clocks.items()})
        if state != getattr(self, "_state", None):
            self._state = state
            self._write({"t": t, **asked, "clocks": [*clocks.values()]})
        for prompt in found.prompts:
            self._write({"t": t, "prompt": [prompt.category, prompt.hook, prompt.zh, prompt.en]})
        self._findings(t, found)
        return found

    def finish(self, now: Stamp) -> Judgement:
        kept = self.snapshot()
        found = super().finish(now)
        self._findings(now.mono, found)
        self._write({"kept": kept})
        return found

    def _findings(self, t: float, found: Judgement) -> None:
        for finding in found.findings:
            self._write({"t": t, **_finding(finding)})

    def _write(self, row: dict[str, Any]) -> None:
        self.rows.append(_rounded(row))


def course_of(folder: Path) -> list[str]:
    """The lines of one case."""

    class Watched(WatchedJudge):
        rows: list[dict[str, Any]] = []

    with mock.patch.object(judge, "Judge", Watched):
        judge_case(folder)
    return [json.dumps(row, ensure_ascii=False) for row in Watched.rows]


def main() -> int:
    """Write every course anew."""
    for path in sorted(HERE.glob("*/detections.jsonl")):
        lines = course_of(path.parent)
        (path.parent / "course.jsonl").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
