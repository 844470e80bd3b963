# SPDX-License-Identifier: AGPL-3.0-or-later
"""Models and watchposts put together from the settings."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from edge.clock import Clock
from edge.config import Camera
from edge.daemons.clerk import TruckFile
from edge.daemons.eyes import open_eyes
from edge.daemons.gleaner import gleaner_for, with_learnt
from edge.daemons.outlet import Outlet
from edge.daemons.post import build_post
from edge.daemons.scribe import Desk
from edge.daemons.settings import DEFAULT_MODEL, Settings, manifest_path
from edge.daemons.sight import Sight
from edge.daemons.watchpost import Watchpost
from edge.evidence.store import Draft
from edge.outbox import ladder
from edge.sensors.live import latest, window_csv
from edge.values import Finding, Prompt
from edge.vision.model import Model, load_model
from edge.vision.traits import TraitModel, open_traits

log = logging.getLogger(__name__)

# Readings kept before the beginning and after the decision of a case.
WINDOW_S = 60.0


def load_models(settings: Settings) -> dict[str | None, Model]:
    """Each model once, by the name that cameras call it; the cameras share the sessions."""
    compute = settings.device.compute
    names = {c.model or settings.site.model for c in settings.site.cameras if c.enabled}
    models = {}
    for name in sorted(names, key=str):
        path = manifest_path(settings, name)
        models[name] = load_model(path, provider=compute.provider, workers=compute.workers)
        log.info("model %s on %s", models[name].name, models[name].provider)
    return models


def load_traits(settings: Settings) -> dict[str | None, TraitModel | None]:
    """The second classifier beside each model, by the name that cameras call the model."""
    names = {c.model or settings.site.model for c in settings.site.cameras if c.enabled}
    provider = settings.device.compute.provider
    found = {name: open_traits(manifest_path(settings, name), provider) for name in names}
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


def build_watchpost(
    settings: Settings,
    camera: Camera,
    models: dict[str | None, Model],
    *,
    outlet: Outlet,
    remind: Callable[[Prompt], None],
    bell: threading.Condition,
    clock: Clock,
    trucks: TruckFile | None = None,
    traits: TraitModel | None = None,
) -> Watchpost:
    """One camera, wired; nothing runs yet. Raises ConfigError."""
    camera = with_learnt(camera, settings)
    eyes = open_eyes(
        camera, base=settings.base, clock=clock, bell=bell, ring_mb=settings.device.keep.ring_mb
    )
    desk = Desk(
        sealed=outlet.sealed,
        bare=outlet.bare,
        trouble=lambda kind, text: outlet.fault(kind, camera.id, text),
        healed=lambda kind: outlet.healed(kind, camera.id),
    )
    post = build_post(
        settings,
        camera,
        models[camera.model or settings.site.model],
        evidence=settings.state / "evidence",
        album=settings.state / "album" / camera.id,
        desk=desk,
        clips=eyes.clips,
        samples=lambda at: latest(settings.run, camera.sensors, at),
        window=lambda finding: sensor_window(settings, camera, finding),
        step=lambda: ladder.current_step(settings.run),
        trucks=trucks,
        traits=traits,
    )
    return Watchpost(
        post,
        eyes,
        Sight(settings.run, camera),
        memory=settings.state / "memory" / f"{camera.id}.json",
        remind=remind,
        started=clock.now(),
        gleaner=None if eyes.recording else gleaner_for(settings, camera),
        late=lambda count: outlet.fault(
            "scribe", camera.id, f"the disk is stuck: {count} finding(s) without pictures"
        ),
    )
