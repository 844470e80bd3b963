# SPDX-License-Identifier: AGPL-3.0-or-later
"""Sources by way of another program: any pipeline that writes raw pictures to its stdout.

For decoders and cameras that the bundled FFmpeg cannot reach: NVDEC, CSI cameras, VA-API. The
table PIPELINES is all there is: a name, how its command line is built, what comes out of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge.camera.source import STALL_S
from edge.camera.url import Address, parse_source
from edge.config import ConfigError

# Bytes a pixel takes, as a fraction (times, over). Planar formats need even sizes.
Pixels = Literal["bgr24", "nv12", "i420"]
BYTES: dict[Pixels, tuple[int, int]] = {"bgr24": (3, 1), "nv12": (3, 2), "i420": (3, 2)}

SIZE_MAX = 4096
_SIZE = re.compile(r"^(\d{2,4})x(\d{2,4})$")
_FPS = re.compile(r"^(\d{1,3})fps$")
_INDEX = re.compile(r"^\d{1,2}$")


@dataclass(frozen=True, slots=True)
class Spec:
    """What `pipeline_arg` says: the source, the size of the pictures and how many a second."""

    address: Address
    index: int
    width: int
    height: int
    fps: int


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One row of the table. `takes`: a stream's URL, or the number of a camera on the board."""

    argv: Callable[[Spec], list[str]]
    pixels: Pixels
    takes: Literal["url", "index"]
    zh: str
    en: str


def _gst_rtsp(decode: str) -> Callable[[Spec], list[str]]:
    """gst-launch-1.0 with one argument a word: the URL is never parsed as pipeline text."""

    def argv(spec: Spec) -> list[str]:
        """The GStreamer command line of a camera: NV12 pictures on standard output."""
        source = [
            "rtspsrc", f"location={spec.address.target}", "protocols=tcp", "latency=200",
            f"tcp-timeout={int(STALL_S * 1e6)}",
        ]  # fmt: skip
        size = f"video/x-raw,format=NV12,width={spec.width},height={spec.height}"
        sink = ["!", size, "!", "fdsink", "fd=1", "sync=false"]
        return ["gst-launch-1.0", "-q", *source, "!", *decode.format(fps=spec.fps).split(), *sink]

    return argv


def _gst_csi(spec: Spec) -> list[str]:
    sensor = f"video/x-raw(memory:NVMM),width={spec.width},height={spec.height},framerate={{}}/1"
    return [
        "gst-launch-1.0", "-q", "nvarguscamerasrc", f"sensor-id={spec.index}", "!",
        sensor.format(spec.fps), "!", "nvvidconv", "!",
        f"video/x-raw,format=NV12,width={spec.width},height={spec.height}", "!",
        "fdsink", "fd=1", "sync=false",
    ]  # fmt: skip


def _rpicam(spec: Spec) -> list[str]:
    return [
        "rpicam-vid", "--nopreview", "--timeout", "0", "--camera", str(spec.index),
        "--width", str(spec.width), "--height", str(spec.height), "--framerate", str(spec.fps),
        "--codec", "yuv420", "--flush", "--output", "-",
    ]  # fmt: skip


def _ffmpeg(*hardware: str, bring: str = "") -> Callable[[Spec], list[str]]:
    """ffmpeg of the board's maker; `bring`: the filter that fetches pictures from the decoder."""

    def argv(spec: Spec) -> list[str]:
        """The ffmpeg command line of a camera: NV12 pictures on standard output."""
        filters = f"{bring}fps={spec.fps},scale={spec.width}:{spec.height}"
        return [
            "ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "error", *hardware,
            "-protocol_whitelist", "rtsp,rtsps,rtp,tcp,tls,crypto", "-rtsp_transport", "tcp",
            "-timeout", str(int(STALL_S * 1e6)), "-i", spec.address.target,
            "-an", "-sn", "-dn", "-vf", filters, "-pix_fmt", "nv12", "-f", "rawvideo", "pipe:1",
        ]  # fmt: skip

    return argv


_JETSON = (
    "rtp{rtp}depay ! {rtp}parse ! nvv4l2decoder ! videorate drop-only=true max-rate={{fps}} "
    "! nvvidconv"
)
_ANY = "decodebin ! videorate drop-only=true max-rate={fps} ! videoconvert ! videoscale"

PIPELINES: dict[str, Pipeline] = {
    "jetson-h264": Pipeline(
        _gst_rtsp(_JETSON.format(rtp="h264")), "nv12", "url",
        "Jetson 硬件解码 H.264", "H.264 by the Jetson's decoder (NVDEC)",
    ),
    "jetson-h265": Pipeline(
        _gst_rtsp(_JETSON.format(rtp="h265")), "nv12", "url",
        "Jetson 硬件解码 H.265", "H.265 by the Jetson's decoder (NVDEC)",
    ),
    "jetson-csi": Pipeline(
        _gst_csi, "nv12", "index", "Jetson 板载 CSI 摄像机", "camera on the Jetson's CSI connector",
    ),
    "gstreamer": Pipeline(
        _gst_rtsp(_ANY), "nv12", "url",
        "GStreamer 自选解码器", "whatever decoder GStreamer finds on this board",
    ),
    "rpicam": Pipeline(
        _rpicam, "i420", "index",
        "树莓派 CSI 摄像机", "camera on the Raspberry Pi's CSI connector",
    ),
    "ffmpeg": Pipeline(
        _ffmpeg(), "nv12", "url", "系统 ffmpeg 软件解码", "the system's ffmpeg, by software",
    ),
    "ffmpeg-vaapi": Pipeline(
        _ffmpeg("-hwaccel", "vaapi"), "nv12", "url",
        "Intel/AMD 核显解码 (VA-API)", "Intel or AMD graphics (VA-API)",
    ),
    "ffmpeg-cuda": Pipeline(
        _ffmpeg("-hwaccel", "cuda"), "nv12", "url",
        "NVIDIA 独立显卡解码", "an NVIDIA graphics card",
    ),
    "ffmpeg-drm": Pipeline(
        _ffmpeg("-hwaccel", "drm"), "nv12", "url",
        "树莓派 5 硬件解码 H.265", "H.265 by the Raspberry Pi 5's decoder",
    ),
}  # fmt: skip


def lookup(name: str, *, where: str = "source") -> Pipeline:
    """The row of that name. Raises ConfigError naming those there are."""
    try:
        return PIPELINES[name]
    except KeyError:
        names = ", ".join(sorted(PIPELINES))
        raise ConfigError(f"{where} = 'pipeline:{name}': no such pipeline; use {names}") from None


def parse_spec(
    arg: str | None, pipeline: Pipeline, *, where: str = "pipeline_arg", base: Path | None = None
) -> Spec:
    """`SOURCE [WIDTHxHEIGHT] [Nfps]`, with 1280x720 and 10fps where nothing is said.

    SOURCE is an rtsp(s) URL, or the number of a camera. Raises ConfigError.
    """
    words = (arg or "").split()
    if not words:
        raise ConfigError(f"{where}: missing; write SOURCE [WIDTHxHEIGHT] [Nfps]")
    width, height, fps = 1280, 720, 10
    for word in words[1:]:
        if match := _SIZE.fullmatch(word):
            width, height = int(match[1]), int(match[2])
        elif match := _FPS.fullmatch(word):
            fps = int(match[1])
        else:
            raise ConfigError(f"{where}: {word!r} is neither WIDTHxHEIGHT nor Nfps")
    if width % 2 or height % 2 or max(width, height) > SIZE_MAX or not 1 <= fps <= 60:
        raise ConfigError(
            f"{where}: {width}x{height} {fps}fps: even numbers to {SIZE_MAX}, 1 to 60 fps"
        )
    return _with_source(words[0], pipeline, (width, height, fps), where, base)


def _with_source(
    word: str, pipeline: Pipeline, shape: tuple[int, int, int], where: str, base: Path | None
) -> Spec:
    if pipeline.takes == "index":
        if not _INDEX.fullmatch(word):
            raise ConfigError(f"{where}: {word!r}: this pipeline takes a camera's number, 0 to 99")
        return Spec(Address("pipeline", word, word), int(word), *shape)
    address = parse_source(word, where=where, base=base)
    if address.scheme not in ("rtsp", "rtsps"):
        raise ConfigError(f"{where} = {address}: this pipeline takes an rtsp:// URL")
    return Spec(address, 0, *shape)
