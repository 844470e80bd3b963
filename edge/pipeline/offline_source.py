# SPDX-License-Identifier: AGPL-3.0-or-later
"""A source of any kind, looked at from its first picture to its last, or until interrupted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec

from edge.camera.clips import file_clips
from edge.camera.feed import open_feed
from edge.camera.recording import FileFrames, read_file_frames
from edge.camera.url import parse_source
from edge.clock import SystemClock
from edge.config import Camera, ConfigError
from edge.evidence.casebook import StoredRevision
from edge.pipeline.offline import OfflineRun, camera_for, start_offline_run
from edge.pipeline.settings import Settings, load_settings
from edge.progress import ProgressBar
from edge.uplink.wire import utc_seconds
from edge.values import Violation

WAIT_S = 0.5


class Publish(Protocol):
    """Who takes a violation: the outbox of a box, or lines on a terminal."""

    def __call__(
        self, violation: Violation, sealed: StoredRevision | None, *, recording: bool
    ) -> None: ...


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

    def told(violation: Violation, sealed: StoredRevision | None) -> None:
        publish(violation, sealed, recording=recording)

    if not recording:
        return _stream(settings, chosen, out, model, told, seconds)
    frames = read_file_frames(
        address, chosen.fps, camera=chosen.id, start_wall=_wall(start), realtime=realtime
    )
    run = start_offline_run(
        settings, chosen, out, model=model, clips=file_clips(address, chosen.fps), publish=told
    )
    _run_recording(run, frames, str(address))
    return run.looks


def _run_recording(run: OfflineRun, frames: FileFrames, name: str) -> None:
    bar, last = ProgressBar(Path(name).name), None
    with frames:
        for frame in frames:
            last = frame
            run.step(frame)
            bar.update(frames.progress, f"{frame.at.mono:.0f} s")
    bar.close()
    if last is None:
        raise ConfigError(f"{name}: no picture in it could be decoded")
    run.finish(last)


def _stream(
    settings: Settings,
    camera: Camera,
    out: Path,
    model: str | None,
    told: Callable[[Violation, StoredRevision | None], None],
    seconds: float | None,
) -> int:
    """A live stream until interrupted, or for so many seconds."""
    clock, bell = SystemClock(), threading.Condition()
    ring_mb = settings.device.keep.ring_mb
    feed = open_feed(camera, base=Path.cwd(), clock=clock, bell=bell, ring_mb=ring_mb)
    run = start_offline_run(settings, camera, out, model=model, clips=feed.clips, publish=told)
    until = clock.now().mono + (seconds if seconds is not None else float("inf"))
    feed.start()
    last = None
    try:
        while clock.now().mono < until:
            frame = feed.mailbox.take(WAIT_S)
            if frame is not None:
                last = frame
                run.step(frame)
    except KeyboardInterrupt:
        pass
    finally:
        feed.stop(2.0)
        if last is not None:
            run.finish(last)
    return run.looks


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
