# SPDX-License-Identifier: AGPL-3.0-or-later
"""Contestants side by side: rounds interleaved in one run, ratios paired round by round."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Contestant:
    """A loop in its own process. `venv`: "" for .venv, else the ending of .venv-NAME."""

    name: str
    venv: str
    settings: dict[str, Any]
    rounds: list[dict[str, Any]] = field(default_factory=list)
    error: str | None = None
    _process: subprocess.Popen[str] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Leaves `error` where the environment is missing or the loop cannot be made."""
        python = ROOT / f".venv{'-' * bool(self.venv)}{self.venv}" / "bin" / "python"
        if not python.exists():
            self.error = f"no {python.parents[1].name}: tools/setup {self.venv}"
            return
        self._process = subprocess.Popen(
            [str(python), "-m", "tools.bench.contestant"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        )
        answer = self._ask(self.settings)
        self.error = answer.get("error")

    def go(self, frames: int) -> None:
        """One round of so many frames; a contestant that failed once sits out the rest."""
        if self.error is None:
            answer = self._ask({"frames": frames})
            self.error = answer.get("error")
            if self.error is None:
                self.rounds.append(answer)

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self._process is not None
        sent, heard = _pipes(self._process)
        sent.write(json.dumps(question) + "\n")
        sent.flush()
        line = heard.readline()
        return json.loads(line) if line else {"error": "ended by itself (out of memory?)"}

    def stop(self) -> None:
        if self._process is not None:
            for pipe in _pipes(self._process):
                pipe.close()
            self._process.kill()
            self._process.wait()

    def median(self, key: str) -> float:
        return float(statistics.median(one[key] for one in self.rounds))


def _pipes(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    assert process.stdin is not None and process.stdout is not None
    return process.stdin, process.stdout


class Arena:
    """All contestants of one run, started together and asked in turn."""

    def __init__(self, contestants: Sequence[Contestant]) -> None:
        self.contestants = {one.name: one for one in contestants}

    def __enter__(self) -> Arena:
        for one in self.contestants.values():
            one.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        for one in self.contestants.values():
            one.stop()

    def run(self, rounds: int, frames: int, progress: Callable[[float], None]) -> None:
        """One round to warm up, then `rounds` that count, in turns."""
        running = [one for one in self.contestants.values() if one.error is None]
        for number in range(rounds + 1):
            for index, one in enumerate(running):
                one.go(frames if number else max(3, frames // 4))
                progress((number * len(running) + index + 1) / ((rounds + 1) * len(running)))
        for one in running:
            one.rounds = one.rounds[1:]

    def ratio(self, name: str, to: str, key: str = "cpu_ms") -> float | None:
        """Median of the paired ratios; None where one of the two did not run."""
        ours, theirs = self.contestants.get(name), self.contestants.get(to)
        if ours is None or theirs is None or not ours.rounds or not theirs.rounds:
            return None
        pairs = zip(ours.rounds, theirs.rounds, strict=False)
        return float(statistics.median(one[key] / other[key] for one, other in pairs))


def progress_line(share: float) -> None:
    if sys.stderr.isatty():
        print(f"\rmeasuring {share:4.0%}", end="\n" if share >= 1 else "", file=sys.stderr)
