# SPDX-License-Identifier: AGPL-3.0-or-later
"""How many of a camera's pictures are decoded: fewer while nothing is there to be followed. Pure.

Pictures that no other picture is built on ("non-reference", mostly B-frames) can be left out at
any time and taken in again at once, so that a quiet scene costs up to a third less and misses
nothing. Key pictures only would be ten times cheaper, but after them a scene is blind up to its
next key picture when something comes: that is for a camera that the board has put to sleep.
"""

from __future__ import annotations

from edge.camera.source import Want

IDLE_AFTER_S = 30.0
# What is left must still hold the pictures due: cameras put one or two B-frames between others.
LEFT_LEAST = 1 / 3


class DecodePolicy:
    """Of one camera. Owned by the thread that looks."""

    def __init__(self, fps: float) -> None:
        self._fps = fps
        self._busy_mono: float | None = None

    def step(self, now_mono: float, *, busy: bool, stream_fps: float, asleep: bool) -> Want:
        """`busy`: something is tracked or held; `stream_fps`: as the camera says, 0 unknown."""
        if busy or self._busy_mono is None:
            self._busy_mono = now_mono
        if asleep:
            return "key"
        idle = now_mono - self._busy_mono >= IDLE_AFTER_S
        enough = stream_fps * LEFT_LEAST >= self._fps
        return "nonref" if idle and enough else "all"
