# SPDX-License-Identifier: AGPL-3.0-or-later
"""A camera's pipeline: analyzer and evidence writer, put together from the configuration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from edge.config import Camera, Site
from edge.evidence.album import Album
from edge.evidence.casebook import Casebook, Origin
from edge.evidence.pictures import Caption
from edge.evidence.store import Draft
from edge.learning.store import read_opinions
from edge.pipeline.analyzer import Adviser, Analyzer
from edge.pipeline.evidence_writer import ClipCutter, EvidenceOutputs, EvidenceWriter
from edge.pipeline.settings import Settings
from edge.pipeline.taught_looks import taught_places
from edge.pipeline.truck_lookup import TruckFile
from edge.rules.judge import Judge
from edge.rules.trust import AIR, GROUND, best_of
from edge.uplink.wire import violation_data
from edge.values import Finding, Place, Sample, Stamp
from edge.vision.model import Model
from edge.vision.traits import TraitModel


@dataclass(frozen=True, slots=True)
class CameraPipeline:
    """What works for one camera. The analyzer and the evidence writer may live in two threads."""

    camera: Camera
    analyzer: Analyzer
    evidence_writer: EvidenceWriter
    album: Album
    book: Casebook


def build_pipeline(
    settings: Settings,
    camera: Camera,
    model: Model,
    *,
    evidence: Path,
    album: Path,
    outputs: EvidenceOutputs,
    clips: ClipCutter | None,
    source_kind: str = "fixed_camera",
    samples: Callable[[Stamp], tuple[Sample, ...]] | None = None,
    window: Callable[[Finding], Draft | None] | None = None,
    step: Callable[[], int] | None = None,
    trucks: TruckFile | None = None,
    traits: TraitModel | None = None,
) -> CameraPipeline:
    """Wire one camera. Raises ConfigError where its rules do not fit together."""
    judge = Judge(
        camera,
        categories=settings.categories,
        calendar=settings.calendar,
        timezone=ZoneInfo(settings.site.timezone),
        trust=best_of(model.good_for, GROUND if source_kind == "fixed_camera" else AIR),
        taught=taught_places(camera, settings.categories, settings.looks),
    )
    adviser = Adviser(read_opinions(settings.state, camera.id))
    analyzer = Analyzer(camera, model, judge, samples=samples, traits=traits, adviser=adviser)
    where = place_of(settings.site, camera)
    origin = Origin(
        device=settings.device.device,
        source={"kind": source_kind, "id": camera.id, "name": camera.name or camera.id},
        where=where,
        model_sha256=model.sha256,
        config_sha256=settings.sha256,
    )
    book = Casebook(evidence, origin, settings.categories, violation_data, settings.dated)
    title = f"{settings.site.name}  {camera.name or camera.id}  {settings.device.device}"
    zone = ZoneInfo(settings.site.timezone)
    pages = Album(album, Caption(title, where, zone, settings.categories).lines)
    evidence_writer = EvidenceWriter(
        camera,
        album=pages,
        book=book,
        categories=settings.categories,
        outputs=outputs,
        clips=clips,
        examine=analyzer.examine,
        samples=window,
        step=step,
        truck_lookup=trucks.lookup(camera, where.lat, where.lon) if trucks else None,
    )
    return CameraPipeline(camera, analyzer, evidence_writer, pages, book)


def place_of(site: Site, camera: Camera) -> Place:
    """The camera's own position, or the site's."""
    own = camera.position if camera.position.lat is not None else site.position
    return Place(
        lat=own.lat,
        lon=own.lon,
        accuracy_m=own.accuracy_m if own.lat is not None else None,
        grid=camera.position.grid or site.position.grid,
        address=camera.position.address or site.position.address,
    )
