# SPDX-License-Identifier: AGPL-3.0-or-later
"""Encoded packets into an MP4 file as they are: nothing is decoded or encoded again."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from edge.camera.cutting import without_leading
from edge.camera.libav import Input
from edge.camera.packets import Encoded, StreamOpening, parameter_sets
from edge.camera.stream_clock import Fit, fit

log = logging.getLogger(__name__)

TIME_BASE = Fraction(1, 90_000)
# How long a clip's only picture is shown.
LAST_TICKS = 9_000
# A step of the stream's own time that is longer than this, or this far backwards, is a fault of
# its clock (restart, wrap of 32 bits at 90 kHz, lost numbering); arrival times then decide.
JUMP_S = 5.0
RECORDED_BACK_S = 0.3
# No codec shows a picture later than this after it was decoded (16 pictures at 5 a second).
REORDER_TICKS = round(3.2 * 90_000)
MP4_CODECS = frozenset({"h264", "hevc", "mpeg4", "mjpeg", "av1", "libdav1d", "vp9", "libvpx-vp9"})
_EMPTY = {"movflags": "empty_moov"}
_RAW_FORMATS = {"h264": "h264", "hevc": "hevc"}


def retime(packets: Sequence[Encoded]) -> Iterator[tuple[Encoded, int, int]]:
    """Each packet with its dts and pts in 1/90000 s from the first: dts rises, pts >= dts.

    Follows the stream's own decoding times while they make sense: stretched where its clock is
    even but runs at another speed than ours, and replaced by arrival times across a reconnection
    or a jump, and where the stream's clock tells nothing. Repeated and backward steps become one
    tick.
    """
    last = -1
    for run, zero_s in _runs(packets):
        shown_s = [_seconds(packet.pts, packet) for packet in run]
        decode_s = _decode_s(run, shown_s)
        fitted = _fit(run, decode_s)
        trusted = [(p.at.mono, s) for p, s in zip(run, decode_s, strict=True) if s is not None]
        for packet, raw_s, show_s in zip(run, decode_s, shown_s, strict=True):
            time_s = packet.at.mono - zero_s
            if raw_s is not None and fitted.verdict != "none":
                time_s = trusted[0][0] - zero_s + (raw_s - trusted[0][1]) * fitted.scale
            last = max(_ticks(time_s), last + 1)
            yield packet, last, last + _reorder(raw_s, show_s, fitted)


def _runs(packets: Sequence[Encoded]) -> Iterator[tuple[Sequence[Encoded], float]]:
    """Stretches of one numbering, each with the mono time that counts as 0 in the whole."""
    zero_s, run = packets[0].at.mono if packets else 0.0, list[Encoded]()
    for packet in packets:
        if run and _jumps(run[-1], packet):
            yield run, zero_s
            run = []
        run.append(packet)
    if run:
        yield run, zero_s


def _seconds(ticks: int | None, packet: Encoded) -> float | None:
    return None if ticks is None else float(ticks * packet.time_base)


def _decode_s(run: Sequence[Encoded], shown_s: Sequence[float | None]) -> list[float | None]:
    """Times of decoding. Where they are not given (Matroska, the first packets of a live stream),
    they are the times of showing in order, early enough that nothing is shown undecoded."""
    decode_times = [_seconds(packet.dts, packet) for packet in run]
    places = [index for index, time_s in enumerate(shown_s) if time_s is not None]
    if not any(decode_times[index] is None for index in places):
        return decode_times
    known = [time_s for time_s in shown_s if time_s is not None]
    early_s = max((a - b for a, b in zip(sorted(known), known, strict=True)), default=0.0)
    for index, time_s in zip(places, sorted(known), strict=True):
        decode_times[index] = time_s - early_s
    return decode_times


def _fit(run: Sequence[Encoded], decode_s: Sequence[float | None]) -> Fit:
    """A recording has no other clock than its own."""
    if run[0].at.quality == "recording":
        return Fit("true")
    rows = [(p.at.mono, s) for p, s in zip(run, decode_s, strict=True) if s is not None]
    return fit([a for a, _ in rows], [s for _, s in rows])


def _jumps(before: Encoded, packet: Encoded) -> bool:
    if before.connection is not packet.connection:
        return True
    before_s, raw_s = (_seconds(p.pts if p.dts is None else p.dts, p) for p in (before, packet))
    if before_s is None or raw_s is None:
        return False
    step_s = raw_s - before_s
    arrived_s = packet.at.mono - before.at.mono
    # The times of a recording are mended (edge.camera.timeline): what runs back is another piece.
    mended = packet.at.quality == "recording" and None not in (packet.dts, before.dts)
    back_s = RECORDED_BACK_S if mended else JUMP_S
    return step_s < -back_s or (step_s > JUMP_S and abs(step_s - arrived_s) > JUMP_S)


def _ticks(time_s: float) -> int:
    return round(time_s * TIME_BASE.denominator)


def _reorder(decode_s: float | None, show_s: float | None, fitted: Fit) -> int:
    """How much later than it is decoded a picture is shown, in ticks."""
    if decode_s is None or show_s is None:
        return 0
    return min(max(0, _ticks((show_s - decode_s) * fitted.scale)), REORDER_TICKS)


def write_mp4(path: Path, packets: Iterable[Encoded]) -> tuple[float, float] | None:
    """One MP4 file with its index in front, from packets that begin with a key picture.

    Returns the mono times of the first picture and of the last that is shown: the file plays as
    long as they say. None, and no file, where there is none, or where the packets make no film.
    Raises OSError where the file cannot be written; a half-written file is removed.
    """
    whole = without_leading(list(packets))
    if not whole:
        return None
    if not sound_sets(whole[0].connection.codec, whole[0].parameters):
        log.warning("no clip: the parameter sets of its stream are damaged")
        return None
    try:
        return whole[0].at.mono, whole[0].at.mono + _write(path, whole)
    except av.error.FFmpegError as error:
        path.unlink(missing_ok=True)
        if isinstance(error, ValueError):
            # The muxer's word for packets that it cannot use: no trouble of the disk.
            log.warning("no clip: its packets make no film (%s)", type(error).__name__)
            return None
        raise OSError(error.errno, f"clip not written: {error.strerror}", str(path)) from None


def _write(path: Path, packets: list[Encoded]) -> float:
    """Seconds from the first picture shown to the last."""
    shown: list[int] = []
    with (
        _template(packets[0]) as template,
        av.open(f"file:{path}", "w", format="mp4", options=_MOV) as out,
    ):
        stream = _stream(out, template.streams.video[0], packets[0])
        for packet, dts, pts, lasts in _lasting(retime(packets)):
            out.mux_one(_packet(packet, stream, (dts, pts, lasts)))
            shown.append(pts)
    return float((max(shown) - shown[0]) * TIME_BASE)


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
        _header(opened.stream) if codec in MP4_CODECS and _complete(opened.stream) else b"",
    )


def _complete(stream: Any) -> bool:
    """Whether MP4 can describe it: a codec without parameters outside of its pictures cannot be
    copied (MPEG-4 part 2 as some recorders write it)."""
    context = stream.codec_context
    extradata = bytes(context.extradata or b"")
    described = context.name != "mpeg4" or bool(extradata)
    return context.width > 0 and described and sound_sets(context.name, extradata)


def sound_sets(codec: str, sets: bytes) -> bool:
    """Whether the decoder, which is strict, takes these parameter sets of H.265. The muxer reads
    them too, without its checks, and on damaged ones it never comes back."""
    if codec != "hevc" or not sets:
        return True
    reader: Any = av.CodecContext.create("hevc", "r")
    reader.extradata = sets
    reader.options = {"err_detect": "explode"}
    try:
        reader.open()
    except av.error.FFmpegError:
        return False
    return True


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
