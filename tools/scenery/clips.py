# SPDX-License-Identifier: AGPL-3.0-or-later
"""Clips of a fixed camera: a plate for what stands, small windows for what moves, one clock.

Frames are sparse and carry their true time: a minute of waiting costs a few pictures. What was
rendered lies in a work folder, so that a killed run goes on where it stopped.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tools.scenery import labels, seeds
from tools.scenery.camera import Camera
from tools.scenery.develop import Look, picture
from tools.scenery.groups import Group
from tools.scenery.labels import Box
from tools.scenery.light import Light
from tools.scenery.model import Model
from tools.scenery.pictures import with_plumes
from tools.scenery.shapes import Floats
from tools.scenery.turbulence import Plume

if TYPE_CHECKING:
    from tools.scenery.blender import Render, Studio

Image = NDArray[np.uint8]
Pose = tuple[float, float, float, float]  # x, y, z, yaw
# Linear light (h, w, 3), depth (h, w) in metres, seconds from the start: light in its weather.
Treat = Callable[[Floats, Floats, float], Floats]
SHADOW_MARGIN_PX = 10
KEPT_WINDOWS = 16
PLATE_SAMPLES = 10


@dataclass(frozen=True)
class Mover:
    """Something that is not in the plate; `path` says where at a time, None while it is away."""

    name: str
    group: Group
    path: Callable[[float], Pose | None]


@dataclass(frozen=True)
class Event:
    """A violation of the script: by whom, of which label, when; `look_s` is a time at which its
    box is told from the picture, for the place."""

    category: str
    who: str
    label: str
    start_s: float
    end_s: float
    look_s: float
    must: bool = True


@dataclass(frozen=True)
class GroundZone:
    """A zone of the site file, by its corners on the ground (metres)."""

    id: str
    kind: str
    corners: tuple[tuple[float, float], ...]
    categories: tuple[str, ...] = ()


@dataclass
class Script:
    """A clip: what stands, what moves, plumes by time, and the times of the pictures (s)."""

    name: str
    seed: int
    ground: Model
    standing: Group
    movers: list[Mover]
    plumes: Callable[[float], list[Plume]]
    light: Light
    camera: Camera
    times: list[float]
    look: Look = field(default_factory=lambda: Look(noise=2.0, sharpen=0.3, quality=92))
    exposure: float = 1.0
    events: list[Event] = field(default_factory=list)
    zones: list[GroundZone] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)
    about: str = ""
    treat: Treat | None = None

    @property
    def length_s(self) -> float:
        return self.times[-1]


def zone_polygon(view: Camera, corners: Sequence[tuple[float, float]]) -> list[list[float]]:
    """Ground polygon as fractions of the frame, cut to what is before the camera and in it."""
    points = [
        (x0 + (x1 - x0) * k, y0 + (y1 - y0) * k, 0.0)
        for (x0, y0), (x1, y1) in zip(corners, (*corners[1:], corners[0]), strict=True)
        for k in np.linspace(0, 1, 24, endpoint=False)
    ]
    seen = view.project(np.asarray(points, np.float32))
    seen = seen[seen[:, 2] > 1.0][:, :2] / (view.width, view.height)
    hull = cv2.convexHull(np.clip(seen, 0.001, 0.999).astype(np.float32).reshape(-1, 1, 2))
    short = cv2.approxPolyDP(hull, 0.006, closed=True)[:, 0]
    return [[round(float(x), 3), round(float(y), 3)] for x, y in short]


def still(at: Pose, since: float, until: float) -> Callable[[float], Pose | None]:
    return lambda t: at if since <= t < until else None


def along(stops: Sequence[tuple[float, Pose]]) -> Callable[[float], Pose | None]:
    """Straight from stop to stop by the clock; away before the first and after the last."""

    def path(t: float) -> Pose | None:
        """Where the mover stands at `t` s, in straight lines between its stops; None outside of
        them."""
        for (t0, a), (t1, b) in pairwise(stops):
            if t0 <= t < t1:
                k = (t - t0) / (t1 - t0)
                x, y, z, yaw = (p + (q - p) * k for p, q in zip(a, b, strict=True))
                return x, y, z, yaw
        return None

    return path


def sun_shadow(verts: Floats, light: Light) -> Floats:
    """The verts and where their shadows fall on the ground."""
    if light.sun <= 0:
        return verts
    high, around = math.radians(light.elevation), math.radians(light.azimuth)
    reach = verts[:, 2:] / math.tan(high)
    fallen = verts[:, :2] - reach * (math.sin(around), math.cos(around))
    return np.concatenate([verts, np.column_stack([fallen, np.zeros(len(verts))])])


def window_of(verts: Floats, camera: Camera, light: Light) -> tuple[int, int, int, int] | None:
    """The part of the picture that a thing with these vertices and its shadow can change."""
    seen = camera.project(sun_shadow(verts, light))
    seen = seen[seen[:, 2] > 0.4]
    if not len(seen):
        return None
    x0, y0 = np.floor(seen[:, :2].min(0)).astype(int) - SHADOW_MARGIN_PX
    x1, y1 = np.ceil(seen[:, :2].max(0)).astype(int) + SHADOW_MARGIN_PX
    x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, camera.width), min(y1, camera.height)
    return (int(x0), int(y0), int(x1), int(y1)) if x1 - x0 > 4 and y1 - y0 > 4 else None


def merged(windows: list[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    """Windows that overlap become one."""
    left = list(windows)
    out: list[tuple[int, int, int, int]] = []
    while left:
        a = left.pop()
        hit = next(
            (b for b in left if a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]), None
        )
        if hit is None:
            out.append(a)
            continue
        left.remove(hit)
        left.append((min(a[0], hit[0]), min(a[1], hit[1]), max(a[2], hit[2]), max(a[3], hit[3])))
    return out


class Shooting:
    """Renders the frames of a script that are not in the work folder yet."""

    def __init__(
        self, script: Script, studio: Studio, work: Path, *, plate: Path | None = None
    ) -> None:
        self.script, self.studio, self.work = script, studio, work
        self.plate_path = plate or work / "plate.npz"
        work.mkdir(parents=True, exist_ok=True)
        studio.clear()
        studio.add(script.ground)
        self.names: dict[int, str] = {}
        self.who: dict[int, str] = {}
        for actor in script.standing:
            studio.add(actor.model, entity=self._entity(actor.label, "standing"))
        self.things = []
        for mover in script.movers:
            parts = []
            for actor in mover.group:
                parts += studio.add(actor.model, entity=self._entity(actor.label, mover.name))
            self.things.append(parts)
        studio.light(script.light)
        studio.camera(script.camera)
        self.plate: Render | None = None
        # What stands for a while is rendered once: windows by who stands where in them.
        self.kept: dict[tuple[object, ...], Render] = {}

    def _entity(self, label: str, name: str) -> int:
        entity = len(self.who) + 1
        self.who[entity] = name
        if label:
            self.names[entity] = label
        return entity

    def _plate(self) -> Render:
        """The picture with nobody in it; kept, for it is dear."""
        from tools.scenery.blender import Render

        path = self.plate_path
        if self.plate is None and path.exists():
            with np.load(path) as kept:
                self.plate = Render(kept["linear"], kept["index"], kept["depth"])
        if self.plate is None:
            for things in self.things:
                self.studio.show(things, False)
            self.plate = self.studio.shoot(samples=PLATE_SAMPLES)
            np.savez_compressed(
                path, linear=self.plate.linear, index=self.plate.index, depth=self.plate.depth
            )
        return self.plate

    def shot(self, t: float) -> Render:
        """The plate with everything that moves at time t."""
        plate = self._plate()
        windows: dict[int, tuple[int, int, int, int]] = {}
        poses: list[Pose | None] = []
        for mover, things in zip(self.script.movers, self.things, strict=True):
            pose = mover.path(t)
            poses.append(pose)
            self.studio.show(things, pose is not None)
            if pose is None:
                continue
            self.studio.move(things, pose[:3], yaw=pose[3])
            verts = np.concatenate(
                [a.model.placed(pose[:3], yaw=pose[3]).verts() for a in mover.group]
            )
            window = window_of(verts, self.script.camera, self.script.light)
            if window:
                windows[len(poses) - 1] = window
        out = replace(
            plate, linear=plate.linear.copy(), index=plate.index.copy(), depth=plate.depth.copy()
        )
        for window in merged(list(windows.values())):
            inside = [poses[n] for n, own in windows.items() if _within(own, window)]
            part = self._part(window, tuple(inside))
            x0, y0, x1, y1 = window
            where = np.s_[y0:y1, x0:x1]
            soft = _feather(part.depth.shape)[..., None]
            out.linear[where] = out.linear[where] * (1 - soft) + part.linear * soft
            out.index[where], out.depth[where] = part.index, part.depth
        return out

    def _part(self, window: tuple[int, int, int, int], poses: tuple[Pose | None, ...]) -> Render:
        key = (window, poses)
        if key not in self.kept:
            if len(self.kept) >= KEPT_WINDOWS:
                self.kept.pop(next(iter(self.kept)))
            self.kept[key] = self.studio.shoot(window=window)
        return self.kept[key]

    def frame(self, number: int) -> None:
        """FRAME.png and FRAME.json of one time, unless they are there."""
        script, t = self.script, self.script.times[number]
        about = self.work / f"{number:04d}.json"
        if about.exists():
            return
        shot = self.shot(t)
        linear, boxes = with_plumes(shot, script.plumes(t), script.camera, script.light)
        boxes = labels.index_boxes(shot.index, self.names) + boxes
        linear = linear if script.treat is None else script.treat(linear, shot.depth, t)
        numbers = seeds.array_stream("clip", script.name, script.seed, number)
        image = picture(linear * script.exposure, script.look, numbers)
        cv2.imwrite(str(self.work / f"{number:04d}.png"), image)
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


def _within(inner: tuple[int, int, int, int], outer: tuple[int, int, int, int]) -> bool:
    return (
        outer[0] <= inner[0]
        and outer[1] <= inner[1]
        and inner[2] <= outer[2]
        and inner[3] <= outer[3]
    )


def _feather(shape: tuple[int, ...]) -> Floats:
    """1 inside, falling to 0 over the outer pixels: seams of separately denoised parts vanish."""
    height, width = shape[:2]
    y = np.minimum(np.arange(height) + 0.5, height - 0.5 - np.arange(height))
    x = np.minimum(np.arange(width) + 0.5, width - 0.5 - np.arange(width))
    return np.asarray(np.clip(np.minimum(y[:, None], x[None]) / 6, 0, 1).astype(np.float32))


def encode(
    frames: Iterable[Path | Image],
    times: Sequence[float],
    out: Path,
    *,
    crf: int = 31,
    gop: int = 20,
) -> None:
    """H.264 MP4 with the times as presentation times, in milliseconds; a key frame every `gop`."""
    import av

    with av.open(str(out), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=25)
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": str(crf), "preset": "medium", "bf": "0", "g": str(gop)}
        stream.codec_context.time_base = stream.time_base = Fraction(1, 1000)
        for picture_or_path, t in zip(frames, times, strict=True):
            image: Any = picture_or_path
            if isinstance(image, Path):
                image = cv2.imread(str(image))
            if t == times[0]:
                stream.width, stream.height = image.shape[1], image.shape[0]
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = round(t * 1000), Fraction(1, 1000)
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def tracks_of(work: Path, count: int) -> list[dict[str, object]]:
    return [json.loads((work / f"{n:04d}.json").read_text()) for n in range(count)]


def foot(box: Box | Sequence[float], camera: Camera) -> list[float]:
    """Foot point of a box as fractions of the frame."""
    x0, _, x1, y1 = (box.x0, box.y0, box.x1, box.y1) if isinstance(box, Box) else box
    return [round((x0 + x1) / 2 / camera.width, 4), round(min(y1 / camera.height, 1.0), 4)]
