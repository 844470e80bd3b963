# SPDX-License-Identifier: AGPL-3.0-or-later
"""Films a clip by name: renders what is missing, then writes it with truth and telemetry."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import cv2

from tools.scenery import (
    clip_cases,
    clip_corners,
    clip_files,
    clip_flyback,
    clip_flyover,
    clip_reel,
    clip_street,
    clip_weather,
    labels,
    pictures,
    seeds,
)
from tools.scenery.blender import Studio
from tools.scenery.clips import Script, Shooting
from tools.scenery.develop import Look, picture
from tools.scenery.flight_plan import Plan, named
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


def film_corner(name: str, work: Path, out: Path, studio: Studio) -> None:
    script = clip_corners.script(name)
    shooting = Shooting(script, studio, work)
    _shoot(name, len(script.times), shooting.frame)
    clip_files.write_corner(script, work, out)


def film_corners(work: Path, out: Path, studio: Studio) -> None:
    """Every corner into a folder of its own below `out`; what is there is not filmed again."""
    for name in clip_files.corners_due(clip_corners.CORNERS, work.parent, out):
        film_corner(name, work.parent / name, out / name, studio)


def film_segment(name: str, work: Path, out: Path, studio: Studio) -> None:
    """A segment of the hard-negative reel: its lights one after another, a plate for each."""
    frames: list[Path] = []
    for number, (light, act) in enumerate(clip_reel.acts(name)):
        folder = work / f"act-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        shooting = Shooting(act, studio, folder, plate=work / f"plate-{light}.npz")
        _shoot(name, len(act.times), shooting.frame)
        frames += [folder / f"{n:04d}.png" for n in range(len(act.times))]
    clip_files.write_quiet(clip_reel.segment(name), frames, out)


def film_other(name: str, work: Path, out: Path) -> None:
    """A filmed segment in other weather; its base must lie in the work folder."""
    base = clip_weather.OTHERS[name].base
    frames = clip_weather.frames_of(base, work)
    plate = next(iter(sorted((work / base).glob("plate*.npz"))), None)
    if plate is None:
        raise Refused(f"clip {name}: film its base first: tools/scenes clip {base}")
    developing = clip_weather.Developing(name, frames, plate)
    clip_files.write_quiet(developing.script, developing.pictures(), out)
    print(f"{name}: {len(developing.script.times)} pictures", file=sys.stderr)


def film_reel(work: Path, out: Path, studio: Studio) -> None:
    """Every segment into a folder of its own below `out`."""
    for name in clip_reel.REEL:
        film_segment(name, work.parent / name, out / name, studio)
    for name in clip_weather.OTHERS:
        film_other(name, work.parent, out / name)


class Flight:
    """Renders a flight: the whole picture anew from every pose."""

    def __init__(self, plan: Plan, work: Path, studio: Studio) -> None:
        self.plan, self.work, self.studio = plan, work, studio
        work.mkdir(parents=True, exist_ok=True)
        self.scene, targets = plan.build()
        self.names = pictures.stage(studio, self.scene)
        self.who = named(self.names, targets)

    def frame(self, number: int) -> None:
        """One frame and its boxes, unless they are there already."""
        about = self.work / f"{number:04d}.json"
        if about.exists():
            return
        t = self.plan.times[number]
        camera = self.plan.pose(t)
        self.studio.camera(camera)
        shot = self.studio.shoot()
        linear, _ = pictures.with_plumes(shot, self.scene.plumes, camera, self.scene.light)
        numbers = seeds.array_stream(self.plan.name, self.plan.seed, number)
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


def film_flight(plan: Plan, work: Path, out: Path, studio: Studio) -> None:
    flight = Flight(plan, work, studio)
    _shoot(plan.name, len(plan.times), flight.frame)
    clip_files.write_flight(plan, work, out)


FLIGHTS = {plan.name: plan for plan in (clip_flyover.PLAN, clip_flyback.PLAN)}
SCRIPTS: dict[str, Callable[[], Script]] = {"street": clip_street.script, **clip_cases.SCRIPTS}


def film(name: str, work: Path, out: Path, *, samples: int, threads: int) -> int:
    """Render a clip by name, going on where a killed run stopped. Raises Refused for an unknown
    one."""
    tables = (FLIGHTS, SCRIPTS, clip_reel.REEL, clip_weather.OTHERS, clip_corners.CORNERS)
    known = ("reel", "corners", *chain.from_iterable(tables))
    if name not in known:
        raise Refused(f"clip {name}: not known; one of {', '.join(known)}")
    if name in clip_weather.OTHERS:
        film_other(name, work.parent, out)
        return 0
    studio = Studio(samples=samples, threads=threads)
    if name in FLIGHTS:
        film_flight(FLIGHTS[name], work, out, studio)
    elif name == "corners":
        film_corners(work, out, studio)
    elif name in clip_corners.CORNERS:
        with clip_files.alone(work) as mine:
            if not mine:
                raise Refused(f"clip {name}: another program films it in {work}; wait for it")
            film_corner(name, work, out, studio)
    elif name == "reel":
        film_reel(work, out, studio)
    elif name in clip_reel.REEL:
        film_segment(name, work, out, studio)
    else:
        film_script(SCRIPTS[name](), work, out, studio)
    return 0
