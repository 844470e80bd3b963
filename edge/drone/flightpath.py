# SPDX-License-Identifier: AGPL-3.0-or-later
"""Where the camera was at any instant of a recording: poses joined into a path. Pure.

Recorders repeat a position until the next GNSS fix (5 to 8 a second under 25 to 60 subtitles), so
the path runs through the *changes*; otherwise 10 m/s of flight would step by 2 m.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from edge.drone import earth, rotation
from edge.drone.shifted import LatLon
from edge.drone.telemetry.pose import Pose, Telemetry

# Beside a per-frame record a picture further away than this belongs to no pose.
NEAREST_S = 0.25
# At a record's own time it stands, whatever is unknown beside it.
AT_RECORD_S = 0.05
# Records further apart than this have nothing sound between them.
GAP_S = 5.0
# Between two records this far apart in time, a turn of more than 10 degrees is unknown in between.
SLOW_S, TURN_DEG = 0.5, 10.0


Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Coverage:
    """Seconds of path time that the poses cover, and how many have a fix and camera angles."""

    start_s: float
    end_s: float
    fixes: int
    aimed: int


class FlightPath:
    """A path through the fixes of a recording. `at` takes seconds of its own time."""

    def __init__(self, poses: Sequence[Pose]) -> None:
        self._poses = _one_run([pose for pose in poses if pose.has_fix])
        self._times = [pose.t_s for pose in self._poses]
        self._places = _knots(
            [
                (p.t_s, (p.lat, p.lon))
                for p in self._poses
                if p.lat is not None and p.lon is not None
            ]
        )
        self._heights = _knots(
            [(p.t_s, p.rel_alt_m) for p in self._poses if p.rel_alt_m is not None]
        )

    @property
    def coverage(self) -> Coverage | None:
        """None where there is no fix at all."""
        if not self._poses:
            return None
        aimed = sum(pose.has_angles for pose in self._poses)
        return Coverage(self._times[0], self._times[-1], len(self._poses), aimed)

    @property
    def places(self) -> Sequence[LatLon]:
        """lat, lon at each change of the position, in order of time."""
        return [place for _, place in self._places]

    @property
    def poses(self) -> Sequence[Pose]:
        """The fixes the path runs through, in order of time."""
        return self._poses

    def at(self, t_s: float) -> Pose | None:
        """The pose at this time; None outside the recording and inside its gaps."""
        if not self._poses or not self._near(t_s):
            return None
        after = bisect.bisect_right(self._times, t_s)
        low = self._poses[max(0, after - 1)]
        high = self._poses[min(after, len(self._poses) - 1)]
        if high.t_s - low.t_s > GAP_S or _turned_unseen(low, high):
            # Nothing is known between the two; at a record's own time that record is.
            low = high = min((low, high), key=lambda pose: abs(pose.t_s - t_s))
            if abs(low.t_s - t_s) > AT_RECORD_S:
                return None
            t_s = low.t_s
        share = (t_s - low.t_s) / (high.t_s - low.t_s) if high.t_s > low.t_s else 0.0
        angles = _angles(low, high, min(1.0, max(0.0, share)))
        lat, lon = self._place(t_s)
        yaw, pitch, roll, heading = angles
        return replace(
            low,
            t_s=t_s,
            utc=None if low.utc is None else low.utc + t_s - low.t_s,
            lat=lat,
            lon=lon,
            rel_alt_m=self._height(t_s),
            yaw_deg=yaw,
            pitch_deg=pitch,
            roll_deg=roll,
            heading_deg=heading,
            speed_mps=self.speed(t_s),
        )

    def _near(self, t_s: float) -> bool:
        """Within the recording, or so little outside that the nearest record still stands."""
        return self._times[0] - NEAREST_S <= t_s <= self._times[-1] + max(NEAREST_S, self._step())

    def _step(self) -> float:
        """The usual time between two records, at most a second: a cue lasts until the next."""
        if len(self._times) < 2:
            return NEAREST_S
        return min(1.0, (self._times[-1] - self._times[0]) / (len(self._times) - 1))

    def _place(self, t_s: float) -> LatLon:
        """On the straight line of the plane that touches the Earth at the knot before."""
        low, high, share = _between(self._places, t_s)
        if share == 0.0:
            return low
        plane = earth.Local(*low)
        east, north = plane.metres(*high)
        return plane.degrees(east * share, north * share)

    def _height(self, t_s: float) -> float | None:
        """None where no height was recorded within reach: a lost one is not drawn across a gap."""
        if not self._heights:
            return None
        low, high, share = _between(self._heights, t_s)
        nearest = min(abs(t_s - self._heights[n][0]) for n in _beside(self._heights, t_s))
        return None if nearest > GAP_S and low != high else low + share * (high - low)

    def speed(self, t_s: float, *, over_s: float = 1.0) -> float:
        """Ground speed in m/s over the second around this time."""
        first = max(self._times[0], t_s - over_s / 2)
        last = min(self._times[-1], t_s + over_s / 2)
        if last <= first:
            return self._poses[0].speed_mps or 0.0
        return earth.distance_m(self._place(first), self._place(last)) / (last - first)

    def moved(self, seconds: float) -> FlightPath:
        """The same path with its clock set: path time = media time + `seconds` becomes media
        time."""
        return FlightPath([replace(pose, t_s=pose.t_s - seconds) for pose in self._poses])


def _one_run(poses: Sequence[Pose]) -> list[Pose]:
    """The longest stretch in which time does not run backwards (joined files have several)."""
    runs: list[list[Pose]] = [[]]
    for pose in poses:
        if runs[-1] and pose.t_s < runs[-1][-1].t_s:
            runs.append([])
        runs[-1].append(pose)
    return max(runs, key=len)


Knots = list[tuple[float, Value]]


def _knots(rows: Knots[Value]) -> Knots[Value]:
    """(time, value) at which a value changes, and the last one."""
    knots = rows[:1]
    for before, row in itertools.pairwise(rows):
        if row[1] != before[1]:
            # After a pause of more than a fix or two the aircraft stood still until just now.
            if before[0] - knots[-1][0] > 1.0:
                knots.append(before)
            knots.append(row)
    if len(rows) > 1 and knots[-1] is not rows[-1]:
        knots.append(rows[-1])
    return knots


def _beside(knots: Knots[Value], t_s: float) -> tuple[int, int]:
    after = bisect.bisect_right(knots, t_s, key=lambda knot: knot[0])
    return max(0, after - 1), min(after, len(knots) - 1)


def _between(knots: Knots[Value], t_s: float) -> tuple[Value, Value, float]:
    """The values before and after this time, and how far it is between them (0..1)."""
    (from_s, low), (to_s, high) = (knots[n] for n in _beside(knots, t_s))
    if to_s <= from_s:
        return low, high, 0.0
    return low, high, min(1.0, max(0.0, (t_s - from_s) / (to_s - from_s)))


Angles = tuple[float | None, float | None, float | None, float | None]


def _turned_unseen(low: Pose, high: Pose) -> bool:
    """Whether the camera turned between two records of a slow recorder, nobody knows when."""
    if low.yaw_deg is None or high.yaw_deg is None:
        return False
    turned = abs(rotation.turn(low.yaw_deg, high.yaw_deg))
    steep = min(low.pitch_deg or 0.0, high.pitch_deg or 0.0) < -80.0
    return turned > TURN_DEG and high.t_s - low.t_s > SLOW_S and not steep


def _angles(low: Pose, high: Pose, share: float) -> Angles:
    """Camera angles and heading along the shortest turn."""
    return (
        _turned(low.yaw_deg, high.yaw_deg, share),
        _mixed(low.pitch_deg, high.pitch_deg, share),
        _mixed(low.roll_deg, high.roll_deg, share),
        _turned(low.heading_deg, high.heading_deg, share),
    )


def _turned(low: float | None, high: float | None, share: float) -> float | None:
    if low is None or high is None:
        return low
    return (low + share * rotation.turn(low, high)) % 360.0


def _mixed(low: float | None, high: float | None, share: float) -> float | None:
    return low if low is None or high is None else low + share * (high - low)


def clock_offset(
    telemetry: Telemetry, *, start_utc: float | None, duration_s: float, clip: int | None = None
) -> tuple[float, str]:
    """Path time minus media time in seconds, and by what it is known.

    Subtitles run on media time. A flight log says when video ran (`clips`): the clip whose length
    is nearest is taken, or the one asked for. Logs with UTC are put against the video's start.
    """
    if telemetry.kind in ("srt", "mov_text", "photos"):
        return 0.0, "media time"
    if telemetry.clips:
        chosen = _clip(telemetry.clips, duration_s) if clip is None else telemetry.clips[clip - 1]
        return chosen[0], "recording flag of the log"
    first = next((pose for pose in telemetry.poses if pose.utc is not None), None)
    if first is not None and first.utc is not None and start_utc is not None:
        offset = start_utc - first.utc + first.t_s
        last = max(pose.t_s for pose in telemetry.poses)
        if -duration_s < offset < last:
            return offset, "UTC"
    return 0.0, "both begin together (assumed)"


def _clip(clips: Sequence[tuple[float, float]], duration_s: float) -> tuple[float, float]:
    return min(clips, key=lambda clip: math.fabs(clip[1] - clip[0] - duration_s))
