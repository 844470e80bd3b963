# SPDX-License-Identifier: AGPL-3.0-or-later
"""A camera's reader as the configuration asks: live, recording or pipeline, with its clips."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from edge.camera.clips import file_clips
from edge.camera.grabber import Arrivals, Grabber
from edge.camera.jpegs import JpegPacker
from edge.camera.mailbox import Mailbox
from edge.camera.opening import Addresses, addresses, connector
from edge.camera.playback import Playback
from edge.camera.quiet import Differs
from edge.camera.recorder import Recorder
from edge.camera.recording import FileFrames, read_file_frames
from edge.camera.ring import ClipSource, PacketRing
from edge.camera.url import Address
from edge.clock import Clock
from edge.config import Camera
from edge.values import Frame

# Beyond what a clip spans: the decision comes after the act, and cutting takes a moment.
RING_SPARE_S = 20.0


@dataclass(slots=True)
class Feed:
    """What reads one camera. `clips` is None where none can be cut."""

    address: Address
    mailbox: Mailbox
    reader: Grabber | Playback
    clips: ClipSource | None
    record: Recorder | None = None
    keep_pictures: tuple[JpegPacker, PacketRing] | None = None

    def looked_at(self, frame: Frame) -> None:
        """Called with every analysed picture."""
        if self.keep_pictures:
            packer, ring = self.keep_pictures
            ring.add(packer.pack(frame.image, frame.at))

    @property
    def recording(self) -> bool:
        return isinstance(self.reader, Playback)

    def waiting(self) -> bool:
        return self.mailbox.peek() is not None

    def start(self) -> None:
        self.reader.start()
        if self.record:
            self.record.start()

    def stop(self, wait_s: float = 0.0) -> None:
        self.reader.stop(wait_s)
        if self.record:
            self.record.stop(wait_s)


def open_feed(
    camera: Camera,
    *,
    base: Path,
    clock: Clock,
    bell: threading.Condition,
    ring_mb: int,
    differs: Differs | None = None,
    arrivals: Arrivals | None = None,
) -> Feed:
    """Wire the reader of a camera; nothing is opened before `start`, but a recording is checked.

    differs: compares key pictures of a live stream while it is quiet (edge.camera.quiet).
    arrivals: tells of what comes between two looks (edge.camera.grabber).

    Raises ConfigError for a source that is not allowed, or a recording that cannot be read.
    """
    found = addresses(camera, base)
    mailbox = Mailbox(bell)
    if found.recording:
        return _recording(camera, found.source, mailbox, clock)
    return _live(camera, found, mailbox, clock, ring_mb, differs, arrivals)


def _recording(camera: Camera, address: Address, mailbox: Mailbox, clock: Clock) -> Feed:
    realtime = camera.playback != "fast"

    def frames() -> FileFrames:
        return read_file_frames(
            address, camera.fps, camera=camera.id, realtime=realtime, clock=clock
        )

    frames().close()
    rounds = 0 if camera.playback == "loop" else 1
    feeder = Playback(camera.id, frames, mailbox, rounds=rounds)
    clips = _RoundClips(file_clips(address, camera.fps), feeder)
    return Feed(address, mailbox, feeder, clips)


class _RoundClips:
    """Clips of a recording that is played again and again: times of the round under way."""

    def __init__(self, clips: ClipSource, feeder: Playback) -> None:
        self._clips, self._feeder = clips, feeder
        self.facts = clips.facts

    def write_clip(
        self, path: Path, start_mono: float, end_mono: float
    ) -> tuple[float, float] | None:
        shift_s = self._feeder.shift_s
        span = self._clips.write_clip(path, max(0.0, start_mono - shift_s), end_mono - shift_s)
        return (span[0] + shift_s, span[1] + shift_s) if span else None


def _live(
    camera: Camera,
    found: Addresses,
    mailbox: Mailbox,
    clock: Clock,
    ring_mb: int,
    differs: Differs | None,
    arrivals: Arrivals | None,
) -> Feed:
    span_s = camera.clip_before_s + camera.clip_after_s + RING_SPARE_S
    ring = PacketRing(seconds=span_s, bytes_max=ring_mb * 1_000_000)
    packed = found.source.kind == "network"
    record = Recorder(camera.id, found.record, ring, clock) if found.record else None
    keep = ring.add if packed and record is None else None
    grabber = Grabber(
        camera.id,
        connector(found, clock, keep, differs),
        fps=camera.fps,
        mailbox=mailbox,
        clock=clock,
        arrivals=arrivals,
    )
    feed = Feed(found.source, mailbox, grabber, ring, record)
    if not packed:
        # A pipeline or USB camera gives pictures only: the clip is made of the analysed ones.
        feed.keep_pictures = (JpegPacker(), ring)
    return feed
