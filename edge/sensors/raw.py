# SPDX-License-Identifier: AGPL-3.0-or-later
"""Raw samples: the last minutes in the run directory for everybody, days of them on the card.

Text lines `wall,sensor,channel,value,unit,flag,arrived_wall,trust,why`: when it was measured and
when it came, whose word the first is, and why it is flagged. The run directory is tmpfs, so it is
written every second; the card gets one batch every few minutes (a lone 1 Hz commit would cost
gigabytes a day). What a violation needs is copied into its evidence and does not depend on them.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from pathlib import Path

from edge import journal
from edge.sensors.batch import Batch
from edge.values import Flag, Sample, Stamp, Trust

log = logging.getLogger(__name__)

FLUSH_S = 180.0
# Two files of this size for each sensor: about an hour of one channel at 1 Hz.
RECENT_BYTES = 256 * 1024
BATCH_MAX = 50_000
STORE_MB = 400


def line(sample: Sample) -> str:
    """One row of every raw file and of the CSV export."""
    return (
        f"{sample.at.wall:.3f},{sample.sensor},{sample.channel},{sample.value:.10g},"
        f"{sample.unit},{sample.flag},{sample.came.wall:.3f},{sample.trust},{sample.why}\n"
    )


HEADER = "wall,sensor,channel,value,unit,flag,arrived_wall,trust,why\n"


class Recent:
    """`<run>/samples/<sensor>.csv`, appended to, and `<sensor>.old.csv` before it."""

    def __init__(self, run: Path) -> None:
        self._folder = run / "samples"
        self._folder.mkdir(parents=True, exist_ok=True)

    def add(self, samples: Iterable[Sample]) -> None:
        """Append to each sensor's recent file on tmpfs; a full one becomes `.old.csv`."""
        by_sensor: dict[str, list[str]] = {}
        for sample in samples:
            by_sensor.setdefault(sample.sensor, []).append(line(sample))
        for sensor, lines in by_sensor.items():
            path = self._folder / f"{sensor}.csv"
            journal.append(path, lines, durable=False)
            if path.stat().st_size > RECENT_BYTES:
                path.replace(path.with_suffix(".old.csv"))


class SampleStore:
    """`<state>/samples/YYYYMMDD-HH.csv` (UTC, by when they came), all sensors in one file, in
    batches, bounded."""

    def __init__(self, state: Path, *, flush_s: float = FLUSH_S, most_mb: int = STORE_MB) -> None:
        self.folder = state / "samples"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._most_bytes = most_mb * 1_000_000
        self._batch = Batch[Sample]("sample store", log, most=BATCH_MAX, flush_s=flush_s)
        self.written = 0

    @property
    def dropped(self) -> int:
        return self._batch.dropped

    def add(self, samples: Iterable[Sample]) -> None:
        self._batch.add(samples)

    def flush(self, *, force: bool = False) -> bool:
        """Write the batch when due. False where the disk refused; the batch is kept then."""
        return self._batch.flush(self._write, force=force)

    def _write(self) -> None:
        by_hour: dict[str, list[str]] = {}
        for sample in self._batch.rows:
            by_hour.setdefault(hour_name(sample.came.wall), []).append(line(sample))
        for name, lines in by_hour.items():
            journal.append(self.folder / name, lines, durable=False, head=HEADER)
            self.written += sum(map(len, lines))
        self._batch.rows = []
        self._bound()

    def _bound(self) -> None:
        """Delete the oldest hours above the bound: raw samples, never evidence."""
        files = sorted(self.folder.glob("*.csv"))
        total = sum(file.stat().st_size for file in files)
        for file in files[:-1]:
            if total <= self._most_bytes:
                return
            total -= file.stat().st_size
            file.unlink(missing_ok=True)


def hour_name(wall: float) -> str:
    return datetime.fromtimestamp(wall, timezone.utc).strftime("%Y%m%d-%H.csv")


def cells_of(text: str) -> list[str]:
    """The cells of one line as `line` wrote it: nothing is quoted, and no damage reaches further
    than its line (a power cut may leave 100 kB of zeros, which the csv module refuses)."""
    return text.rstrip("\r\n").split(",")


def read(
    paths: Iterable[Path], sensors: set[str], from_wall: float, to_wall: float
) -> Iterator[Sample]:
    """Samples of these sensors and times; a torn last line (power cut) is left out."""
    for path in paths:
        try:
            with path.open(encoding="utf-8", errors="replace", newline="") as file:
                samples = (_sample(cells_of(text)) for text in file)
                yield from (
                    sample
                    for sample in samples
                    if sample is not None
                    and (not sensors or sample.sensor in sensors)
                    and from_wall <= sample.at.wall <= to_wall
                )
        except OSError as error:
            log.debug("%s: %s", path, error)


FLAGS: dict[str, Flag] = {
    "ok": "ok",
    "calibrating": "calibrating",
    "maintenance": "maintenance",
    "fault": "fault",
    "over_range": "over_range",
    "suspect": "suspect",
    "stale": "stale",
}
TRUSTS: dict[str, Trust] = {
    "arrival": "arrival",
    "instrument": "instrument",
    "corrected": "corrected",
    "unconfirmed": "unconfirmed",
}


def _sample(row: list[str]) -> Sample | None:
    # A box that was updated has lines of six cells left, without the second time.
    if len(row) not in (6, 9) or row[5] not in FLAGS:
        return None
    cells = row if len(row) == 9 else [*row, row[0], "arrival", ""]
    try:
        wall, value, came = float(cells[0]), float(cells[3]), float(cells[6])
    except ValueError:
        return None
    trust = TRUSTS.get(cells[7])
    if trust is None:
        return None
    arrived = None if came == wall else Stamp(0.0, came)
    at, flag, why = Stamp(0.0, wall), FLAGS[cells[5]], cells[8]
    return Sample(cells[1], cells[2], value, cells[4], flag, at, arrived, trust, why)


def recent_files(run: Path, sensor: str) -> list[Path]:
    folder = run / "samples"
    return [folder / f"{sensor}.old.csv", folder / f"{sensor}.csv"]


def store_files(state: Path, from_wall: float, to_wall: float) -> list[Path]:
    """The hour files that may hold this span, oldest first."""
    folder, first, last = state / "samples", hour_name(from_wall), hour_name(to_wall)
    return [path for path in sorted(folder.glob("*.csv")) if first <= path.name <= last]


def bytes_written() -> int:
    """What this process has sent to storage so far (Linux /proc; 0 elsewhere)."""
    try:
        text = Path(f"/proc/{os.getpid()}/io").read_text()
    except OSError:
        return 0
    fields = dict(row.split(": ") for row in text.splitlines())
    return int(fields.get("write_bytes", 0))
