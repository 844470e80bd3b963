# SPDX-License-Identifier: AGPL-3.0-or-later
"""Clips for sources without packets: pictures as JPEG, put into MP4 as Motion JPEG."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import cv2

from edge.camera.packets import Encoded, StreamOpening
from edge.values import Image, Stamp

QUALITY = 85
# More pictures a second than this cost more than they show.
FPS_MAX = 5.0


class JpegPacker:
    """Makes packets of pictures; a new size makes a new Connection, so that clips never mix."""

    def __init__(self) -> None:
        self._size = (0, 0)
        self._connection: StreamOpening | None = None

    def pack(self, image: Image, at: Stamp) -> Encoded:
        """The picture as one packet that stands alone. About 5 ms for 1080p."""
        size = (image.shape[1], image.shape[0])
        if self._connection is None or size != self._size:
            self._size = size
            self._connection = StreamOpening("mjpeg", b"%dx%d" % size, _header(*size), "jpeg")
        _, data = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, QUALITY))
        connection = self._connection
        return Encoded(
            data.tobytes(),
            None,
            None,
            Fraction(1, 1000),
            True,
            at,
            connection,
            connection.extradata,
        )


def _header(width: int, height: int) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4", options={"movflags": "empty_moov"}) as container:
        stream = container.add_stream("mjpeg", rate=1)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuvj420p"
        container.start_encoding()
    return file.getvalue()
