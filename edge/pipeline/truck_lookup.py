# SPDX-License-Identifier: AGPL-3.0-or-later
"""Reads a truck's plate on a picture and looks it up in the muck-truck file.

The picture is kept whatever comes of it. A plate that is not surely read stays unknown, and the
case goes to the reviewer with it.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from edge.config import Camera
from edge.config.dated import Calendar
from edge.evidence.pictures import crop
from edge.pipeline.settings import Settings
from edge.rules.trucks import Register, best_match, joined
from edge.rules.vetting import CameraPosition, Vetted, vet
from edge.rules.zones import LocalMoment
from edge.values import Box, Finding, Image
from edge.vision.plates import TextLine, TextReader, open_reader

log = logging.getLogger(__name__)

# Round the truck's box: a box is a look old where the picture comes from the history.
MARGIN = 0.1


@dataclass(frozen=True, slots=True)
class TruckFile:
    """The register of a site and who reads plates for it; shared by its cameras."""

    register: Register
    edition: str
    reader: TextReader | None
    timezone: ZoneInfo
    calendar: Calendar

    def lookup(self, camera: Camera, lat: float | None, lon: float | None) -> TruckLookup:
        return TruckLookup(self, CameraPosition(camera.premises, lat, lon))


def open_truck_file(
    settings: Settings, reader: Callable[[], TextReader | None] = open_reader
) -> TruckFile | None:
    """The truck file that the site names, or None where it names none: no plate is read then."""
    if settings.trucks is None:
        return None
    found = reader()
    if found is None:
        log.warning(
            "plates are not read: the extra 'ocr' is not installed; every truck goes to the "
            "reviewer as unknown"
        )
    return TruckFile(
        settings.trucks,
        hashlib.sha256(repr(settings.trucks).encode()).hexdigest()[:12],
        found,
        ZoneInfo(settings.site.timezone),
        settings.calendar,
    )


class TruckLookup:
    """One camera's. Called by its evidence writer only: reading takes long."""

    def __init__(self, file: TruckFile, spot: CameraPosition) -> None:
        self._file, self._spot = file, spot

    def answer(self, finding: Finding, image: Image, box: Box, *, asked: bool) -> Finding | None:
        """The finding with the file's answer under `facts.truck_file`. asked: only the file makes
        a case of it.

        None for a truck that only the file could have made a case of, and did not: a valid
        permit, or a plate that nobody can read. One that is not in the file is a lead.
        """
        lines = self._read(image, box)
        vetted = self._vetted(lines, finding)
        read = [{"text": line.text, "score": round(line.score, 3)} for line in lines]
        truck = {**vetted.facts(), "read": read, "file": self._file.edition}
        looked_up = replace(finding, facts={**finding.facts, "truck_file": truck})
        if not asked or vetted.breach:
            return looked_up
        if vetted.match.status == "unregistered":
            return replace(looked_up, priority="lead")
        log.debug("%s: %s; nothing to report", finding.key, vetted.why[1])
        return None

    def _read(self, image: Image, box: Box) -> tuple[TextLine, ...]:
        reader = self._file.reader
        return reader.read(crop(image, box, margin=MARGIN)) if reader else ()

    def _vetted(self, lines: tuple[TextLine, ...], finding: Finding) -> Vetted:
        at = LocalMoment.of(finding.decided, self._file.timezone, self._file.calendar)
        readings = joined([(line.text, line.score) for line in lines])
        match = best_match(readings, self._file.register)
        if self._file.reader is None:
            match = replace(match, why="no plate reader on this box")
        return vet(match, at, self._spot)
