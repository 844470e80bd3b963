# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a record says is checked against what an aircraft can do, before anybody uses it. Pure.

Each value has a range; a position and a height must be within reach of their neighbours. What
fails is left out and counted, never mended: a record that lost its place keeps its other values.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from edge.drone.earth import distance_m
from edge.drone.telemetry.pose import Pose, Telemetry, grade

Item = TypeVar("Item")

# value -> (least, most, name for people). Heights: the Dead Sea, and above what any aircraft of
# these kinds flies; placeholders (-999.9, 6553.5, 9999) lie outside. Times: 2000 to 2100.
_RANGES: dict[str, tuple[float, float, str]] = {
    "rel_alt_m": (-500.0, 5000.0, "height"),
    "abs_alt_m": (-500.0, 20_000.0, "altitude"),
    "ground_m": (-500.0, 9000.0, "ground height"),
    "yaw_deg": (-360.0, 360.0, "camera angle"),
    "pitch_deg": (-180.0, 180.0, "camera angle"),
    "roll_deg": (-180.0, 180.0, "camera angle"),
    "heading_deg": (-360.0, 360.0, "heading"),
    "speed_mps": (0.0, 350.0, "speed"),
    "sats": (0, 120, "satellites"),
    "zoom": (0.01, 300.0, "zoom"),
    "focal35_mm": (2.0, 5000.0, "focal length"),
    "hfov_deg": (0.01, 179.0, "angle of view"),
    "shutter_s": (1e-6, 60.0, "shutter"),
    "utc": (946_684_800.0, 4_102_444_800.0, "date"),
}
_CAMERA = ("yaw_deg", "pitch_deg", "roll_deg")
_DAY_S = 86_400.0
# Times of a recording: a year, either way.
_LONGEST_S = 3.2e7

# Metres a second that an aircraft of this kind does not exceed, along and up. Multirotors of the
# makers read here fly 23 m/s and, the fastest, 39 m/s.
_ALONG_MPS = {"mavlink": 150.0, "misb-0601": 300.0, "gpx": 150.0}
_UP_MPS = {"mavlink": 100.0, "misb-0601": 100.0, "gpx": 100.0}
_MULTIROTOR = (60.0, 30.0)
# Besides: steps of 4-decimal positions, a first fix that settles; steps of a barometer.
_PLACE_SLACK_M, _HEIGHT_SLACK_M = 30.0, 15.0
# No recording pauses longer; a record this far off in time has a wrong one. Fewer records than
# this between two steps back in time are no recording of their own.
_LONGEST_GAP_S, _LEAST_RUN = 7200.0, 3
# Beyond so many contradicting strands of a recording, the oldest short one is given up.
_STRANDS = 8
# So many records in a row that agree with each other move a live aircraft to where they say.
_BELIEVED = 5


def checked(telemetry: Telemetry) -> Telemetry:
    """The same recording without what cannot be: `skipped` counts positions, a note the rest."""
    left_out: Counter[str] = Counter()
    lost: Counter[str] = Counter(telemetry.skipped)
    poses = [_in_range(pose, left_out) for pose in telemetry.poses if _timed(pose, lost)]
    for run in _mind_times(poses, lost):
        _mind_places(poses, run, telemetry.kind, lost)
        _mind_heights(poses, run, telemetry.kind, left_out)
    words = ", ".join(f"{name} {count}" for name, count in sorted(left_out.items()))
    notes = (*telemetry.notes, f"values left out as impossible: {words}") if words else None
    return replace(
        telemetry,
        poses=tuple(poses),
        skipped=dict(lost),
        notes=telemetry.notes if notes is None else notes,
    )


def origin_of(moments: Sequence[float]) -> float:
    """The first moment of a recording: the first one within a day of their median, so that one
    wrong stamp does not move all others. 0.0 of none."""
    if not moments:
        return 0.0
    middle = statistics.median(moments)
    return next((at for at in moments if abs(at - middle) <= _DAY_S), middle)


def _timed(pose: Pose, lost: Counter[str]) -> bool:
    if math.isfinite(pose.t_s) and abs(pose.t_s) <= _LONGEST_S:
        return True
    lost["impossible time"] += 1
    return False


def _in_range(pose: Pose, left_out: Counter[str]) -> Pose:
    wrong = {name for name in _RANGES if not _fits(name, getattr(pose, name))}
    for what in {_RANGES[name][2] for name in wrong}:
        left_out[what] += 1
    if pose.aim is not None and not all(map(math.isfinite, pose.aim)):
        wrong.add("aim")
    if not wrong:
        return pose
    # A camera whose one angle is no angle has none.
    wrong |= set(_CAMERA) if wrong & set(_CAMERA) else set()
    changed: dict[str, Any] = dict.fromkeys(wrong)
    return regraded(replace(pose, **changed))


def possible(name: str, value: float | None) -> float | None:
    """A value of that name, or None where it is none that can be."""
    return value if _fits(name, value) else None


def _fits(name: str, value: float | None) -> bool:
    least, most, _ = _RANGES[name]
    return value is None or (math.isfinite(value) and least <= value <= most)


def regraded(pose: Pose) -> Pose:
    """With the quality word and height source that its values still bear."""
    quality = grade(
        fix=pose.has_fix,
        angles=pose.has_angles,
        coarse=pose.quality == "coarse",
        rtk=pose.quality == "rtk",
    )
    bare = pose.rel_alt_m is None and pose.height_source in ("relative", "derived")
    return replace(pose, quality=quality, height_source="none" if bare else pose.height_source)


def _runs(poses: Sequence[Pose]) -> list[list[int]]:
    """Stretches in which time does not run backwards: joined files have several."""
    runs: list[list[int]] = []
    for index, pose in enumerate(poses):
        if not runs or pose.t_s < poses[runs[-1][-1]].t_s:
            runs.append([])
        runs[-1].append(index)
    return runs


def _mind_times(poses: list[Pose], lost: Counter[str]) -> list[list[int]]:
    """The runs, without those of a record or two beside a longer one: their time is wrong, and so
    nobody knows what was within their reach."""
    runs = _runs(poses)
    longest = max(map(len, runs), default=0)
    stray = [run for run in runs if len(run) < min(_LEAST_RUN, longest)]
    for index in (index for run in stray for index in run if poses[index].has_fix):
        lost["time out of order"] += 1
        poses[index] = regraded(replace(poses[index], lat=None, lon=None))
    return [run for run in runs if run not in stray]


def _mind_places(poses: list[Pose], run: list[int], kind: str, lost: Counter[str]) -> None:
    """Takes the position from records that no aircraft could have reached."""
    fixes = [index for index in run if poses[index].has_fix]
    kept = consistent([poses[index] for index in fixes], lambda a, b: reachable(a, b, kind))
    for position, index in enumerate(fixes):
        if position not in kept:
            lost["position out of reach of its neighbours"] += 1
            poses[index] = regraded(replace(poses[index], lat=None, lon=None))


def _mind_heights(poses: list[Pose], run: list[int], kind: str, left_out: Counter[str]) -> None:
    for name, word in (("rel_alt_m", "height"), ("abs_alt_m", "altitude")):
        known = [index for index in run if getattr(poses[index], name) is not None]
        rows = [(poses[index].t_s, getattr(poses[index], name)) for index in known]
        kept = consistent(rows, lambda a, b: _climbable(a, b, kind))
        for position, index in enumerate(known):
            if position not in kept:
                left_out[word] += 1
                changed: dict[str, Any] = {name: None}
                poses[index] = regraded(replace(poses[index], **changed))


def reachable(a: Pose, b: Pose, kind: str = "") -> bool:
    """Whether an aircraft of this kind can be at both places at their times."""
    if a.lat is None or a.lon is None or b.lat is None or b.lon is None:
        return True
    if abs(b.t_s - a.t_s) > _LONGEST_GAP_S:
        return False
    fastest = _ALONG_MPS.get(kind, _MULTIROTOR[0])
    allowed = fastest * abs(b.t_s - a.t_s) + _PLACE_SLACK_M
    return distance_m((a.lat, a.lon), (b.lat, b.lon)) <= allowed


def _climbable(a: tuple[float, float], b: tuple[float, float], kind: str) -> bool:
    fastest = _UP_MPS.get(kind, _MULTIROTOR[1])
    return abs(b[1] - a[1]) <= fastest * abs(b[0] - a[0]) + _HEIGHT_SLACK_M


def consistent(items: Sequence[Item], agree: Callable[[Item, Item], bool]) -> set[int]:
    """Indices of the strand of items that agree, one after another, and are the most.

    Each item goes to the longest strand whose last item it agrees with. Where no strand holds more
    than half of the items, they contradict each other and none is believed.
    """
    strands: list[list[int]] = []
    for index, item in enumerate(items):
        ends = (s for s in strands if agree(items[s[-1]], item))
        home = max(ends, key=len, default=None)
        if home is None:
            strands.append([index])
            if len(strands) > _STRANDS:
                strands.remove(min(strands[:-1], key=len))
        else:
            home.append(index)
    most = max(strands, key=len, default=[])
    return set(most) if 2 * len(most) > len(items) else set()


@dataclass(slots=True)
class LiveCheck:
    """The same for an aircraft in the air, record by record; what lies ahead is not known.

    A record out of reach is refused until five in a row agree with each other.
    """

    kind: str
    last: Pose | None = None
    doubted: list[Pose] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    def __call__(self, pose: Pose) -> Pose | None:
        """The pose with its impossible values left out, or None for a place out of reach."""
        if not _timed(pose, self.left_out):
            return None
        pose = _in_range(pose, self.left_out)
        if not pose.has_fix:
            return pose
        if self.last is not None and not reachable(self.last, pose, self.kind):
            return self._doubt(pose)
        self.doubted.clear()
        self.last = pose
        return pose

    def _doubt(self, pose: Pose) -> Pose | None:
        if self.doubted and not reachable(self.doubted[-1], pose, self.kind):
            self.doubted.clear()
        self.doubted.append(pose)
        if len(self.doubted) < _BELIEVED:
            self.left_out["position out of reach"] += 1
            return None
        self.doubted.clear()
        self.last = pose
        return pose
