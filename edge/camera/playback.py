# SPDX-License-Identifier: AGPL-3.0-or-later
"""A recording in the place of a camera: every frame due, in order, none dropped."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace

from edge.camera.mailbox import Mailbox
from edge.config import ConfigError
from edge.values import Frame, Stamp

log = logging.getLogger(__name__)


class Playback:
    """Reads frames in a thread and waits with each until the one before was looked at.

    frames: makes the iterator; called again for every round when `rounds` is not 1 (0: for ever).
    Each round begins where the time of the last one ended.
    """

    def __init__(
        self,
        camera: str,
        frames: Callable[[], Iterable[Frame]],
        mailbox: Mailbox,
        *,
        rounds: int = 1,
    ) -> None:
        self.camera = camera
        self.read = 0
        self.ended = False
        self.error: str | None = None
        self.shift_s = 0.0
        self.last: Stamp | None = None
        self._frames, self._mailbox, self._rounds = frames, mailbox, rounds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"feeder {camera}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, wait_s: float = 0.0) -> None:
        self._stop.set()
        if wait_s > 0 and self._thread.ident is not None:
            self._thread.join(wait_s)

    def _run(self) -> None:
        done = 0
        while not self._stop.is_set() and (self._rounds == 0 or done < self._rounds):
            before = self.read
            try:
                for frame in self._frames():
                    self._post(_shifted(frame, self.shift_s))
                    if self._stop.is_set():
                        return
            except ConfigError as error:
                # The file was there when the daemon started: somebody took it away.
                log.warning("%s", error)
                self.error = str(error)
            done += 1
            if self.read == before:
                break
            self.shift_s = self.last.mono + 1.0 if self.last else 0.0
        self._emptied()
        self.ended = True

    def _post(self, frame: Frame) -> None:
        if self._emptied():
            self.read += 1
            self.last = frame.at
            self._mailbox.post(frame)

    def _emptied(self) -> bool:
        """Wait until the mailbox is empty; false when stopping."""
        while self._mailbox.peek() is not None:
            if self._stop.wait(0.001):
                return False
        return not self._stop.is_set()


def _shifted(frame: Frame, shift_s: float) -> Frame:
    if shift_s == 0.0:
        return frame
    at = replace(frame.at, mono=frame.at.mono + shift_s, wall=frame.at.wall + shift_s)
    return replace(frame, at=at)
