# SPDX-License-Identifier: AGPL-3.0-or-later
"""The messages of the MQTT contract as structs; JSON Schemas are generated from them.

Receivers ignore fields they do not know. Hashes are lower-case hex SHA-256. What a field may hold
stands in edge.uplink.fields.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from edge import patterns
from edge.uplink.fields import (
    Count,
    EvidenceName,
    FileName,
    KeyId,
    Label,
    Labels,
    Name,
    Pem,
    RecordId,
    Revision,
    Sha256,
    Signature,
    Text,
    Utc,
    ViolationId,
    Word,
)


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Frozen, named fields only."""


class Moment(Message, frozen=True, kw_only=True):
    """One instant: UTC to tell people, monotonic seconds of the named boot to measure with."""

    utc: Utc
    mono: float
    quality: Literal["ntp", "gnss", "holdover", "unsynced", "recording"]
    error_ms: float


class EvidenceItem(Message, frozen=True, kw_only=True):
    """One file of a violation, listed before it is uploaded; a listed hash never changes."""

    role: Label
    path: EvidenceName
    sha256: Sha256
    size: Count
    at: Moment
    masked: bool


class Where(Message, frozen=True, kw_only=True):
    """A place in degrees; `crs` says of which datum, `grid` of which cell of the bureau."""

    lat: float | None
    lon: float | None
    accuracy_m: float | None
    crs: Label
    grid: Label | None
    address: Label | None


class ZoneState(Message, frozen=True, kw_only=True):
    """What the zones said of the place at that time, and by which permit or hours."""

    allowed: bool
    reason: Text
    zones: Labels
    permit: Label | None
    hours: Label | None


class ViolationData(Message, frozen=True, kw_only=True):
    """A suspected violation, one revision. `manifest` is the hash of its manifest.json."""

    id: ViolationId
    revision: Revision
    phase: Literal["new", "update", "end"]
    status: Literal["suspected"]
    category: Label
    codes: dict[Label, Label]
    names: dict[Label, Label]
    source: dict[str, Any]
    rule: dict[str, Any]
    began: Moment
    decided: Moment
    ended: Moment | None
    place: tuple[float, float]
    where: Where
    zone: ZoneState
    facts: dict[str, Any]
    evidence: Annotated[tuple[EvidenceItem, ...], msgspec.Meta(max_length=1000)]
    gate: Literal["complete", "incomplete"]
    gate_failed: Labels
    occurrence: Count
    model_sha256: Label | None
    config_sha256: Label
    parent: Label | None
    priority: Literal["normal", "lead"]
    manifest: Sha256 | None = None


class FaultData(Message, frozen=True, kw_only=True):
    """Something that is broken, reported when it starts and when it ends."""

    kind: Label
    subject: Text
    phase: Literal["start", "end"]
    at: Moment
    text: Text
    facts: dict[str, Any]


class Reading(Message, frozen=True, kw_only=True):
    """One channel over one span, usually a minute. `levels` holds named statistics such as L10."""

    sensor: Label
    channel: Label
    unit: Label
    began: Moment
    ended: Moment
    n: Count
    valid: Count
    mean: float | None
    min: float | None
    max: float | None
    flags: dict[Label, int]
    levels: dict[Label, float]


class SensorData(Message, frozen=True, kw_only=True):
    """Minutes of instruments, oldest first."""

    readings: tuple[Reading, ...]


class HandlingData(Message, frozen=True, kw_only=True):
    """One step in the life of a case: a verdict, an outcome, a recheck, its end.

    `id` is the same for the same step however often it is sent. `at`: when it happened, as its
    author says; `heard`: when the box learnt of it. `state`, `due` and `overdue` are the case's
    after every step that the box knew by then; steps come late, so a receiver folds them anew in
    the order of `at` (edge.handling.life) and comes to the same.
    """

    id: str
    violation: str
    step: str
    state: str
    at: Utc
    heard: Moment
    by: str
    role: Literal["box", "page", "platform"]
    reason: str
    due: Utc | None
    overdue: bool
    facts: dict[str, Any]


class ReportFile(Message, frozen=True, kw_only=True):
    """One file of a work report; it travels as evidence does, under its hash."""

    path: FileName
    sha256: Sha256
    size: Count


class ReportData(Message, frozen=True, kw_only=True):
    """A work report of a whole week or month, made and published once.

    first and last: local days, both included. `as_of`: when the cases stood as the figures say;
    `made`: the box's clock then. figures: those of the whole; `report.json` has all of them with
    the ids of the cases behind each, the page is there in Chinese and English.
    """

    id: Label
    period: Literal["week", "month"]
    first: Annotated[str, msgspec.Meta(pattern=patterns.DATE)]
    last: Annotated[str, msgspec.Meta(pattern=patterns.DATE)]
    as_of: Utc
    made: Moment
    figures: dict[str, Any]
    files: Annotated[tuple[ReportFile, ...], msgspec.Meta(max_length=16)]


class Envelope(Message, frozen=True, kw_only=True):
    """CloudEvents 1.0, structured JSON. `sig`: Ed25519 over the RFC 8785 bytes without `sig`."""

    specversion: Literal["1.0"]
    id: RecordId
    source: Label
    type: Label
    subject: Text
    time: Utc
    datacontenttype: Literal["application/json"]
    dataschema: Label
    seq: Count
    boot: Count
    mono: float
    timeq: Literal["ntp", "gnss", "holdover", "unsynced", "recording"]
    timeerr: float
    prev: Sha256
    kid: KeyId
    data: dict[str, Any]
    sig: Signature
    nonce: Annotated[str, msgspec.Meta(max_length=128)] | None = None


class ChainHead(Message, frozen=True, kw_only=True):
    """The signed end of every chain, so that a cut tail shows."""

    device: Name
    boot: Count
    time: Utc
    heads: Annotated[dict[Name, ChainEnd], msgspec.Meta(max_length=16)]
    kid: KeyId
    sig: Signature = ""


class ChainEnd(Message, frozen=True, kw_only=True):
    """The newest record of the device's chain."""

    seq: Count
    sha256: Sha256


class EvidenceInit(Message, frozen=True, kw_only=True):
    """Announces one file. The transfer id in the topic is the file's own SHA-256."""

    name: FileName
    size: Count
    sha256: Sha256
    role: Label
    records: Annotated[tuple[Label, ...], msgspec.Meta(max_length=1000)]


class EvidenceFin(Message, frozen=True, kw_only=True):
    """All bytes of the file were sent."""

    size: Count
    sha256: Sha256


class Status(Message, frozen=True, kw_only=True):
    """Retained. `conn` counts connections: a late last will cannot mark a live device dead.

    run: a random word of this run of the uplink, by which a box knows another one of its name.
    """

    state: Literal["online", "offline", "stopping"]
    boot: Count
    conn: Count
    run: Annotated[str, msgspec.Meta(max_length=32)] = ""


class CommandResult(Message, frozen=True, kw_only=True):
    """What became of a command: taken or not, then how it ended."""

    cmd_id: Word
    state: Literal["accepted", "rejected", "done", "failed"]
    reason: Text = ""
    data: dict[str, Any] = {}


class Reported(Message, frozen=True, kw_only=True):
    """Which site configuration is in force, or why the wanted one is not."""

    rev: Count
    status: Literal["applied", "rejected", "rolled_back", "applying"]
    errors: Annotated[tuple[Text, ...], msgspec.Meta(max_length=64)] = ()
    sha256: Label = ""


class PublicKey(Message, frozen=True, kw_only=True):
    """A signing key of the device; `endorsed` is the signature of its predecessor over it."""

    kid: KeyId
    pem: Pem
    endorsed: dict[str, Any] | None = None


class Birth(Message, frozen=True, kw_only=True):
    """Retained, signed: what this box is and by which rules it listens."""

    device: Name
    tenant: Name
    boot: Count
    conn: Count
    time: Utc
    software: Label
    contract: Count
    platform: Label
    models: dict[Label, Label]
    cameras: tuple[dict[str, Any], ...]
    sensors: tuple[dict[str, Any], ...]
    config_sha256: Label
    config_rev: Count
    limits: dict[str, Any]
    clock: dict[str, Any]
    trust: dict[Label, Label]
    keys: Annotated[tuple[PublicKey, ...], msgspec.Meta(max_length=64)]
    schemas: Labels
    kid: KeyId = ""
    sig: Signature = ""


class Health(Message, frozen=True, kw_only=True):
    """Every minute, QoS 0, expires after 180 s: may be lost."""

    device: Name
    boot: Count
    conn: Count
    time: Utc
    uptime_s: float
    clock: dict[str, Any]
    board: dict[str, Any]
    outbox: dict[str, Any]
    uplink: dict[str, Any]
    faults: Annotated[tuple[Text, ...], msgspec.Meta(max_length=1000)]
    ladder: Count
