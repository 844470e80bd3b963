# SPDX-License-Identifier: AGPL-3.0-or-later
"""Long productions: one numbered item at a time, resumable, with a manifest and a progress line."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tools.scenery.labels import Box, yolo_lines


class Production:
    """A folder being filled. An item is done when its line stands in manifest.jsonl; `series` (a
    seed and what is made with it) keeps several productions in one folder apart."""

    def __init__(self, folder: Path, *, what: str, series: str) -> None:
        self.folder, self.what, self.series = folder, what, series
        folder.mkdir(parents=True, exist_ok=True)
        self.manifest = folder / "manifest.jsonl"
        self.done = self._finished()

    def _finished(self) -> set[int]:
        if not self.manifest.exists():
            return set()
        numbers = set()
        text = self.manifest.read_text()
        if text and not text.endswith("\n"):  # a killed run's last line: do not write behind it
            with self.manifest.open("a") as out:
                out.write("\n")
        for line in text.splitlines():
            try:
                about = json.loads(line)
                if about["series"] == self.series:
                    numbers.add(int(about["number"]))
            except (json.JSONDecodeError, KeyError):
                continue  # the last line of a killed run may be cut: that item is made again
        return numbers

    def record(self, number: int, **about: object) -> None:
        with self.manifest.open("a") as out:
            line = {"series": self.series, "number": number, **about}
            out.write(json.dumps(line, ensure_ascii=False) + "\n")

    def run(self, count: int, make: Callable[[int], dict[str, object]]) -> None:
        """Makes items 0..count-1 that are not there yet."""
        todo = [n for n in range(count) if n not in self.done]
        began, cpu_began = time.monotonic(), time.process_time()
        for made, number in enumerate(todo, 1):
            self.record(number, **make(number))
            spent = time.monotonic() - began, time.process_time() - cpu_began
            self._progress(made, len(todo), *spent)

    def _progress(self, made: int, total: int, spent_s: float, cpu_s: float) -> None:
        """Both clocks: on a shared machine only the processor's tells what an item costs."""
        left_s = spent_s / made * (total - made)
        end = "\r" if sys.stderr.isatty() and made < total else "\n"
        print(
            f"{self.what} {made}/{total}, {made / max(spent_s, 1e-6) * 3600:.0f} an hour, "
            f"{cpu_s / made:.1f} s of processor each, {left_s / 60:.0f} min left",
            end=end,
            file=sys.stderr,
            flush=True,
        )


def write_labels(folder: Path, stem: str, boxes: list[Box], size: tuple[int, int]) -> None:
    """labels/STEM.txt (YOLO) beside images/STEM.jpg; size is (width, height)."""
    (folder / "labels").mkdir(parents=True, exist_ok=True)
    (folder / "labels" / f"{stem}.txt").write_text(yolo_lines(boxes, *size))
