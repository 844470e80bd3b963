# SPDX-License-Identifier: AGPL-3.0-or-later
"""Encoded packets into an MP4 file as they are: nothing is decoded or encoded again."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av

from edge.camera.libav import Input
from edge.camera.packets import Encoded, StreamOpening, parameter_sets

TIME_BASE = Fraction(1, 90_000)
# How long a clip's only picture is shown.
LAST_TICKS = 9_000
# A step of the stream's own time that is longer than this, or this far backwards, is a fault of
# its clock (restart, wrap of 32 bits at 90 kHz, lost numbering); arrival times then decide.
JUMP_S = 5.0
MP4_CODECS = frozenset({"h264", "hevc", "mpeg4", "mjpeg", "av1", "libdav1d", "vp9", "libvpx-vp9"})
_EMPTY = {"movflags": "empty_moov"}
_RAW_FORMATS = {"h264": "h264", "hevc": "hevc"}


def retime(packets: Iterable[Encoded]) -> Iterator[tuple[Encoded, int, int]]:
    """Each packet with its dts and pts in 1/90000 s from the first: dts rises, pts >= dts.

    Follows the stream's own decoding times while they make sense, and arrival times across a
    reconnection, a jump or where there are none. Repeated and backward steps become one tick.
    """
    offset_s, zero_s, last = 0.0, None, -1
    before: Encoded | None = None
    for packet in packets:
        zero_s = packet.at.mono if zero_s is None else zero_s
        arrived_s, raw_s = packet.at.mono - zero_s, _raw_s(packet)
        if raw_s is not None and (before is None or _jumps(before, packet, raw_s)):
            offset_s = arrived_s - raw_s
        time_s = arrived_s if raw_s is None else raw_s + offset_s
        last = max(_ticks(time_s), last + 1)
        yield packet, last, last + _reorder(packet)
        before = packet


def _raw_s(packet: Encoded) -> float | None:
    ticks = packet.dts if packet.dts is not None else packet.pts
    return None if ticks is None else float(ticks * packet.time_base)


def _jumps(before: Encoded, packet: Encoded, raw_s: float) -> bool:
    before_s = _raw_s(before)
    if before_s is None or before.connection is not packet.connection:
        return True
    step_s = raw_s - before_s
    arrived_s = packet.at.mono - before.at.mono
    return step_s < -JUMP_S or (step_s > JUMP_S and abs(step_s - arrived_s) > JUMP_S)


def _ticks(time_s: float) -> int:
    return round(time_s * TIME_BASE.denominator)


def _reorder(packet: Encoded) -> int:
    """How much later than it is decoded a picture is shown, in ticks."""
    if packet.pts is None or packet.dts is None:
        return 0
    return max(0, _ticks(float((packet.pts - packet.dts) * packet.time_base)))


def write_mp4(path: Path, packets: Iterable[Encoded]) -> tuple[float, float] | None:
    """One MP4 file with its index in front, from packets that begin with a key picture.

    Returns the mono times of the first and last packet; None, and no file, where there is none.
    Raises OSError where the file cannot be written; a half-written file is removed.
    """
    rest = iter(packets)
    first = next(rest, None)
    if first is None:
        return None
    try:
        return first.at.mono, _write(path, first, chain([first], rest))
    except av.error.FFmpegError as error:
        path.unlink(missing_ok=True)
        raise OSError(error.errno, f"clip not written: {error.strerror}", str(path)) from None


def _write(path: Path, first: Encoded, packets: Iterable[Encoded]) -> float:
    last_s = first.at.mono
    with (
        _template(first) as template,
        av.open(f"file:{path}", "w", format="mp4", options=_MOV) as out,
    ):
        stream = _stream(out, template.streams.video[0], first)
        for packet, dts, pts, lasts in _lasting(retime(packets)):
            out.mux_one(_packet(packet, stream, (dts, pts, lasts)))
            last_s = max(last_s, packet.at.mono)
    return last_s


def _lasting(
    timed: Iterator[tuple[Encoded, int, int]],
) -> Iterator[tuple[Encoded, int, int, int]]:
    """Each packet with its duration: until the next; the last as long as the one before.

    Without one for the last, players do not show it at all.
    """
    lasts = LAST_TICKS
    held = next(timed, None)
    while held is not None:
        following = next(timed, None)
        if following is not None:
            lasts = following[1] - held[1]
        yield (*held, lasts)
        held = following


_MOV = {"movflags": "+faststart"}


def describe(opened: Input) -> StreamOpening:
    """The stream's parameters as values that outlive the connection.

    `header` is empty for a codec that MP4 cannot hold.
    """
    context = opened.stream.codec_context
    extradata = bytes(context.extradata or b"")
    codec = context.name
    return StreamOpening(
        codec,
        parameter_sets(codec, extradata) or extradata,
        _header(opened.stream) if codec in MP4_CODECS else b"",
    )


def _header(stream: Any) -> bytes:
    """An MP4 file that describes the stream and holds no picture."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4", options=_EMPTY) as container:
        container.add_stream_from_template(stream, opaque=True)
        container.start_encoding()
    return file.getvalue()


def _template(first: Encoded) -> Any:
    """An open container whose video stream describes the packets."""
    raw = _RAW_FORMATS.get(first.connection.codec)
    if raw is not None and first.parameters != first.connection.extradata:
        # The camera changed its picture within the connection: the stream tells itself anew.
        return av.open(io.BytesIO(first.parameters + first.data), format=raw)
    return av.open(io.BytesIO(first.connection.header), format="mp4")


def _stream(out: Any, template: Any, first: Encoded) -> Any:
    stream = out.add_stream_from_template(template, opaque=True)
    stream.time_base = TIME_BASE
    context = stream.codec_context
    if first.parameters and first.connection.codec in _RAW_FORMATS:
        context.extradata = first.parameters
    if first.connection.codec == "hevc":
        # The default tag hev1 is not played by Safari and QuickTime.
        context.codec_tag = "hvc1"
    return stream


def _packet(packet: Encoded, stream: Any, times: tuple[int, int, int]) -> Any:
    made = av.Packet(packet.data)
    made.stream = stream
    made.time_base = TIME_BASE
    made.dts, made.pts, made.duration = times
    made.is_keyframe = packet.key
    return made
