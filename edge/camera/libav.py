# SPDX-License-Identifier: AGPL-3.0-or-later
"""The only door to FFmpeg's libraries (PyAV): opening with limits, errors in a person's words."""

from __future__ import annotations

import contextlib
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from edge.camera import allocation
from edge.camera.rtsp_question import log_in_wanted, only_options_missing
from edge.camera.source import STALL_S, Cause, SourceError, SourceFacts
from edge.camera.url import Address
from edge.values import Image

OPEN_S = 6.0
# How long FFmpeg may look into a live stream for what its description left out.
ANALYSE_S = 2.0
# A decoder holds up to 17 pictures: bounds what a hostile or misconfigured stream can take.
LIVE_PIXELS_MAX = 13_000_000
FILE_PIXELS_MAX = 40_000_000
# Up to this size one thread decodes 25 pictures a second on the boards we know.
ONE_THREAD_PIXELS = 1920 * 1200

# Decoders fit to be fed by strangers; an exotic one is more likely an attack than a camera.
CODECS = frozenset(
    {
        "h264",
        "hevc",
        "mjpeg",
        "mpeg4",
        "mpeg2video",
        "mpeg1video",
        "av1",
        "libdav1d",
        "vp8",
        "vp9",
        "libvpx",
        "libvpx-vp9",
        "png",
        "rawvideo",
        "h263",
        "wmv3",
        "vc1",
        "msmpeg4v3",
        "prores",
        "theora",
    }
)
# Containers of recordings. Playlists (m3u8, concat) are left out: they open other files.
_FILE_FORMATS = (
    "mov,matroska,webm,avi,mpegts,mpeg,flv,live_flv,asf,ogg,h264,hevc,mjpeg,m4v,dhav,mxf,ivf,obu"
)
_HTTP_FORMATS = f"mpjpeg,{_FILE_FORMATS}"
_PLAYLIST = {
    "protocol_whitelist": "http,https,tcp,tls,crypto",
    "format_whitelist": "hls,mpegts,mov",
}
_TIMEOUT_US = str(int(STALL_S * 1e6))
# fpsprobesize 0: or the opening waits a second to measure a rate that nobody asks for.
_ANALYSE = {
    "analyzeduration": str(int(ANALYSE_S * 1e6)),
    "probesize": "5000000",
    "fpsprobesize": "0",
}
_RTSP = {
    "rtsp_transport": "tcp",
    "allowed_media_types": "video",
    "timeout": _TIMEOUT_US,
    **_ANALYSE,
}
_TCP = {"rw_timeout": _TIMEOUT_US, "max_redirects": "0", **_ANALYSE}
# Scheme -> options of libavformat. The whitelist keeps a stream from opening anything else, and a
# camera sends nobody elsewhere: no redirects, and playlists only where the address names one.
OPTIONS: dict[str, dict[str, str]] = {
    "rtsp": {**_RTSP, "protocol_whitelist": "rtsp,rtp,tcp"},
    "rtsps": {**_RTSP, "protocol_whitelist": "rtsp,rtsps,rtp,tcp,tls"},
    "rtmp": {**_TCP, "protocol_whitelist": "rtmp,tcp"},
    "rtmps": {**_TCP, "protocol_whitelist": "rtmp,rtmps,tcp,tls"},
    "http": {**_TCP, "protocol_whitelist": "http,tcp", "format_whitelist": _HTTP_FORMATS},
    "https": {**_TCP, "protocol_whitelist": "https,tcp,tls", "format_whitelist": _HTTP_FORMATS},
    # correct_ts_overflow 0: or FFmpeg takes a piece joined behind for a wrap, and makes 26 hours
    # of two minutes; edge.camera.timeline mends both.
    "file": {
        "protocol_whitelist": "file",
        "format_whitelist": _FILE_FORMATS,
        "correct_ts_overflow": "0",
    },
    # MJPEG is what leaves a USB camera at a useful size; others fall back to raw pictures.
    "usb": {"input_format": "mjpeg"},
}

# Name of the PyAV error -> (cause, what a person is told), most telling first.
_TOLD: dict[str, tuple[Cause, str]] = {
    "HTTPUnauthorizedError": ("login", "the login is refused: wrong user or password"),
    "HTTPForbiddenError": ("login", "the login is refused: this user may not see this stream"),
    "HTTPNotFoundError": ("not_found", "no such stream: check the path of the URL"),
    "HTTPClientError": ("refused", "the server refuses the request"),
    "HTTPServerError": ("refused", "the server fails"),
    "HTTPBadRequestError": ("refused", "the server refuses the request"),
    "HTTPOtherClientError": ("refused", "the server refuses the request"),
    "HTTPTooManyRequestsError": ("refused", "the server has too many clients"),
    "ConnectionRefusedError": ("refused", "the connection is refused: wrong port, or starting up"),
    "ConnectionResetError": ("ended", "the other side cut the connection"),
    "BrokenPipeError": ("ended", "the other side cut the connection"),
    "TimeoutError": ("unreachable", "no answer in time"),
    "ExitError": ("unreachable", "no answer in time"),
    "EOFError": ("ended", "the stream ended"),
    "StreamNotFoundError": ("unsupported", "there is no video in it"),
    "DecoderNotFoundError": ("unsupported", "its codec is not supported"),
    "DemuxerNotFoundError": ("unsupported", "its format is not supported"),
    "ProtocolNotFoundError": ("unsupported", "its protocol is not supported here"),
    "MemoryError": ("broken", "what comes is larger than any picture"),
    "InvalidDataError": ("broken", "what comes is not video"),
    "FileNotFoundError": ("unreachable", "there is no such device"),
    "PermissionError": ("unreachable", "permission denied: is the user in the group 'video'?"),
}


def explain(error: av.error.FFmpegError) -> tuple[Cause, str]:
    """Cause and one line for a PyAV error. Its own text holds the URL, so only strerror is used."""
    known = _TOLD.get(type(error).__name__)
    if known:
        return known
    return "unreachable", (error.strerror or type(error).__name__).lower()


# More is the tick of a stream's clock (90000), told where the camera names no rate.
FPS_MOST = 240.0


@dataclass(slots=True)
class Input:
    """An open container and the one video stream of it that is looked at."""

    container: Any
    stream: Any

    @property
    def facts(self) -> SourceFacts:
        context = self.stream.codec_context
        rate = float(self.stream.average_rate or self.stream.guessed_rate or 0)
        told = rate if rate <= FPS_MOST else 0.0
        return SourceFacts(context.name, context.width, context.height, told)

    def close(self) -> None:
        self.container.close()


def open_input(address: Address) -> Input:
    """Open a network stream, file or USB camera; gives up in time. Raises SourceError."""
    began_s = time.monotonic()
    try:
        container = _opened(address)
    except av.error.FFmpegError as error:
        if address.kind == "network" and time.monotonic() - began_s >= OPEN_S:
            # An opening that was interrupted may call what it has got so far invalid.
            raise SourceError("unreachable", "no answer in time") from None
        raise _refused(address, error) from None
    try:
        return Input(container, _video(container, address))
    except SourceError:
        container.close()
        raise


def _opened(address: Address) -> Any:
    kinds = {"usb": "v4l2"}
    if address.kind == "network":
        allocation.bound()
    began_s = time.monotonic()
    try:
        return _open(address, kinds.get(address.kind))
    except av.error.InvalidDataError:
        # What was not known for what it is in all this time is no picture either, and looking for
        # the end of one keeps everything that comes.
        late = time.monotonic() - began_s >= OPEN_S
        if late or address.scheme not in ("http", "https"):
            raise
        # Motion JPEG whose first picture has no boundary before it: found by its own markers.
        return _open(address, "mjpeg")


def _open(address: Address, form: str | None) -> Any:
    return av.open(
        f"file:{address.target}" if address.kind == "file" else address.target,
        format=form,
        options=_options(address),
        # Titles and handler names in any encoding, or in none.
        metadata_errors="replace",
        timeout=(OPEN_S, STALL_S),
    )


def _options(address: Address) -> dict[str, str]:
    """A playlist is read only where the address names one."""
    path = address.target.partition("?")[0]
    playlist = address.scheme in ("http", "https") and path.lower().endswith(".m3u8")
    return {**OPTIONS[address.scheme or address.kind], **(_PLAYLIST if playlist else {})}


def packets_of(opened: Input) -> Iterator[Any]:
    """Packets of the video stream, and empty ones at the end, which empty the decoder. Raises
    av.error.FFmpegError.

    A stream that appeared after the opening (transport streams) makes PyAV stumble at its end:
    it asks its list of streams for one that is not in it.
    """
    with contextlib.suppress(IndexError):
        yield from opened.container.demux(opened.stream)


def _refused(address: Address, error: av.error.FFmpegError) -> SourceError:
    """What a person is told; an RTSP camera is asked once more where FFmpeg's word may mislead."""
    cause, text = explain(error)
    if cause == "login":
        text = log_in_wanted(address) or text
    elif cause == "not_found" and only_options_missing(address):
        return SourceError(
            "unsupported",
            "the stream is there, but the camera does not know OPTIONS (404): update its "
            "firmware, or read it by pipeline:gstreamer",
        )
    elif cause in ("not_found", "unreachable") and address.kind == "file":
        return SourceError("unreachable", (error.strerror or "it cannot be opened").lower())
    return SourceError(cause, text)


def _video(container: Any, address: Address) -> Any:
    if not container.streams.video:
        raise SourceError("unsupported", "there is no video in it")
    stream = container.streams.video[0]
    context = stream.codec_context
    if context is None or context.name not in CODECS:
        name = "unknown" if context is None else context.name
        raise SourceError("unsupported", f"codec {name} is not supported; set H.264 or H.265")
    limit = FILE_PIXELS_MAX if address.kind == "file" else LIVE_PIXELS_MAX
    check_size(context.width, context.height, limit)
    _bound(context, limit, context.width * context.height)
    return stream


def _bound(context: Any, limit: int, pixels: int, *, deblocks: bool = True) -> None:
    """How large a decoder's pictures may become, with how many threads it works, and whether it
    smooths the edges of blocks between key pictures too."""
    context.options = {"max_pixels": str(limit)} | ({} if deblocks else _KEY_DEBLOCKED)
    many = pixels > ONE_THREAD_PIXELS
    context.thread_count = 2 if many else 1
    context.thread_type = "SLICE" if not many else "AUTO"


# By what its slices are: not every key picture is one that resets all (IDR).
_KEY_DEBLOCKED = {"skip_loop_filter": "nointra"}


class StreamDecoder:
    """The decoder of a live stream. It keeps each picture that it ever held at once, and tables
    beside them, for the next ones: 12 MB of 1080p. `release` gives them back, and the next packet
    begins anew with one of its own.

    Only codecs whose packets and parameter sets tell all that a decoder must know are released
    (ANEW); another keeps the stream's own, emptied. parameters: the sets that it begins anew with,
    as the stream told them last; a packet held back from before they changed brings its own.
    deblocks: whether the edges of blocks are smoothed between key pictures too, as the stream asks,
    once it begins anew. Without that a picture costs a sixth less, and differs from what it should
    be until the next key picture (tests/camera/test_deblocking.py says by how much at most).
    """

    ANEW = frozenset({"h264", "hevc"})

    def __init__(self, opened: Input, parameters: bytes) -> None:
        self._stream = opened.stream
        self._anew = opened.stream.codec_context.name in self.ANEW
        self.parameters = parameters
        self.deblocks = self._deblocked = True
        self._context: Any = None

    def learn(self, sets: bytes) -> None:
        """The parameter sets that a packet brought with it; b"": none."""
        self.parameters = sets or self.parameters

    @property
    def open(self) -> bool:
        """Whether it holds pictures and tables."""
        return self._context is not None

    @property
    def outdated(self) -> bool:
        """Whether it works otherwise than it is to, until it begins anew."""
        return self._anew and self.open and self._deblocked != self.deblocks

    @property
    def context(self) -> Any:
        """The one at work; made where there is none."""
        if self._context is None:
            self._context = self._made() if self._anew else self._stream.codec_context
        return self._context

    def _made(self) -> Any:
        described = self._stream.codec_context
        made: Any = av.CodecContext.create(described.name, "r")
        made.extradata = self.parameters
        # Or its first pictures come out in the order of decoding, where nothing tells another.
        made.reorder_depth = described.reorder_depth
        self._deblocked, pixels = self.deblocks, described.width * described.height
        _bound(made, LIVE_PIXELS_MAX, pixels, deblocks=self.deblocks)
        return made

    def decode(self, packet: Any, skip: str) -> list[Any]:
        """Pictures that this packet lets out. skip: what of them is left out (FFmpeg's
        AVDiscard). Raises av.error.FFmpegError."""
        context = self.context
        context.skip_frame = skip
        return list(context.decode(packet))

    def release(self) -> list[Any]:
        """What is still inside it; after that it begins anew."""
        if self._context is None:
            return []
        try:
            frames = list(self._context.decode(None))
        except av.error.FFmpegError:
            frames = []
        if not self._anew:
            self._context.flush_buffers()
        self._context = None
        return frames


def check_size(width: int, height: int, limit: int) -> None:
    """Raises SourceError for a picture larger than `limit` pixels."""
    if width * height > limit:
        raise SourceError(
            "unsupported",
            f"the picture is {width}x{height}, more than {limit / 1e6:.0f} megapixels; "
            "set a smaller one in the camera or use its sub-stream",
        )


Matrix = tuple[int, int, int, int] | None


class _Converter(threading.local):
    """One thread's. A frame left to itself makes the tables of its conversion anew, which costs
    as much as converting 720p; those of one converter stay while the size does."""

    def __init__(self) -> None:
        self.reformat: Any = VideoReformatter().reformat


_converter = _Converter()


def to_bgr(frame: Any) -> Image:
    """A decoded picture as (height, width, 3) uint8 BGR, upright as its file says.

    Raises SourceError where a damaged stream tells colours or sizes that nothing converts.
    """
    return turned_bgr(frame, display_matrix(frame))


def turned_bgr(frame: Any, matrix: Matrix) -> Image:
    """The same where its display matrix is known. Raises SourceError (broken) for a picture whose
    colours cannot be converted."""
    try:
        # More threads would each do a part, and wait for each other longer than that takes.
        image: Image = _converter.reformat(frame, format="bgr24", threads=1).to_ndarray()
    except av.error.FFmpegError as error:
        raise SourceError("broken", f"a picture cannot be converted: {error.strerror}") from None
    return upright(image, matrix)


# Pictures whose first plane is how bright each pixel is, a byte each.
_BRIGHT = frozenset({"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "nv12"})


def turned_grey(frame: Any, matrix: Matrix) -> Image | None:
    """How bright each pixel of a decoded picture is, (height, width) uint8, upright, as it lies in
    the decoder's memory: for a glance that needs no colours. None where it does not lie there."""
    plane = frame.planes[0]
    # A picture that the decoder gives upside down has its lines in the other order.
    if frame.format.name not in _BRIGHT or plane.line_size < frame.width:
        return None
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return upright(rows[: frame.height, : frame.width], matrix)


def display_matrix(frame: Any) -> Matrix:
    """a, b, c, d of its display matrix (ISO/IEC 14496-12, 8.3.2), by sign; None without one.

    PyAV ties a frame that was asked to what it answered, in a circle: its 3 MB stay until Python
    next looks for circles. So of many pictures of one stream few are asked (Orientation).
    """
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return None
    a, b, _, c, d = struct.unpack_from("<5i", bytes(data))
    return tuple((v > 0) - (v < 0) for v in (a, b, c, d))


class Orientation:
    """How the pictures of one recording are turned, in the order of showing: as its key pictures
    say, for those after them too."""

    def __init__(self) -> None:
        self._matrix: tuple[Matrix] | None = None

    def of(self, frame: Any) -> Matrix:
        """The display matrix that holds for this picture."""
        if self._matrix is None or frame.key_frame:
            self._matrix = (display_matrix(frame),)
        return self._matrix[0]


def upright(image: Image, matrix: Matrix) -> Image:
    """The picture turned and mirrored as its display matrix says: all eight orientations."""
    if matrix is None:
        return image
    a, b, c, d = matrix
    turned = a == 0 and d == 0 and b != 0
    if turned:
        # Rows become columns: shown x comes from stored y by c, shown y from stored x by b.
        image = np.swapaxes(image, 0, 1)
        a, d = c, b
    if a < 0:
        image = image[:, ::-1]
    if d < 0:
        image = image[::-1]
    return np.ascontiguousarray(image)


def seconds(ticks: int | None, time_base: Fraction | None) -> float | None:
    # The same number as float(ticks * time_base), at a twentieth of its time.
    if ticks is None or time_base is None:
        return None
    return ticks * time_base.numerator / time_base.denominator


def is_broken_off(path: Path) -> bool:
    """Whether an MP4 lacks its index: the sign of a recorder that lost power."""
    with path.open("rb") as file:
        return file.read(8)[4:8] == b"ftyp"
