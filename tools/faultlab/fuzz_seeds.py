# SPDX-License-Identifier: AGPL-3.0-or-later
"""Sound files that fuzzing begins with, made here: recordings, photographs, models, and what an
RTSP camera answers."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np

from tools.fakes import onnx_files, photographs
from tools.fakes.camera import clip, drawing
from tools.fakes.rtsp_camera import RtspCamera, rtp_payloads

WIDTH, HEIGHT, PICTURES, FPS = 96, 64, 24, 12
# Between what an RTSP camera answers to one request and to the next; behind the last: its packets.
CUT = b"\n--next--\n"


def film(form: str, encoder: str, **options: str) -> bytes:
    """Two seconds of a small moving drawing."""
    out = io.BytesIO()
    muxing = {"movflags": options.pop("movflags")} if "movflags" in options else {}
    with av.open(out, "w", format=form, options=muxing) as container:
        stream = container.add_stream(encoder, rate=FPS, options={"threads": "1", **options})
        stream.width, stream.height = WIDTH, HEIGHT
        stream.pix_fmt = "yuvj420p" if encoder == "mjpeg" else "yuv420p"
        stream.time_base = Fraction(1, FPS)
        for index in range(PICTURES):
            frame = av.VideoFrame.from_ndarray(drawing(WIDTH, HEIGHT, index), format="bgr24")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


H264 = {"preset": "ultrafast", "g": "8", "bf": "2"}
H265 = {"x265-params": "log-level=none:keyint=8:pools=none"}


def mp4() -> list[bytes]:
    """Sound films to begin with: H.264, H.265, fragments, MPEG-4, MJPEG."""
    return [
        film("mp4", "libx264", **H264),
        film("mp4", "libx265", **H265),
        film("mp4", "libx264", movflags="frag_keyframe+empty_moov", **H264),
        film("mp4", "mpeg4"),
        film("mov", "mjpeg"),
    ]


def ts() -> list[bytes]:
    one = film("mpegts", "libx264", **H264)
    return [one, film("mpegts", "libx265", **H265), film("mpegts", "mpeg2video"), one + one]


def jpeg() -> list[bytes]:
    """Sound and cut photographs to begin with: bare, with EXIF, with XMP and a film behind."""
    bare = photographs.jpeg(drawing(160, 120, 1))
    taken = photographs.exif(
        taken="2024:05:06 07:08:09", orientation=6, width=160, focal35=24, gps=(31.2, 121.4)
    )
    place = photographs.xmp(RelativeAltitude="+50.1", GimbalPitchDegree="-90.0", GpsLatitude="31.2")
    film_behind = b"\0\0\0\x18ftypmp42" + bytes(200)
    return [
        bare,
        photographs.with_blocks(bare, taken),
        photographs.with_blocks(bare, taken, place) + film_behind,
        bare[:-2] + bytes(64),
    ]


def onnx() -> list[bytes]:
    rows = np.array([[10, 10, 60, 60, 0.9, 0], [20, 20, 80, 90, 0.5, 1]], np.float32)
    return [
        onnx_files.bright(64, 64, ("person", "car"), classes=2),
        onnx_files.fixed_rows(rows, ("person", "car")),
    ]


def rtsp() -> list[bytes]:
    return [_talk("h264"), _talk("hevc"), _refusal() + _talk("h264")]


def _talk(codec: str) -> bytes:
    """Answers to OPTIONS, DESCRIBE, SETUP and PLAY, and the interleaved packets that follow."""
    content = clip(codec, WIDTH, HEIGHT, seconds=1.0)
    with RtspCamera(content) as camera:
        described = camera.description()
    head = "Content-Type: application/sdp\r\n" + f"Content-Length: {len(described)}\r\n"
    session = "Session: 77;timeout=60\r\n"
    answers = [
        _answer("200 OK", "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"),
        _answer("200 OK", head) + described,
        _answer("200 OK", f"Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n{session}"),
        _answer("200 OK", session),
        b"".join(_packets(codec, content.units)),
    ]
    return CUT.join(answers)


def _refusal() -> bytes:
    wish = 'WWW-Authenticate: Digest realm="IP Camera", nonce="5a6e", algorithm=MD5\r\n'
    return _answer("200 OK", "") + CUT + _answer("401 Unauthorized", wish) + CUT


def _answer(status: str, more: str) -> bytes:
    """CSeq is written in when it is sent."""
    return f"RTSP/1.0 {status}\r\nCSeq: @\r\n{more}\r\n".encode()


def _packets(codec: str, units: tuple[bytes, ...]) -> Iterator[bytes]:
    """Interleaved RTP packets (RFC 2326, 10.12) of these access units."""
    sequence = 0
    for index, unit in enumerate(units):
        for payload, last in rtp_payloads(codec, unit):
            head = struct.pack(
                ">BBHII", 0x80, 96 | last << 7, sequence, 1000 + index * 3600, 0x1234
            )
            sequence += 1
            yield b"$\0" + struct.pack(">H", len(head) + len(payload)) + head + payload
