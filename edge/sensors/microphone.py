# SPDX-License-Identifier: AGPL-3.0-or-later
"""A microphone's thread: sound in, windows of two minutes judged for repetition out.

What was heard is in memory until its window is judged, and is dropped then unless a case keeps it.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge.clock import Clock
from edge.runtime import Stop, Trouble
from edge.sensors.loudspeaker import LoopWindow
from edge.sensors.repetition import Sound, assess
from edge.sensors.sound import RATE_HZ, WINDOW_S, Mono
from edge.values import Stamp

log = logging.getLogger(__name__)

AGAIN_S, OPEN_S = 10.0, 15.0
NO_TRACK = "no audio track; switch sound on in the camera 没有音轨，请在摄像机上打开声音"
# The library of PyAV's wheel looks for ALSA's own files in a folder of its maker.
ALSA_FILES = Path("/usr/share/alsa/alsa.conf")


@dataclass(frozen=True, slots=True)
class HeardWindow:
    """One judged window, with its sound for the evidence of a case that opens now."""

    window: LoopWindow
    sound: Sound


class Microphone(threading.Thread):
    """`windows` is filled here and emptied by sensord; nothing else is shared."""

    def __init__(
        self, point: str, address: str, clock: Clock, stop: Stop, *, window_s: float = WINDOW_S
    ) -> None:
        super().__init__(name=f"microphone {point}", daemon=True)
        self.point, self._address, self._clock, self._stop_all = point, address, clock, stop
        self._size = round(window_s * RATE_HZ)
        self.windows: deque[HeardWindow] = deque(maxlen=4)
        self.heard_mono = clock.now().mono
        self.why = "not opened yet"
        self._trouble = Trouble(log)

    def run(self) -> None:
        """Open, listen, and open again where the source ends or fails."""
        import av

        while not self._stop_all:
            try:
                self._listen()
                self.why = "the source ended"
            except (av.FFmpegError, OSError) as error:
                # The whole message may hold an address with its password.
                self.why = error.strerror or type(error).__name__
                said = f"{self.why}; tried every {AGAIN_S:g} s"
                self._trouble.failed(f"sound {self.point}", said)
            self._stop_all.wait(AGAIN_S)

    def _listen(self) -> None:
        """Until the source ends. Raises av.FFmpegError or OSError."""
        mono = Mono()
        kept: list[Sound] = []
        began: Stamp | None = None
        with _opened(self._address) as container:
            if not container.streams.audio:
                raise OSError(errno.ENODEV, NO_TRACK)
            for frame in container.decode(container.streams.audio[0]):
                if self._stop_all:
                    return
                now = self._clock.now()
                self.heard_mono, self.why = now.mono, ""
                self._trouble.healed(f"sound {self.point}")
                began = began or now
                kept += mono.pieces(frame)
                if sum(map(len, kept)) >= self._size:
                    whole = np.concatenate(kept)
                    self._judge(np.asarray(whole[: self._size], np.float32), began)
                    kept, began = [whole[self._size :]], None

    def _judge(self, sound: Sound, began: Stamp) -> None:
        self.windows.append(HeardWindow(LoopWindow(began, assess(sound, RATE_HZ)), sound))


def _opened(address: str) -> Any:
    """A container, with a sound track or without. Raises av.FFmpegError or OSError."""
    import av

    kind, _, rest = address.partition(":")
    if kind == "alsa":
        if ALSA_FILES.exists():
            os.environ.setdefault("ALSA_CONFIG_PATH", str(ALSA_FILES))
        return av.open(rest, format="alsa", options={"sample_rate": "16000", "channels": "1"})
    if kind == "file":
        return av.open(rest)
    options = {"rtsp_transport": "tcp", "allowed_media_types": "audio"}
    return av.open(address, options=options, timeout=(OPEN_S, OPEN_S))
