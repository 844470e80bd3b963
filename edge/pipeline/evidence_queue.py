# SPDX-License-Identifier: AGPL-3.0-or-later
"""The short queue before one camera's evidence writer, and the thread that empties it.

An analysis without findings may be dropped when the evidence writer is behind (the next one shows
the same place); one with findings waits up to two seconds, and after that its findings are kept
without pictures and a fault says that the disk is stuck. One slow card must not blind all cameras.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable

from edge.ipc import write_answer
from edge.pipeline.analyzer import Analysis
from edge.pipeline.evidence_writer import EvidenceWriter
from edge.values import Finding, Stamp

log = logging.getLogger(__name__)

QUEUE = 2
WAIT_S = 2.0


class EvidenceQueue:
    """See the module. `late` is given how many findings had to go without pictures, and 0 once the
    evidence writer keeps up."""

    def __init__(
        self,
        name: str,
        evidence_writer: EvidenceWriter,
        *,
        late: Callable[[int], None],
    ) -> None:
        self._evidence, self._late = evidence_writer, late
        self._last: Stamp | None = None
        self._queue: queue.Queue[Analysis | None] = queue.Queue(QUEUE)
        self._overflow: deque[Finding] = deque()
        self._thread = threading.Thread(target=self._run, name=f"evidence {name}", daemon=True)
        self.dropped = 0

    def start(self) -> None:
        self._thread.start()

    def hand_over(self, look: Analysis, *, wait: bool = False) -> None:
        """Called by the thinking thread. wait: a recording, where nothing may be dropped."""
        findings = look.judgement.findings
        try:
            if wait:
                self._queue.put(look)
            elif findings or look.rechecks:
                self._queue.put(look, timeout=WAIT_S)
            else:
                self._queue.put_nowait(look)
        except queue.Full:
            self.dropped += 1
            for asked in look.rechecks:
                write_answer(asked.into, False, reason="the disk is stuck")
            if findings:
                self._overflow.extend(findings)
                self._late(len(findings))

    @property
    def idle(self) -> bool:
        """Whether everything handed over has been written."""
        return self._queue.unfinished_tasks == 0

    def close(self, at: Stamp | None = None, *, timeout_s: float = 20.0) -> None:
        """Let the queue run empty, cut open clips, end the thread; so long at most, for a stuck
        disk must not hold up the end of the daemon."""
        self._last, until = at, time.monotonic() + timeout_s
        try:
            self._queue.put(None, timeout=timeout_s)
        except queue.Full:
            log.warning("%s: stuck; what it had to write is lost", self._thread.name)
            return
        self._thread.join(max(0.0, until - time.monotonic()))

    def _run(self) -> None:
        while (look := self._queue.get()) is not None:
            while self._overflow:
                self._evidence.without_pictures(self._overflow.popleft())
            self._evidence.handle(look.frame, look.judgement, look.tracks)
            for asked in look.rechecks:
                self._evidence.recheck(asked, look.frame, look.tracks, look.blind)
            if not self._overflow:
                self._late(0)
            self._queue.task_done()
            # Or its picture stays in memory until the next one comes, seconds later.
            del look
        if self._last is not None:
            self._evidence.finish(self._last)
