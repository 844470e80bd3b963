# SPDX-License-Identifier: AGPL-3.0-or-later
"""A live street for the bench: still, one arrival, or a crowd, encoded as cameras encode.

The street is a picture of the project's own rendered clip, in which a stall and people stand, with
the noise of a sensor drawn anew for every picture; who comes is cut out of the same clip.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.values import Box, Image
from tools.bench.arena import ROOT
from tools.fakes.camera import Clip

STREET = ROOT / "tests" / "clips" / "street" / "street.mp4"
# Where in that clip everything stands, and where and when a truck drives (fractions, seconds).
STANDS_S = 30.0
TRUCK_S, TRUCK = 43.5, (0.640, 0.250, 0.800, 0.530)
NOISE = 1.6
JPEG_QUALITY = 80
# An encoder finds its ways in so many groups of pictures, of long ones in fewer.
WARM_GROUPS, WARM_S = 3, 12.0


@dataclass(frozen=True, slots=True)
class Coding:
    """How the camera encodes: h264, hevc or mjpeg. rate: kbit/s, kept constant; 0: constant
    quality."""

    codec: str = "h264"
    key_s: float = 2.0
    b_pictures: int = 0
    rate: int = 0
    fps: int = 25

    @property
    def options(self) -> dict[str, str]:
        """For libx264 or libx265; one thread, so that a bench beside it is not disturbed."""
        gop = round(self.key_s * self.fps)
        if self.codec == "hevc":
            words = f"log-level=none:keyint={gop}:min-keyint={gop}:scenecut=0"
            return {"preset": "ultrafast", "crf": "27", "x265-params": (
                f"{words}:bframes={self.b_pictures}:pools=none:frame-threads=1"
            )}  # fmt: skip
        own = {"preset": "superfast", "threads": "1", "g": str(gop), "keyint_min": str(gop)}
        own |= {"bf": str(self.b_pictures), "sc_threshold": "0", "rc-lookahead": "0"}
        if self.rate:
            own |= {"b": f"{self.rate}k", "maxrate": f"{self.rate}k", "bufsize": f"{self.rate}k"}
        return own if self.rate else own | {"crf": "26"}


@dataclass(frozen=True, slots=True)
class Arrival:
    """Something that comes at `at_s`, crosses the picture in `for_s` and is gone.

    share: its height as a share of the picture's.
    """

    at_s: float
    for_s: float = 6.0
    share: float = 0.28
    kind: str = "truck"


def photograph(at_s: float, size: tuple[int, int]) -> Image:
    """One picture of the street clip in this size."""
    import av

    with av.open(str(STREET)) as file:
        for frame in file.decode(video=0):
            if frame.time is not None and frame.time >= at_s:
                image = frame.to_ndarray(format="bgr24")
                return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    raise ValueError(f"{STREET.name} ends before {at_s} s")


def cut_out(box: Box, at_s: float, size: tuple[int, int], share: float) -> Image:
    """What stands in the box then, at this share of the picture's height."""
    picture = photograph(at_s, size)
    width, height = size
    x1, y1, x2, y2 = box
    part = picture[int(y1 * height) : int(y2 * height), int(x1 * width) : int(x2 * width)]
    tall = max(4, round(share * height))
    wide = max(4, round(part.shape[1] * tall / part.shape[0]))
    return np.asarray(cv2.resize(part, (wide, tall), interpolation=cv2.INTER_AREA), np.uint8)


class Street:
    """Pictures of one street, by their time. noise: standard deviation in grey levels."""

    def __init__(
        self,
        size: tuple[int, int],
        arrivals: tuple[Arrival, ...] = (),
        *,
        noise: float = NOISE,
        seed: int = 0,
    ) -> None:
        self.size, self.arrivals = size, arrivals
        self._ground = photograph(STANDS_S, size)
        self._things = [cut_out(TRUCK, TRUCK_S, size, one.share) for one in arrivals]
        rng = np.random.default_rng(7 + seed)
        shape = (size[1] + 64, size[0] + 64, 3)
        self._grain = rng.normal(0.0, noise, shape).round().astype(np.int8) if noise else None
        self._rng = np.random.default_rng(11 + seed)

    def picture(self, at_s: float) -> Image:
        """The street at a second of the film, with what stands or passes there, and noise."""
        image = self._ground.copy()
        for one, thing in zip(self.arrivals, self._things, strict=True):
            part = (at_s - one.at_s) / one.for_s
            if 0.0 <= part < 1.0:
                self._put(image, thing, part)
        return self.noisy(image)

    def on(self, image: Image, at_s: float) -> Image:
        """Another street at that second, with what passes there."""
        self._ground = image
        return self.picture(at_s)

    def box(self, number: int, at_s: float) -> Box | None:
        """Where that arrival is to be seen then, in fractions; None where it is not."""
        one, (width, height) = self.arrivals[number], self.size
        part = (at_s - one.at_s) / one.for_s
        if not 0.0 <= part < 1.0:
            return None
        tall = self._things[number].shape[0]
        a, b, low, _ = self._place(self._things[number], part)
        return (a / width, (low - tall) / height, b / width, low / height) if b > a else None

    def _place(self, thing: Image, part: float) -> tuple[int, int, int, int]:
        """From the left edge to the right one, its foot on the lane: left, right, foot, and how far
        left of the picture it begins."""
        (width, height), wide = self.size, thing.shape[1]
        left = round(part * (width + wide)) - wide
        return max(0, left), min(width, left + wide), round(0.80 * height), left

    def _put(self, image: Image, thing: Image, part: float) -> None:
        a, b, low, left = self._place(thing, part)
        tall = thing.shape[0]
        if b > a:
            image[low - tall : low, a:b] = thing[:, a - left : b - left]

    def noisy(self, image: Image) -> Image:
        """The picture with the grain of the sensor, drawn anew each time."""
        if self._grain is None:
            return image
        dx, dy = self._rng.integers(0, 64, 2).tolist()
        height, width = image.shape[:2]
        grain = self._grain[dy : dy + height, dx : dx + width]
        return np.asarray(cv2.add(image, grain, dtype=cv2.CV_8U), np.uint8)


def encoded(
    pictures: Iterator[Image], size: tuple[int, int], coding: Coding
) -> tuple[list[bytes], list[int]]:
    """Access units in the order of decoding, and the number of the picture that each shows."""
    import io
    from fractions import Fraction

    import av

    if coding.codec == "mjpeg":
        quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        jpegs = [cv2.imencode(".jpg", image, quality)[1].tobytes() for image in pictures]
        return jpegs, list(range(len(jpegs)))
    name = {"h264": "libx264", "hevc": "libx265"}[coding.codec]
    units: list[bytes] = []
    shown: list[int] = []

    def take(packets: Any) -> None:
        for packet in packets:
            units.append(bytes(packet))
            shown.append(round(packet.pts * packet.time_base * coding.fps))

    with av.open(io.BytesIO(), "w", format=coding.codec) as out:
        stream = out.add_stream(name, rate=coding.fps, options=coding.options)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for number, image in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(image, format="bgr24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, coding.fps)
            take(stream.encode(frame))
        take(stream.encode(None))
    return units, shown


def live_clip(
    size: tuple[int, int], seconds: float, coding: Coding, arrivals: tuple[Arrival, ...] = ()
) -> Clip:
    """A clip for tools.fakes.camera, which repeats it for ever. An encoder needs some groups of
    pictures to find its ways: those are made before it and left out."""
    groups = max(1, min(WARM_GROUPS, round(WARM_S / coding.key_s)))
    street, warm = Street(size, arrivals), groups * round(coding.key_s * coding.fps)
    times = ((index - warm) / coding.fps for index in range(warm + round(seconds * coding.fps)))
    units, shown = encoded((street.picture(t) for t in times), size, coding)
    left = tuple(number - warm for number in shown[warm:])
    return Clip(coding.codec, *size, coding.fps, tuple(units[warm:]), left)


def recorded(
    path: Path,
    coding: Coding,
    seconds: float,
    size: tuple[int, int],
    arrivals: tuple[Arrival, ...] = (),
) -> Clip:
    """Another film (a crowd) as such a camera would send it, from its beginning, and what else
    comes there."""
    import itertools

    from edge.camera.recording import read_file_frames

    frames = read_file_frames(str(path), float(coding.fps), camera="bench")
    pictures = itertools.islice(frames, round(seconds * coding.fps))
    street = Street(size, arrivals, noise=0.0)
    shown_at = (
        street.on(np.asarray(cv2.resize(one.image, size), np.uint8), number / coding.fps)
        for number, one in enumerate(pictures)
    )
    units, shown = encoded(shown_at, size, coding)
    return Clip(coding.codec, *size, coding.fps, tuple(units), tuple(shown))
