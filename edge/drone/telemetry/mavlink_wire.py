# SPDX-License-Identifier: AGPL-3.0-or-later
"""MAVLink on the wire, versions 1 and 2, and as .tlog records: bytes to messages with fields. Pure.

Format and layouts: https://mavlink.io/en/guide/serialization.html, message set common.xml; the
dozen messages that carry position, camera angles and time. pymavlink reads more dialects but drags
two compiled packages onto the box and is LGPL; the tests use it as oracle.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_V1, _V2 = 0xFE, 0xFD
_STAMP_BYTES = 8
# Records between these years are believed (microseconds since 1970); else bytes are skipped.
FIRST_US, LAST_US = 946_684_800_000_000, 4_102_444_800_000_000


@dataclass(frozen=True, slots=True)
class Layout:
    """A message's payload: CRC_EXTRA, struct format of the fields in wire order, their names."""

    name: str
    crc_extra: int
    fmt: str
    fields: tuple[str, ...]


MESSAGES: Mapping[int, Layout] = {
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
    layout = MESSAGES.get(number)
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
            layout = MESSAGES[packet.message]
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
    return FIRST_US < int.from_bytes(data[at : at + _STAMP_BYTES], "big") < LAST_US


def looks_like(data: bytes) -> bool:
    """Whether a file begins as a .tlog does."""
    return _record(data, 0) is not None


def _decode(layout: Layout, payload: bytes) -> dict[str, float]:
    """Fields by name. Version 2 cuts trailing zero bytes off a payload; later extensions of a
    message are longer than our layout and ignored."""
    size = struct.calcsize(layout.fmt)
    values = struct.unpack(layout.fmt, payload.ljust(size, b"\0")[:size])
    return dict(zip(layout.fields, values, strict=False))
