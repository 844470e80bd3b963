# SPDX-License-Identifier: AGPL-3.0-or-later
"""Small video files and packets for the tests of this folder, made on the spot."""

from __future__ import annotations

import io
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from edge.camera.libav import Input
from edge.camera.packets import Encoded, StreamOpening, parameter_sets
from edge.camera.remux import describe
from edge.values import Stamp
from tools.fakes.camera import drawing, encode

TICKS = 90_000
_CODEC_OPTIONS = {"libx264": {"g": "10", "preset": "ultrafast"}}


def video(
    path: Path,
    times_s: Iterable[float],
    *,
    size: tuple[int, int] = (320, 180),
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
) -> Path:
    """A file with one picture at each time; the left upper corner tells which (grey = 10 * n)."""
    with av.open(str(path), "w", options=options or {}) as out:
        out.metadata.update(metadata or {})
        stream = out.add_stream(codec, rate=25, options=_CODEC_OPTIONS.get(codec, {}))
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for index, time_s in enumerate(times_s):
            image = drawing(*size, index)
            image[: size[1] // 2, : size[0] // 2] = 10 * index % 250
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = round(time_s * 1000), Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def corner(image: np.ndarray) -> float:
    """The number of the picture, as `video` drew it."""
    return float(image[4:20, 4:20].mean()) / 10.0


def connection(codec: str, units: list[bytes]) -> StreamOpening:
    """What a camera's description of such a stream says."""
    raw = av.open(io.BytesIO(b"".join(units)), format=codec)
    made = describe(Input(raw, raw.streams.video[0]))
    raw.close()
    return made


def packets(
    codec: str = "h264",
    *,
    size: tuple[int, int] = (320, 180),
    count: int = 50,
    fps: int = 25,
    gop: int = 10,
    began_s: float = 100.0,
    first_pts: int = 0,
) -> list[Encoded]:
    """Packets as a camera sends them, one each 1/fps s, starting at mono `began_s`."""
    units = encode(codec, [drawing(*size, i) for i in range(count)], fps=fps, gop=gop)
    link = connection(codec, units)
    step = TICKS // fps
    made, sets = [], link.extradata
    for index, unit in enumerate(units):
        own = parameter_sets(codec, unit)
        sets = own or sets
        pts = first_pts + index * step
        at = Stamp(began_s + index / fps, 1_700_000_000.0 + index / fps, "ntp")
        made.append(Encoded(unit, pts, pts, Fraction(1, TICKS), bool(own), at, link, sets))
    return made


def look_into(path: Path) -> tuple[str, tuple[int, int], list[float]]:
    """(codec, size, presentation times) of a file, every picture decoded."""
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        times = [float(frame.time) for frame in file.decode(stream)]
        context = stream.codec_context
        return context.name, (context.width, context.height), times
