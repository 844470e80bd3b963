# SPDX-License-Identifier: AGPL-3.0-or-later
"""Seals rows: number, predecessor, signature, assigned once; and writes them beside the evidence.

`envelope.json` in a revision's folder holds the exact published bytes and `signer.pem` the public
key. A row that comes again after the database was lost gets the envelope found there, so that the
platform sees a repeat and not a second record.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import msgspec

from edge.outbox import ChainPosition, Dispatch, OutboxRow, SealedRecord
from edge.runtime import write_atomic
from edge.uplink import seal
from edge.uplink.wire import KINDS, Malformed, Topics, envelope, parse, utc_text
from edge.values import Json

log = logging.getLogger(__name__)

ENVELOPE = "envelope.json"
SIGNER = "signer.pem"


class Sealer:
    """Holds the signing key. `nonce` is the platform's last, a lower bound in time."""

    def __init__(
        self, signer: seal.Signer, topics: Topics, dispatch: Dispatch, wall: Callable[[], float]
    ) -> None:
        self._signer, self._topics, self._dispatch, self._wall = signer, topics, dispatch, wall
        self._ring = seal.KeyRing({signer.kid: signer.public})
        self.nonce: str | None = None

    def seal(self, row: OutboxRow, head: ChainPosition) -> SealedRecord:
        """Called inside the transaction that stores the result."""
        assert row.body is not None
        data: dict[str, Json] = msgspec.json.decode(row.body)
        if not KINDS[row.kind].sealed:
            return SealedRecord(None, f"{row.kind}:{row.key}", row.body, seal.sha256(row.body))
        if row.kind == "violation":
            data["manifest"] = self._dispatch.manifest_sha256(row.id)
        found = self._sealed_before(row, head, data)
        return found or self._fresh(row, head, data)

    def _fresh(self, row: OutboxRow, head: ChainPosition, data: dict[str, Json]) -> SealedRecord:
        body = envelope(
            row.kind,
            data,
            device=self._topics.device,
            tenant=self._topics.tenant,
            boot=row.boot,
            seq=head.seq + 1,
            prev=head.sha256,
            kid=self._signer.kid,
            nonce=self.nonce,
        )
        payload = self._signer.sign(body)
        if row.folder is not None:
            self._write_beside(Path(row.folder), payload)
        return SealedRecord(head.seq + 1, str(body["id"]), payload, seal.sha256(payload))

    def _write_beside(self, folder: Path, payload: bytes) -> None:
        try:
            for torn in folder.glob(".*.tmp"):
                # Of a power cut in the middle of this: a folder holds nothing that nobody listed.
                torn.unlink(missing_ok=True)
            write_atomic(folder / SIGNER, seal.public_pem(self._signer.public), durable=False)
            write_atomic(folder / ENVELOPE, payload)
        except OSError as error:
            # The row holds the same bytes; only a later loss of the database would miss these.
            log.warning("%s: envelope not written beside the evidence: %s", folder, error)

    def _sealed_before(
        self, row: OutboxRow, head: ChainPosition, data: dict[str, Json]
    ) -> SealedRecord | None:
        if row.folder is None:
            return None
        try:
            payload = (Path(row.folder) / ENVELOPE).read_bytes()
            body = parse(payload)
            self._ring.verify(body)
        except (OSError, Malformed, seal.Forged):
            return None
        if body.get("data") != data or not _in_chain(body, head):
            return None
        return SealedRecord(int(body["seq"]), str(body["id"]), payload, seal.sha256(payload))

    def receipt(self, record_id: str, sha256: str, issuer: str, n: int) -> bytes:
        """What stays beside the evidence once the platform has it; signed by this device."""
        body = {
            "receipt": 1,
            "device": self._topics.device,
            "record": record_id,
            "sha256": sha256,
            "at": utc_text(self._wall()),
            "iss": issuer,
            "n": n,
        }
        return self._signer.sign(body)

    def broker_receipt(self, row: OutboxRow) -> bytes:
        """In the weak mode `release: puback` nobody but the broker has said anything."""
        if row.folder is None or row.record_id is None or row.sha256 is None:
            return b""
        return self.receipt(row.record_id, row.sha256, "puback", 0)

    def sign(self, body: dict[str, Json]) -> bytes:
        return self._signer.sign(body)


def _in_chain(body: dict[str, Json], head: ChainPosition) -> bool:
    """Published before, or the next in line. One further ahead was never committed, so never
    published: its transaction died with the power."""
    if body["seq"] <= head.seq:
        return True
    return bool(body["seq"] == head.seq + 1 and body["prev"] == head.sha256)
