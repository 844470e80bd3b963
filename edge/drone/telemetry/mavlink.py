# SPDX-License-Identifier: AGPL-3.0-or-later
"""MAVLink telemetry logs: .tlog records and the messages of a link, versions 1 and 2. Pure.

The wire format and the dozen messages that carry position, camera angles and time are decoded
here (https://mavlink.io/en/guide/serialization.html, message set common.xml). pymavlink reads
more dialects but drags two compiled packages onto the box and is LGPL; the tests use it as oracle.
"""

from __future__ import annotations

import math
import statistics
import struct
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from edge.drone import rotation
from edge.drone.telemetry.plausible import checked
from edge.drone.telemetry.pose import Pose, Telemetry, count, grade, only_aircraft, sound_fix

_V1, _V2 = 0xFE, 0xFD
_STAMP_BYTES = 8
# Records between these years are believed (microseconds since 1970); else bytes are skipped.
_FIRST_US, _LAST_US = 946_684_800_000_000, 4_102_444_800_000_000


@dataclass(frozen=True, slots=True)
class Layout:
    """A message's payload: CRC_EXTRA, struct format of the fields in wire order, their names."""

    name: str
    crc_extra: int
    fmt: str
    fields: tuple[str, ...]


_MESSAGES: Mapping[int, Layout] = {
    0: Layout("HEARTBEAT", 50, "<IBBBBB", ("mode", "type", "autopilot")),
    2: Layout("SYSTEM_TIME", 137, "<QI", ("unix_us", "boot_ms")),
    24: Layout(
        "GPS_RAW_INT",
        24,
        "<QiiiHHHHBB",
        ("us", "lat", "lon", "alt", "eph", "epv", "vel", "cog", "fix_type", "satellites"),
    ),
    30: Layout("ATTITUDE", 39, "<Iffffff", ("boot_ms", "roll", "pitch", "yaw")),
    33: Layout(
        "GLOBAL_POSITION_INT",
        104,
        "<IiiiihhhH",
        ("boot_ms", "lat", "lon", "alt", "relative_alt", "vx", "vy", "vz", "hdg"),
    ),
    158: Layout("MOUNT_STATUS", 134, "<iiiBBB", ("pitch", "roll", "yaw")),
    259: Layout("CAMERA_INFORMATION", 92, "<IIfff", ("boot_ms", "firmware", "focal", "w", "h")),
    265: Layout(
        "MOUNT_ORIENTATION", 26, "<Iffff", ("boot_ms", "roll", "pitch", "yaw", "yaw_absolute")
    ),
    271: Layout(
        "CAMERA_FOV_STATUS",
        22,
        "<Iiiiiiifffff",
        (
            *("boot_ms", "lat", "lon", "alt", "image_lat", "image_lon", "image_alt"),
            *("q0", "q1", "q2", "q3", "hfov"),
        ),
    ),
    285: Layout(
        "GIMBAL_DEVICE_ATTITUDE_STATUS",
        137,
        "<I4ffffIH",
        ("boot_ms", "q0", "q1", "q2", "q3", "vx", "vy", "vz", "failure", "flags"),
    ),
}
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


@dataclass(frozen=True, slots=True)
class MavlinkMessage:
    """A decoded message: the record's stamp (Unix seconds, ground station's clock), its sender
    (system, component), its fields."""

    at: float
    sender: tuple[int, int]
    name: str
    fields: Mapping[str, float]


def crc(data: bytes, extra: int) -> int:
    """CRC-16/MCRF4XX over the packet without its magic byte, then the message's CRC_EXTRA."""
    value = 0xFFFF
    for byte in (*data, extra):
        step = (byte ^ value) & 0xFF
        step = (step ^ step << 4) & 0xFF
        value = (value >> 8) ^ (step << 8) ^ (step << 3) ^ (step >> 4)
    return value


@dataclass(frozen=True, slots=True)
class _Packet:
    size: int
    sender: tuple[int, int]
    message: int
    payload: bytes
    valid: bool | None  # None: a message whose CRC_EXTRA is not known here


def packet_at(data: bytes, at: int) -> _Packet | None:
    """The packet that begins at this byte, if its header and length fit the data."""
    magic = data[at] if at < len(data) else 0
    if magic == _V1 and at + 8 <= len(data):
        length, head = data[at + 1], 6
        sender, number, tail = (data[at + 3], data[at + 4]), data[at + 5], 2
    elif magic == _V2 and at + 12 <= len(data):
        length, head = data[at + 1], 10
        sender = data[at + 5], data[at + 6]
        number = int.from_bytes(data[at + 7 : at + 10], "little")
        tail = 15 if data[at + 2] & 0x01 else 2  # a signature of 13 bytes behind the CRC
    else:
        return None
    end = at + head + length
    if end + tail > len(data):
        return None
    layout = _MESSAGES.get(number)
    sent = int.from_bytes(data[end : end + 2], "little")
    valid = None if layout is None else crc(data[at + 1 : end], layout.crc_extra) == sent
    return _Packet(head + length + tail, sender, number, data[at + head : end], valid)


def messages(data: bytes, refused: list[str]) -> Iterator[MavlinkMessage]:
    """Messages we know of a .tlog; damaged packets and skipped bytes are reported to `refused`."""
    at, lost = 0, False
    while at + _STAMP_BYTES < len(data):
        packet = _record(data, at)
        if packet is None:
            # One complaint for each stretch of rubbish, however long.
            if not lost:
                refused.append("bytes that are no record")
            at, lost = at + 1, True
            continue
        lost = False
        stamp = int.from_bytes(data[at : at + _STAMP_BYTES], "big") / 1e6
        at += _STAMP_BYTES + packet.size
        if packet.valid is False:
            refused.append("checksum wrong")
        elif packet.valid:
            layout = _MESSAGES[packet.message]
            yield MavlinkMessage(stamp, packet.sender, layout.name, _decode(layout, packet.payload))


def _record(data: bytes, at: int) -> _Packet | None:
    """The record at this byte: a believable stamp, a packet, and behind it a record or the end."""
    if not _stamped(data, at):
        return None
    packet = packet_at(data, at + _STAMP_BYTES)
    if packet is None or packet.valid:
        return packet
    follows = at + _STAMP_BYTES + packet.size
    return packet if follows >= len(data) - _STAMP_BYTES or _stamped(data, follows) else None


def _stamped(data: bytes, at: int) -> bool:
    if at + _STAMP_BYTES >= len(data) or data[at + _STAMP_BYTES] not in (_V1, _V2):
        return False
    return _FIRST_US < int.from_bytes(data[at : at + _STAMP_BYTES], "big") < _LAST_US


def looks_like(data: bytes) -> bool:
    """Whether a file begins as a .tlog does."""
    return _record(data, 0) is not None


def _decode(layout: Layout, payload: bytes) -> dict[str, float]:
    """Fields by name. Version 2 cuts trailing zero bytes off a payload; later extensions of a
    message are longer than our layout and ignored."""
    size = struct.calcsize(layout.fmt)
    values = struct.unpack(layout.fmt, payload.ljust(size, b"\0")[:size])
    return dict(zip(layout.fields, values, strict=False))


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
    if _FIRST_US < unix_us < _LAST_US:
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
