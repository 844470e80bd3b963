# SPDX-License-Identifier: AGPL-3.0-or-later
"""One camera of visiond: its reader, its post, its scribe thread, its numbers and its faults."""

from __future__ import annotations

import json
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge.camera.grabber import Grabber
from edge.camera.health import Health
from edge.camera.ring import ClipSource
from edge.camera.stall import StallWatch
from edge.daemons.desk import ScribeThread
from edge.daemons.eyes import Eyes
from edge.daemons.feeder import Feeder
from edge.daemons.gleaner import Gleaner
from edge.daemons.lookout import Look
from edge.daemons.outlet import Outlet
from edge.daemons.post import Post
from edge.daemons.recheck import Rechecks
from edge.daemons.sight import Sight
from edge.daemons.thrift import Thrift
from edge.rules.blind import BlindTime, Span
from edge.runtime import write_atomic
from edge.values import Fault, Frame, Prompt, Stamp

log = logging.getLogger(__name__)

CHECKPOINT_EVERY_S = 15.0
AGES = 200
RATE_S = 10.0


class Watchpost:
    """See the module. `look` is called by one worker at a time; the rest by the main thread."""

    def __init__(
        self,
        post: Post,
        eyes: Eyes,
        sight: Sight,
        *,
        memory: Path,
        late: Callable[[int], None],
        remind: Callable[[Prompt], None],
        started: Stamp,
        gleaner: Gleaner | None = None,
    ) -> None:
        self.post, self.eyes = post, eyes
        self.camera = post.camera
        self.recording = eyes.recording
        self.open_cases = 0
        self.eased: str | None = None
        self._asleep, self._thrift = False, Thrift(post.camera.fps)
        self.last: Look | None = None
        self.rechecks = Rechecks()
        self._scribe = ScribeThread(post.camera.id, post.scribe, late=late)
        self._sight, self._memory = sight, memory
        self._remind, self._gleaner = remind, gleaner
        self._ages_ms: deque[float] = deque(maxlen=AGES)
        self._looked: deque[float] = deque(maxlen=AGES)
        self._checkpointed = -1e9
        self._stored: bytes | None = None
        self._thinking = False
        self._stall, self._health = StallWatch(post.camera.id), Health(post.camera.id)
        self._faults: deque[Fault] = deque()
        self._blind = BlindTime(post.camera.id, started)
        self._spans: list[Span] = []

    def start(self, now: Stamp) -> None:
        self._restore(now)
        self._scribe.start()
        self.eyes.start()

    def look(self, now: Callable[[], Stamp]) -> None:
        """Think about the waiting frame, hand the result on."""
        self._thinking = True
        frame = self.eyes.mailbox.take()
        if frame is not None:
            self._think(frame, now)
        self._thinking = False

    def _think(self, frame: Frame, now: Callable[[], Stamp]) -> None:
        self.eyes.looked_at(frame)
        asked = self.rechecks.take(frame.at, recording=self.recording)
        look = self.post.lookout.look(frame, always=bool(asked))
        look = replace(look, rechecks=asked) if asked else look
        if not self.recording:
            self._faults.extend(self._health.look(frame.image, frame.at))
        if not self.recording:
            self._ages_ms.append((now().mono - frame.at.mono) * 1000.0)
        self._looked.append(time.monotonic())
        self.last = look
        self.open_cases = len(look.judgement.candidates)
        self._spare(look)
        self._scribe.hand_over(look, wait=self.recording)
        self._learn(look)
        for prompt in look.judgement.prompts:
            self._remind(prompt)
        self._sight.show(look)
        self._checkpoint(look.frame.at)

    def _learn(self, look: Look) -> None:
        """Keep a crop where the detector was unsure or the tracker disagrees with it."""
        if look.found is None or self._gleaner is None:
            return
        self._gleaner.glean(look.frame, look.found, look.tracks)

    def close(self) -> None:
        """Stop reading, end the scribe; a recording's judge is told that nothing more comes."""
        self.eyes.stop(2.0)
        last = self.last
        if last is None:
            self._scribe.close()
            return
        if not self.recording:
            self._checkpoint(last.frame.at, always=True)
        self._scribe.close(last.frame.at)

    def finish(self) -> None:
        """The recording is over: what still holds is ended and written."""
        if self.last is None:
            return
        at = self.last.frame.at
        judgement = self.post.lookout.finish(at)
        self._scribe.hand_over(Look(self.last.frame, (), judgement, False), wait=True)

    def _checkpoint(self, at: Stamp, *, always: bool = False) -> None:
        """Running clocks survive a power cut; nothing is written while nothing changes."""
        if self.recording or (at.mono - self._checkpointed < CHECKPOINT_EVERY_S and not always):
            return
        self._checkpointed = at.mono
        if not always and not self.open_cases and not self.post.book.open_keys():
            return
        memory = self.post.lookout.snapshot()
        body = json.dumps({"mono": at.mono, "wall": at.wall, "memory": memory}).encode()
        if body != self._stored:
            self._memory.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self._memory, body)
            self._stored = body

    def _restore(self, now: Stamp) -> None:
        self.post.album.restore(now)
        if self.recording or not self._memory.exists():
            return
        try:
            self.post.lookout.restore(json.loads(self._memory.read_bytes())["memory"], now)
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("%s: %s; clocks start anew", self._memory, error)

    @property
    def clips(self) -> ClipSource | None:
        return self.eyes.clips

    @property
    def written(self) -> bool:
        return self._scribe.idle

    @property
    def ended(self) -> bool:
        """A recording has given its last frame, and that frame was judged."""
        reader = self.eyes.reader
        return isinstance(reader, Feeder) and reader.ended and not self._thinking

    def watch_health(self, now: Stamp, outlet: Outlet) -> None:
        """Tell what is wrong with the stream (no picture) and with its picture (covered, ...)."""
        self.rechecks.give_up(now)
        while self._faults:
            outlet.tell(self._faults.popleft())
        reader = self.eyes.reader
        if isinstance(reader, Feeder):
            return
        fault = self._stall.step(now, reader.last_picture_s, reader.line.error)
        if fault:
            outlet.tell(fault)
        self._spans += self._blind.mark(now, self._blind_reason())

    def _blind_reason(self) -> str | None:
        """Why nothing is watched now, in a word; None while the camera is watched."""
        if self._stall.open:
            return "stall"
        return next(iter(self._health.wrong), self.eased)

    def ease(self, why: str | None, *, asleep: bool) -> None:
        """The board cannot give what was promised, and why; `asleep`: this camera gets nothing."""
        self.eased, self._asleep = why, asleep
        # A sleeper is not looked at, so its next look cannot say so to the reader.
        if isinstance(self.eyes.reader, Grabber):
            self.eyes.reader.want = "key" if asleep else "all"

    def _spare(self, look: Look) -> None:
        """Decode less while nothing is tracked or held."""
        reader = self.eyes.reader
        if isinstance(reader, Grabber):
            reader.want = self._thrift.step(
                look.frame.at.mono,
                busy=bool(look.tracks) or bool(look.judgement.candidates),
                stream_fps=reader.line.facts.fps,
                asleep=self._asleep,
            )

    def take_spans(self) -> list[dict[str, Any]]:
        """Finished stretches of watched and blind time, for the ledger."""
        spans, self._spans = self._spans, []
        return [span.row() for span in spans]

    def status(self) -> dict[str, Any]:
        """For the status file: what the page and the doctor want to know."""
        last, reader = self.last, self.eyes.reader
        return {
            "source": str(self.eyes.address),
            "recording": self.recording,
            "decoded": reader.want if isinstance(reader, Grabber) else "all",
            "looks": self.post.lookout.looks,
            "fps": self._looks_per_s(),
            "fps_wanted": self.camera.fps,
            "age_ms": round(self.age_p95_ms(), 1),
            "blind": None if self.recording else self._blind_reason(),
            "last_wall": last.frame.at.wall if last else None,
            "size": list(last.frame.image.shape[1::-1]) if last else None,
            "open": len(self.post.book.open_keys()),
            "candidates": self.open_cases,
        }

    def _looks_per_s(self) -> float:
        """Over the last ten seconds."""
        since = time.monotonic() - RATE_S
        return round(sum(at > since for at in list(self._looked)) / RATE_S, 2)

    def numbers(self, elapsed_s: float, before: dict[str, int]) -> dict[str, Any]:
        """What happened since `before` (updated in place), per second; ages in ms."""
        now = {
            "read": self.eyes.reader.read,
            "dropped": self.eyes.mailbox.dropped,
            "looks": self.post.lookout.looks,
            "infer": self.post.lookout.detections,
        }
        rates = {k: round((v - before.get(k, 0)) / max(elapsed_s, 1e-3), 2) for k, v in now.items()}
        before.update(now)
        return {**rates, "age_ms": round(self.age_p95_ms(), 1)}

    def counted(self) -> tuple[int, int]:
        """Pictures read and looked at since the start."""
        return self.eyes.reader.read, self.post.lookout.looks

    def age_p95_ms(self) -> float:
        """Age of a picture when it was judged, over the last AGES of them."""
        ages = sorted(self._ages_ms)
        return ages[int(0.95 * (len(ages) - 1))] if ages else 0.0
