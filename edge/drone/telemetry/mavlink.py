# SPDX-License-Identifier: AGPL-3.0-or-later
"""MAVLink telemetry logs: where the vehicle flew and how its camera looked, by its messages. Pure.

What its messages mean: https://mavlink.io/en/messages/common.html. The wire format is
read in mavlink_wire.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from edge.drone import rotation
from edge.drone.telemetry.mavlink_wire import (
    FIRST_US,
    LAST_US,
    MavlinkMessage,
    looks_like,
    messages,
)
from edge.drone.telemetry.plausible import checked
from edge.drone.telemetry.pose import Pose, Telemetry, count, grade, only_aircraft, sound_fix

__all__ = ["looks_like", "parse"]

# GIMBAL_DEVICE_FLAGS of common.xml.
_YAW_LOCK, _YAW_IN_VEHICLE, _YAW_IN_EARTH = 16, 32, 64
# MAV_TYPE of common.xml that are no vehicle: antenna tracker, ground station, onboard computer,
# gimbal, ADS-B receiver, camera, charging station and other parts.
_NO_VEHICLES = {5, 6, 18, 26, 27, 30, 31, 32, 33, 34, 36, 37, 38, 39, 40, 41}
# Ground stations call their system 250 and above.
_GCS_SYSTEMS = 250
# Messages of a radio link come this much out of order; clocks of one boot differ by less than this.
_REORDERED_S, _CLOCKS_APART_S = 1.0, 60.0
# Camera angles older than this say nothing about the position beside them.
_GIMBAL_AGE_S = 2.0


@dataclass(slots=True)
class _Vehicle:
    """What is known of the vehicle while the log is walked."""

    heading: float | None = None
    satellites: int | None = None
    rtk: bool = False
    fix_type: int | None = None
    camera: tuple[float, float, float] | None = None
    camera_at: float = -math.inf
    hfov: float | None = None
    aim: tuple[float, float] | None = None
    offset_s: float | None = None  # UTC minus time since this boot, by the vehicle's GNSS
    lags: list[float] = field(default_factory=list)
    empty_mounts: int = 0
    restarts: int = 0
    before: tuple[float, float, float] | None = None  # seconds since boot, record's stamp, t_s

    def time_s(self, boot_s: float, at: float) -> float:
        """Seconds of the log's own time: the vehicle's clock, or, where that was set anew (a
        restart in the air or on the ground), the record's stamp from there on."""
        if self.before is None:
            t_s = 0.0
        else:
            boot_before, at_before, t_before = self.before
            step, stamped = boot_s - boot_before, at - at_before
            agree = abs(step - stamped) <= _CLOCKS_APART_S
            if step < -_REORDERED_S or (step > _CLOCKS_APART_S and not agree):
                step, self.offset_s = stamped, None
                self.restarts += 1
            t_s = t_before + max(0.0, step)
        self.before = (boot_s, at, t_s)
        return t_s

    def utc(self, boot_s: float, at: float) -> float:
        """By the vehicle's GNSS; before it sent the time since a restart, by the ground station's
        clock less its usual lead."""
        if self.offset_s is not None:
            return boot_s + self.offset_s
        return at - (statistics.median(self.lags) if self.lags else 0.0)


def parse(data: bytes, *, serial: str | None = None) -> Telemetry:
    """One pose for each GLOBAL_POSITION_INT of a .tlog.

    `serial` is the MAVLink system to follow. Raises ManyAircraft where several vehicles send
    positions and it does not say which is meant.
    """
    refused: list[str] = []
    heard = list(messages(data, refused))
    # Its clock and attitude come from the component that sends the vehicle's position, its gimbal
    # and camera may be other components of that system.
    pilot = _pilot(heard, serial)
    vehicle, poses = _Vehicle(), list[Pose]()
    for message in heard:
        if message.sender == pilot or (
            message.sender[0] == pilot[0] and message.name in _FROM_COMPONENTS
        ):
            _LEARN.get(message.name, _nothing)(message, vehicle)
        if message.name == "GLOBAL_POSITION_INT" and message.sender == pilot:
            poses.append(_pose(message, vehicle))
    reasons = refused + ["no fix" for pose in poses if not pose.has_fix]
    cues = len(poses) + len(refused)
    notes = (*_others(heard, pilot), *_notes(vehicle, poses))
    return checked(Telemetry("mavlink", tuple(poses), cues, count(reasons), notes))


def _pilot(heard: Sequence[MavlinkMessage], serial: str | None) -> tuple[int, int]:
    """System and component whose position is the vehicle's, (0, 0) where there is none."""
    grounded = _grounded(heard)
    counts: Counter[tuple[int, int]] = Counter(
        m.sender
        for m in heard
        if m.name == "GLOBAL_POSITION_INT"
        and (str(m.sender[0]) == serial if serial else m.sender[0] not in grounded)
    )
    systems = Counter[str]()
    for (system, _), positions in counts.items():
        systems[str(system)] += positions
    if len(systems) > 1:
        main = only_aircraft(systems)
        counts = Counter({who: n for who, n in counts.items() if str(who[0]) == main})
    # The autopilot (component 1) before a companion that repeats the position.
    return min(counts, key=lambda sender: (sender[1] != 1, -counts[sender]), default=(0, 0))


def _grounded(heard: Sequence[MavlinkMessage]) -> set[int]:
    """Systems that are no vehicle: by the type in their heartbeat, or, where they sent none, by
    the number that ground stations use."""
    kinds = [(m.sender[0], int(m.fields["type"])) for m in heard if m.name == "HEARTBEAT"]
    flying = {system for system, kind in kinds if kind not in _NO_VEHICLES}
    silent = {m.sender[0] for m in heard} - {system for system, _ in kinds}
    stations = {system for system in silent if system >= _GCS_SYSTEMS}
    return stations | {system for system, _ in kinds} - flying


def _others(heard: Sequence[MavlinkMessage], pilot: tuple[int, int]) -> Iterator[str]:
    """Who else sent a position, and is not followed."""
    others = {m.sender[0] for m in heard if m.name == "GLOBAL_POSITION_INT"} - {pilot[0]}
    if others and pilot != (0, 0):
        names = ", ".join(map(str, sorted(others)))
        yield f"system {pilot[0]} is the vehicle; positions of {names} are not its"


def _pose(message: MavlinkMessage, vehicle: _Vehicle) -> Pose:
    fields = message.fields
    boot_s = fields["boot_ms"] / 1000.0
    at = vehicle.time_s(boot_s, message.at)
    lat, lon = fields["lat"] / 1e7, fields["lon"] / 1e7
    fix = sound_fix(lat, lon) and (vehicle.fix_type is None or vehicle.fix_type >= 2)
    heading = fields["hdg"] / 100.0 if fields["hdg"] != 65535 else vehicle.heading
    fresh = 0.0 <= message.at - vehicle.camera_at <= _GIMBAL_AGE_S
    yaw, pitch, roll = vehicle.camera if vehicle.camera and fresh else (None, None, None)
    return Pose(
        t_s=at,
        source="mavlink",
        quality=grade(fix=fix, angles=yaw is not None, rtk=vehicle.rtk),
        utc=vehicle.utc(boot_s, message.at),
        lat=lat if fix else None,
        lon=lon if fix else None,
        rel_alt_m=fields["relative_alt"] / 1000.0,
        abs_alt_m=fields["alt"] / 1000.0,
        yaw_deg=yaw,
        pitch_deg=pitch,
        roll_deg=roll,
        heading_deg=heading,
        sats=vehicle.satellites,
        speed_mps=math.hypot(fields["vx"], fields["vy"]) / 100.0,
        hfov_deg=vehicle.hfov,
        aim=vehicle.aim if fresh else None,
        height_source="relative",
    )


def _notes(vehicle: _Vehicle, poses: list[Pose]) -> Iterator[str]:
    if vehicle.lags:
        lag = statistics.median(vehicle.lags)
        if abs(lag) > 1.0:
            word = "ahead of" if lag > 0 else "behind"
            yield (
                f"the ground station's clock is {abs(lag):.1f} s {word} the vehicle's; "
                "UTC is taken from the vehicle"
            )
    elif poses:
        yield "the vehicle never sent the time: UTC is the ground station's"
    if vehicle.restarts:
        yield f"the vehicle's clock began anew {vehicle.restarts} times; time goes on by the log's"
    if vehicle.empty_mounts:
        yield f"{vehicle.empty_mounts} MOUNT_STATUS all zero: no gimbal fitted, ignored"
    if not poses:
        yield "no GLOBAL_POSITION_INT in it"


def _nothing(message: MavlinkMessage, vehicle: _Vehicle) -> None:
    del message, vehicle


def _learn_time(message: MavlinkMessage, vehicle: _Vehicle) -> None:
    unix_us, boot_ms = message.fields["unix_us"], message.fields["boot_ms"]
    # A vehicle without a fix yet sends 0, or 1970 and the seconds since its start.
    if FIRST_US < unix_us < LAST_US:
        vehicle.offset_s = unix_us / 1e6 - boot_ms / 1000.0
        vehicle.lags.append(message.at - unix_us / 1e6)


def _learn_gps(message: MavlinkMessage, vehicle: _Vehicle) -> None:
    vehicle.fix_type = int(message.fields["fix_type"])
    vehicle.rtk = vehicle.fix_type == 6
    satellites = int(message.fields["satellites"])
    vehicle.satellites = None if satellites == 255 else satellites


def _learn_attitude(message: MavlinkMessage, vehicle: _Vehicle) -> None:
    yaw = message.fields["yaw"]
    vehicle.heading = math.degrees(yaw) % 360.0 if math.isfinite(yaw) else None


def _learn_mount_status(message: MavlinkMessage, vehicle: _Vehicle) -> None:
    """ArduPilot's old report, hundredths of a degree, yaw against the vehicle."""
    pitch, roll, yaw = (message.fields[name] / 100.0 for name in ("pitch", "roll", "yaw"))
    if pitch == roll == yaw == 0.0:
        vehicle.empty_mounts += 1
    elif vehicle.heading is not None:
        _camera(vehicle, message, (vehicle.heading + yaw) % 360.0, pitch, roll)


def _learn_mount_orientation(message: MavlinkMessage, vehicle: _Vehicle) -> None:
    fields = message.fields
    if fields["pitch"] == fields["roll"] == fields["yaw"] == fields["yaw_absolute"] == 0.0:
        vehicle.empty_mounts += 1
        return
    absolute = fields["yaw_absolute"]
    if (not math.isfinite(absolute) or absolute == 0.0) and vehicle.heading is not None:
        absolute = vehicle.heading + fields["yaw"]
    if math.isfinite(absolute) and math.isfinite(fields["pitch"]):
        _camera(vehicle, message, absolute % 360.0, fields["pitch"], fields["roll"])


def _learn_gimbal(message: MavlinkMessage, vehicle: _Vehicle) -> None:
    """Yaw against north where the flags say so, else against the vehicle (common.xml, id 285)."""
    matrix = rotation.from_quaternion([message.fields[f"q{n}"] for n in range(4)])
    flags = int(message.fields["flags"])
    earth = bool(flags & _YAW_IN_EARTH) or (not flags & _YAW_IN_VEHICLE and bool(flags & _YAW_LOCK))
    if matrix is None or (not earth and vehicle.heading is None):
        return
    yaw, pitch, roll = rotation.angles(matrix)
    heading = 0.0 if earth or vehicle.heading is None else vehicle.heading
    _camera(vehicle, message, (heading + yaw) % 360.0, pitch, roll)


def _learn_fov(message: MavlinkMessage, vehicle: _Vehicle) -> None:
    fields = message.fields
    matrix = rotation.from_quaternion([fields[f"q{n}"] for n in range(4)])
    if matrix is not None:
        _camera(vehicle, message, *rotation.angles(matrix))
    if math.isfinite(fields["hfov"]) and fields["hfov"] > 0:
        vehicle.hfov = fields["hfov"]
    unknown = 2**31 - 1
    if fields["image_lat"] != unknown and fields["image_lon"] != unknown:
        lat, lon = fields["image_lat"] / 1e7, fields["image_lon"] / 1e7
        vehicle.aim = (lat, lon) if sound_fix(lat, lon) else None


def _camera(
    vehicle: _Vehicle, message: MavlinkMessage, yaw: float, pitch: float, roll: float
) -> None:
    vehicle.camera, vehicle.camera_at = (yaw, pitch, roll), message.at


_LEARN = {
    "SYSTEM_TIME": _learn_time,
    "GPS_RAW_INT": _learn_gps,
    "ATTITUDE": _learn_attitude,
    "MOUNT_STATUS": _learn_mount_status,
    "MOUNT_ORIENTATION": _learn_mount_orientation,
    "GIMBAL_DEVICE_ATTITUDE_STATUS": _learn_gimbal,
    "CAMERA_FOV_STATUS": _learn_fov,
}
_FROM_COMPONENTS = {
    "MOUNT_STATUS",
    "MOUNT_ORIENTATION",
    "GIMBAL_DEVICE_ATTITUDE_STATUS",
    "CAMERA_FOV_STATUS",
}
