# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the platform says to a box, as structs: acknowledgements, verdicts, commands, a wanted site.

Each is for one device, signed, and carries a counter that only rises.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from edge.uplink.fields import (
    Count,
    KeyId,
    Label,
    Name,
    Sha256,
    Signature,
    UtcSaid,
    ViolationId,
    Word,
)
from edge.uplink.messages import Message
from edge.values import Outcome


class RecordAck(Message, frozen=True, kw_only=True):
    """The platform keeps this record, and these were its bytes."""

    id: Label
    sha256: Sha256


class EvidenceAck(Message, frozen=True, kw_only=True):
    """`have`: stored and its hash checked. `need`: send these byte ranges [from, to).
    `hold`: keep it, ask again later."""

    id: Sha256
    state: Literal["have", "need", "hold"]
    ranges: Annotated[tuple[tuple[Count, Count], ...], msgspec.Meta(max_length=1024)] = ()


class Pace(Message, frozen=True, kw_only=True):
    """Server-directed pacing of evidence; null lifts it."""

    kbit_s: Annotated[float, msgspec.Meta(gt=0)] | None = None
    clips: bool = True


class Down(Message, frozen=True, kw_only=True, tag_field="type"):
    """What every downward message carries: for whom, from whom, a rising counter, a signature.

    `type` keeps one kind from being replayed as another. `n` rises for each issuer and type;
    microseconds since 1970, or the last one plus one, will do.
    `sig`: Ed25519 by the platform's key over the RFC 8785 bytes without `sig`, base64.
    """

    device: Name
    iss: Name
    n: Count
    kid: KeyId = ""
    sig: Signature = ""


class Ack(Down, frozen=True, kw_only=True, tag="ack"):
    """Stored after the platform's own commit. Only this releases a record or a file."""

    records: Annotated[tuple[RecordAck, ...], msgspec.Meta(max_length=1024)] = ()
    evidence: Annotated[tuple[EvidenceAck, ...], msgspec.Meta(max_length=1024)] = ()
    nonce: Annotated[str, msgspec.Meta(max_length=128)] | None = None
    pace: Pace | None = None


class Review(Down, frozen=True, kw_only=True, tag="review"):
    """A reviewer's verdict on one revision, bound to the record by its hash, and what becomes of
    the case. `rejected`: it was not what the box took it for; only this teaches the box."""

    violation: ViolationId
    revision: Count
    record_sha256: Sha256
    verdict: Literal["confirmed", "rejected"]
    reason: Annotated[str, msgspec.Meta(max_length=2000)] = ""
    outcome: Outcome = ""
    reviewer: Annotated[str, msgspec.Meta(max_length=128)] = ""
    at: UtcSaid


CommandName = Literal[
    "snapshot",
    "clip",
    "recheck",
    "look",
    "restart",
    "send_logs",
    "update_model",
    "update_software",
    "update_pack",
]


class Command(Down, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="command"):
    """A request; `exp` is UTC seconds since 1970, at most ten minutes ahead."""

    cmd_id: Word
    exp: float
    command: CommandName
    arguments: dict[str, Any] = {}


class Desired(Down, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="desired"):
    """The wanted site configuration: the data of site.yaml. `rev` rises strictly.

    follows: the highest `rev` that the box ever saw, said where this one is lower on purpose: the
    signed way back after a number that was too high. `cfg/reported` names it in its refusal.
    """

    rev: Count
    follows: Count | None = None
    exp: float
    site: dict[str, Any]
