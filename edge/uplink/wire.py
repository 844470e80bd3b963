# SPDX-License-Identifier: AGPL-3.0-or-later
"""Values to JSON data and back, the CloudEvents envelope and the table of topics. Pure.

Structs of the messages stand in :mod:`edge.uplink.messages`, signatures in
:mod:`edge.uplink.seal`.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Literal

import msgspec

from edge.clock import instant
from edge.jsonfile import decoded
from edge.uplink import messages as m
from edge.values import (
    EvidenceFile,
    Fault,
    Json,
    Stamp,
    Violation,
)

log = logging.getLogger(__name__)

VERSION = 1
ROOT = f"cm/v{VERSION}"
# Broker limits start at 128 KB (AWS IoT); a chunk leaves room for topic and header.
CHUNK_MAX = 96 * 1024
HEALTH_EXPIRY_S = 180
_ADDED_BY = re.compile(r"(r\d+)-")


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind of record travels: its topic, its CloudEvents type, the mark in its ids.

    sealed: enveloped, numbered, chained, signed and released by the platform; the others are
    released by the broker's PUBACK.
    """

    suffix: str
    type: str
    mark: str = ""
    sealed: bool = True
    retain: bool = False


# In the order in which they are sent. `mark` keeps ids unique: each kind counts for itself.
KINDS: dict[str, Kind] = {
    "violation": Kind("evt/violation", "cm.violation"),
    "fault": Kind("evt/fault", "cm.fault", "f"),
    "cmd_res": Kind("cmd/res", "cm.command", sealed=False),
    "sensor": Kind("evt/sensor", "cm.sensor", "s"),
    "handling": Kind("evt/handling", "cm.handling", "h"),
    "report": Kind("evt/report", "cm.report", "r"),
}


@dataclass(frozen=True, slots=True)
class Topics:
    """Names below one device's branch; the device id is a whole level, so two ACL lines bind it."""

    tenant: str
    device: str

    def up(self, suffix: str) -> str:
        return f"{ROOT}/{self.tenant}/{self.device}/{suffix}"

    def evidence(self, transfer: str, part: str, *, emqx: bool = False) -> str:
        """`part` is init, c/OFFSET or fin; EMQX file transfer names the same parts its own way."""
        if emqx:
            return f"$file/{self.device}.{transfer}/{part.removeprefix('c/')}"
        return self.up(f"evd/{transfer}/{part}")

    @property
    def down(self) -> dict[str, str]:
        """Topic -> what arrives there."""
        return {self.up(suffix): name for suffix, name in DOWN.items()}


DOWN = {
    "ack": "ack",
    "review": "review",
    "cmd/req": "command",
    "cfg/desired": "desired",
}


def utc_text(wall: float) -> str:
    """UTC seconds as RFC 3339 with microseconds; clamped to the years 1 to 9999."""
    wall = min(max(wall, -62_135_596_800.0), 253_402_300_799.0) if math.isfinite(wall) else 0.0
    at = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=round(wall * 1e6))
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def utc_seconds(text: str) -> float:
    """The inverse of :func:`utc_text`. Raises ValueError."""
    at = instant(text)
    if at.tzinfo is None:
        raise ValueError(f"{text!r} names no zone")
    return (at - datetime(1970, 1, 1, tzinfo=timezone.utc)) / timedelta(seconds=1)


def plain(value: Json) -> Json:
    """Facts as JSON: numpy scalars and tuples as plain ones, NaN and infinities as null.

    RFC 8785 knows only doubles: a number of 2^53 or more goes as text, or a reader would see (and
    a signature cover) another one.
    """
    if type(value).__module__ == "numpy":
        value = value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value if abs(value) < 2**53 else str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return value if isinstance(value, str | bool | None) else str(value)


def moment(at: Stamp) -> m.Moment:
    return m.Moment(utc=utc_text(at.wall), mono=at.mono, quality=at.quality, error_ms=at.error_ms)


def stamp(at: m.Moment) -> Stamp:
    return Stamp(at.mono, utc_seconds(at.utc), at.quality, at.error_ms)


def violation_key(violation_id: str, revision: int) -> str:
    """Key of a violation's outbox row, and its folder below the evidence root."""
    return f"{violation_id}/r{revision}"


def violation_row(
    violation_id: str,
    revision: int,
    body: Mapping[str, Any],
    *,
    folder: Path | None = None,
    files: Sequence[EvidenceFile] = (),
) -> dict[str, Any]:
    """A revision as arguments of `Outbox.put`, with those of its files that lie in its folder."""
    return {
        "lane": "violation",
        "kind": "violation",
        "key": violation_key(violation_id, revision),
        "body": body,
        "folder": folder,
        "files": [file for file in files if file.path.startswith(f"r{revision}-")],
    }


def evidence_path(violation_id: str, revision: int, name: str) -> str:
    """Where a listed file lies below the evidence root: names begin with the revision that
    added them ("r1-close-1.jpg"), so that any later manifest finds them."""
    added = _ADDED_BY.match(name)
    return f"{violation_id}/{added[1] if added else f'r{revision}'}/{name}"


def violation_data(violation: Violation) -> dict[str, Json]:
    """`data` of a violation's envelope; all of it comes from the value."""
    data = _fields(violation)
    data["place"] = list(violation.place)
    data["where"] = _fields(violation.where)
    data["zone"] = _fields(violation.zone)
    data["evidence"] = [evidence_item(file) for file in violation.evidence]
    data["facts"] = with_old_names(violation.facts)
    return dict(plain(data))


# A key of version 1 that was renamed is kept beside its new name until version 2.
OLD_NAMES = {"first_here": "first_offence"}


def with_old_names(facts: Mapping[str, Json]) -> dict[str, Json]:
    """Facts with the names that receivers of version 1 know."""
    old = {was: facts[name] for name, was in OLD_NAMES.items() if name in facts}
    return {**facts, **old}


def evidence_item(file: EvidenceFile) -> dict[str, Json]:
    return _fields(file)


def fault_data(fault: Fault) -> dict[str, Json]:
    return dict(plain(_fields(fault)))


def fault_from(data: Mapping[str, Json]) -> Fault:
    message = msgspec.convert(data, m.FaultData)
    return Fault(**{**msgspec.structs.asdict(message), "at": stamp(message.at)})


def fault_row(fault: Fault, stands: bool) -> dict[str, Any]:
    """A fault as arguments of `Outbox.put`."""
    row = {"lane": "fault", "kind": "fault", "key": fault_key(fault), "body": fault_data(fault)}
    return {**row, "stands": stands}


def standing_faults(
    found: Iterable[tuple[Mapping[str, Json], bool]],
    now: Stamp,
    forget: Callable[[str, str], None] = lambda kind, subject: None,
) -> list[Fault]:
    """What `Outbox.open_faults` found, by the clocks of this boot. One that cannot be read is over
    and given to `forget`: whoever watches finds it again where it still is wrong."""
    faults = []
    for data, same_boot in found:
        try:
            fault = fault_from(data)
        except ValueError as error:
            kind, subject = str(data.get("kind")), str(data.get("subject"))
            log.warning("open fault %.80s of %.80s cannot be read: %s", kind, subject, error)
            forget(kind, subject)
            continue
        if not same_boot:
            past = replace(fault.at, mono=now.mono - max(0.0, now.wall - fault.at.wall))
            fault = replace(fault, at=past)
        faults.append(fault)
    return faults


def fault_key(fault: Fault) -> str:
    """One row for one start or end: `at` tells two faults of the same thing apart."""
    return (
        f"{fault.kind}:{fault.subject}:{fault.phase}:{utc_text(fault.at.wall)}:{fault.at.mono:.3f}"
    )


def sensor_data(readings: list[m.Reading]) -> dict[str, Json]:
    return dict(plain(msgspec.to_builtins(m.SensorData(readings=tuple(readings)))))


def _fields(value: Any) -> dict[str, Json]:
    """A dataclass's fields, one level deep, with every Stamp as a moment."""
    fields = {name: getattr(value, name) for name in value.__dataclass_fields__}
    return {
        name: msgspec.to_builtins(moment(item)) if isinstance(item, Stamp) else item
        for name, item in fields.items()
    }


def envelope(
    kind: str,
    data: Mapping[str, Json],
    *,
    device: str,
    tenant: str,
    boot: int,
    seq: int,
    prev: str,
    kid: str,
    nonce: str | None = None,
) -> dict[str, Json]:
    """The unsigned CloudEvents envelope of one record.

    The id needs no clock: `device:boot:seq`, with the kind's mark before `seq` so that the
    separately counted kinds never share one.
    """
    message = describe(kind, data)
    head = {
        "specversion": "1.0",
        "id": f"{device}:{boot}:{KINDS[kind].mark}{seq}",
        "source": f"urn:cm:{tenant}:{device}" + (f"/{message.part}" if message.part else ""),
        "type": f"{message.type}.v{VERSION}",
        "subject": message.subject,
        "time": message.at["utc"],
        "datacontenttype": "application/json",
        "dataschema": f"urn:cm:schema:{kind}:{VERSION}",
        "seq": seq,
        "boot": boot,
        "mono": message.at["mono"],
        "timeq": message.at["quality"],
        "timeerr": message.at["error_ms"],
        "prev": prev,
        "kid": kid,
        "data": dict(data),
    }
    return head if nonce is None else {**head, "nonce": nonce}


@dataclass(frozen=True, slots=True)
class Described:
    """What the envelope says about its data: type without version, subject, part, instant."""

    type: str
    subject: str
    part: str
    at: Mapping[str, Json]


def describe(kind: str, data: Mapping[str, Json]) -> Described:
    """Type, subject, part and time of a message's envelope, from its data. Raises ValueError for
    a kind that travels without one."""
    base = KINDS[kind].type
    if kind == "violation":
        part = str(data.get("source", {}).get("camera", ""))
        return Described(f"{base}.{data['phase']}", str(data["id"]), part, data["decided"])
    if kind == "fault":
        return Described(f"{base}.{data['phase']}", str(data["subject"]), "", data["at"])
    if kind == "sensor":
        last = data["readings"][-1]
        return Described(base, str(last["sensor"]), "", last["ended"])
    if kind == "handling":
        return Described(f"{base}.{data['step']}", str(data["violation"]), "", data["heard"])
    if kind == "report":
        return Described(f"{base}.{data['period']}", str(data["id"]), "", data["made"])
    raise ValueError(f"{kind!r} travels without an envelope")


# No message of the contract has more than ten; far below what recursion anywhere allows.
DEPTH_MAX = 32

Broken = Literal["json", "version", "fields"]


class Malformed(ValueError):
    """A message that does not follow the contract; `why` is a short word for the counters."""

    def __init__(self, why: Broken, text: str) -> None:
        super().__init__(text)
        self.why = why


def parse(payload: bytes) -> dict[str, Json]:
    """One JSON object. Raises Malformed for anything else, however deep or odd."""
    try:
        data: dict[str, Json] = decoded(payload, dict)
    except ValueError as error:
        raise Malformed("json", str(error)) from None
    # As many brackets as levels at most: few messages are worth a closer look.
    if payload.count(b"{") + payload.count(b"[") > DEPTH_MAX and _deeper(data, DEPTH_MAX):
        raise Malformed("json", f"deeper than {DEPTH_MAX} levels")
    return data


def _deeper(data: Json, levels: int) -> bool:
    """Whether anything lies below so many levels; what walks the tree later may recurse then."""
    here = [data]
    for _ in range(levels):
        here = [
            child
            for node in here
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
        ]
    return bool(here)


def parse_envelope(payload: bytes) -> m.Envelope:
    """For receivers. An unknown major version is Malformed("version"): quarantine it."""
    data = parse(payload)
    kind = str(data.get("type", ""))
    if not kind.endswith(f".v{VERSION}"):
        raise Malformed("version", f"type {kind[:80]!r} is not of version {VERSION}")
    try:
        return msgspec.convert(data, m.Envelope)
    except msgspec.ValidationError as error:
        raise Malformed("fields", str(error)) from None
