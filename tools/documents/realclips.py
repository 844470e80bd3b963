# SPDX-License-Identifier: AGPL-3.0-or-later
"""Real clips in which nothing is violated: how many cases does the box make of them?

Every clip as it is and scaled to other widths, judged by all rules that a new camera gets, with the
shipped dwell times and with short ones. Told beside it: how sure the model was of the tippers that
pass. Detection is done once a size; the rules run on it several times. A folder of stills is judged
as if one were taken a second: harder than life, where minutes lie between them.

    tools/python -m tools.documents.realclips                 every clip, one JSON each, the sum
    tools/python -m tools.documents.realclips tfl --widths 0  names that hold a word; 0: as it is
    tools/python -m tools.documents.realclips --kept out/rc   in parts: what the same model has
                                                              judged there is not judged again
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.camera.recording import read_file_frames
from edge.camera.url import parse_source
from edge.config import Camera, Category, ConfigError
from edge.pipeline.settings import Settings, manifest_path
from edge.pipeline.soundness import load_settings
from edge.rules.check import on_trial
from edge.rules.judge import Judge
from edge.runtime import write_atomic
from edge.values import Frame, Scene
from edge.vision.model import Model, load_model
from edge.vision.tracker import Tracker

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "video" / "real"
VIDEOS = (".mp4", ".avi")
WIDTHS = (0, 1280)
STILLS_PER_S = 1.0
DWELLS = {"shipped dwell": None, "short dwell": 3.0}
WEAK = 0.1
# Clip, and the seconds in which a tipper is in view of the camera (by eye).
TIPPERS = {
    "625_201708101101": (0.4, 1.5),
    "625_201708311646": (5.0, 8.0),
    "625_201709141107": (5.0, 6.6),
}
TIPPER = "muck_truck"


@dataclass(slots=True)
class Told:
    """Of one clip at one width: seconds, cases by dwell, the best score of a tipper."""

    clip: str
    width: int
    seconds: float = 0.0
    cases: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    tipper: float | None = None


def clips(words: list[str], folder: Path = SHARED) -> list[Path]:
    """Videos, and folders of stills, whose path holds one of the words; all without any."""
    videos = {p for p in folder.rglob("*") if p.suffix in VIDEOS}
    found = sorted(videos | {p.parent for p in folder.rglob("*.jpg")})
    return [p for p in found if not words or any(word in str(p) for word in words)]


def judges(settings: Settings, model: Model, fps: float) -> dict[str, Judge]:
    """All rules of a new camera, once for each way to dwell."""
    made = {}
    for name, dwell_s in DWELLS.items():
        categories = {key: _dwelling(each, dwell_s) for key, each in settings.categories.items()}
        rules = on_trial(categories, model.names)
        camera = Camera(id="camera", source="file", fps=fps, rules=rules)
        zone = ZoneInfo(settings.site.timezone)
        made[name] = Judge(camera, categories=categories, calendar=settings.calendar, timezone=zone)
    return made


def _dwelling(category: Category, dwell_s: float | None) -> Category:
    if dwell_s is None:
        return category
    short = min(category.dwell_s, dwell_s)
    return msgspec.structs.replace(category, dwell_s=short, confirm_s=min(category.confirm_s, 1.0))


def judge(path: Path, width: int, settings: Settings, model: Model, fps: float) -> Told:
    """What the box makes of one clip at one width (0: its own)."""
    fps = STILLS_PER_S if path.is_dir() else fps
    told, each = Told(path.stem, width), judges(settings, model, fps)
    told.cases = {name: [] for name in each}
    window = TIPPERS.get(path.stem)
    tracker, last = None, None
    for frame in _frames(path, width, fps):
        aspect = frame.image.shape[1] / frame.image.shape[0]
        found = model.detect(frame.image, min_score=WEAK)
        if window and window[0] <= frame.at.mono <= window[1]:
            told.tipper = max(told.tipper or 0.0, _best(found.scores, found.labels, model))
        own = next(iter(each.values())).starts
        tracker = tracker or Tracker(strong=0.35, strong_of=own, weak=WEAK, aspect=aspect)
        tracks = tracker.update(found, frame.at, frame.image)
        scene = Scene(frame.camera, frame.at, tracks, aspect, image=frame.image)
        for name, one in each.items():
            told.cases[name] += [_case(f) for f in one.step(scene).findings if f.phase == "new"]
        last = frame
    told.seconds = last.at.mono if last else 0.0
    return told


def judged_once(
    kept: Path, path: Path, width: int, settings: Settings, model: Model, fps: float
) -> Told:
    """As `judge`, from the folder `kept` where this model has judged the clip at this width."""
    file = kept / f"{path.parent.name}-{path.stem}-{width}.json"
    if file.is_file():
        return msgspec.json.decode(file.read_bytes(), type=Told)
    told = judge(path, width, settings, model, fps)
    kept.mkdir(parents=True, exist_ok=True)
    write_atomic(file, msgspec.json.encode(told))
    return told


def _best(scores: NDArray[np.float32], labels: NDArray[np.int32], model: Model) -> float:
    mine = scores[labels == model.names.index(TIPPER)]
    return round(float(mine.max(initial=0.0)), 3)


def _case(finding: Any) -> dict[str, Any]:
    box = [round(side, 3) for side in finding.box]
    return {"category": finding.category, "at_s": round(finding.decided.mono, 1), "box": box}


def _frames(path: Path, width: int, fps: float) -> Iterator[Frame]:
    with read_file_frames(parse_source(str(path)), fps, camera="camera") as frames:
        for frame in frames:
            if width and frame.image.shape[1] != width:
                scale = width / frame.image.shape[1]
                image = np.asarray(cv2.resize(frame.image, None, fx=scale, fy=scale), np.uint8)
                frame = replace(frame, image=image)
            yield frame


def summed(rows: list[Told]) -> dict[str, Any]:
    """All clips together: minutes, cases by dwell, tippers found at 0.35."""
    tippers = [row for row in rows if row.tipper is not None]
    return {
        "clips": len({row.clip for row in rows}),
        "widths": sorted({row.width for row in rows}),
        "minutes": round(sum(row.seconds for row in rows) / 60, 1),
        **{name: sum(len(row.cases[name]) for row in rows) for name in DWELLS},
        "tippers": len(tippers),
        "tippers found": sum((row.tipper or 0.0) >= 0.35 for row in tippers),
    }


def main(arguments: list[str] | None = None) -> int:
    """One JSON a clip and width, then the sum; 2 where there are no clips."""
    parser = argparse.ArgumentParser(prog="tools.documents.realclips", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("clip", nargs="*", help="words of the clips' names; default: all")
    parser.add_argument("--folder", type=Path, default=SHARED, help="where the clips lie")
    parser.add_argument("--model", help="manifest of another model")
    parser.add_argument("--widths", type=int, nargs="+", default=WIDTHS, help="px; 0: as it is")
    parser.add_argument("--fps", type=float, default=5.0, help="looks a second (5)")
    parser.add_argument("--kept", type=Path, help="a folder for what is judged; go on from there")
    args = parser.parse_args(arguments)
    try:
        paths = clips(args.clip, args.folder)
        if not paths:
            raise ConfigError(f"{args.folder}: no clip there (.mp4, .avi)")
        settings = load_settings(None, None, model=args.model)
        model = load_model(manifest_path(settings, args.model or settings.site.model))
        # The same model judges; after a change of the rules take another folder.
        kept = args.kept / model.sha256[:12] if args.kept else None
        rows = []
        for path in paths:
            for width in args.widths:
                clip = path, width, settings, model, args.fps
                row = judged_once(kept, *clip) if kept else judge(*clip)
                rows.append(row)
                print(json.dumps({k: getattr(row, k) for k in row.__slots__}), flush=True)
    except ConfigError as error:
        print(f"realclips: {error}", file=sys.stderr)
        return 2
    print(json.dumps({"all clips": summed(rows)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
