# SPDX-License-Identifier: AGPL-3.0-or-later
"""The messages of the MQTT contract as structs; JSON Schemas are generated from them.

Receivers ignore fields they do not know. Hashes are lower-case hex SHA-256.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
Utc = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")]
# As people's programs write it: no fraction, milliseconds or microseconds.
UtcSaid = Annotated[
    str, msgspec.Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}|\.\d{6})?Z$")
]
# A whole number that JSON readers keep exactly (RFC 8259 clause 6).
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
Word = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$")]
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]


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

    role: str
    path: str
    sha256: Sha256
    size: Count
    at: Moment
    masked: bool


class Where(Message, frozen=True, kw_only=True):
    """A place in degrees; `crs` says of which datum, `grid` of which cell of the bureau."""

    lat: float | None
    lon: float | None
    accuracy_m: float | None
    crs: str
    grid: str | None
    address: str | None


class ZoneState(Message, frozen=True, kw_only=True):
    """What the zones said of the place at that time, and by which permit or hours."""

    allowed: bool
    reason: str
    zones: tuple[str, ...]
    permit: str | None
    hours: str | None


class ViolationData(Message, frozen=True, kw_only=True):
    """A suspected violation, one revision. `manifest` is the hash of its manifest.json."""

    id: str
    revision: Count
    phase: Literal["new", "update", "end"]
    status: Literal["suspected"]
    category: str
    codes: dict[str, str]
    names: dict[str, str]
    source: dict[str, Any]
    rule: dict[str, Any]
    began: Moment
    decided: Moment
    ended: Moment | None
    place: tuple[float, float]
    where: Where
    zone: ZoneState
    facts: dict[str, Any]
    evidence: tuple[EvidenceItem, ...]
    gate: Literal["complete", "incomplete"]
    gate_failed: tuple[str, ...]
    occurrence: Count
    model_sha256: str | None
    config_sha256: str
    parent: str | None
    priority: Literal["normal", "lead"]
    manifest: Sha256 | None = None


class FaultData(Message, frozen=True, kw_only=True):
    """Something that is broken, told when it starts and when it ends."""

    kind: str
    subject: str
    phase: Literal["start", "end"]
    at: Moment
    text: str
    facts: dict[str, Any]


class Reading(Message, frozen=True, kw_only=True):
    """One channel over one span, usually a minute. `levels` holds named statistics such as L10."""

    sensor: str
    channel: str
    unit: str
    began: Moment
    ended: Moment
    n: Count
    valid: Count
    mean: float | None
    min: float | None
    max: float | None
    flags: dict[str, int]
    levels: dict[str, float]


class SensorData(Message, frozen=True, kw_only=True):
    """Minutes of instruments, oldest first."""

    readings: tuple[Reading, ...]


class Envelope(Message, frozen=True, kw_only=True):
    """CloudEvents 1.0, structured JSON. `sig`: Ed25519 over the RFC 8785 bytes without `sig`."""

    specversion: Literal["1.0"]
    id: str
    source: str
    type: str
    subject: str
    time: Utc
    datacontenttype: Literal["application/json"]
    dataschema: str
    seq: Count
    boot: Count
    mono: float
    timeq: Literal["ntp", "gnss", "holdover", "unsynced", "recording"]
    timeerr: float
    prev: Sha256
    kid: str
    data: dict[str, Any]
    sig: str
    nonce: str | None = None


class ChainHead(Message, frozen=True, kw_only=True):
    """The signed end of every chain, so that a cut tail shows."""

    device: Name
    boot: Count
    time: Utc
    heads: dict[str, ChainEnd]
    kid: str
    sig: str = ""


class ChainEnd(Message, frozen=True, kw_only=True):
    """The newest record of the device's chain."""

    seq: Count
    sha256: Sha256


class EvidenceInit(Message, frozen=True, kw_only=True):
    """Announces one file. The transfer id in the topic is the file's own SHA-256."""

    name: str
    size: Count
    sha256: Sha256
    role: str
    records: tuple[str, ...]


class EvidenceFin(Message, frozen=True, kw_only=True):
    """All bytes of the file were sent."""

    size: Count
    sha256: Sha256


class Status(Message, frozen=True, kw_only=True):
    """Retained. `conn` counts connections: a late last will cannot mark a live device dead."""

    state: Literal["online", "offline", "stopping"]
    boot: Count
    conn: Count


class RecordAck(Message, frozen=True, kw_only=True):
    """The platform keeps this record, and these were its bytes."""

    id: str
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
    kid: str = ""
    sig: str = ""


class Ack(Down, frozen=True, kw_only=True, tag="ack"):
    """Stored after the platform's own commit. Only this releases a record or a file."""

    records: Annotated[tuple[RecordAck, ...], msgspec.Meta(max_length=1024)] = ()
    evidence: Annotated[tuple[EvidenceAck, ...], msgspec.Meta(max_length=1024)] = ()
    nonce: Annotated[str, msgspec.Meta(max_length=128)] | None = None
    pace: Pace | None = None


class Review(Down, frozen=True, kw_only=True, tag="review"):
    """A reviewer's verdict on one revision, bound to the record by its hash."""

    violation: Word
    revision: Count
    record_sha256: Sha256
    verdict: Literal["confirmed", "rejected"]
    reason: Annotated[str, msgspec.Meta(max_length=2000)] = ""
    reviewer: Annotated[str, msgspec.Meta(max_length=128)] = ""
    at: UtcSaid


CommandName = Literal["snapshot", "clip", "recheck", "restart", "send_logs", "update_model"]


class Command(Down, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="command"):
    """A request; `exp` is UTC seconds since 1970, at most ten minutes ahead."""

    cmd_id: Word
    exp: float
    command: CommandName
    arguments: dict[str, Any] = {}


class CommandResult(Message, frozen=True, kw_only=True):
    """What became of a command: taken or not, then how it ended."""

    cmd_id: Word
    state: Literal["accepted", "rejected", "done", "failed"]
    reason: str = ""
    data: dict[str, Any] = {}


class Desired(Down, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="desired"):
    """The wanted site configuration: the data of site.yaml. `rev` rises strictly."""

    rev: Count
    exp: float
    site: dict[str, Any]


class Reported(Message, frozen=True, kw_only=True):
    """Which site configuration is in force, or why the wanted one is not."""

    rev: Count
    status: Literal["applied", "rejected", "rolled_back", "applying"]
    errors: tuple[str, ...] = ()
    sha256: str = ""


class PublicKey(Message, frozen=True, kw_only=True):
    """A signing key of the device; `endorsed` is the signature of its predecessor over it."""

    kid: str
    pem: str
    endorsed: dict[str, Any] | None = None


class Birth(Message, frozen=True, kw_only=True):
    """Retained, signed: what this box is and by which rules it listens."""

    device: Name
    tenant: Name
    boot: Count
    conn: Count
    time: Utc
    software: str
    contract: Count
    platform: str
    models: dict[str, str]
    cameras: tuple[dict[str, Any], ...]
    sensors: tuple[dict[str, Any], ...]
    config_sha256: str
    config_rev: Count
    limits: dict[str, Any]
    clock: dict[str, Any]
    trust: dict[str, str]
    keys: tuple[PublicKey, ...]
    schemas: tuple[str, ...]
    kid: str = ""
    sig: str = ""


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
    faults: tuple[str, ...]
    ladder: Count
