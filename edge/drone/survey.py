# SPDX-License-Identifier: AGPL-3.0-or-later
"""The long part of a flight job: pictures to looks, with sightings that have places.

Reads, chooses, tiles, detects and projects; memory does not grow with the flight. What it finds
out goes into the journal look by look, so that a broken run goes on where it stood.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge.drone import soil
from edge.drone.asflown import sharp_of
from edge.drone.earth import Local
from edge.drone.eye import Setup
from edge.drone.flightpath import FlightPath
from edge.drone.georef import GroundView, NoGround
from edge.drone.ground import footprint, gsd_m, homography, to_ground
from edge.drone.groundgrid import SiteGrid, reduced
from edge.drone.groundtiles import Plan, plan
from edge.drone.journal import Arrays, Journal
from edge.drone.keyframes import KeyFrames
from edge.drone.look import BLURRED, LEFT_OUT, KeyFrame, Sighting, Unplaced
from edge.drone.mosaic import Mosaic
from edge.drone.settings import Look as LookSettings
from edge.drone.sites import Area
from edge.drone.steady import Steady
from edge.drone.telemetry.pose import Pose
from edge.evidence.pictures import BLUR_RATIO
from edge.isolation import ItemGuard
from edge.values import Box, Detections, Frame, Image
from edge.vision.tiling import Piece, merge

CHECKPOINT_LOOKS = 30
# Things that lie or hang: their place is the middle of the box, not its lower edge.
FLAT = {"spillage", "dust", "garbage", "smoke", "fire", "bare_soil", "net"}
# From straight above a box is centred on its thing; looking down at 60 degrees or flatter its
# lower edge is where the thing meets the ground.
ABOVE_DEG, OBLIQUE_DEG = 80.0, 60.0
# The lower edge is the near side; the middle is half its depth further, for things up to this.
DEEPEST_M = 2.0
TRUCKS = {"muck_truck", "truck"}


class Detector(Protocol):
    """What a flight needs of edge.vision's Model."""

    @property
    def names(self) -> tuple[str, ...]: ...

    @property
    def sha256(self) -> str: ...

    @property
    def workers(self) -> int: ...

    def shape_for(self, image: Image) -> tuple[int, int]: ...

    def detect_in(self, image: Image, region: Box, *, min_score: float) -> Detections: ...


@dataclass(slots=True)
class Survey:
    """One flight being looked at. One owner. `said` counts, for the ledger and the bench."""

    path: FlightPath | None
    setup: Setup
    plane: Local
    areas: Sequence[Area]
    detector: Detector
    settings: LookSettings
    grids: dict[str, SiteGrid] = field(default_factory=dict)
    mosaic: Mosaic | None = None
    keys: KeyFrames = field(default_factory=KeyFrames)
    steady: Steady = field(default_factory=Steady)
    before: GroundView | None = None
    guard: ItemGuard | None = None
    pool: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        self.pool = ThreadPoolExecutor(max(1, self.detector.workers), "tiles")
        self.keys.fastest_fps = self.settings.fps

    def run(
        self,
        frames: Iterable[Frame],
        journal: Journal,
        *,
        reached: Callable[[float], None] = lambda t_s: None,
    ) -> None:
        """Look at every key frame behind the journal's last one; `reached` gets the time."""
        done_s = self._resume(journal)
        for frame in frames:
            reached(frame.at.mono)
            if frame.at.mono <= done_s:
                continue
            look = self._alone(frame)
            if look is not None:
                journal.add(look)
                if journal.count % CHECKPOINT_LOOKS == 0:
                    journal.checkpoint(self.arrays())
        journal.checkpoint(self.arrays())

    def _alone(self, frame: Frame) -> KeyFrame | None:
        """A picture whose work fails by a bug ends the process; with the next run it is left out,
        and counts as not inspected."""
        if self.guard is None:
            return self.step(frame)
        bug: list[str] = []
        with self.guard.working_for(f"picture at {frame.at.mono:.2f} s", bug.append):
            return self.step(frame)
        self.before = None
        return KeyFrame(frame.at.mono, frame.at.wall, None, why=LEFT_OUT)

    def _resume(self, journal: Journal) -> float:
        if not journal.resumed:
            return -1.0
        for name, grid in self.grids.items():
            grid.restore({key: journal.arrays[f"{key}:{name}"] for key in ("gsd", "votes")})
        if self.mosaic is not None and "mosaic" in journal.arrays:
            self.mosaic.restore(journal.arrays)
        last = -1.0
        for look in journal.looks():
            last = look.t_s
            self.keys.due(look.t_s, look.view)
        return last

    def arrays(self) -> Arrays:
        """What a checkpoint must hold to go on: grids and mosaic."""
        arrays = {
            f"{key}:{name}": value
            for name, grid in self.grids.items()
            for key, value in grid.state().items()
        }
        return {**arrays, **(self.mosaic.state() if self.mosaic else {})}

    def step(self, frame: Frame) -> KeyFrame | None:
        """The look of one picture, or None where it is not due."""
        t_s = frame.at.mono
        pose = self.path.at(t_s) if self.path else None
        view = self._view(pose)
        if not self.keys.due(t_s, view if isinstance(view, GroundView) else None):
            return None
        if isinstance(view, str) or pose is None:
            return self._blind(frame, pose, str(view))
        return self._sighted(frame, pose, view)

    def _view(self, pose: Pose | None) -> GroundView | str:
        """With the ground of the site that the camera looks at."""
        view = self.setup.view(pose)
        if isinstance(view, str) or not any(area.site.ground_m for area in self.areas):
            return view
        middle = np.array([[view.width / 2.0, view.height / 2.0]])
        east, north = to_ground(view, middle, self.plane)[0]
        for area in self.areas:
            if area.site.ground_m and not np.isnan(east) and area.holds(east, north):
                return self.setup.view(pose, ground_m=area.site.ground_m)
        return view

    def _blind(self, frame: Frame, pose: Pose | None, why: str) -> KeyFrame:
        """No place is known; what is in the picture is still reported, without one."""
        unplaced: tuple[Unplaced, ...] = ()
        if why != "not in the air":
            whole: Box = (0.0, 0.0, 1.0, 1.0)
            found = self._detect(frame.image, (whole,))
            rows = zip(found.boxes, found.scores, found.labels, strict=True)
            unplaced = tuple(
                Unplaced(found.names[label], round(float(score), 3), _box(box))
                for box, score, label in rows
            )
        self.before = None
        aircraft = (pose.lat, pose.lon) if pose and pose.lat is not None else None
        return KeyFrame(
            t_s=frame.at.mono,
            wall=frame.at.wall,
            view=None,
            why=why,
            quality=pose.quality if pose else "none",
            source=pose.source if pose else "",
            unplaced=unplaced,
            aircraft=(aircraft[0], aircraft[1] or 0.0) if aircraft else None,
        )

    def _sighted(self, frame: Frame, pose: Pose, view: GroundView) -> KeyFrame:
        small = reduced(frame.image)
        sharp = round(sharp_of(small), 3)
        blurred = sharp < BLUR_RATIO
        carried = self._carried(view, frame.image, small)
        grids = {} if blurred else self.grids
        seen = tuple(name for name, grid in grids.items() if grid.look(view, small))
        if self.mosaic is not None:
            self.mosaic.paint(view, small)
        chosen = self._plan(view, frame.image)
        found = self._detect(frame.image, chosen.regions)
        flat = len(footprint(view, self.plane)) == 0
        return KeyFrame(
            t_s=frame.at.mono,
            wall=frame.at.wall,
            view=view,
            why="camera flatter than 20°" if flat else BLURRED if blurred else None,
            quality=pose.quality,
            source=pose.source,
            carried=carried,
            tiles=len(chosen.regions),
            all_tiles=chosen.all_tiles,
            sightings=apart(list(self._sightings(frame.image, pose, view, found))),
            seen=seen,
            aircraft=(view.lat, view.lon),
            speed_mps=round(pose.speed_mps or 0.0, 2),
            sharp=sharp,
            shutter_s=pose.shutter_s,
        )

    def _plan(self, view: GroundView, image: Image) -> Plan:
        side = min(image.shape[0], image.shape[1])
        input_px = min(self.detector.shape_for(image[:side, :side]))
        return plan(
            view,
            self.areas,
            self.plane,
            input_px=input_px,
            object_m=self.settings.object_m,
            everywhere=self.settings.everywhere,
        )

    def _carried(self, view: GroundView, image: Image, small: Image) -> tuple[float, ...] | None:
        """Measured homography from the last look's pixels to these, in full-size pixels."""
        before, self.before = self.before, view
        predicted: NDArray[np.float64] | None = None
        scale = small.shape[1] / image.shape[1]
        shrink = np.diag([scale, scale, 1.0])
        if before is not None:
            there = homography(view, self.plane) @ np.linalg.inv(homography(before, self.plane))
            predicted = shrink @ there @ np.linalg.inv(shrink)
        moved = self.steady.step(small, predicted)
        if moved is None:
            return None
        full = np.linalg.inv(shrink) @ moved @ shrink
        return tuple(float(value) for value in (full / full[2, 2]).ravel())

    def _detect(self, image: Image, regions: Sequence[Box]) -> Detections:
        """All regions, beside each other where the model gains by it; one box for each thing."""
        if not regions:
            return Detections.none(self.detector.names)

        def look(region: Box) -> Piece:
            found = self.detector.detect_in(image, region, min_score=self.settings.min_score)
            return Piece(region, found.boxes, found.scores, found.labels)

        boxes, scores, labels = merge(list(self.pool.map(look, regions)))
        return Detections(boxes, scores, labels, self.detector.names)

    def _sightings(
        self, image: Image, pose: Pose, view: GroundView, found: Detections
    ) -> Iterable[Sighting]:
        for box, score, label in zip(found.boxes, found.scores, found.labels, strict=True):
            detection = Unplaced(found.names[int(label)], round(float(score), 3), _box(box))
            placed = self._place(image, pose, view, detection)
            if placed is not None:
                yield placed

    def _place(
        self, image: Image, pose: Pose, view: GroundView, found: Unplaced
    ) -> Sighting | None:
        """Where the thing in a box stands; None for boxes above the horizon."""
        u, v, deeper = _foot(view, found.box, found.label)
        gsd = gsd_m(view, u, v)
        if gsd is None:
            return None
        try:
            spot = self.setup.locate(pose, view, u, v)
        except NoGround:
            return None
        width_m = (found.box[2] - found.box[0]) * view.width * gsd
        shift = deeper * min(width_m, DEEPEST_M) / 2.0
        east, north = self.plane.metres(spot.lat, spot.lon)
        azimuth = math.radians(spot.azimuth_deg)
        east, north = east + shift * math.sin(azimuth), north + shift * math.cos(azimuth)
        lat, lon = self.plane.degrees(east, north)
        return Sighting(
            label=found.label,
            score=found.score,
            box=found.box,
            lat=round(lat, 8),
            lon=round(lon, 8),
            east=round(east, 3),
            north=round(north, 3),
            ce90_m=round(spot.ce90_m, 2),
            ground_m=round(spot.ground_m + shift, 2),
            azimuth_deg=round(spot.azimuth_deg, 2),
            low_confidence=spot.low_confidence_geo,
            width_m=round(width_m, 2),
            soil=_soil_share(image, found.box) if found.label in TRUCKS else 0.0,
        )

    def close(self) -> None:
        self.pool.shutdown()


def apart(sightings: list[Sighting]) -> tuple[Sighting, ...]:
    """One sighting for each thing: of two of a class nearer than half their width, the wider."""
    kept: list[Sighting] = []
    for one in sorted(sightings, key=lambda s: -s.width_m * s.score):
        same = (other for other in kept if other.label == one.label)
        if not any(
            math.hypot(one.east - other.east, one.north - other.north) < 0.5 * other.width_m
            for other in same
        ):
            kept.append(one)
    return tuple(kept)


def _box(box: Iterable[float]) -> Box:
    x1, y1, x2, y2 = (round(float(value), 5) for value in box)
    return x1, y1, x2, y2


def _foot(view: GroundView, box: Box, label: str) -> tuple[float, float, float]:
    """The pixel that stands for the thing, and how much of its half depth lies behind it (0..1)."""
    u, middle, low = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, box[3]
    if label in FLAT:
        return u * view.width, middle * view.height, 0.0
    down = np.degrees(np.arctan((low - 0.5) * view.height / view.fx)) - view.pitch_deg
    oblique = float(np.clip((ABOVE_DEG - down) / (ABOVE_DEG - OBLIQUE_DEG), 0.0, 1.0))
    v = middle + (low - middle) * oblique
    return u * view.width, v * view.height, oblique


def _soil_share(image: Image, box: Box) -> float:
    """Share of soil colours in the middle half of a box: the bed of a truck seen from above."""
    height, width = image.shape[:2]
    cx, cy = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    half_w, half_h = (box[2] - box[0]) / 4, (box[3] - box[1]) / 4
    rows = slice(max(0, int((cy - half_h) * height)), int((cy + half_h) * height) + 1)
    columns = slice(max(0, int((cx - half_w) * width)), int((cx + half_w) * width) + 1)
    pixels = image[rows, columns].reshape(-1, 3)[::7]
    return round(float((soil.classify(pixels) == soil.SOIL).mean()), 3) if len(pixels) else 0.0
