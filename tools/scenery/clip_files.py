# SPDX-License-Identifier: AGPL-3.0-or-later
"""What lies beside a clip: truth, tracks, a site file, telemetry. Names are the same for all."""

from __future__ import annotations

import fcntl
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tools.scenery.clips import Image, Script, encode, foot, tracks_of, zone_polygon
from tools.scenery.flight_plan import HFOV, Plan, Target
from tools.scenery.refusal import Refused

Row = dict[str, object]


# How far from its true place a case may stand. A cloud is wide and what stands before it hides its
# foot: one truck's length of this clip.
RADIUS = {"construction-dust": 0.2}


def _seen(frames: Sequence[Row], who: str, label: str, near_s: float) -> list[int] | None:
    """The box of a named thing in the frame nearest to a time in which it is seen."""
    found = [
        (abs(float(frame["t_s"]) - near_s), row["box"])  # type: ignore[arg-type]
        for frame in frames
        for row in frame["boxes"]  # type: ignore[attr-defined]
        if row["who"] == who and row["label"] == label
    ]
    return min(found)[1] if found else None


def truth(script: Script, frames: Sequence[Row]) -> Row:
    """The events of a clip; the place is the foot point of the thing's own box."""
    rows = []
    for event in script.events:
        box = _seen(frames, event.who, event.label, event.look_s)
        if box is None:
            raise Refused(f"{event.who}: never seen; the clip cannot be told as planned")
        rows.append(
            {
                "category": event.category,
                "start_s": event.start_s,
                "end_s": event.end_s,
                "place": foot(box, script.camera),
                "radius": RADIUS.get(event.category, 0.12),
                "must": event.must,
            }
        )
    return {
        "recording": script.name,
        "events": rows,
        "ignore": [],
        "duration_s": script.length_s,
        "about": f"{script.about}; rendered by tools/scenes, no picture of a real place",
    }


def site(script: Script, *, shipped: bool = False) -> str:
    """A site file that judges the clip like a camera; `shipped`: by the dwell times of a site."""
    short = f"{script.length_s:.0f} s hold whole ones; real sites take them from categories.yaml."
    note: tuple[str, ...] = (
        f"# The clip '{script.name}', judged like a camera. Dwell times are cut to seconds so that",
        f"# {short}",
    )
    if shipped:
        note = (f"# The clip '{script.name}', judged like a camera, by the shipped dwell times.",)
    lines = [
        *note,
        f"name: {script.name}",
        "timezone: Asia/Shanghai",
        "cameras:",
        f"- id: {script.name}",
        f"  source: {script.name}.mp4",
        "  playback: fast",
        "  fps: 4",
        "  zones:",
    ]
    for zone in script.zones:
        lines += [f"  - id: {zone.id}", f"    kind: {zone.kind}"]
        if zone.categories:
            lines.append(f"    categories: [{', '.join(zone.categories)}]")
        lines.append(f"    polygon: {zone_polygon(script.camera, zone.corners)}")
    return "\n".join([*lines, "  rules:", *(f"  - {rule}" for rule in script.rules)]) + "\n"


def write_clip(script: Script, work: Path, out: Path) -> None:
    """NAME.mp4, truth.json, tracks.json and site.yaml into `out` from rendered frames."""
    out.mkdir(parents=True, exist_ok=True)
    frames = tracks_of(work, len(script.times))
    pictures = [work / f"{n:04d}.png" for n in range(len(script.times))]
    encode(pictures, script.times, out / f"{script.name}.mp4")
    _write(out / "truth.json", truth(script, frames), indent=1)
    _write(
        out / "tracks.json", {"size": [script.camera.width, script.camera.height], "frames": frames}
    )
    (out / "site.yaml").write_text(site(script))


def write_quiet(script: Script, frames: Iterable[Path | Image], out: Path) -> None:
    """NAME.mp4, truth.json and site.yaml of a segment in which nothing happens, small."""
    out.mkdir(parents=True, exist_ok=True)
    encode(frames, script.times, out / f"{script.name}.mp4", crf=34, gop=250)
    _write(out / "truth.json", truth(script, []), indent=1)
    (out / "site.yaml").write_text(site(script, shipped=True))


@contextmanager
def alone(work: Path) -> Iterator[bool]:
    """Whether no other program films into this work folder; while this lasts, none will."""
    work.mkdir(parents=True, exist_ok=True)
    with (work / "filmed.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def corners_due(names: Iterable[str], work: Path, out: Path) -> Iterator[str]:
    """Those not filmed yet, each held against other programs while the caller films it; what
    another films now is said and left to it."""
    for name in names:
        with alone(work / name) as mine:
            if not mine:
                print(f"{name}: another program films it", file=sys.stderr)
            elif not (out / name / "site.yaml").is_file():
                yield name


def write_corner(script: Script, work: Path, out: Path) -> None:
    """NAME.mp4, truth.json and site.yaml of a long film judged by the shipped dwell times."""
    out.mkdir(parents=True, exist_ok=True)
    frames = tracks_of(work, len(script.times))
    told = truth(script, frames)
    pictures = [work / f"{n:04d}.png" for n in range(len(script.times))]
    encode(pictures, script.times, out / f"{script.name}.mp4", crf=32, gop=60)
    _write(out / "truth.json", told, indent=1)
    (out / "site.yaml").write_text(site(script, shipped=True))


def flight_truth(plan: Plan, frames: Sequence[Row]) -> Row:
    """Ground points of what is to be found, and when each is in the picture."""
    _, targets = plan.build()
    return {
        "recording": plan.name,
        "camera": "M3T",
        "hfov_deg": round(HFOV, 4),
        "ground_alt_m": plan.ground_m,
        "targets": [_target(plan, target, frames) for target in targets],
        "about": f"rendered by tools/scenes clip {plan.name}; the place is invented",
    }


def _target(plan: Plan, target: Target, frames: Sequence[Row]) -> Row:
    x0, y0, x1, y1 = target.footprint
    lat, lon = plan.wgs84((x0 + x1) / 2, (y0 + y1) / 2)
    corners = [plan.wgs84(x, y) for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))]
    seen = [
        float(f["t_s"])  # type: ignore[arg-type]
        for f in frames
        if any(row["who"] == target.name for row in f["boxes"])  # type: ignore[attr-defined]
    ]
    return {
        "name": target.name,
        "label": target.label,
        "category": target.category,
        "lat": round(lat, 8),
        "lon": round(lon, 8),
        "corners": [[round(a, 8), round(b, 8)] for a, b in corners],
        "seen_s": [min(seen), max(seen)] if seen else None,
    }


def write_flight(plan: Plan, work: Path, out: Path) -> None:
    """Film, captions, exact poses, truth and boxes of a flight, from its rendered frames."""
    out.mkdir(parents=True, exist_ok=True)
    frames = tracks_of(work, len(plan.times))
    pictures = [work / f"{n:04d}.png" for n in range(len(plan.times))]
    encode(pictures, list(plan.times), out / f"{plan.name}.mp4", crf=29)
    (out / f"{plan.name}.SRT").write_text(plan.srt())
    (out / "poses.jsonl").write_text(plan.poses())
    _write(out / "truth.json", flight_truth(plan, frames), indent=1)
    camera = plan.pose(0.0)
    _write(out / "tracks.json", {"size": [camera.width, camera.height], "frames": frames})


def _write(path: Path, value: Row, *, indent: int | None = None) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=indent) + "\n")
