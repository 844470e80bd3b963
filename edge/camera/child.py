# SPDX-License-Identifier: AGPL-3.0-or-later
"""The pictures of a pipeline: one child process, read with a deadline, always reaped."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np

from edge.camera.pipelines import BYTES, Pipeline, Pixels, Spec
from edge.camera.quiet import QuietStream
from edge.camera.source import STALL_S, Picture, SourceError, SourceFacts, Want
from edge.camera.stream_clock import StreamStatistics
from edge.camera.url import redact
from edge.clock import Clock
from edge.values import Image

log = logging.getLogger(__name__)

# A decoder that has just started may take longer than one that has stalled.
FIRST_S = 20.0
END_S = 3.0
SAID_LINES = 20
LINE_BYTES, SHOWN_MAX = 4096, 300

_YUV: dict[Pixels, int] = {"nv12": cv2.COLOR_YUV2BGR_NV12, "i420": cv2.COLOR_YUV2BGR_I420}


class ChildSource:
    """Raw pictures from a pipeline's stdout. Raises SourceError where it cannot be started."""

    def __init__(self, name: str, pipeline: Pipeline, spec: Spec, clock: Clock) -> None:
        self.want: Want = "all"
        self.statistics = StreamStatistics()
        # Pictures come decoded: there is nothing to be held back.
        self.quiet: QuietStream | None = None
        self.behind_s, self.every_s = 0.0, 0.0
        self.facts = SourceFacts(name, spec.width, spec.height, float(spec.fps))
        self._clock = clock
        self._name = name
        self._pixels = pipeline.pixels
        times, over = BYTES[pipeline.pixels]
        self._frame = bytearray(spec.width * spec.height * times // over)
        self._said: deque[str] = deque(maxlen=SAID_LINES)
        self._child = self._start(pipeline.argv(spec))
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def pictures(self) -> Iterator[Picture]:
        """Pictures until the child dies or stalls; always ends with SourceError."""
        limit_s = FIRST_S
        while True:
            self._fill(limit_s)
            at = self._clock.now()
            self.statistics.add(at.mono, None, None, True)
            limit_s = STALL_S
            yield Picture(at, at.mono, self._bgr())

    def close(self) -> None:
        """End the child and all it started, and wait for it: nothing is left behind."""
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(self._child.pid, signal.SIGTERM)
            self._child.wait(END_S)
        # Also where the child has ended: what it started may not have, and is of its group.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(END_S)
        self._listener.join(END_S)
        for pipe in (self._child.stdout, self._child.stderr):
            if pipe is not None:
                pipe.close()

    def _start(self, argv: list[str]) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )
        except OSError as error:
            raise SourceError("unsupported", f"{argv[0]}: {error.strerror}") from None

    def _listen(self) -> None:
        """Keep the last lines, of each its begin."""
        said, begins = self._child.stderr, True
        assert said is not None
        # It is closed under us where something outlives the child with its end of the pipe.
        with contextlib.suppress(OSError, ValueError):
            while part := said.readline(LINE_BYTES):
                if begins:
                    self._said.append(_shown(part))
                begins = len(part) < LINE_BYTES or part.endswith(b"\n")

    def _fill(self, limit_s: float) -> None:
        """Read one whole picture; raises SourceError when it does not come in time."""
        assert self._child.stdout is not None
        handle = self._child.stdout.fileno()
        view, filled = memoryview(self._frame), 0
        until_s = self._clock.now().mono + limit_s
        while filled < len(view):
            left_s = until_s - self._clock.now().mono
            if left_s <= 0 or not select.select([handle], [], [], left_s)[0]:
                raise SourceError("stall", f"no picture for {limit_s:.0f} s from {self._name}")
            got = os.readv(handle, [view[filled:]])
            if got == 0:
                raise self._died()
            filled += got

    def _died(self) -> SourceError:
        try:
            code: int | str = self._child.wait(END_S)
        except subprocess.TimeoutExpired:
            code = "closed its output"
        self._listener.join(END_S)
        for line in self._said:
            log.warning("%s: %s", self._name, line)
        last = self._said[-1] if self._said else "it said nothing"
        return SourceError("ended", f"{self._name} ended ({code}): {last}")

    def _bgr(self) -> Callable[[], Image]:
        def convert() -> Image:
            """The bytes of one picture as BGR (H, W, 3) uint8; done only for frames that are
            looked at."""
            flat: Any = np.frombuffer(self._frame, np.uint8)
            width, height = self.facts.width, self.facts.height
            if self._pixels == "bgr24":
                return np.array(flat.reshape(height, width, 3))
            planes = flat.reshape(height * 3 // 2, width)
            return np.asarray(cv2.cvtColor(planes, _YUV[self._pixels]), np.uint8)

        return convert


def _shown(line: bytes) -> str:
    """The begin of a line for people. A log-in that is cut off before its `@` is one, too."""
    cut = len(line) == LINE_BYTES and not line.endswith(b"\n")
    text = line.decode("utf-8", "replace").strip() + ("@" if cut else "")
    return redact(text)[:SHOWN_MAX]
