# SPDX-License-Identifier: AGPL-3.0-or-later
"""What zones and rules would have raised on recorded tracks: the judge itself, in a process apart.

`python -m edge.daemons.zone_trial` reads one JSON request from stdin and writes one JSON answer, so
that the page stays small and judging an hour never holds up the judging of now.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from edge import journal
from edge.config import Camera, Category, ConfigError, Site, convert
from edge.config.catalogue import category_files, load_calendar, load_categories
from edge.config.dated import Calendar
from edge.console.editing import parse
from edge.daemons.apart import python_apart
from edge.values import Scene, Stamp, Track

LIMIT_S = 60.0
SPAN_S = 3600.0
FILL_S = 1.0
NICE = 10


@dataclass(frozen=True, slots=True)
class ZoneTrial:
    """What was raised, how many seconds of tracks it was tried on, and what could not be tried."""

    raised: tuple[dict[str, Any], ...]
    seconds: float
    untried: tuple[str, ...]


def trial(
    site: Site,
    camera_id: str,
    rows: Iterable[Mapping[str, Any]],
    categories: Mapping[str, Category],
    calendar: Calendar,
) -> ZoneTrial:
    """Judge recorded rows (`Sight` writes one a second). Raises ConfigError."""
    from edge.rules.judge import Judge, rule_kind

    camera = _camera(site, camera_id)
    judge = Judge(
        camera, categories=categories, calendar=calendar, timezone=ZoneInfo(site.timezone)
    )
    kept = last_hour(rows)
    raised = [
        {"category": f.category, "began": round(f.began.wall, 1), "place": list(f.place)}
        for scene in scenes(camera_id, kept)
        for f in judge.step(scene).findings
        if f.phase == "new"
    ]
    seconds = kept[-1]["mono"] - kept[0]["mono"] if kept else 0.0
    kinds = {rule.category: rule_kind(categories[rule.category]) for rule in camera.rules}
    untried = [name for name, kind in kinds.items() if kind.FROM_PICTURES]
    return ZoneTrial(tuple(raised), round(seconds, 1), tuple(untried))


def _camera(site: Site, camera_id: str) -> Camera:
    found = next((c for c in site.cameras if c.id == camera_id), None)
    if found is None:
        raise ConfigError(f"camera {camera_id!r} is not in the site file")
    return found


def last_hour(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The newest hour of one clock: a recording that was begun again starts its own time anew."""
    kept: list[Mapping[str, Any]] = []
    for row in rows:
        if kept and row["mono"] < kept[-1]["mono"]:
            kept.clear()
        kept.append(row)
    first = kept[-1]["mono"] - SPAN_S if kept else 0.0
    return [row for row in kept if row["mono"] >= first]


def scenes(camera: str, rows: Iterable[Mapping[str, Any]]) -> Iterator[Scene]:
    """The rows as scenes. After a row without tracks nothing is written until there are some
    again; those seconds are filled in, for a place that is empty is left."""
    first: dict[int, Stamp] = {}
    before: Mapping[str, Any] | None = None
    for row in rows:
        if before is not None and not before["tracks"]:
            yield from _empty(camera, before, row["mono"])
        at = _stamp(row["mono"], row["wall"])
        yield Scene(camera, at, tuple(_track(stored, at, first) for stored in row["tracks"]))
        before = row


def _empty(camera: str, row: Mapping[str, Any], until: float) -> Iterator[Scene]:
    after_s = FILL_S
    while row["mono"] + after_s < until:
        yield Scene(camera, _stamp(row["mono"] + after_s, row["wall"] + after_s), ())
        after_s += FILL_S


def _stamp(mono: float, wall: float) -> Stamp:
    return Stamp(float(mono), float(wall), "ntp", 0.0)


def _track(stored: Mapping[str, Any], at: Stamp, first: dict[int, Stamp]) -> Track:
    x1, y1, x2, y2 = stored["box"]
    return Track(
        id=int(stored["id"]),
        label=str(stored["label"]),
        box=(x1, y1, x2, y2),
        score=float(stored["score"]),
        first=first.setdefault(int(stored["id"]), at),
        seen=at,
        coasted=bool(stored.get("coasted")),
        traits=tuple((str(name), float(p)) for name, p in stored.get("traits", ())),
    )


def recorded(run: Path, camera: str) -> Iterator[Mapping[str, Any]]:
    """Rows of `<run>/tracks/<camera>.jsonl`, oldest first; torn lines are left out."""
    for name in (f"{camera}.old.jsonl", f"{camera}.jsonl"):
        for row in journal.read(run / "tracks" / name)[0]:
            if {"mono", "wall", "tracks"} <= set(row):
                yield row


def run_trial(text: str, camera: str, run: Path, base: Path) -> dict[str, Any]:
    """Ask for a trial in a process of its own. Raises ConfigError with one line.

    text: the drafted site file; `base`: the folder of the site file in force.
    """
    request = {"text": text, "camera": camera, "run": str(run), "base": str(base)}
    done = python_apart(
        ["edge.daemons.zone_trial"],
        "the trial",
        limit_s=LIMIT_S,
        given=json.dumps(request).encode(),
    )
    if done.returncode:
        last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise ConfigError(f"the trial ended with code {done.returncode}: {last}")
    answer: dict[str, Any] = json.loads(done.stdout)
    if "error" in answer:
        raise ConfigError(answer["error"])
    return answer


def main() -> int:
    """A trial asked on stdin, its answer on stdout, as JSON; niced, so that no camera waits for
    it."""
    from edge.config.catalogue import calendar_files
    from edge.release.packs import site_packs

    with contextlib.suppress(OSError):
        os.nice(NICE)
    request = json.load(sys.stdin)
    base = Path(request["base"])
    try:
        site = convert(parse(request["text"]), Site, "site.yaml")
        found = trial(
            site,
            request["camera"],
            recorded(Path(request["run"]), request["camera"]),
            load_categories(category_files(base)),
            load_calendar(calendar_files(base, site, "site.yaml"), site_packs(site)),
        )
        answer = asdict(found)
    except ConfigError as error:
        answer = {"error": str(error)}
    json.dump(answer, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
