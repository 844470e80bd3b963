# SPDX-License-Identifier: AGPL-3.0-or-later
"""A flight's findings as violations: evidence folders and outbox rows, as from any camera."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import cv2
import msgspec

from edge.config import Category
from edge.config.dated import DatedFacts
from edge.drone.exports import circle
from edge.evidence.casebook import Casebook, Origin, StoredRevision, violation_id
from edge.evidence.pictures import Shot, measure, where_text, with_strip
from edge.evidence.store import MANIFEST, Draft
from edge.jsonfile import read_object
from edge.uplink import wire
from edge.uplink.unsent import unsent_row
from edge.values import EvidenceFile, Finding, Place, Role, Stamp, ZoneDecision

log = logging.getLogger(__name__)

# A flight's clock is the aircraft's or the file's: what the platform learns of it.
CLOCK_ERROR_MS = 2000.0


class Put(Protocol):
    """What is needed of the outbox."""

    def known(self, kind: str, key: str) -> bool:
        """Whether a row of this name is held."""

    def put(
        self,
        *,
        lane: Literal["violation"],
        kind: str,
        key: str,
        body: dict[str, Any],
        folder: Path | None = None,
        files: Sequence[EvidenceFile] = (),
    ) -> bool:
        """Durable when it returns; false where the key is already known."""


@dataclass(frozen=True, slots=True)
class FlightPublisher:
    """Where violations go: this box, its evidence folder, its outbox."""

    device: str
    evidence: Path
    outbox: Put
    dated: DatedFacts | None = None

    def __call__(
        self,
        ledger: Mapping[str, Any],
        pictures: Path,
        categories: Mapping[str, Category],
        *,
        camera: str = "drone",
    ) -> int:
        """Seal and put every placed finding of a ledger; how many were new to the outbox.

        Idempotent: a flight sent twice makes no second case.
        """
        rows = [row for row in ledger["findings"] if row["lat"] is not None]
        return sum(self.send(ledger, row, pictures, categories, camera=camera) for row in rows)

    def send(
        self,
        ledger: Mapping[str, Any],
        row: Mapping[str, Any],
        pictures: Path,
        categories: Mapping[str, Category],
        *,
        camera: str = "drone",
    ) -> bool:
        """One finding. Where it was sent live already (`row["live"]`), as that case's update.

        True where the outbox has a row more than before.
        """
        finding = as_finding(row, camera)
        name = violation_id(self.device, finding)
        stored = [self.evidence / name / revision for revision in ("r1", "r2")]
        known = [folder for folder in stored if folder.is_dir()]
        # An earlier run may have ended between seal and put.
        again = sum(self._again(folder) for folder in known) > 0
        if known and (finding.phase == "new" or stored[1] in known):
            return again
        where = Place(row["lat"], row["lon"], row["ce90_m"], "WGS-84", row.get("grid"))
        drafts, shots = pictures_of(row, pictures, where)
        book = self._book(ledger, where, categories, camera)
        if known:
            book.recover(finding.decided)
        return self._put(book.write(finding, drafts, shots)) or again

    def _again(self, folder: Path) -> bool:
        """Put a revision that is sealed and has neither row nor receipt."""
        try:
            row = unsent_row(folder, read_object(folder / MANIFEST), self.outbox.known)
        except (KeyError, TypeError, ValueError) as error:
            log.warning("%s: %s; run `edge evidence verify`", folder, error)
            return False
        return row is not None and self.outbox.put(**row)

    def _book(
        self,
        ledger: Mapping[str, Any],
        where: Place,
        categories: Mapping[str, Category],
        camera: str,
    ) -> Casebook:
        origin = Origin(
            device=self.device,
            source=source_of(ledger, camera),
            where=where,
            model_sha256=ledger["model_sha256"],
            config_sha256=ledger["config_sha256"],
        )
        seen = {key: from_the_air(category) for key, category in categories.items()}
        return Casebook(self.evidence, origin, seen, wire.violation_data, self.dated)

    def _put(self, sealed: StoredRevision) -> bool:
        violation = sealed.violation
        return self.outbox.put(
            **wire.violation_row(
                violation.id,
                violation.revision,
                sealed.body,
                folder=sealed.folder,
                files=violation.evidence,
            )
        )


def from_the_air(category: Category) -> Category:
    """The category with the evidence a flight can bring: two looks and a close-up, no plate, no
    clip, no stay."""
    recipe = msgspec.structs.replace(
        category.recipe,
        overviews=min(2, category.recipe.overviews),
        spacing_s=0.0,
        before_after=False,
        clip=False,
        plate=False,
    )
    return msgspec.structs.replace(category, recipe=recipe)


def source_of(ledger: Mapping[str, Any], camera: str) -> dict[str, Any]:
    """The `source` of a violation found from the air: flight, aircraft, and whose pose it was."""
    return {
        "kind": "drone",
        "id": camera,
        "flight": ledger["flight_id"],
        "name": ledger["name"],
        "aircraft": ledger["aircraft"],
        "pose_source": ledger["pose_source"],
    }


def as_finding(row: Mapping[str, Any], camera: str) -> Finding:
    """The rule's word for a ledger row. Its key is its number in its flight, or the one under
    which it went out while the aircraft was up."""
    live = row.get("live")
    box = tuple(row["box"]) if row["box"] else (0.0, 0.0, 1.0, 1.0)
    zone = dict(row["zone"])
    facts = {
        **row["facts"],
        "ce90_m": row["ce90_m"],
        "membership": row["membership"],
        "low_confidence_geo": row["low_confidence"],
        "status": row["status"],
        "circle": [[lon, lat] for lat, lon in circle(row["lat"], row["lon"], row["ce90_m"])],
    }
    return Finding(
        key=live["id"] if live else row["id"],
        camera=camera,
        category=row["category"],
        rule=f"flight-{row['category']}",
        phase="update" if live else "new",
        began=_stamp(row["first_s"], live["first_utc"] if live else row["first_utc"]),
        decided=_stamp(row["last_s"], row["last_utc"]),
        ended=None,
        place=((box[0] + box[2]) / 2, box[3]),
        box=(box[0], box[1], box[2], box[3]),
        subject=None,
        zone=ZoneDecision(**{**zone, "zones": tuple(zone["zones"])}),
        facts=facts,
        priority="lead" if row["low_confidence"] else "normal",
    )


def _stamp(mono: float, wall: float) -> Stamp:
    return Stamp(mono, wall, "recording", CLOCK_ERROR_MS)


def pictures_of(
    row: Mapping[str, Any], folder: Path, where: Place
) -> tuple[list[Draft], list[Shot]]:
    """The pictures on disk as drafts with their strip, and what the gate asks of them."""
    names: list[tuple[Role, str]] = [
        ("overview", row["pictures"].get("overview", "")),
        *(("overview", name) for name in row["pictures"].get("more", [])),
        ("close", row["pictures"].get("close", "")),
    ]
    times = [shot["t_s"] for shot in row["shots"]] or [row["first_s"]]
    drafts: list[Draft] = []
    shots: list[Shot] = []
    for number, (role, name) in enumerate(names):
        image = cv2.imread(str(folder / name)) if name else None
        if image is None:
            continue
        t_s = times[min(number, len(times) - 1)] if role == "overview" else times[0]
        at = _stamp(t_s, row["first_utc"] + t_s - row["first_s"])
        if role == "overview":
            shots.append(Shot(role, at, measure(image)))  # type: ignore[arg-type]
        strip = with_strip(image, [where_text(where)])  # type: ignore[arg-type]
        done, data = cv2.imencode(".jpg", strip, [cv2.IMWRITE_JPEG_QUALITY, 88])
        assert done, "a BGR picture can always be a JPEG"
        drafts.append(Draft(role, f"{role}-{number}.jpg", at, data.tobytes()))
    return drafts, shots
