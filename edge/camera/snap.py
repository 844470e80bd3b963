# SPDX-License-Identifier: AGPL-3.0-or-later
"""One picture from a camera, now: for the installer's page and `edge snap`."""

from __future__ import annotations

from collections.abc import Iterator

from edge.camera.opening import Addresses, connector
from edge.camera.recording import read_file_frames
from edge.camera.source import Picture, SourceError
from edge.clock import Clock
from edge.values import Frame

# A camera that has just been opened still adjusts its exposure; later pictures are better.
SETTLE_S = 1.0


def snap(
    found: Addresses, clock: Clock, *, camera: str = "camera", settle_s: float = SETTLE_S
) -> Frame:
    """A picture of the source as it is now; of a recording, its first one.

    Takes as long as opening takes (some 15 s at worst). Raises SourceError where no picture can
    be had, ConfigError for a recording that cannot be read.
    """
    if found.recording:
        with read_file_frames(found.source, 1.0, camera=camera) as frames:
            for frame in frames:
                return frame
        raise SourceError("broken", "there is no picture in it")
    source = connector(found, clock, None)()
    try:
        return _settled(source.pictures(), clock, camera, settle_s)
    finally:
        source.close()


def _settled(pictures: Iterator[Picture], clock: Clock, camera: str, settle_s: float) -> Frame:
    until_s = clock.now().mono + settle_s
    for number, picture in enumerate(pictures, 1):
        if picture.at.mono >= until_s:
            return Frame(camera, number, picture.at, picture.bgr())
    raise SourceError("ended", "the stream ended")
