# SPDX-License-Identifier: AGPL-3.0-or-later
"""A flight judged while it is in the air: pictures of a stream, poses of the Cloud API.

Findings go out as they are confirmed; the ledger is made from the recording after landing, whose
pictures are finer and whose poses come with every frame.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge import journal
from edge.config import Category
from edge.drone import optics
from edge.drone.earth import Local
from edge.drone.eye import Setup
from edge.drone.flight import INSPECTED_PIXELS
from edge.drone.flightpath import FlightPath
from edge.drone.groundgrid import SiteGrid
from edge.drone.groundtrack import GroundTracks
from edge.drone.look import KeyFrame
from edge.drone.rows import Row, charge_row
from edge.drone.rule_settings import FlightFinding, Situation, judge
from edge.drone.settings import Drone
from edge.drone.shots import save_overview
from edge.drone.sites import INSPECTED, Area, RegisteredSite
from edge.drone.survey import Detector, Survey
from edge.drone.telemetry.pose import Pose
from edge.values import Frame, Stamp

# Pictures that wait for the pose behind them (OSD comes every 2 s), and pictures that findings
# may need: 1080p JPEGs of the last looks.
MOST_WAITING, MOST_KEPT = 8, 90
JUDGE_EVERY_S = 2.0


@dataclass(slots=True)
class LiveFlight:
    """Pictures and poses in, findings out. One owner, no clock of its own: the caller's frames
    carry the time. `publish` gets each new finding's row once, its pictures written."""

    out: Path
    settings: Drone
    sites: Sequence[RegisteredSite]
    detector: Detector
    categories: Sequence[Category]
    publish: Callable[[Row], None]
    name: str = "live"
    began: float | None = None
    survey: Survey | None = None
    tracks: GroundTracks | None = None
    rows: list[tuple[FlightFinding, Row]] = field(default_factory=list)
    waiting: deque[Frame] = field(default_factory=deque)
    kept: OrderedDict[float, bytes] = field(default_factory=OrderedDict)
    judged_s: float = -math.inf
    dropped: int = 0
    looks: int = 0

    def picture(self, frame: Frame, delay_s: float) -> None:
        """A picture that left the aircraft `delay_s` before it arrived here."""
        shown = replace(frame.at, wall=frame.at.wall - delay_s)
        self.waiting.append(replace(frame, at=shown))
        if len(self.waiting) > MOST_WAITING:
            self.waiting.popleft()
            self.dropped += 1

    def poses(self, poses: Sequence[Pose]) -> None:
        """All poses still kept, in order of time; looks at the pictures that they cover now."""
        fixes = [pose for pose in poses if pose.has_fix and pose.utc is not None]
        if not fixes:
            return
        if self.began is None:
            self.began = fixes[0].utc or 0.0
        began = self.began
        on_clock = [replace(pose, t_s=(pose.utc or 0.0) - began) for pose in fixes]
        latest = on_clock[-1].t_s
        while self.waiting:
            at = self.waiting[0].at.wall - began
            if at > latest:
                return  # the pose behind it may still come; the queue's bound ends the waiting
            self._look(self.waiting.popleft(), on_clock)

    def _look(self, frame: Frame, poses: list[Pose]) -> None:
        assert self.began is not None
        at = frame.at.wall - self.began
        survey = self._survey(frame, poses)
        survey.path = FlightPath(poses)
        moved = Stamp(at, frame.at.wall, frame.at.quality, frame.at.error_ms)
        look = survey.step(replace(frame, at=moved))
        if look is None or self.tracks is None:
            return
        self.looks += 1
        self._keep(look, frame)
        self.tracks.step(look)
        if look.t_s - self.judged_s >= JUDGE_EVERY_S:
            self.judged_s = look.t_s
            self._judge(survey)

    def _survey(self, frame: Frame, poses: list[Pose]) -> Survey:
        """Made at the first picture with a pose: only then size and place are known."""
        if self.survey is None:
            lat, lon = poses[0].lat, poses[0].lon
            assert lat is not None and lon is not None
            plane = Local(lat, lon)
            day = self.settings.ledger.day(frame.at.wall)
            areas = [Area(site, plane) for site in self.sites if site.valid_on(day)]
            self.tracks = GroundTracks(plane, merge_m=self.settings.judging.merge_m)
            self.survey = Survey(
                path=None,
                setup=self._setup(frame),
                plane=plane,
                areas=areas,
                detector=self.detector,
                settings=self.settings.look,
                grids=self._grids(areas, plane),
            )
        return self.survey

    def _setup(self, frame: Frame) -> Setup:
        aircraft = self.settings.aircraft
        height, width = frame.image.shape[:2]
        return Setup(
            width=width,
            height=height,
            hfov_deg=aircraft.hfov_deg,
            lens=optics.camera(aircraft.camera) if aircraft.camera else None,
            profile=aircraft.profile,
        )

    def _grids(self, areas: Sequence[Area], plane: Local) -> dict[str, SiteGrid]:
        gsd = self.settings.look.object_m / INSPECTED_PIXELS
        return {
            area.site.id: SiteGrid(area, plane, inspected_gsd_m=gsd)
            for area in areas
            if area.site.kind in INSPECTED
        }

    def _keep(self, look: KeyFrame, frame: Frame) -> None:
        """Looks with something in them, as JPEG, the latest MOST_KEPT."""
        if not look.sightings:
            return
        done, data = cv2.imencode(".jpg", frame.image, [cv2.IMWRITE_JPEG_QUALITY, 92])
        assert done, "a BGR picture can always be a JPEG"
        self.kept[look.t_s] = data.tobytes()
        while len(self.kept) > MOST_KEPT:
            self.kept.popitem(last=False)

    def _judge(self, survey: Survey) -> None:
        assert self.tracks is not None
        situation = Situation(
            self.tracks.finish(), survey.areas, {}, self.settings.judging, survey.plane
        )
        for charge in judge(self.categories, situation):
            if not any(_same(charge, old) for old, _ in self.rows):
                self._publish(charge, survey.plane)

    def _publish(self, charge: FlightFinding, plane: Local) -> None:
        number = len(self.rows) + 1
        assert self.began is not None
        row = charge_row(
            charge,
            plane,
            self.categories,
            number=number,
            name=f"{self.name}-{self.began:.0f}-{number:03d}",
            start_wall=self.began,
        )
        folder = self.out / "pictures"
        for index, seen in enumerate(shot for shot in charge.shots if shot.t_s in self.kept):
            data = np.frombuffer(self.kept[seen.t_s], np.uint8)
            image: Any = cv2.imdecode(data, cv2.IMREAD_COLOR)
            saved = save_overview(folder, f"{row['id']}-{index}", image, seen.sighting.box)
            if index == 0:
                row["pictures"].update(saved)
            else:
                row["pictures"].setdefault("more", []).append(saved["overview"])
        self.rows.append((charge, row))
        journal.append(self.out / "live.jsonl", [row])
        self.publish(row)

    def source(self, model: tuple[str, str], config_sha256: str) -> Row:
        """What Sender asks of a ledger, before there is one."""
        began = self.began or 0.0
        return {
            "flight_id": f"{self.name}-{began:.0f}",
            "name": self.name,
            "aircraft": self.settings.aircraft.name or self.settings.aircraft.camera,
            "pose_source": "dji-cloud",
            "model": model[0],
            "model_sha256": model[1],
            "config_sha256": config_sha256,
        }


def _same(a: FlightFinding, b: FlightFinding) -> bool:
    """Whether a charge is one already published: its category, within the two radii."""
    away = math.hypot(a.east - b.east, a.north - b.north)
    return a.category == b.category and away <= math.hypot(a.ce90_m, b.ce90_m)
