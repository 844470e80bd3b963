"""Films a clip by name: renders what is missing, then writes it with truth and telemetry."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2

from tools.scenery import (
    clip_cases,
    clip_files,
    clip_flyover,
    clip_street,
    labels,
    pictures,
    seeds,
)
from tools.scenery.blender import Studio
from tools.scenery.clips import Script, Shooting
from tools.scenery.develop import Look, picture
from tools.scenery.refusal import Refused


def _progress(name: str, made: int, total: int, began: float) -> None:
    spent_s = time.monotonic() - began
    left_s = spent_s / made * (total - made)
    end = "\r" if sys.stderr.isatty() and made < total else "\n"
    print(
        f"{name} {made}/{total}, {left_s / 60:.0f} min left", end=end, file=sys.stderr, flush=True
    )


def _shoot(name: str, count: int, make: Callable[[int], None]) -> None:
    began = time.monotonic()
    for number in range(count):
        make(number)
        _progress(name, number + 1, count, began)


def film_script(script: Script, work: Path, out: Path, studio: Studio) -> None:
    shooting = Shooting(script, studio, work)
    _shoot(script.name, len(script.times), shooting.frame)
    clip_files.write_clip(script, work, out)


class Flight:
    """Renders the fly-over: the whole picture anew from every pose."""

    def __init__(self, work: Path, studio: Studio) -> None:
        self.work, self.studio = work, studio
        work.mkdir(parents=True, exist_ok=True)
        self.scene, targets = clip_flyover.build()
        self.names = pictures.stage(studio, self.scene)
        self.who = clip_flyover.named(self.names, targets)

    def frame(self, number: int) -> None:
        about = self.work / f"{number:04d}.json"
        if about.exists():
            return
        t = clip_flyover.times()[number]
        camera = clip_flyover.pose(t)
        self.studio.camera(camera)
        shot = self.studio.shoot()
        linear, _ = pictures.with_plumes(shot, self.scene.plumes, camera, self.scene.light)
        numbers = seeds.array_stream("flyover", clip_flyover.SEED, number)
        image = picture(linear * 1.1, Look(noise=1.5, sharpen=0.4), numbers)
        cv2.imwrite(str(self.work / f"{number:04d}.png"), image)
        boxes = labels.index_boxes(shot.index, self.names)
        rows = [
            {
                "label": b.label,
                "who": self.who.get(b.entity, b.label),
                "track": b.entity,
                "box": [b.x0, b.y0, b.x1, b.y1],
            }
            for b in boxes
        ]
        about.write_text(json.dumps({"t_s": t, "boxes": rows}))


def film_flyover(work: Path, out: Path, studio: Studio) -> None:
    flight = Flight(work, studio)
    _shoot("flyover", len(clip_flyover.times()), flight.frame)
    clip_files.write_flyover(work, out)


SCRIPTS: dict[str, Callable[[], Script]] = {"street": clip_street.script, **clip_cases.SCRIPTS}


def film(name: str, work: Path, out: Path, *, samples: int, threads: int) -> int:
    known = ("flyover", *SCRIPTS)
    if name not in known:
        raise Refused(f"clip {name}: not known; one of {', '.join(known)}")
    studio = Studio(samples=samples, threads=threads)
    if name == "flyover":
        film_flyover(work, out, studio)
    else:
        film_script(SCRIPTS[name](), work, out, studio)
    return 0
