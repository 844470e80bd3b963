# SPDX-License-Identifier: AGPL-3.0-or-later
"""The one place where a reader thread and a thinking thread meet: latest frame wins."""

from __future__ import annotations

import threading

from edge.values import Frame


class Mailbox:
    """Holds at most one frame; a newer one replaces it and the loss is counted.

    Several mailboxes may share one `bell`, so that one thread can wait for whichever comes first.
    """

    def __init__(self, bell: threading.Condition | None = None) -> None:
        self.bell = bell or threading.Condition()
        self._frame: Frame | None = None
        self.posted = 0
        self.dropped = 0
        self._wanted_empty = False

    def post(self, frame: Frame) -> None:
        """Put a frame in place of the waiting one, which counts as dropped if nobody took it."""
        with self.bell:
            self.posted += 1
            self.dropped += self._frame is not None
            self._frame = frame
            self.bell.notify_all()

    def peek(self) -> Frame | None:
        """The waiting frame, left where it is: a scheduler looks before it chooses."""
        return self._frame

    def wait_empty(self, timeout_s: float) -> None:
        """Until the waiting frame was taken, or so long: for frames none of which may be lost."""
        with self.bell:
            self._wanted_empty = True
            self.bell.wait_for(lambda: self._frame is None, timeout_s)
            self._wanted_empty = False

    def take(self, timeout_s: float = 0.0) -> Frame | None:
        """The newest frame not yet taken, or None when none comes in time."""
        with self.bell:
            if self._frame is None and timeout_s > 0.0:
                self.bell.wait_for(lambda: self._frame is not None, timeout_s)
            frame, self._frame = self._frame, None
            if self._wanted_empty:
                self.bell.notify_all()
            return frame
