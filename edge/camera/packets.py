# SPDX-License-Identifier: AGPL-3.0-or-later
"""Encoded packets as plain values, and the parameter sets that tell which of them fit together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from edge.values import Stamp


@dataclass(frozen=True, slots=True, eq=False)
class StreamOpening:
    """One opening of a stream. `header` is an MP4 file without pictures that describes it.

    made: "remuxed" for packets as the camera sent them, "jpeg" for pictures compressed by us.
    """

    codec: str
    extradata: bytes
    header: bytes
    made: Literal["remuxed", "jpeg"] = "remuxed"


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """One encoded picture as it came. `parameters`: the parameter sets it is decoded with."""

    data: bytes
    pts: int | None
    dts: int | None
    time_base: Fraction
    key: bool
    at: Stamp
    connection: StreamOpening
    parameters: bytes

    @property
    def look(self) -> tuple[str, bytes]:
        """Packets with the same look may stand in one file; others never do."""
        return self.connection.codec, self.parameters


# Codec -> NAL unit types of its parameter sets (H.264 7.4.1: SPS 7, PPS 8; H.265 7.4.2.2:
# VPS 32, SPS 33, PPS 34) and of pictures, after which no parameter set of this picture follows.
_SETS = {"h264": frozenset({7, 8}), "hevc": frozenset({32, 33, 34})}


# As many as can differ by their numbers in H.264 (7.4.2: 32 SPS, 256 PPS); H.265 has fewer.
SETS_MAX = 288


def _nal_type(codec: str, first: int) -> int:
    return first & 0x1F if codec == "h264" else (first >> 1) & 0x3F


def _is_picture(codec: str, kind: int) -> bool:
    return 1 <= kind <= 5 if codec == "h264" else kind < 32


def nal_units(data: bytes) -> Iterator[bytes]:
    """NAL units of an Annex B byte stream, without start codes."""
    start = data.find(b"\x00\x00\x01")
    while start >= 0:
        end = data.find(b"\x00\x00\x01", start + 3)
        unit = data[start + 3 : end if end >= 0 else len(data)]
        yield unit.rstrip(b"\x00") if end >= 0 else unit
        start = end


def parameter_sets(codec: str, data: bytes) -> bytes:
    """The parameter sets before the first picture of an Annex B packet, as Annex B; may be b"".

    Only packets that begin with a start code are looked into: length-prefixed ones (RTMP, MP4)
    carry their sets outside, as extradata.
    """
    wanted = _SETS.get(codec)
    if wanted is None or not data.startswith((b"\x00\x00\x01", b"\x00\x00\x00\x01")):
        return b""
    found: dict[bytes, None] = {}
    for unit in nal_units(data):
        kind = _nal_type(codec, unit[0]) if unit else -1
        if _is_picture(codec, kind):
            break
        if kind in wanted and len(found) < SETS_MAX:
            found[unit] = None
    return b"".join(b"\x00\x00\x00\x01" + unit for unit in found)
