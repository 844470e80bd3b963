# SPDX-License-Identifier: AGPL-3.0-or-later
"""A source of any kind, looked at from its first picture to its last, or until interrupted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec

from edge.camera.clips import file_clips
from edge.camera.recording import FileFrames, read_file_frames
from edge.camera.url import parse_source
from edge.clock import SystemClock
from edge.config import Camera, ConfigError
from edge.daemons.eyes import open_eyes
from edge.daemons.settings import Settings, load_settings
from edge.daemons.walk import Walk, camera_for, start_walk
from edge.evidence.casebook import Sealed
from edge.progress import ProgressBar
from edge.uplink.wire import utc_seconds
from edge.values import Violation

WAIT_S = 0.5


class Publish(Protocol):
    """Who takes a violation: the outbox of a box, or lines on a terminal."""

    def __call__(self, violation: Violation, sealed: Sealed | None, *, recording: bool) -> None: ...


def observe(
    source: str,
    out: Path,
    *,
    publish: Publish,
    site: str | None = None,
    device: str | None = None,
    camera: str | None = None,
    model: str | None = None,
    fps: float | None = None,
    start: str | None = None,
    realtime: bool = False,
    seconds: float | None = None,
) -> int:
    """Run the chain over the source; the number of pictures looked at. Raises ConfigError."""
    address = parse_source(source)
    recording = address.kind in ("file", "folder")
    settings = load_settings(site, device, model=model)
    chosen = camera_for(settings.site, source, camera)
    if fps is not None:
        if not 0 < fps <= 30:
            raise ConfigError(f"--fps {fps:g}: between 0 and 30")
        chosen = msgspec.structs.replace(chosen, fps=fps)
    _writable(out)

    def told(violation: Violation, sealed: Sealed | None) -> None:
        publish(violation, sealed, recording=recording)

    if not recording:
        return _stream(settings, chosen, out, model, told, seconds)
    frames = read_file_frames(
        address, chosen.fps, camera=chosen.id, start_wall=_wall(start), realtime=realtime
    )
    walk = start_walk(
        settings, chosen, out, model=model, clips=file_clips(address, chosen.fps), publish=told
    )
    _walk_recording(walk, frames, str(address))
    return walk.looks


def _walk_recording(walk: Walk, frames: FileFrames, name: str) -> None:
    bar, last = ProgressBar(Path(name).name), None
    with frames:
        for frame in frames:
            last = frame
            walk.step(frame)
            bar.update(frames.progress, f"{frame.at.mono:.0f} s")
    bar.close()
    if last is None:
        raise ConfigError(f"{name}: no picture in it could be decoded")
    walk.finish(last)


def _stream(
    settings: Settings,
    camera: Camera,
    out: Path,
    model: str | None,
    told: Callable[[Violation, Sealed | None], None],
    seconds: float | None,
) -> int:
    """A live stream until interrupted, or for so many seconds."""
    clock, bell = SystemClock(), threading.Condition()
    ring_mb = settings.device.keep.ring_mb
    eyes = open_eyes(camera, base=Path.cwd(), clock=clock, bell=bell, ring_mb=ring_mb)
    walk = start_walk(settings, camera, out, model=model, clips=eyes.clips, publish=told)
    until = clock.now().mono + (seconds if seconds is not None else float("inf"))
    eyes.start()
    last = None
    try:
        while clock.now().mono < until:
            frame = eyes.mailbox.take(WAIT_S)
            if frame is not None:
                last = frame
                walk.step(frame)
    except KeyboardInterrupt:
        pass
    finally:
        eyes.stop(2.0)
        if last is not None:
            walk.finish(last)
    return walk.looks


def _wall(start: str | None) -> float | None:
    try:
        return None if start is None else utc_seconds(start)
    except ValueError:
        raise ConfigError(f"--start {start!r}: give UTC such as 2026-05-01T08:00:00Z") from None


def _writable(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {out}: {error.strerror}") from None
