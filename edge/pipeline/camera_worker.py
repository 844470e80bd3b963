# SPDX-License-Identifier: AGPL-3.0-or-later
"""One camera of visiond: its feed, pipeline, evidence queue, numbers and faults."""

from __future__ import annotations

import json
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge.camera.feed import Feed
from edge.camera.grabber import Grabber
from edge.camera.health import KINDS, LEARNT, CameraHealth
from edge.camera.live import BEHIND_S
from edge.camera.playback import Playback
from edge.camera.ring import ClipSource
from edge.camera.source import STALL_S, SourceError
from edge.camera.stall import StallWatch
from edge.faults import FaultLog
from edge.pipeline.analyzer import Analysis
from edge.pipeline.camera_pipeline import CameraPipeline
from edge.pipeline.decode_policy import DecodePolicy, Streaming, look_every_s
from edge.pipeline.evidence_queue import EvidenceQueue
from edge.pipeline.hard_examples import HardExamples
from edge.pipeline.preview import Preview
from edge.pipeline.recheck import Rechecks
from edge.rules.blind import BlindTime, WatchSpan
from edge.runtime import no_room, write_atomic
from edge.values import Fault, Finding, Frame, Prompt, Stamp
from edge.vision.arrival import COMPARED_S, ArrivalWatch

log = logging.getLogger(__name__)

CHECKPOINT_EVERY_S = 15.0
# What reviewers said reaches the counts within this.
REVIEWS_EVERY_S = 10.0
NOT_REMINDED_MOST = 64
RELEARNT = "重新启动,正常画面重新学习 / started again: what is normal is learned anew"
# Of so many looks at most, and of so long: what was late at the start is not late for ever.
AGES, AGES_S = 400, 60.0
RATE_S = 10.0
# Why a camera that is looked at in its key pictures does not sleep yet.
FALLEN_BEHIND = "reading has fallen behind: key pictures only, until it has caught up"
NO_ROOM = "learning packet sizes at key pictures: the processor has no room to decode all meanwhile"
# More than come in that time.
LOOKS = 400
# What comes is told by the second comparison that shows it, most of the time.
ARRIVAL_S = round(3.0 * COMPARED_S, 2)


class CameraWorker:
    """See the module. `look` is called by one worker at a time; the rest by the main thread."""

    def __init__(
        self,
        pipeline: CameraPipeline,
        feed: Feed,
        preview: Preview,
        *,
        memory: Path,
        late: Callable[[int], None],
        faults: FaultLog,
        remind: Callable[[Prompt], None],
        started: Stamp,
        misdetected: Callable[[], Iterable[str]],
        hard_examples: HardExamples | None = None,
        arrivals: ArrivalWatch | None = None,
    ) -> None:
        self.pipeline, self.feed = pipeline, feed
        self.camera = pipeline.camera
        self.recording = feed.recording
        self.open_cases = 0
        self.eased: str | None = None
        self._asleep = False
        # Whether it may decode more than the key pictures that its rules are content with; the main
        # thread says so, and whether it may be looked at oftener than they ask.
        self.between, self.spare = False, True
        self.every_s = 1.0 / pipeline.camera.fps
        # Clips that are made of the looks want them all.
        self._by_need = pipeline.camera.rate != "fixed" and not feed.keep_pictures
        self._decode_policy = DecodePolicy(
            pipeline.camera.fps,
            whole=pipeline.camera.decode == "whole",
            # Who asks for so many looks always gets them, also where nothing moves.
            sleeps=pipeline.camera.rate != "fixed",
            brief=pipeline.analyzer.brief,
            faint=pipeline.analyzer.faint,
        )
        self.room = False
        if isinstance(feed.reader, Grabber):
            feed.reader.want = self._decode_policy.first(room=False)
        self.last: Analysis | None = None
        # Ends of what a restart interrupted; they want a picture, so they wait for the first one.
        self._interrupted: list[Finding] = []
        self.rechecks = Rechecks()
        self._evidence = EvidenceQueue(pipeline.camera.id, pipeline.evidence_writer, late=late)
        self._preview, self._memory = preview, memory
        self._remind, self._hard_examples = remind, hard_examples
        self._arrivals = arrivals
        self._not_reminded: deque[str] = deque(maxlen=NOT_REMINDED_MOST)
        self._misdetected, self._asked_mono = misdetected, -1e9
        # When each of the last looks was, and how old its picture (ms).
        self._ages: deque[tuple[float, float]] = deque(maxlen=AGES)
        # When each of the last looks was, and how far from the one before it was wanted.
        self._looked: deque[tuple[float, float]] = deque(maxlen=LOOKS)
        self._checkpointed = -1e9
        self._stored: bytes | None = None
        self._thinking = False
        name = pipeline.camera.id
        # A camera that is looked at every minute is not blind after ten seconds.
        limit_s = max(STALL_S, 2.0 / pipeline.camera.fps)
        self._stall = StallWatch(name, faults.find("stream_stall", name), limit_s=limit_s)
        for kind in LEARNT:
            faults.end(kind, name, RELEARNT)
        self._health = CameraHealth(name, [k for k in KINDS if faults.find(k, name)])
        self._looked_mono = started.mono
        self._faults: deque[Fault] = deque()
        self._blind = BlindTime(pipeline.camera.id, started)
        self._spans: list[WatchSpan] = []

    def start(self, now: Stamp) -> None:
        self._restore(now)
        if not self.recording:
            self._end_interrupted()
        self._evidence.start()
        self.feed.start()

    def look(self, now: Callable[[], Stamp]) -> None:
        """Think about the waiting frame, hand the result on."""
        self._thinking = True
        frame = self.feed.mailbox.take()
        if frame is not None:
            self._think(frame, now)
        self._thinking = False

    def _think(self, frame: Frame, now: Callable[[], Stamp]) -> None:
        self.feed.looked_at(frame)
        self._hear_reviewers(frame.at)
        while self._not_reminded:
            self.pipeline.analyzer.not_reminded(self._not_reminded.popleft())
        asked = self.rechecks.take(frame.at, recording=self.recording)
        look = self.pipeline.analyzer.analyze(frame, always=bool(asked))
        if asked:
            asked = tuple(self.pipeline.analyzer.with_zone(a, frame.at) for a in asked)
            look = replace(look, rechecks=asked, blind=self._blind_reason())
        if self._interrupted:
            look = with_ends(look, self._interrupted)
            self._interrupted = []
        if not self.recording:
            self._faults.extend(self._health.look(frame.image, frame.at))
        if not self.recording:
            at_s = now().mono
            self._ages.append((at_s, (at_s - frame.at.mono) * 1000.0))
        self._looked.append((time.monotonic(), self.every_s))
        self._looked_mono = now().mono
        self.last = look
        self.open_cases = len(look.judgement.candidates)
        self._spare(look)
        self._evidence.hand_over(look, wait=self.recording)
        self._learn(look)
        for prompt in look.judgement.prompts:
            self._remind(prompt)
        self._preview.show(look)
        # A case that ended must not stand open in the memory: who comes next would be taken for it.
        ended = any(finding.phase == "end" for finding in look.judgement.findings)
        self._checkpoint(look.frame.at, always=ended)

    def not_reminded(self, key: str) -> None:
        """The hook of this prompt failed. Any thread may call."""
        self._not_reminded.append(key)

    def _hear_reviewers(self, at: Stamp) -> None:
        """What turned out to be a misdetection leaves the counts of this camera's places."""
        if at.mono - self._asked_mono >= REVIEWS_EVERY_S:
            self._asked_mono = at.mono
            self.pipeline.analyzer.misdetected(self._misdetected())

    def _learn(self, look: Analysis) -> None:
        """Keep a crop where the detector was unsure or the tracker disagrees with it."""
        if look.found is None or self._hard_examples is None:
            return
        self._hard_examples.glean(look.frame, look.found, look.tracks)

    def close(self) -> None:
        """Stop reading and close the evidence queue; a recording's judge learns of the end."""
        self.feed.stop(2.0)
        last = self.last
        if last is None:
            self._evidence.close()
            return
        if not self.recording:
            self._checkpoint(last.frame.at, always=True)
        self._evidence.close(last.frame.at)

    def finish(self) -> None:
        """The recording is over: what still holds is ended and written."""
        if self.last is None:
            return
        at = self.last.frame.at
        judgement = self.pipeline.analyzer.finish(at)
        self._evidence.hand_over(Analysis(self.last.frame, (), judgement, False), wait=True)

    def _checkpoint(self, at: Stamp, *, always: bool = False) -> None:
        """Running clocks survive a power cut; nothing is written while nothing changes."""
        if self.recording or (at.mono - self._checkpointed < CHECKPOINT_EVERY_S and not always):
            return
        self._checkpointed = at.mono
        if not always and not self.open_cases and not self.pipeline.book.open_keys():
            return
        memory = self.pipeline.analyzer.snapshot()
        body = json.dumps({"mono": at.mono, "wall": at.wall, "memory": memory}).encode()
        if body != self._stored:
            try:
                self._memory.parent.mkdir(parents=True, exist_ok=True)
                write_atomic(self._memory, body)
            except OSError as error:
                if not no_room(error):
                    raise
                log.warning("%s: %s; running clocks are not kept for now", self._memory, error)
                return
            self._stored = body

    def _restore(self, now: Stamp) -> None:
        self.pipeline.album.restore(now)
        if self.recording or not self._memory.exists():
            return
        try:
            self.pipeline.analyzer.restore(json.loads(self._memory.read_bytes())["memory"], now)
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("%s: %s; clocks start anew", self._memory, error)

    def _end_interrupted(self) -> None:
        """End what was open and nobody goes on with, and go on with what was said of the rest. A
        recording starts anew and meets it again."""
        book = self.pipeline.book
        cases = [case.finding for key in sorted(book.open_keys()) if (case := book.case(key))]
        self.pipeline.analyzer.restore_opinions(cases)
        self._interrupted = self.pipeline.analyzer.interrupted(cases)

    @property
    def clips(self) -> ClipSource | None:
        return self.feed.clips

    @property
    def written(self) -> bool:
        return self._evidence.idle

    @property
    def ended(self) -> bool:
        """A recording has given its last frame, and that frame was judged."""
        reader = self.feed.reader
        return isinstance(reader, Playback) and reader.ended and not self._thinking

    def watch_health(self, now: Stamp, faults: FaultLog) -> None:
        """Tell what is wrong with the stream (no picture) and with its picture (covered, ...)."""
        self.rechecks.give_up(now)
        while self._faults:
            faults.report(self._faults.popleft())
        reader = self.feed.reader
        if isinstance(reader, Playback):
            self._report_unreadable(reader, faults)
            return
        if self._asleep:
            # Nothing is to be looked at: that is reported as such, and is no fault of the camera.
            self._looked_mono = now.mono
        fault = self._stall.step(now, self._looked_mono, self._why_not(now, reader))
        if fault:
            faults.report(fault)
        self._spans += self._blind.mark(now, self._blind_reason())

    def _why_not(self, now: Stamp, reader: Grabber) -> SourceError | None:
        """Why nothing is analysed, where that is known."""
        if reader.line.error is None and now.mono - reader.last_picture_s < STALL_S / 2.0:
            return SourceError("not_analysed", f"{reader.read} pictures were read")
        return reader.line.error

    def _report_unreadable(self, reader: Playback, faults: FaultLog) -> None:
        if reader.error is not None:
            faults.start("stream_stall", self.camera.id, reader.error, cause="broken")

    def _blind_reason(self) -> str | None:
        """Why nothing is watched now, in a word; None while the camera is watched."""
        if self._stall.open:
            return "stall"
        return next(iter(self._health.wrong), self.eased)

    @property
    def room(self) -> bool:
        """Whether all is decoded while the stream is not known yet (edge.pipeline.decode_room)."""
        return isinstance(self.feed.reader, Grabber) and self.feed.reader.room

    @room.setter
    def room(self, room: bool) -> None:
        if isinstance(self.feed.reader, Grabber):
            self.feed.reader.room = room

    @property
    def learning(self) -> bool:
        """Whether it would sleep, but for packet sizes that are not known yet."""
        reader = self.feed.reader
        quiet = reader.quiet if isinstance(reader, Grabber) and reader.want == "watch" else None
        return quiet is not None and quiet.learning

    @property
    def behind_s(self) -> float:
        """How far reading has fallen behind the stream."""
        return self.feed.reader.behind_s if isinstance(self.feed.reader, Grabber) else 0.0

    def ease(self, why: str | None, *, asleep: bool) -> None:
        """The board cannot give what was promised, and why; `asleep`: this camera gets nothing."""
        changes, self.eased, self._asleep = asleep != self._asleep, why, asleep
        # A sleeper is not looked at, so its next look cannot say so to the reader. All others are
        # left as they are: a board that grows hot must not wake every camera.
        if changes and isinstance(self.feed.reader, Grabber):
            self.feed.reader.want = "key" if asleep else "all"

    def _spare(self, look: Analysis) -> None:
        """Decode and look at less while nothing moves, or no more is needed, and nobody looks at
        the page."""
        reader = self.feed.reader
        if isinstance(reader, Grabber):
            watched = self._preview.wanted()
            need_s = look.need_s if self._by_need and not watched else 0.0
            reader.want = self._decode_policy.step(
                look.frame.at.mono,
                stirs=look.stirs,
                moves=look.moves,
                came=look.came,
                searching=look.searching,
                watched=watched,
                look_s=look.look_s,
                every_s=need_s,
                stream=streaming_of(reader),
                asleep=self._asleep,
                between=self.between,
            )
            reader.still = self._decode_policy.still(look.frame.at.mono)
            need_s = self._decode_policy.need_s(look.frame.at.mono, need_s)
            self.every_s = max(1.0 / self.camera.fps, need_s)
            reader.every_s = look_every_s(self.camera.fps, need_s, want=reader.want)
            reader.more = self.eased is None and self.spare
            if self._arrivals is not None:
                self._arrivals.looked(self.pipeline.analyzer.expected(look.frame.at))

    @property
    def keys_do(self) -> bool:
        """Whether its rules are content with key pictures now."""
        return self._decode_policy.keys_do

    def take_spans(self) -> list[dict[str, Any]]:
        """Finished stretches of watched and blind time, for the ledger."""
        spans, self._spans = self._spans, []
        return [span.row() for span in spans]

    def status(self) -> dict[str, Any]:
        """For the status file: what the page and the doctor want to know."""
        last = self.last
        return {
            "source": str(self.feed.address),
            "recording": self.recording,
            **self._decoding(),
            "looks": self.pipeline.analyzer.looks,
            **self._rates(),
            "age_ms": round(self.age_p95_ms(), 1),
            "blind": None if self.recording else self._blind_reason(),
            "last_wall": last.frame.at.wall if last else None,
            "size": list(last.frame.image.shape[1::-1]) if last else None,
            "stream": self._stream(),
            "open": len(self.pipeline.book.open_keys()),
            "candidates": self.open_cases,
        }

    def _decoding(self) -> dict[str, Any]:
        """How much is decoded now, why no less, how often a quiet stream stirred by itself and how
        often for nothing, and which share of the picture's height it would tell of now."""
        reader = self.feed.reader
        if not isinstance(reader, Grabber):
            return {"decoded": "all"}
        quiet, policy = reader.quiet, self._decode_policy
        asleep = quiet is not None and quiet.asleep
        want: str = "all" if reader.want == "watch" and not asleep else reader.want
        awake = policy.awake or (quiet.waits_for if quiet else None)
        if quiet is not None and asleep:
            want, awake = ("learning", NO_ROOM) if quiet.learning else (want, None)
        elif reader.behind_s > BEHIND_S:
            want, awake = "key", FALLEN_BEHIND
        return {
            "decoded": want,
            "quiet": policy.plan.why,
            "awake": awake,
            "behind_s": round(reader.behind_s, 1),
            "wakes": quiet.wakes if quiet else 0,
            "wakes_for_nothing": quiet.for_nothing if quiet else 0,
            "tells_from": round(quiet.differs.smallest, 3) if quiet else None,
            "sizes_told": [policy.sizes.noticed, policy.sizes.missed],
            "detected": self.pipeline.analyzer.detections,
            "first_look_s": self._first_look_s(reader, asleep=quiet is not None and quiet.asleep),
            "arrivals_told": [watch.told, watch.for_nothing] if (watch := self._arrivals) else None,
        }

    def _first_look_s(self, reader: Grabber, *, asleep: bool) -> float:
        """How long what comes may wait for its first look now, the look itself left out."""
        key_s = reader.statistics.key_most_s if reader.statistics else None
        if asleep or reader.want == "key":
            return round(key_s or reader.every_s, 2)
        return ARRIVAL_S if reader.watches_arrivals else round(reader.every_s, 2)

    def _stream(self) -> dict[str, Any] | None:
        """What the packets tell of the stream; None for a recording, or while too few came."""
        reader = self.feed.reader
        numbers = reader.statistics if isinstance(reader, Grabber) else None
        facts = numbers.facts() if numbers else None
        return facts.row() if facts else None

    def _rates(self) -> dict[str, float]:
        """Looks a second over the last ten seconds, and how many were wanted in these."""
        since = time.monotonic() - RATE_S
        wanted = [every_s for at, every_s in list(self._looked) if at > since]
        mean_s = sum(wanted) / len(wanted) if wanted else self.every_s
        return {"fps": round(len(wanted) / RATE_S, 2), "fps_wanted": round(1.0 / mean_s, 2)}

    def numbers(self, elapsed_s: float, before: dict[str, int]) -> dict[str, Any]:
        """What happened since `before` (updated in place), per second; ages in ms."""
        now = {
            "read": self.feed.reader.read,
            "dropped": self.feed.mailbox.dropped,
            "looks": self.pipeline.analyzer.looks,
            "infer": self.pipeline.analyzer.detections,
        }
        rates = {k: round((v - before.get(k, 0)) / max(elapsed_s, 1e-3), 2) for k, v in now.items()}
        before.update(now)
        return {**rates, "age_ms": round(self.age_p95_ms(), 1)}

    def counted(self) -> tuple[int, int]:
        """Pictures read and looked at since the start."""
        return self.feed.reader.read, self.pipeline.analyzer.looks

    def age_p95_ms(self) -> float:
        """Age of a picture when it was judged, over the last AGES_S of them."""
        rows = list(self._ages)
        ages = sorted(age for at_s, age in rows if at_s > rows[-1][0] - AGES_S)
        return ages[int(0.95 * (len(ages) - 1))] if ages else 0.0


def with_ends(look: Analysis, ends: Sequence[Finding]) -> Analysis:
    """The look with the ends of earlier cases before what it found itself."""
    findings = (*ends, *look.judgement.findings)
    return replace(look, judgement=replace(look.judgement, findings=findings))


def streaming_of(reader: Grabber) -> Streaming:
    """What the policy is to know of the stream now."""
    numbers, quiet = reader.statistics, reader.quiet
    if numbers is None:
        return Streaming()
    if quiet is None:
        return Streaming(numbers.arrived_fps, numbers.key_s, key_most_s=numbers.key_most_s)
    return Streaming(
        numbers.arrived_fps,
        quiet.every_s or numbers.key_s,
        True,
        quiet.wakes,
        quiet.watch.stirred_s,
        quiet.every_s or numbers.key_most_s,
        quiet.asleep,
        quiet.room,
    )
