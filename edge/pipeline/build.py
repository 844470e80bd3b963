# SPDX-License-Identifier: AGPL-3.0-or-later
"""Models and workers put together from the settings."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping

from edge.camera.feed import open_feed
from edge.clock import Clock
from edge.config import Camera, ConfigError
from edge.evidence.store import Draft
from edge.handling.misdetected import MisdetectedFile
from edge.outbox import ladder
from edge.pipeline.camera_pipeline import build_pipeline
from edge.pipeline.camera_worker import CameraWorker
from edge.pipeline.evidence_writer import EvidenceOutputs
from edge.pipeline.hard_examples import hard_examples_for, with_learnt
from edge.pipeline.masked_clips import masked_clips
from edge.pipeline.preview import Preview
from edge.pipeline.publisher import Publisher
from edge.pipeline.settings import Settings, manifest_path
from edge.pipeline.truck_lookup import TruckFile
from edge.release.store import DEFAULT_MODEL
from edge.sensors.live import latest, window_csv
from edge.values import Finding, Prompt
from edge.vision.arrival import ArrivalWatch
from edge.vision.choice import open_chosen
from edge.vision.key_change import KeyChange
from edge.vision.model import Model
from edge.vision.proof import open_second_classifier
from edge.vision.traits import TraitModel

log = logging.getLogger(__name__)

# Readings kept before the beginning and after the decision of a case.
WINDOW_S = 60.0


def load_models(
    settings: Settings, unsound: Callable[[Camera, ConfigError], None]
) -> dict[str | None, Model]:
    """Each model once, by the name that cameras call it; the cameras share the sessions. One that
    does not load, or crashes the runtime, is left out, and `unsound` is called for each camera that
    wanted it."""
    compute = settings.device.compute
    models = {}
    for name, cameras in _wanted(settings).items():
        try:
            path = manifest_path(settings, name)
            models[name] = open_chosen(settings.models, path, compute)
        except ConfigError as error:
            for camera in cameras:
                unsound(camera, error)
        else:
            log.info("model %s on %s", models[name].name, models[name].provider)
    return models


def _wanted(settings: Settings) -> dict[str | None, list[Camera]]:
    """Models by name, each with the enabled cameras that want it."""
    wanted: dict[str | None, list[Camera]] = {}
    for camera in settings.site.cameras:
        if camera.enabled:
            wanted.setdefault(camera.model or settings.site.model, []).append(camera)
    return dict(sorted(wanted.items(), key=str))


def load_traits(
    settings: Settings, models: Mapping[str | None, Model]
) -> dict[str | None, TraitModel | None]:
    """The second classifier beside each model, by the name that cameras call the model."""
    provider = settings.device.compute.provider
    found = {
        name: open_second_classifier(manifest_path(settings, name), provider) for name in models
    }
    for name, traits in found.items():
        says = ", ".join(traits.manifest.classes) if traits else "none; no truck gets traits"
        log.info("model %s: truck classifier: %s", name or DEFAULT_MODEL, says)
    return found


def sensor_window(settings: Settings, camera: Camera, finding: Finding) -> Draft | None:
    """Raw readings of the camera's sensors around a finding, as one more file of evidence."""
    if not camera.sensors:
        return None
    span = (finding.began.wall - WINDOW_S, finding.decided.wall + WINDOW_S)
    data = window_csv(settings.run, camera.sensors, *span)
    return Draft("samples", "samples.csv", finding.decided, data=data) if data else None


def build_worker(
    settings: Settings,
    camera: Camera,
    models: dict[str | None, Model],
    *,
    publisher: Publisher,
    remind: Callable[[Prompt], None],
    bell: threading.Condition,
    clock: Clock,
    trucks: TruckFile | None = None,
    traits: TraitModel | None = None,
) -> CameraWorker:
    """One camera, wired; nothing runs yet. Raises ConfigError."""
    camera = with_learnt(camera, settings)
    watches = camera.gate and camera.decode != "whole"
    masks = [zone.polygon for zone in camera.zones if zone.kind == "mask"]
    arrivals = ArrivalWatch(masks) if watches else None
    feed = open_feed(
        camera,
        base=settings.base,
        clock=clock,
        bell=bell,
        ring_mb=settings.device.keep.ring_mb,
        differs=KeyChange() if watches else None,
        arrivals=arrivals,
    )
    feed.clips = masked_clips(feed.clips, camera)
    outputs = EvidenceOutputs(
        sealed=publisher.sealed,
        bare=publisher.bare,
        trouble=lambda kind, text: publisher.faults.start(kind, camera.id, text),
        healed=lambda kind: publisher.faults.end(kind, camera.id),
    )
    pipeline = build_pipeline(
        settings,
        camera,
        models[camera.model or settings.site.model],
        evidence=settings.evidence,
        album=settings.state / "album" / camera.id,
        outputs=outputs,
        clips=feed.clips,
        samples=lambda at: latest(settings.run, camera.sensors, at),
        window=lambda finding: sensor_window(settings, camera, finding),
        step=lambda: ladder.current_step(settings.run),
        trucks=trucks,
        traits=traits,
    )
    misdetected = MisdetectedFile(settings.state)
    return CameraWorker(
        pipeline,
        feed,
        Preview(settings.run, camera),
        memory=settings.state / "memory" / f"{camera.id}.json",
        remind=remind,
        started=clock.now(),
        misdetected=lambda: misdetected.of(camera.id),
        hard_examples=None if feed.recording else hard_examples_for(settings, camera),
        arrivals=arrivals,
        late=lambda count: publisher.faults.holds(
            "scribe",
            camera.id,
            count > 0,
            f"the disk is stuck: {count} finding(s) without pictures",
        ),
        faults=publisher.faults,
    )
