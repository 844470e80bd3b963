# SPDX-License-Identifier: AGPL-3.0-or-later
"""Recordings made for the tests: subtitles, MP4 with a subtitle track, tlog packets."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from edge.drone.telemetry import mavlink_wire

ASS_HEADER = b"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, \
Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, \
Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,0

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


def clock(seconds: float) -> str:
    whole = round(seconds * 1000)
    return (
        f"{whole // 3_600_000:02d}:{whole // 60_000 % 60:02d}:{whole // 1000 % 60:02d}"
        f",{whole % 1000:03d}"
    )


def cue(number: int, start: float, end: float, *lines: str, newline: str = "\n") -> str:
    head = [str(number), f"{clock(start)} --> {clock(end)}"]
    return newline.join([*head, *lines, "", ""])


def mp4_with_subtitles(path: Path, texts: list[str], *, step_ms: int = 40) -> None:
    """A tiny MP4 whose mov_text track holds the texts, as an aircraft writes it."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width, video.height = 64, 48
        track = container.add_stream("mov_text")
        track.codec_context.subtitle_header = ASS_HEADER
        track.time_base = Fraction(1, 1000)
        picture = np.zeros((48, 64, 3), np.uint8)
        for number in range(len(texts)):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts = number
            container.mux(video.encode(frame))
        container.mux(video.encode())
        for number, text in enumerate(texts):
            data = text.encode()
            packet = av.Packet(len(data).to_bytes(2, "big") + data)
            packet.stream, packet.time_base = track, Fraction(1, 1000)
            packet.pts = packet.dts = number * step_ms
            packet.duration = step_ms
            container.mux(packet)


def tlog(
    at: float, number: int, values: tuple, *, component: int = 1, version: int = 2, cut: bool = True
) -> bytes:
    """One .tlog record of a message known to edge.drone.telemetry.mavlink_wire."""
    layout = mavlink_wire.MESSAGES[number]
    payload = struct.pack(layout.fmt, *values)
    if version == 2 and cut:
        payload = payload.rstrip(b"\0") or b"\0"
    if version == 2:
        head = struct.pack("<BBBBBB", len(payload), 0, 0, 5, 1, component)
        head += number.to_bytes(3, "little")
    else:
        head = struct.pack("<BBBBB", len(payload), 5, 1, component, number)
    check = mavlink_wire.crc(head + payload, layout.crc_extra)
    magic = b"\xfd" if version == 2 else b"\xfe"
    return round(at * 1e6).to_bytes(8, "big") + magic + head + payload + check.to_bytes(2, "little")
