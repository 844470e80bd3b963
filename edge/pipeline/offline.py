# SPDX-License-Identifier: AGPL-3.0-or-later
"""One recording or stream through the whole chain in step: what `edge watch` and tests run.

The same analyzer, evidence writer and casebook as in visiond, without threads, outbox or broker.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from edge.config import Camera, Category, ConfigError, Site
from edge.evidence.casebook import StoredRevision
from edge.pipeline.analyzer import Analysis
from edge.pipeline.camera_pipeline import CameraPipeline, build_pipeline
from edge.pipeline.evidence_writer import ClipCutter, EvidenceOutputs
from edge.pipeline.settings import Settings, manifest_path
from edge.pipeline.truck_lookup import open_truck_file
from edge.rules.check import on_trial
from edge.values import Frame, Stamp, Violation
from edge.vision.model import load_model
from edge.vision.traits import open_traits

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

    def step(self, frame: Frame) -> Analysis:
        """Analysis at one frame and write what it gave evidence for."""
        look = self.pipeline.analyzer.analyze(frame)
        self.pipeline.evidence_writer.handle(look.frame, look.judgement, look.tracks)
        self.looks += 1
        self.last = frame.at
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
    clips: ClipCutter | None,
    publish: Callable[[Violation, StoredRevision | None], None],
    source_kind: str = "fixed_camera",
) -> OfflineRun:
    """Wire the chain for one camera. Raises ConfigError."""
    manifest = manifest_path(settings, model or camera.model or settings.site.model)
    loaded = load_model(manifest, provider=settings.device.compute.provider)
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
        clips=clips,
        source_kind=source_kind,
        trucks=open_truck_file(settings),
        traits=open_traits(manifest, settings.device.compute.provider),
    )
    return OfflineRun(pipeline)


def event_line(
    violation: Violation, sealed: StoredRevision | None, *, recording: bool
) -> dict[str, Any]:
    """One revision as `edge watch --json` prints it (design: cli.md).

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
