# SPDX-License-Identifier: AGPL-3.0-or-later
"""A fly-over made for the tests: a painted ground, seen by exact poses, and a detector of paint.

The ground is a picture at 10 cm; each frame is that picture through the camera's own homography,
written independently of edge.drone.ground (rotation by hand, ray by ray at the four corners).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import av
import cv2
import numpy as np

from edge.drone.earth import Local
from edge.values import Detections
from tests.drone.recordings import clock

PLANE = Local(31.2304, 121.4737)
METRE_PX = 0.1
SIDE_M = 240.0
START = "2026-05-01 09:00:00.000"

# label -> paint (BGR); pure colours that nothing else of the ground has.
PAINT = {
    "vendor_stall": (255, 0, 255),
    "person": (255, 255, 0),
    "spillage": (0, 255, 255),
    "grill": (0, 0, 255),
}


@dataclass
class Thing:
    label: str
    east: float
    north: float
    size_m: float = 2.0


@dataclass
class Ground:
    """East and north in metres from the plane's origin, which is the middle of the picture."""

    things: list[Thing]
    soil: tuple[float, float, float, float] | None = None  # west, south, east, north
    net: tuple[float, float, float, float] | None = None
    picture: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        pixels = round(SIDE_M / METRE_PX)
        rng = np.random.default_rng(3)
        coarse = rng.integers(95, 150, (pixels // 12, pixels // 12), np.uint8)
        grey = cv2.resize(coarse, (pixels, pixels), interpolation=cv2.INTER_CUBIC)
        self.picture = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
        for area, paint in ((self.soil, (70, 105, 150)), (self.net, (90, 140, 40))):
            if area is not None:
                self._fill(*area, paint)
        for thing in self.things:
            half = thing.size_m / 2
            self._fill(thing.east - half, thing.north - half, thing.east + half,
                       thing.north + half, PAINT[thing.label])  # fmt: skip

    def _fill(self, west, south, east, north, paint):
        (x1, y1), (x2, y2) = self.pixel(west, north), self.pixel(east, south)
        self.picture[round(y1) : round(y2), round(x1) : round(x2)] = paint

    @staticmethod
    def pixel(east: float, north: float) -> tuple[float, float]:
        return (east + SIDE_M / 2) / METRE_PX, (SIDE_M / 2 - north) / METRE_PX


@dataclass
class Shot:
    t_s: float
    east: float
    north: float
    h_m: float
    yaw: float
    pitch: float


def render(ground: Ground, shot: Shot, width: int, height: int, fx: float) -> np.ndarray:
    corners, targets = [], []
    yaw, pitch = math.radians(shot.yaw), math.radians(shot.pitch)
    for u, v in ((0, 0), (width, 0), (width, height), (0, height)):
        right, down = (u - width / 2) / fx, (v - height / 2) / fx
        # Camera axes in east, north, up: forward, right, and down = -(right x forward).
        forward = (
            math.sin(yaw) * math.cos(pitch),
            math.cos(yaw) * math.cos(pitch),
            math.sin(pitch),
        )
        side = (math.cos(yaw), -math.sin(yaw), 0.0)
        under = (math.sin(yaw) * math.sin(pitch), math.cos(yaw) * math.sin(pitch), -math.cos(pitch))
        ray = [f + right * s + down * d for f, s, d in zip(forward, side, under, strict=True)]
        t = shot.h_m / -ray[2]
        corners.append((u, v))
        targets.append(ground.pixel(shot.east + t * ray[0], shot.north + t * ray[1]))
    matrix = cv2.getPerspectiveTransform(np.float32(targets), np.float32(corners))
    return cv2.warpPerspective(ground.picture, matrix, (width, height), flags=cv2.INTER_AREA)


def straight(*, seconds: float, start: tuple[float, float], course: float, speed: float = 8.0,
             h_m: float = 60.0, pitch: float = -60.0, fps: float = 4.0) -> list[Shot]:  # fmt: skip
    shots = []
    for number in range(round(seconds * fps)):
        away = speed * number / fps
        east = start[0] + away * math.sin(math.radians(course))
        north = start[1] + away * math.cos(math.radians(course))
        shots.append(Shot(number / fps, east, north, h_m, course, pitch))
    return shots


def joined(*legs: list[Shot]) -> list[Shot]:
    out: list[Shot] = []
    for leg in legs:
        shift = out[-1].t_s + 0.25 if out else 0.0
        out += [Shot(s.t_s + shift, s.east, s.north, s.h_m, s.yaw, s.pitch) for s in leg]
    return out


SIZE = (960, 540)
FOCAL35_MM = 24.0
FX = FOCAL35_MM * 1.25 * SIZE[0] / 43.267


def write_video(path: Path, ground: Ground, shots: list[Shot], *, fps: int = 4) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "14", "preset": "ultrafast", "g": "8"}
        for shot in shots:
            image = render(ground, shot, *SIZE, FX)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())


def write_srt(
    path: Path, shots: list[Shot], *, step_s: float = 0.25, yaw_error: float = 0.0
) -> None:
    cues = []
    for number, shot in enumerate(shots, 1):
        lat, lon = PLANE.degrees(shot.east, shot.north)
        yaw = (shot.yaw + yaw_error + 180) % 360 - 180
        cues.append(
            f"{number}\n{clock(shot.t_s)} --> {clock(shot.t_s + step_s)}\n"
            f'<font size="28">FrameCnt: {number}, DiffTime: 100ms\n'
            f"2026-05-01 09:{int(shot.t_s) // 60:02d}:{shot.t_s % 60:06.3f}\n"
            f"[focal_len: {FOCAL35_MM:.2f}] [dzoom_ratio: 1.00], [latitude: {lat:.8f}] "
            f"[longitude: {lon:.8f}] [rel_alt: {shot.h_m:.3f} abs_alt: 99.0] "
            f"[gb_yaw: {yaw:.3f} gb_pitch: {shot.pitch:.3f} gb_roll: 0.0] </font>\n"
        )
    path.write_text("\n".join(cues), encoding="utf-8")


def write_sites(path: Path, *features: tuple[str, str, list[tuple[float, float]]], **more) -> None:
    """(id, kind, points in metres); corridors are lines 12 m wide."""
    rows = []
    for name, kind, points in features:
        ring = [list(reversed(PLANE.degrees(*point))) for point in points]
        line = kind == "corridor"
        rows.append(
            {
                "type": "Feature",
                "properties": {"id": name, "kind": kind, "name": f"工地 {name}", "name_en": name,
                               **({"width_m": 12} if line else {}), **more.get(name, {})},
                "geometry": {"type": "LineString" if line else "Polygon",
                             "coordinates": ring if line else [[*ring, ring[0]]]},
            }
        )  # fmt: skip
    path.write_text(json.dumps({"type": "FeatureCollection", "features": rows}), encoding="utf-8")


class PaintDetector:
    """Finds the paint: a stand-in for a model, with the same interface as edge.vision's."""

    names = (*PAINT, "dust")
    sha256 = "0" * 64
    name = "paint"
    workers = 1

    def __init__(self) -> None:
        self.calls = 0

    def shape_for(self, image):
        return (640, 640)

    def detect_in(self, image, region, *, min_score=0.25):
        self.calls += 1
        height, width = image.shape[:2]
        x1, y1, x2, y2 = (round(v * s) for v, s in zip(region, (width, height) * 2, strict=True))
        piece = image[y1:y2, x1:x2]
        boxes, labels = [], []
        for label, paint in PAINT.items():
            low, high = (np.clip(np.add(paint, step), 0, 255) for step in (-70, 70))
            mask = cv2.inRange(piece, low, high)
            _, _, stats, _ = cv2.connectedComponentsWithStats(mask)
            for x, y, w, h, area in stats[1:].tolist():
                if area >= 9:
                    boxes.append([(x + x1) / width, (y + y1) / height,
                                  (x + w + x1) / width, (y + h + y1) / height])  # fmt: skip
                    labels.append(self.names.index(label))
        return Detections(
            np.array(boxes, np.float32).reshape(-1, 4), np.full(len(boxes), 0.9, np.float32),
            np.array(labels, np.int32), self.names,
        )  # fmt: skip
