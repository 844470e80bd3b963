# SPDX-License-Identifier: AGPL-3.0-or-later
"""What lies beside a clip: truth, tracks, a site file, telemetry. Names are the same for all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from tools.scenery import clip_flyover
from tools.scenery.clips import Image, Script, encode, foot, tracks_of, zone_polygon
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
    note = (
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


def flyover_truth(frames: Sequence[Row]) -> Row:
    """Ground points of what is to be found, and when each is in the picture."""
    _, targets = clip_flyover.build()
    rows = []
    for target in targets:
        x0, y0, x1, y1 = target.footprint
        seen = [
            float(f["t_s"])
            for f in frames
            if any(  # type: ignore[arg-type]
                row["label"] == target.label and row["who"] == target.name for row in f["boxes"]
            )
        ]  # type: ignore[attr-defined]
        lat, lon = clip_flyover.wgs84((x0 + x1) / 2, (y0 + y1) / 2)
        corners = [clip_flyover.wgs84(x, y) for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))]
        rows.append(
            {
                "name": target.name,
                "label": target.label,
                "lat": round(lat, 8),
                "lon": round(lon, 8),
                "corners": [[round(a, 8), round(b, 8)] for a, b in corners],
                "seen_s": [min(seen), max(seen)] if seen else None,
            }
        )
    return {
        "recording": "flyover",
        "camera": "M3T",
        "hfov_deg": round(clip_flyover.HFOV, 4),
        "ground_alt_m": 23.4,
        "targets": rows,
        "about": "rendered by tools/scenes clip flyover; the place is invented",
    }


def flyover_poses(times: Sequence[float]) -> str:
    """One exact pose a picture, JSON lines, in the words of `edge telemetry` and `edge georef`."""
    lines = []
    for t in times:
        view = clip_flyover.pose(t)
        lat, lon = clip_flyover.wgs84(view.x, view.y)
        lines.append(
            json.dumps(
                {
                    "t_s": t,
                    "lat": round(lat, 9),
                    "lon": round(lon, 9),
                    "h_m": round(view.z, 4),
                    "yaw_deg": round(view.yaw, 4),
                    "pitch_deg": round(view.pitch, 4),
                    "roll_deg": view.roll,
                    "width": view.width,
                    "height": view.height,
                    "fx": round(view.focal_px, 4),
                }
            )
            + "\n"
        )
    return "".join(lines)


def write_flyover(work: Path, out: Path) -> None:
    """Film, captions, exact poses, truth and boxes of the fly-over, from its rendered frames."""
    out.mkdir(parents=True, exist_ok=True)
    times = clip_flyover.times()
    frames = tracks_of(work, len(times))
    encode([work / f"{n:04d}.png" for n in range(len(times))], times, out / "flyover.mp4", crf=29)
    (out / "flyover.SRT").write_text(clip_flyover.srt(times))
    (out / "poses.jsonl").write_text(flyover_poses(times))
    _write(out / "truth.json", flyover_truth(frames), indent=1)
    camera = clip_flyover.pose(0.0)
    _write(out / "tracks.json", {"size": [camera.width, camera.height], "frames": frames})


def _write(path: Path, value: Row, *, indent: int | None = None) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=indent) + "\n")
