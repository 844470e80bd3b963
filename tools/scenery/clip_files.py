"""What lies beside a clip: truth, tracks, a site file, telemetry. Names are the same for all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tools.scenery import clip_flyover, clip_street
from tools.scenery.camera import Camera
from tools.scenery.clips import encode, foot, tracks_of

Row = dict[str, object]


def _seen(frames: Sequence[Row], who: str, label: str, near_s: float) -> list[int] | None:
    """The box of a named thing in the frame nearest to a time in which it is seen."""
    found = [
        (abs(float(frame["t_s"]) - near_s), row["box"])  # type: ignore[arg-type]
        for frame in frames
        for row in frame["boxes"]  # type: ignore[attr-defined]
        if row["who"] == who and row["label"] == label
    ]
    return min(found)[1] if found else None


def street_truth(frames: Sequence[Row], camera: Camera) -> Row:
    """The events of the clip; the place is the foot point of the thing's own box."""
    events = []
    for event in clip_street.truth_events():
        box = _seen(frames, str(event["who"]), str(event["label"]), float(event["look_s"]))  # type: ignore[arg-type]
        if box is None:
            raise ValueError(f"{event['who']}: never seen; the clip cannot be told as planned")
        events.append(
            {
                "category": event["category"],
                "start_s": event["start_s"],
                "end_s": event["end_s"],
                "place": foot(box, camera),
                "radius": 0.12,
                "must": event["must"],
            }
        )
    return {
        "recording": "street",
        "events": events,
        "ignore": [],
        "duration_s": clip_street.LENGTH_S,
        "about": "rendered by tools/scenes clip street; no picture of a real place",
    }


SITE = """\
# The demo's street: one recording, judged like a camera. Dwell times are shortened to seconds so
# that a clip of {length:.0f} s holds whole violations; a real site takes them from categories.yaml.
name: 演示路口
name_en: demo street
timezone: Asia/Shanghai
cameras:
- id: street
  name: 演示路口杆机
  source: street.mp4
  playback: fast
  fps: 4
  zones:
  - id: pavement
    kind: watch
    polygon: {pavement}
  - id: no-fire
    kind: forbidden
    categories: [outdoor-barbecue]
    polygon: {no_fire}
  - id: lane
    kind: lane
    polygon: {lane}
  rules:
  - {{category: street-vendor, zones: [pavement], dwell_s: 12, confirm_s: 4}}
  - {{category: outdoor-barbecue, zones: [no-fire], dwell_s: 12, confirm_s: 4}}
  - {{category: road-spillage, zones: [lane]}}
"""


def street_site() -> str:
    zones = clip_street.zones()
    return SITE.format(
        length=clip_street.LENGTH_S,
        pavement=zones["pavement"],
        lane=zones["lane"],
        no_fire=zones["no-fire"],
    )


def write_street(work: Path, out: Path) -> None:
    """street.mp4, truth.json, tracks.json and site.yaml into `out` from rendered frames."""
    out.mkdir(parents=True, exist_ok=True)
    times, camera = clip_street.times(), clip_street.camera()
    frames = tracks_of(work, len(times))
    encode([work / f"{n:04d}.png" for n in range(len(times))], times, out / "street.mp4")
    _write(out / "truth.json", street_truth(frames, camera), indent=1)
    _write(out / "tracks.json", {"size": [camera.width, camera.height], "frames": frames})
    (out / "site.yaml").write_text(street_site())


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
