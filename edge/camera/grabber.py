# SPDX-License-Identifier: AGPL-3.0-or-later
"""One thread a camera: reads for ever, hands over the pictures that are due, never gives up."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Protocol

from edge.camera.mailbox import Mailbox
from edge.camera.pacing import LIVE_EARLY, Pacer
from edge.camera.quiet import QuietStream
from edge.camera.source import Cause, Picture, Source, SourceError, SourceFacts, Want
from edge.camera.stream_clock import StreamStatistics
from edge.clock import Clock
from edge.runtime import Backoff, Trouble
from edge.values import Frame, Image

log = logging.getLogger(__name__)

# With the time an attempt may take (libav.OPEN_S, ANALYSE_S) this keeps the way from "healed" to
# pictures below 15 s, and a camera is a neighbour on the same wire: no crowd to be polite to.
RETRY_CAP_S = 5.0
# A camera locks the account after some 5 to 7 wrong logins; what is misconfigured stays so.
RETRY_SLOW_S = 60.0
# So long a picture that was held back waits for the one before it to be taken.
HELD_WAIT_S = 0.5
# Looks so many times as far apart as `fps` has them are seldom.
SELDOM = 1.5
_SLOW: frozenset[Cause] = frozenset({"login", "unsupported"})


class SourceThread:
    """A thread that keeps one source open: opens, reads, and after any failure opens again.

    `read` is called with each open source and returns only by SourceError or at stop. All public
    attributes are written by this thread only and may be read by any other.
    """

    def __init__(
        self, name: str, connect: Callable[[], Source], read: Callable[[Source], None]
    ) -> None:
        self._connect = connect
        self._read = read
        self._stop = threading.Event()
        self._trouble = Trouble(log)
        self._backoff = Backoff(first_s=1.0, cap_s=RETRY_CAP_S)
        self._name = name
        self.connections = 0
        self.error: SourceError | None = None
        self.facts = SourceFacts()
        self._thread = threading.Thread(target=self._run, name=f"camera {name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, wait_s: float = 0.0) -> None:
        """Ask the thread to end; it may sit in a read for as long as a stall takes."""
        self._stop.set()
        if wait_s > 0.0 and self._thread.ident is not None:
            self._thread.join(wait_s)

    @property
    def stopping(self) -> bool:
        return self._stop.is_set()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def healed(self) -> None:
        """Called by `read` whenever data flows."""
        if self.error is None:
            return
        self.error = None
        self._trouble.healed(self._name)
        self._backoff.reset()

    def _run(self) -> None:
        while not self.stopping:
            try:
                self._session()
            except SourceError as error:
                self.error = error
                self._trouble.failed(self._name, str(error))
                slow = error.cause in _SLOW
                self._stop.wait(RETRY_SLOW_S if slow else self._backoff.next_s())

    def _session(self) -> None:
        source = self._connect()
        try:
            self.connections += 1
            self.facts = source.facts
            self._read(source)
        finally:
            source.close()


class Arrivals(Protocol):
    """Whether a picture (grey) between two looks shows what no look has seen
    (edge.vision.arrival.ArrivalWatch)."""

    def due(self, now_s: float) -> bool: ...
    def tells(self, image: Image, now_s: float) -> bool: ...
    def posted(self) -> None: ...


class Grabber:
    """Reads one camera and posts the frames due at `fps` into its mailbox.

    connect: opens the camera anew each time; raises SourceError.
    every_s: seconds from one frame that is due to the next; may be set at any time.
    want: which pictures are decoded at all ("key", "nonref" or "watch" while nobody needs more);
    may be set at any time. room: whether all may be decoded while the stream is not known yet
    (edge.camera.quiet); still: nothing moves, as the looks say (there too); the same.
    arrivals: asked of pictures that are decoded anyway, where they are looked at more seldom than
    at `fps` and `more` says that more looks may be given; may be set at any time.
    """

    def __init__(
        self,
        camera: str,
        connect: Callable[[], Source],
        *,
        fps: float,
        mailbox: Mailbox,
        clock: Clock,
        arrivals: Arrivals | None = None,
    ) -> None:
        self.camera = camera
        self.mailbox = mailbox
        self._want: Want = "all"
        self._room, self._still = True, False
        self._source: Source | None = None
        self.read = 0
        self.last_picture_s = clock.now().mono
        self.statistics: StreamStatistics | None = None
        self._fps, self._every_s = fps, 1.0 / fps
        self._arrivals, self.more = arrivals, False
        self._apart_s = 0.0
        self.line = SourceThread(camera, connect, self._pump)

    def start(self) -> None:
        self.line.start()

    def stop(self, wait_s: float = 0.0) -> None:
        self.line.stop(wait_s)

    @property
    def want(self) -> Want:
        return self._want

    @want.setter
    def want(self, want: Want) -> None:
        # A source that is asleep gives no picture to be told by: it is told at once.
        self._want, source = want, self._source
        if source is not None and source.want != want:
            source.want = want

    @property
    def every_s(self) -> float:
        return self._every_s

    @every_s.setter
    def every_s(self, every_s: float) -> None:
        self._every_s, source = every_s, self._source
        if source is not None:
            source.every_s = every_s

    @property
    def room(self) -> bool:
        return self._room

    @room.setter
    def room(self, room: bool) -> None:
        self._room, quiet = room, self.quiet
        if quiet is not None:
            quiet.room = room

    @property
    def still(self) -> bool:
        return self._still

    @still.setter
    def still(self, still: bool) -> None:
        self._still, quiet = still, self.quiet
        if quiet is not None:
            quiet.still = still

    @property
    def behind_s(self) -> float:
        """How far reading has fallen behind the stream."""
        return self._source.behind_s if self._source is not None else 0.0

    @property
    def quiet(self) -> QuietStream | None:
        """What the connection under way holds back; None where it cannot."""
        return self._source.quiet if self._source is not None else None

    def _pump(self, source: Source) -> None:
        pacer = Pacer(self._fps, early=LIVE_EARLY)
        self.statistics, self._source = source.statistics, source
        source.want, source.every_s = self._want, self._every_s
        if source.quiet is not None:
            source.quiet.room = self._room
        for picture in source.pictures():
            if self.line.stopping:
                return
            self.read += 1
            self._apart_s = picture.at.mono - self.last_picture_s
            self.last_picture_s = picture.at.mono
            self.line.healed()
            pacer.pace(self.every_s)
            due = pacer.due(picture.time_s)
            if self._shows_arrival(picture, due=due) and not due:
                pacer.take(picture.time_s)
                due = True
            if due:
                self._post(picture)

    @property
    def watches_arrivals(self) -> bool:
        """Whether what comes between two looks is told by the pictures there."""
        seldom_s = SELDOM / self._fps
        allowed = self._arrivals is not None and self.more
        return allowed and self._apart_s < seldom_s < self.every_s

    def _shows_arrival(self, picture: Picture, *, due: bool) -> bool:
        arrivals, at_s = self._arrivals, picture.at.mono
        if arrivals is None or not self.watches_arrivals or not (due or arrivals.due(at_s)):
            return False
        grey = picture.grey()
        if grey is None:
            return False
        told = arrivals.tells(grey, at_s)
        if due or told:
            arrivals.posted()
        return told

    def _post(self, picture: Picture) -> None:
        if picture.held:
            self.mailbox.wait_empty(HELD_WAIT_S)
        self.mailbox.post(Frame(self.camera, self.read, picture.at, picture.bgr()))
