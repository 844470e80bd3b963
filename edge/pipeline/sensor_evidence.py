# SPDX-License-Identifier: AGPL-3.0-or-later
"""Sensed findings to evidence: samples as CSV and picture, then what a camera saw of it.

The first revision never waits for the camera: pictures and clip come in a later one.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from edge.handling.misdetected import MisdetectedFile
from edge.ipc import Spool, SpoolFull, read_answer
from edge.jsonfile import read_object
from edge.pipeline.publisher import Publisher
from edge.pipeline.settings import Settings
from edge.sensors.raw import HEADER, line, read, recent_files, store_files
from edge.uplink.wire import violation_data
from edge.values import Finding, Place, Sample, Stamp

if TYPE_CHECKING:
    from edge.evidence.casebook import Casebook
    from edge.evidence.pictures import Shot
    from edge.evidence.store import Draft

log = logging.getLogger(__name__)

# Samples are given from so long before the beginning; at most this much of a long case.
BEFORE_S, WINDOW_MAX_S = 120.0, 7200.0
CLIP_BEFORE_S, CLIP_AFTER_S = 10.0, 10.0
ANSWER_WITHIN_S = 90.0
# Facts that are drawn as lines through the samples.
MARKS = (
    ("limit_db", "limit 限值"),
    ("lmax_limit_db", "Lmax limit 最大声级限值"),
    ("limit_mg_m3", "limit 限值"),
    ("leq_db", "Leq"),
)


@dataclass(frozen=True, slots=True)
class Subject:
    """What a case is about: one noise point, shop or dust point."""

    id: str
    name: str
    sensors: tuple[str, ...]
    camera: str | None
    where: Place


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request to visiond that has not been answered yet."""

    subject: Subject
    finding: Finding
    folder: Path
    until_mono: float


# Around the work for one point or shop (edge.isolation).
WorkingFor = Callable[[str], AbstractContextManager[None]]


class SensorCases:
    """Owned by sensord's main thread. `failed(kind, subject, text)` reports a disk that refuses."""

    def __init__(
        self,
        settings: Settings,
        subjects: Sequence[Subject],
        publisher: Publisher,
        *,
        flush: Callable[[], object],
        working_for: WorkingFor = lambda subject: nullcontext(),
    ) -> None:
        self._settings, self._publisher, self._flush = settings, publisher, flush
        self._working_for = working_for
        self._subjects = {subject.id: subject for subject in subjects}
        self._zone: tzinfo = ZoneInfo(settings.site.timezone)
        self._spool = Spool(settings.run, "visiond")
        self._root = settings.evidence
        self._asked_root = settings.state / "asked"
        self._books: dict[str, Casebook] = {}
        self._asked: list[_Asked] = []
        self._misdetected = MisdetectedFile(settings.state)

    def recover(self, now: Stamp) -> int:
        """At start: reopen own cases and put again what has neither row nor receipt."""
        shutil.rmtree(self._asked_root, ignore_errors=True)
        bare = self._publisher.bare_revisions()
        mine = {_point_of(case) for case in self._root.glob("*/")} | {one.source for one in bare}
        again = 0
        for name in mine & set(self._subjects):
            with self._working_for(str(name)):
                found = self._book(self._subjects[str(name)]).recover(now, bare)
                again += sum(self._publisher.again(folder, body) for folder, body in found)
        return again

    def file(self, finding: Finding, now: Stamp, more: Sequence[Draft] = ()) -> None:
        """Seal a revision with the samples and `more`; a new one asks the camera for pictures and a
        clip."""
        subject = self._subjects[finding.camera]
        wrong = self._misdetected.of(finding.camera).get(finding.key, 0)
        finding = replace(
            finding,
            facts={**finding.facts, "senses": self._senses(subject)},
            occurrence=max(1, finding.occurrence - wrong),
        )
        try:
            drafts = [*self._samples(subject, finding, now), *more]
            sealed = self._book(subject).write(finding, drafts, ())
        except OSError as error:
            self._publisher.faults.start("disk", "sensord", str(error))
            self._publisher.bare(self._book(subject).bare(finding, ("disk",)))
            return
        self._publisher.faults.end("disk", "sensord")
        self._publisher.sealed(sealed)
        if finding.phase == "new" and subject.camera:
            self._ask(subject, finding, sealed.violation.id, now)

    def _senses(self, subject: Subject) -> dict[str, str]:
        """Which sense said what: the sensor decided, the camera only shows."""
        camera = f"asked camera {subject.camera} for pictures" if subject.camera else "none here"
        return {"decided_by": ", ".join(subject.sensors), "camera": camera}

    def _ask(self, subject: Subject, finding: Finding, violation: str, now: Stamp) -> None:
        folder = self._asked_root / violation
        try:
            self._spool.ask(
                "clip",
                camera=subject.camera,
                at_wall=now.wall,
                before_s=CLIP_BEFORE_S,
                after_s=CLIP_AFTER_S,
                into=str(folder),
                violation=violation,
            )
        except (SpoolFull, OSError) as error:
            log.warning("%s: no pictures: %s", finding.key, error)
            return
        until = now.mono + CLIP_AFTER_S + ANSWER_WITHIN_S
        self._asked.append(_Asked(subject, finding, folder, until))

    def tick(self, now: Stamp) -> None:
        """Take in what the camera has answered; give up on what it has not."""
        for asked in list(self._asked):
            if read_answer(asked.folder) is not None:
                self._asked.remove(asked)
                with self._working_for(asked.subject.id):
                    self._take_in(asked, now)
            elif now.mono > asked.until_mono:
                self._asked.remove(asked)
                log.warning("%s: camera %s gave nothing", asked.finding.key, asked.subject.camera)
                shutil.rmtree(asked.folder, ignore_errors=True)

    def _take_in(self, asked: _Asked, now: Stamp) -> None:
        book = self._book(asked.subject)
        case = book.case(asked.finding.key)
        drafts, shots = _pictures(asked.folder, now)
        if case is not None and drafts:
            facts = {**case.finding.facts}
            facts["senses"] = {
                **facts.get("senses", {}),
                "camera": f"{asked.subject.camera}: shown",
            }
            finding = replace(case.finding, phase="update", facts=facts)
            try:
                self._publisher.sealed(book.write(finding, drafts, shots))
            except OSError as error:
                self._publisher.faults.start("disk", "sensord", str(error))
        shutil.rmtree(asked.folder, ignore_errors=True)

    def _samples(self, subject: Subject, finding: Finding, now: Stamp) -> list[Draft]:
        """The raw samples of the case as CSV, its main channel as a picture."""
        from edge.evidence.store import Draft

        start = max(finding.began.wall - BEFORE_S, now.wall - WINDOW_MAX_S)
        samples = self._between(subject, start, now.wall)
        if not samples:
            return []
        text = HEADER + "".join(line(sample) for sample in samples)
        drafts = [Draft("samples", "samples.csv", finding.began, data=text.encode())]
        picture = self._picture(subject, finding, samples)
        if picture is not None:
            drafts.append(Draft("samples", "samples.png", finding.began, data=picture))
        return drafts

    def _between(self, subject: Subject, start: float, end: float) -> list[Sample]:
        wanted = set(subject.sensors)
        recent = [p for name in wanted for p in recent_files(self._settings.run, name)]
        samples = list(read(recent, wanted, start, end))
        if samples and min(s.at.wall for s in samples) > start + 60.0:
            self._flush()
            stored = read(store_files(self._settings.state, start, end), wanted, start, end)
            samples = [*stored, *samples]
        unique = {(s.sensor, s.channel, s.at.wall): s for s in samples}
        return sorted(unique.values(), key=_wall)

    def _picture(
        self, subject: Subject, finding: Finding, samples: Sequence[Sample]
    ) -> bytes | None:
        from edge.sensors.plot import ReferenceLine, series_png

        facts = finding.facts
        channel = str(facts.get("channel") or "fume")
        shown = [s for s in samples if s.channel == channel]
        marks = [
            ReferenceLine(float(facts[key]), f"{text} {facts[key]:g}")
            for key, text in MARKS
            if isinstance(facts.get(key), (int, float))
        ]
        category = self._settings.categories[finding.category]
        title = (
            f"{subject.name or subject.id}  {channel}  疑似 suspected: {category.zh} {category.en}"
        )
        return series_png(shown, marks, title, self._zone)

    def _book(self, subject: Subject) -> Casebook:
        """Loaded when first needed: the evidence package brings OpenCV with it."""
        from edge.evidence.casebook import Casebook, Origin

        if subject.id not in self._books:
            origin = Origin(
                device=self._settings.device.device,
                source={
                    "kind": "sensor",
                    "id": subject.id,
                    "name": subject.name or subject.id,
                    "sensors": list(subject.sensors),
                },
                where=subject.where,
                model_sha256=None,
                config_sha256=self._settings.sha256,
            )
            categories = self._settings.categories
            dated = self._settings.dated
            self._books[subject.id] = Casebook(
                self._root, origin, categories, violation_data, dated
            )
        return self._books[subject.id]


def _point_of(case: Path) -> object:
    """Whose case it is, by any of its manifests: the first revisions may have no files."""
    found = next(case.glob("r*/manifest.json"), None)
    return read_object(found).get("camera") if found else None


def _wall(sample: Sample) -> float:
    return sample.at.wall


def _pictures(folder: Path, now: Stamp) -> tuple[list[Draft], list[Shot]]:
    """What visiond left in the folder: overview pictures and a clip."""
    import cv2
    import numpy as np

    from edge.evidence.pictures import Shot, measure
    from edge.evidence.store import Draft

    drafts, shots = [], []
    for path in sorted(folder.glob("overview-*.jpg")):
        image = cv2.imread(str(path))
        if image is None:
            log.warning("%s: not a picture", path)
            continue
        at = replace(now, wall=path.stat().st_mtime)
        drafts.append(Draft("overview", path.name, at, source=path))
        shots.append(Shot("overview", at, measure(np.asarray(image, np.uint8))))
    clip = folder / "clip.mp4"
    if clip.is_file():
        start = replace(now, wall=clip.stat().st_mtime - CLIP_BEFORE_S - CLIP_AFTER_S)
        drafts.append(Draft("clip", "clip.mp4", start, source=clip))
    return drafts, shots
