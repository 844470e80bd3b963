# SPDX-License-Identifier: AGPL-3.0-or-later
"""One recording or stream through the whole chain in step: what `edge watch` and tests run.

The same analyzer, evidence writer and casebook as in visiond, without threads, outbox or broker.
A source of any kind is looked at from its first picture to its last, or until interrupted.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec

from edge.camera.clips import file_clips
from edge.camera.feed import open_feed
from edge.camera.grabber import Grabber
from edge.camera.recording import FileFrames, read_file_frames
from edge.camera.ring import ClipSource
from edge.camera.url import parse_source
from edge.clock import SystemClock
from edge.config import Camera, Category, ConfigError, Site
from edge.evidence.casebook import StoredRevision
from edge.pipeline.analyzer import Analysis
from edge.pipeline.camera_pipeline import CameraPipeline, build_pipeline
from edge.pipeline.evidence_writer import EvidenceOutputs
from edge.pipeline.masked_clips import masked_clips
from edge.pipeline.settings import Settings, manifest_path
from edge.pipeline.soundness import load_settings
from edge.pipeline.truck_lookup import open_truck_file
from edge.progress import ProgressBar
from edge.rules.check import on_trial
from edge.uplink.wire import utc_seconds
from edge.values import Frame, Stamp, Violation
from edge.vision.choice import open_chosen
from edge.vision.proof import open_second_classifier

log = logging.getLogger(__name__)


def camera_for(site: Site, source: str, wanted: str | None) -> Camera:
    """The camera of the site file that this source stands in for; its own source is replaced.

    Raises ConfigError where the site has several cameras and none was named.
    """
    if not site.cameras:
        return Camera(id="camera", source=source)
    by_id = {camera.id: camera for camera in site.cameras}
    if wanted is not None:
        if wanted not in by_id:
            raise ConfigError(f"--camera {wanted!r}: the site has {', '.join(by_id)}")
        return replace_source(by_id[wanted], source)
    same = [c for c in site.cameras if Path(c.source).name == Path(source).name]
    if len(site.cameras) == 1 or len(same) == 1:
        return replace_source((same or list(site.cameras))[0], source)
    raise ConfigError(f"the site has several cameras: say which with --camera ({', '.join(by_id)})")


def replace_source(camera: Camera, source: str) -> Camera:
    return msgspec.structs.replace(camera, source=source, record=None)


def with_default_rules(
    camera: Camera, categories: dict[str, Category], names: tuple[str, ...]
) -> Camera:
    """A camera without rules watches everything, everywhere, as far as the model can see it."""
    if camera.rules:
        return camera
    return msgspec.structs.replace(camera, rules=on_trial(categories, names))


@dataclass(slots=True)
class OfflineRun:
    """A recording on its way through the chain."""

    pipeline: CameraPipeline
    looks: int = 0
    last: Stamp | None = None
    due_mono: float = -math.inf

    def due(self, frame: Frame) -> bool:
        """Whether the rules need this frame, where the camera is looked at by need."""
        return self.pipeline.camera.rate != "need" or frame.at.mono >= self.due_mono

    def step(self, frame: Frame) -> Analysis:
        """Analysis at one frame and write what it gave evidence for."""
        look = self.pipeline.analyzer.analyze(frame)
        self.pipeline.evidence_writer.handle(look.frame, look.judgement, look.tracks)
        self.looks += 1
        self.last = frame.at
        # A picture a little early is taken: the next one could be later still.
        self.due_mono = frame.at.mono + look.need_s - 0.25 / self.pipeline.camera.fps
        return look

    def finish(self, frame: Frame | None) -> None:
        """End of the recording: what holds is ended, open clips are cut."""
        if frame is None or self.last is None:
            return
        judgement = self.pipeline.analyzer.finish(frame.at)
        self.pipeline.evidence_writer.handle(frame, judgement, ())
        self.pipeline.evidence_writer.finish(frame.at)


def start_offline_run(
    settings: Settings,
    camera: Camera,
    out: Path,
    *,
    model: str | None,
    clips: ClipSource | None,
    publish: Callable[[Violation, StoredRevision | None], None],
    source_kind: str = "fixed_camera",
) -> OfflineRun:
    """Wire the chain for one camera. Raises ConfigError."""
    manifest = manifest_path(settings, model or camera.model or settings.site.model)
    loaded = open_chosen(settings.models, manifest, settings.device.compute)
    camera = with_default_rules(camera, settings.categories, loaded.names)
    outputs = EvidenceOutputs(
        sealed=lambda sealed: publish(sealed.violation, sealed),
        bare=lambda violation: publish(violation, None),
        trouble=lambda kind, text: log.warning("%s: %s", kind, text),
        healed=lambda kind: None,
    )
    pipeline = build_pipeline(
        settings,
        camera,
        loaded,
        evidence=out / "evidence",
        album=out / "album",
        outputs=outputs,
        clips=masked_clips(clips, camera),
        source_kind=source_kind,
        trucks=open_truck_file(settings),
        traits=open_second_classifier(manifest, settings.device.compute.provider),
    )
    return OfflineRun(pipeline)


def event_line(
    violation: Violation, sealed: StoredRevision | None, *, recording: bool
) -> dict[str, Any]:
    """One revision as `edge watch --json` prints it.

    Times are seconds from the start of a recording, UTC seconds of a live stream.
    """

    def seconds(at: Stamp | None) -> float | None:
        return None if at is None else round(at.mono if recording else at.wall, 3)

    folder = sealed.folder.parent if sealed else None
    return {
        "id": violation.id,
        "revision": violation.revision,
        "phase": violation.phase,
        "category": violation.category,
        "code": next(iter(violation.codes.values()), None),
        "status": violation.status,
        "began_s": seconds(violation.began),
        "decided_s": seconds(violation.decided),
        "ended_s": seconds(violation.ended),
        "place": [round(v, 4) for v in violation.place],
        "camera": violation.source.get("id"),
        "occurrence": violation.occurrence,
        "facts": violation.facts,
        "evidence": [
            {
                "role": file.role,
                "path": str(folder / file.path.partition("-")[0] / file.path) if folder else None,
                "sha256": file.sha256,
                "size": file.size,
                "at_s": seconds(file.at),
            }
            for file in violation.evidence
        ],
        "gate": violation.gate,
        "gate_failed": list(violation.gate_failed),
    }


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

    def publish_as(violation: Violation, sealed: StoredRevision | None) -> None:
        publish(violation, sealed, recording=recording)

    if not recording:
        return _stream(settings, chosen, out, model, publish_as, seconds)
    frames = read_file_frames(
        address, chosen.fps, camera=chosen.id, start_wall=_wall(start), realtime=realtime
    )
    run = start_offline_run(
        settings,
        chosen,
        out,
        model=model,
        clips=file_clips(address, chosen.fps),
        publish=publish_as,
    )
    _run_recording(run, frames, str(address))
    return run.looks


def _run_recording(run: OfflineRun, frames: FileFrames, name: str) -> None:
    bar, last = ProgressBar(Path(name).name), None
    with frames:
        for frame in frames:
            last = frame
            if run.due(frame):
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
    publish_as: Callable[[Violation, StoredRevision | None], None],
    seconds: float | None,
) -> int:
    """A live stream until interrupted, or for so many seconds."""
    clock, bell = SystemClock(), threading.Condition()
    ring_mb = settings.device.keep.ring_mb
    feed = open_feed(camera, base=Path.cwd(), clock=clock, bell=bell, ring_mb=ring_mb)
    run = start_offline_run(
        settings, camera, out, model=model, clips=feed.clips, publish=publish_as
    )
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
        elif isinstance(feed.reader, Grabber):
            log.error("%s: no picture came: %s", feed.address, feed.reader.line.error)
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
