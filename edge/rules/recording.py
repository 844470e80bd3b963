# SPDX-License-Identifier: AGPL-3.0-or-later
"""Recorded detections as JSON lines, and what a judge said of them: for replay cases. Pure.

The first line is a header; every further line is one analysed instant:

    {"recording": 1, "camera": "gate", "aspect": 1.7778, "start_wall": 1767229200, "fps": 2}
    {"t": 0.5, "k": [[7, "vendor_stall", 0.45, 0.59, 0.55, 0.75, 0.82]]}

`t` is presentation time; `k` tracks (id, class, x1, y1, x2, y2, score, and what else is known of it
as an object: look, traits, coasted); `d` bare detections instead (class, box, score), for a tracker
of the caller's; `s` sensor samples (sensor, channel, value, unit, flag); `step` seconds by which
the wall clock jumps from here on; `q` the clock's quality from here on. Times missing from the file
are times at which nobody looked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edge.config import ConfigError
from edge.values import Finding, Json, Sample, Scene, Stamp, Track

Rows = Iterable[Mapping[str, Any]]
Tracking = Callable[[list[Any], Stamp], tuple[Track, ...]]


@dataclass(frozen=True, slots=True)
class Header:
    """First line of a recording: camera, width over height, UTC seconds of its start, clock
    quality."""

    camera: str
    aspect: float
    start_wall: float
    fps: float | None
    quality: str


def header_of(row: Mapping[str, Any], where: str) -> Header:
    """Raises ConfigError where the first line is none."""
    if row.get("recording") != 1:
        raise ConfigError(f"{where}: line 1: expected a header with recording = 1")
    try:
        return Header(
            camera=str(row["camera"]),
            aspect=float(row.get("aspect", 16 / 9)),
            start_wall=float(row["start_wall"]),
            fps=float(row["fps"]) if "fps" in row else None,
            quality=str(row.get("quality", "recording")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{where}: line 1: {error} is missing or no number") from None


def scenes_of(rows: Rows, where: str, *, tracking: Tracking | None = None) -> Iterator[Scene]:
    """The scenes of a recording, in order. Raises ConfigError naming the line."""
    lines = iter(rows)
    first = next(lines, None)
    if first is None:
        raise ConfigError(f"{where}: empty")
    header = header_of(first, where)
    stepped, quality, last_s = 0.0, header.quality, -1.0
    first_seen: dict[int, Stamp] = {}
    for n, row in enumerate(lines, 2):
        try:
            t = float(row["t"])
            stepped += float(row.get("step", 0.0))
            quality = str(row.get("q", quality))
            at = Stamp(t, header.start_wall + t + stepped, quality)  # type: ignore[arg-type]
            if t <= last_s:
                raise ValueError(f"t = {t:g} does not come after {last_s:g}")
            tracks = _tracks(row, at, first_seen, tracking)
            samples = tuple(_sample(s, at) for s in row.get("s", ()))
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise ConfigError(f"{where}: line {n}: {error}") from None
        last_s = t
        yield Scene(header.camera, at, tracks, header.aspect, None, samples)


def _tracks(
    row: Mapping[str, Any], at: Stamp, first_seen: dict[int, Stamp], tracking: Tracking | None
) -> tuple[Track, ...]:
    if "d" not in row:
        return tuple(_track(k, at, first_seen) for k in row.get("k", ()))
    if tracking is None:
        raise ValueError("bare detections need a tracker")
    return tracking(row["d"], at)


def _track(row: list[Any], at: Stamp, first_seen: dict[int, Stamp]) -> Track:
    number, label, x1, y1, x2, y2, score, *rest = row
    more: dict[str, Any] = rest[0] if rest else {}
    look = more.get("look")
    return Track(
        id=int(number),
        label=str(label),
        box=(float(x1), float(y1), float(x2), float(y2)),
        score=float(score),
        first=first_seen.setdefault(int(number), at),
        seen=at,
        look=tuple(float(v) for v in look) if look else None,
        coasted=bool(more.get("coasted", False)),
        traits=tuple((str(k), float(v)) for k, v in more.get("traits", {}).items()),
    )


def _sample(row: list[Any], at: Stamp) -> Sample:
    sensor, channel, value, unit, flag = row
    return Sample(str(sensor), str(channel), float(value), str(unit), flag, at)


FACTS = ("class", "held_s", "track_ids", "gaps", "first_here", "outcome", "ended_because")


def finding_row(finding: Finding, names: dict[str, int]) -> Json:
    """A finding as a golden line: of the judgement all, of the facts the telling ones.

    `names` numbers the cases in the order in which they are reported, so that keys stay out of it.
    """
    case = names.setdefault(finding.key, len(names) + 1)
    row: dict[str, Json] = {
        "id": f"case-{case}",
        "phase": finding.phase,
        "category": finding.category,
        "began_s": round(finding.began.mono, 2),
        "decided_s": round(finding.decided.mono, 2),
        "ended_s": None if finding.ended is None else round(finding.ended.mono, 2),
        "place": [round(v, 3) for v in finding.place],
        "zone": finding.zone.reason,
        "occurrence": finding.occurrence,
        "facts": {name: finding.facts[name] for name in FACTS if name in finding.facts},
    }
    if finding.parent is not None:
        row["parent"] = f"case-{names.get(finding.parent, 0)}"
    if finding.priority != "normal":
        row["priority"] = finding.priority
    return row
