# SPDX-License-Identifier: AGPL-3.0-or-later
"""The rate that a stream tells is checked before anything is counted by it."""

from __future__ import annotations

import av
import numpy as np
import pytest

from edge.camera.libav import open_input
from edge.camera.url import Address


@pytest.mark.parametrize(("written", "told"), [(25, 25.0), (1000, 0.0)])
def test_a_rate_that_no_camera_has_is_not_known(tmp_path, written, told):
    path = tmp_path / "film.avi"
    with av.open(str(path), "w") as film:
        stream = film.add_stream("mjpeg", rate=written)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for _ in range(5):
            picture = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="bgr24")
            film.mux(stream.encode(picture))
        film.mux(stream.encode())
    opened = open_input(Address("file", str(path), str(path)))
    assert opened.facts.fps == told
    opened.close()
