# SPDX-License-Identifier: AGPL-3.0-or-later
"""MISB ST 0601 local sets: packets found by their key, checked by their checksum. Pure.

Packets are searched by the 16-byte key rather than trusted to begin a payload, so torn and
wrapped streams (Metadata AU cells, split PES) are read; a packet whose checksum fails is dropped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from edge.drone import rotation
from edge.drone.telemetry.plausible import checked, origin_of
from edge.drone.telemetry.pose import Pose, Telemetry, count, grade, sound_fix

KEY = bytes.fromhex("060e2b34020b01010e01030101000000")

# tag -> (bytes, signed, low, high): linear maps of ST 0601.16, clause 8. For signed values the
# most negative integer means "out of range".
_LINEAR: Mapping[int, tuple[int, bool, float, float]] = {
    5: (2, False, 0.0, 360.0),
    6: (2, True, -20.0, 20.0),
    7: (2, True, -50.0, 50.0),
    13: (4, True, -90.0, 90.0),
    14: (4, True, -180.0, 180.0),
    15: (2, False, -900.0, 19_000.0),
    16: (2, False, 0.0, 180.0),
    17: (2, False, 0.0, 180.0),
    18: (4, False, 0.0, 360.0),
    19: (4, True, -180.0, 180.0),
    20: (4, False, 0.0, 360.0),
    21: (4, False, 0.0, 5_000_000.0),
    22: (2, False, 0.0, 10_000.0),
    23: (4, True, -90.0, 90.0),
    24: (4, True, -180.0, 180.0),
    25: (2, False, -900.0, 19_000.0),
    40: (4, True, -90.0, 90.0),
    41: (4, True, -180.0, 180.0),
    42: (2, False, -900.0, 19_000.0),
    75: (2, False, -900.0, 19_000.0),
    78: (2, False, -900.0, 19_000.0),
    90: (4, True, -90.0, 90.0),
    91: (4, True, -90.0, 90.0),
}


@dataclass(frozen=True, slots=True)
class MisbPacket:
    """One valid local set: where it began in the stream, tag 2 in Unix seconds, decoded tags."""

    offset: int
    utc: float | None
    tags: Mapping[int, float]


def looks_like(data: bytes) -> bool:
    """Whether a local set's key stands near the beginning."""
    return KEY in data[:65_536]


def checksum(packet: bytes) -> int:
    """The 16-bit running sum of ST 0601 tag 1, from the key to tag 1's length byte."""
    return (sum(packet[0::2]) * 256 + sum(packet[1::2])) % 65536


def packets(stream: bytes, refused: Callable[[str], None]) -> Iterator[MisbPacket]:
    """Valid packets of a byte stream; `refused` gets the reason of each that is not."""
    at = stream.find(KEY)
    while at >= 0:
        found = _packet(stream, at)
        if isinstance(found, str):
            refused(found)
            at = stream.find(KEY, at + 1)
        else:
            packet, end = found
            yield packet
            at = stream.find(KEY, end)


def _packet(stream: bytes, at: int) -> tuple[MisbPacket, int] | str:
    head = ber_length(stream, at + len(KEY))
    if head is None or head[1] + head[0] > len(stream):
        return "truncated packet"
    length, body = head
    end = body + length
    # Tag 1 is the last item: 01 02 and two bytes.
    if length < 4 or stream[end - 4 : end - 2] != b"\x01\x02":
        return "packet without a checksum"
    if checksum(stream[at : end - 2]) != int.from_bytes(stream[end - 2 : end], "big"):
        return "checksum wrong"
    tags, utc = _tags(stream[body : end - 4])
    return MisbPacket(at, utc, tags), end


def ber_length(data: bytes, at: int) -> tuple[int, int] | None:
    """(length, position behind it) of a BER length; None where the data ends or it is absurd."""
    if at >= len(data):
        return None
    first = data[at]
    if first < 0x80:
        return first, at + 1
    size = first & 0x7F
    if not 1 <= size <= 4 or at + 1 + size > len(data):
        return None
    return int.from_bytes(data[at + 1 : at + 1 + size], "big"), at + 1 + size


def _tags(body: bytes) -> tuple[dict[int, float], float | None]:
    tags: dict[int, float] = {}
    utc: float | None = None
    at = 0
    while at < len(body):
        tag, at = _ber_oid(body, at)
        head = ber_length(body, at)
        if head is None or head[1] + head[0] > len(body):
            break
        length, at = head
        raw = body[at : at + length]
        at += length
        if tag == 2 and length == 8:
            utc = int.from_bytes(raw, "big") / 1e6
        value = linear(tag, raw)
        if value is not None:
            tags[tag] = value
    return tags, utc


def _ber_oid(data: bytes, at: int) -> tuple[int, int]:
    tag = 0
    while at < len(data):
        tag = tag << 7 | data[at] & 0x7F
        at += 1
        if not data[at - 1] & 0x80:
            break
    return tag, at


def linear(tag: int, raw: bytes) -> float | None:
    """The value of a linearly mapped tag; None for other tags, wrong sizes and error codes."""
    entry = _LINEAR.get(tag)
    if entry is None or len(raw) != entry[0]:
        return None
    size, signed, low, high = entry
    number = int.from_bytes(raw, "big", signed=signed)
    if not signed:
        return low + number * (high - low) / ((1 << 8 * size) - 1)
    if number == -(1 << 8 * size - 1):
        return None
    return number * (high - low) / ((1 << 8 * size) - 2)


def parse(
    stream: bytes, *, media_time: Callable[[int], float | None] = lambda offset: None
) -> Telemetry:
    """Poses of a KLV stream. `media_time` gives the presentation time in seconds of a byte
    offset (synchronous metadata); without it time runs from the first packet's tag 2."""
    refused: list[str] = []
    found = list(packets(stream, refused.append))
    origin = origin_of([packet.utc for packet in found if packet.utc is not None])
    poses: list[Pose] = []
    for packet in found:
        at = media_time(packet.offset)
        if at is None:
            at = packet.utc - origin if packet.utc is not None else _last(poses)
        poses.append(_pose(packet, at))
    reasons = refused + ["no position" for pose in poses if not pose.has_fix]
    notes = () if found else ("no valid ST 0601 packet in it",)
    cues = len(found) + len(refused)
    return checked(Telemetry("misb-0601", tuple(poses), cues, count(reasons), notes))


def _last(poses: list[Pose]) -> float:
    return poses[-1].t_s if poses else 0.0


def _pose(packet: MisbPacket, at: float) -> Pose:
    tag = packet.tags.get
    lat, lon = tag(13), tag(14)
    fix = sound_fix(lat, lon)
    camera = _camera(packet.tags)
    yaw, pitch, roll = camera if camera else (None, None, None)
    centre = (tag(23), tag(24))
    aim = (centre[0], centre[1]) if centre[0] is not None and centre[1] is not None else None
    return Pose(
        t_s=at,
        source="misb-0601",
        quality=grade(fix=fix, angles=camera is not None),
        utc=packet.utc,
        lat=lat if fix else None,
        lon=lon if fix else None,
        abs_alt_m=tag(15, tag(75)),
        yaw_deg=yaw,
        pitch_deg=pitch,
        roll_deg=roll,
        heading_deg=tag(5),
        hfov_deg=tag(16),
        ground_m=tag(25) if tag(15) is not None else tag(78),
        aim=aim,
    )


def _camera(tags: Mapping[int, float]) -> tuple[float, float, float] | None:
    """Camera angles against north: R = R(tags 5, 6 or 90, 7 or 91) · R(tags 18, 19, 20)."""
    platform = (tags.get(5), tags.get(90, tags.get(6)), tags.get(91, tags.get(7)))
    sensor = (tags.get(18), tags.get(19), tags.get(20, 0.0))
    if None in platform or None in sensor:
        return None
    heading, pitch, roll = (value for value in platform if value is not None)
    azimuth, elevation, turn = (value for value in sensor if value is not None)
    matrix = rotation.attitude(heading, pitch, roll) @ rotation.attitude(azimuth, elevation, turn)
    yaw, tilt, bank = rotation.angles(matrix)
    return yaw, tilt, math.remainder(bank, 360.0)
