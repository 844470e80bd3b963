# SPDX-License-Identifier: AGPL-3.0-or-later
"""How much FFmpeg may ask for at once. A packet is one piece of memory, and a camera says itself
how large the next one is, or never ends it: unbounded it takes what its network carries."""

from __future__ import annotations

import ctypes
import functools
import logging
from pathlib import Path

log = logging.getLogger(__name__)

# The largest picture that is read, a recording's of 40 million pixels (libav.FILE_PIXELS_MAX), in
# BGR: a recording may be judged beside cameras.
LARGEST = 128 * 2**20


@functools.cache
def bound() -> bool:
    """Whether every single allocation of FFmpeg in this process is bounded from now on
    (av_max_alloc of libavutil's mem.h; what asks for more is refused with ENOMEM)."""
    try:
        for path in _libavutil():
            ctypes.CDLL(path).av_max_alloc(ctypes.c_size_t(LARGEST))
    except (OSError, AttributeError) as error:
        log.warning("FFmpeg's memory is not bounded: %s", error)
        return False
    return True


def _libavutil() -> set[str]:
    """Those that are loaded: PyAV's, and OpenCV's own."""
    lines = Path("/proc/self/maps").read_text("utf-8", "replace").splitlines()
    found = {path for line in lines if "/libavutil" in (path := line.rpartition(" ")[2])}
    if not found:
        raise OSError("libavutil is not among the files that are mapped")
    return found
