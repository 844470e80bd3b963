# SPDX-License-Identifier: AGPL-3.0-or-later
"""Clips of a camera with mask zones: decoded, the masks painted over, encoded again.

A clip as the camera sent it would show what is never to be looked at. What this costs is bounded:
one thread, at most FPS_MOST pictures a second of at most LONG_SIDE pixels.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2

from edge.camera.libav import Orientation, turned_bgr
from edge.camera.pacing import Pacer
from edge.camera.ring import ClipSource
from edge.camera.source import SourceError
from edge.config import Camera
from edge.evidence.pictures import blackened
from edge.values import Image, Json

FPS_MOST = 10.0
LONG_SIDE = 1280
TIME_BASE = Fraction(1, 90_000)
# Fast before small: the evidence thread shares its core with the detector.
_X264 = {"preset": "ultrafast", "crf": "23", "threads": "1", "bf": "0", "g": "50"}

Polygons = Sequence[Sequence[tuple[float, float]]]


def masked_clips(clips: ClipSource | None, camera: Camera) -> ClipSource | None:
    """The clips of a camera as they may be kept: its mask zones, if any, painted over."""
    masks = [zone.polygon for zone in camera.zones if zone.kind == "mask"]
    return MaskedClips(clips, masks) if clips is not None and masks else clips


class MaskedClips:
    """Wraps a source of clips; see the module."""

    def __init__(self, clips: ClipSource, masks: Polygons) -> None:
        self._clips, self._masks = clips, masks

    @property
    def facts(self) -> Mapping[str, Json]:
        return {"made": "encoded again", "codec": "h264", "masked": True}

    def write_clip(
        self, path: Path, start_mono: float, end_mono: float
    ) -> tuple[float, float] | None:
        """See ClipSource. The clip without masks exists only in a folder that is removed.
        Raises OSError (disk)."""
        with tempfile.TemporaryDirectory(prefix="edge-mask-") as folder:
            whole = Path(folder) / "clip.mp4"
            span = self._clips.write_clip(whole, start_mono, end_mono)
            if span is None:
                return None
            try:
                lasts_s = _painted(whole, path, self._masks)
            except av.error.FFmpegError as error:
                path.unlink(missing_ok=True)
                text = f"masked clip not written: {error.strerror}"
                raise OSError(error.errno, text, str(path)) from None
        return span[0], span[0] + lasts_s


def _painted(whole: Path, path: Path, masks: Polygons) -> float:
    """Encode the pictures with the masks over them; seconds from the first to the last."""
    last_s = 0.0
    with av.open(f"file:{path}", "w", format="mp4", options={"movflags": "+faststart"}) as out:
        stream: Any = None
        for time_s, image in _pictures(whole):
            small = blackened(_even(image), masks)
            if stream is None:
                stream = out.add_stream("libx264", rate=round(FPS_MOST), options=_X264)
                stream.height, stream.width = small.shape[:2]
                stream.pix_fmt, stream.codec_context.time_base = "yuv420p", TIME_BASE
            elif small.shape[:2] != (stream.height, stream.width):
                break
            frame = av.VideoFrame.from_ndarray(small, format="bgr24")
            frame.pts, frame.time_base = round(time_s / TIME_BASE), TIME_BASE
            out.mux(stream.encode(frame))
            last_s = time_s
        if stream is not None:
            out.mux(stream.encode(None))
    return last_s


def _pictures(whole: Path) -> Iterator[tuple[float, Image]]:
    """Pictures with their seconds from the first, no more a second than FPS_MOST."""
    pacer, orientation, first_s = Pacer(FPS_MOST), Orientation(), None
    with av.open(f"file:{whole}", format="mp4") as file:
        for frame in file.decode(video=0):
            first_s = float(frame.time or 0.0) if first_s is None else first_s
            time_s = float(frame.time or 0.0) - first_s
            matrix = orientation.of(frame)
            if pacer.due(time_s):
                with suppress(SourceError):
                    yield time_s, turned_bgr(frame, matrix)


def _even(image: Image) -> Image:
    """At most LONG_SIDE, with sides that the encoder takes."""
    scale = min(1.0, LONG_SIDE / max(image.shape[:2]))
    height, width = (max(2, int(side * scale) // 2 * 2) for side in image.shape[:2])
    if (height, width) == image.shape[:2]:
        return image
    small: Any = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return small  # type: ignore[no-any-return]
