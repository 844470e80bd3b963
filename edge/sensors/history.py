# SPDX-License-Identifier: AGPL-3.0-or-later
"""Minutes of every channel, kept for weeks: what the page plots and a technician looks back on.

`<state>/minutes/YYYYMMDD.csv` (UTC days), written in batches of ten minutes to spare the card; what
is not written yet stands in `<run>/samples/minutes.csv` (tmpfs). A channel takes about 90 KB a day.
A power cut costs ten minutes of plots at most: evidence does not depend on them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from edge import journal
from edge.runtime import write_atomic
from edge.sensors.batch import Batch
from edge.sensors.minutes import Minute
from edge.sensors.raw import cells_of

log = logging.getLogger(__name__)

FLUSH_S = 600.0
DAYS_KEPT = 35
MOST_MB = 100
# Of a disk that refuses: older minutes give way.
WAITING_MAX = 20_000
LEVELS = ("L10", "L50", "L90")


@dataclass(frozen=True, slots=True)
class MinuteRow:
    """One channel over one minute that began at `wall`; None where too little was valid."""

    wall: float
    sensor: str
    channel: str
    unit: str
    n: int
    valid: int
    mean: float | None
    min: float | None
    max: float | None
    l10: float | None = None
    l50: float | None = None
    l90: float | None = None


def line(minute: Minute) -> str:
    """One row of the file."""
    figures = (minute.mean, minute.min, minute.max, *(minute.levels.get(name) for name in LEVELS))
    cells = ["" if value is None else f"{value:.6g}" for value in figures]
    head = (f"{minute.began.wall:.0f}", minute.sensor, minute.channel, minute.unit)
    return ",".join([*head, str(minute.n), str(minute.valid), *cells]) + "\n"


class History:
    """The only writer. `now` of flush is monotonic seconds."""

    def __init__(
        self, state: Path, run: Path, *, flush_s: float = FLUSH_S, days: int = DAYS_KEPT
    ) -> None:
        self.folder, self._recent = state / "minutes", recent_path(run)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._recent.parent.mkdir(parents=True, exist_ok=True)
        self._days = days
        self._batch = Batch[tuple[str, str]]("minutes", log, most=WAITING_MAX, flush_s=flush_s)
        self._batch.rows = self._left_over()

    @property
    def dropped(self) -> int:
        return self._batch.dropped

    def _left_over(self) -> list[tuple[str, str]]:
        """What a sensord before this one had not written yet, where only the process ended."""
        try:
            lines = self._recent.read_text("utf-8").splitlines(keepends=True)
        except OSError:
            return []
        return [(day_of(row.wall), text) for text in lines if (row := _row(cells_of(text)))]

    def add(self, minutes: Iterable[Minute]) -> None:
        """Keep them, and show them at once."""
        self._batch.add((day_of(m.began.wall), line(m)) for m in minutes)
        self._show()

    def _show(self) -> None:
        body = "".join(text for _, text in self._batch.rows).encode()
        write_atomic(self._recent, body, durable=False)

    def flush(self, *, force: bool = False) -> bool:
        """Write what waits, when due. False where the disk refused: it is kept then."""
        return self._batch.flush(self._write, force=force)

    def _write(self) -> None:
        by_day: dict[str, list[str]] = {}
        for day, text in self._batch.rows:
            by_day.setdefault(day, []).append(text)
        for day, lines in by_day.items():
            journal.append(self.folder / f"{day}.csv", lines, durable=False)
        self._batch.rows = []
        self._show()
        self._bound()

    def _bound(self) -> None:
        """Days that are too many, or too much, oldest first; today always stays."""
        files = sorted(self.folder.glob("*.csv"))
        total = sum(file.stat().st_size for file in files)
        while len(files) > 1 and (len(files) > self._days or total > MOST_MB * 1_000_000):
            oldest = files.pop(0)
            total -= oldest.stat().st_size
            oldest.unlink(missing_ok=True)


def day_of(wall: float) -> str:
    return datetime.fromtimestamp(wall, timezone.utc).strftime("%Y%m%d")


def recent_path(run: Path) -> Path:
    return run / "samples" / "minutes.csv"


def read(state: Path, run: Path, from_wall: float, to_wall: float) -> Iterator[MinuteRow]:
    """Minutes that began in this span, oldest first; torn lines (power cut) are left out."""
    first, last = day_of(from_wall), day_of(to_wall)
    files = [p for p in sorted((state / "minutes").glob("*.csv")) if first <= p.stem <= last]
    seen: set[tuple[float, str, str]] = set()
    for path in (*files, recent_path(run)):
        try:
            with path.open(encoding="utf-8", errors="replace", newline="") as file:
                for text in file:
                    row = _row(cells_of(text))
                    if row is None or not from_wall <= row.wall <= to_wall:
                        continue
                    # Read while sensord moves its rows from one file to the other.
                    key = (row.wall, row.sensor, row.channel)
                    if key not in seen:
                        seen.add(key)
                        yield row
        except OSError as error:
            log.debug("%s: %s", path, error)


def _row(cells: list[str]) -> MinuteRow | None:
    if len(cells) != 12:
        return None
    try:
        wall, n, valid = float(cells[0]), int(cells[4]), int(cells[5])
        figures = [float(cell) if cell.strip() else None for cell in cells[6:]]
    except ValueError:
        return None
    return MinuteRow(wall, cells[1], cells[2], cells[3], n, valid, *figures)
