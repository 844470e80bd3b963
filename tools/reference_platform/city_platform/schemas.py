# SPDX-License-Identifier: AGPL-3.0-or-later
"""JSON Schemas and the AsyncAPI document, made from the structs and topic tables of the uplink."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from edge.uplink import downward, wire
from edge.uplink import messages as m
from edge.uplink.mqtt import WILL_DELAY_S

DIALECT = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True, slots=True)
class Channel:
    """One kind of message: where it travels, in which struct, and how.

    body: None for raw bytes. data: the struct inside an envelope. signed: carries `kid` and `sig`.
    """

    name: str
    suffix: str
    says: str
    body: type[msgspec.Struct] | None
    data: type[msgspec.Struct] | None = None
    up: bool = True
    qos: int = 1
    retain: bool = False
    signed: bool = False

    @property
    def schema_id(self) -> str:
        return f"urn:cm:schema:{self.name}:{wire.VERSION}"


DATA: dict[str, type[msgspec.Struct]] = {
    "violation": m.ViolationData,
    "fault": m.FaultData,
    "sensor": m.SensorData,
    "handling": m.HandlingData,
    "report": m.ReportData,
}
RECORDS = {
    "violation": "A suspected violation: new, update or end",
    "fault": "A fault of the box or of what it watches: start or end",
    "sensor": "One-minute aggregates of the sensors, batched",
    "handling": "A step in the life of a case: verdict, outcome, recheck, end",
    "report": "A work report of a week or month: figures, and its files with their hashes",
}
DOWN: dict[str, tuple[type[downward.Down], str]] = {
    "ack": (downward.Ack, "What the platform has stored, and which bytes it needs"),
    "review": (downward.Review, "A reviewer's verdict on one revision"),
    "command": (downward.Command, "A request: signed, expiring, from a list"),
    "desired": (downward.Desired, "The wanted site configuration"),
}
STATE = (
    Channel("status", "status", f"online, offline (last will, after {WILL_DELAY_S} s) or stopping",
            m.Status, retain=True),
    Channel("birth", "birth", "What this box is; its public keys", m.Birth, retain=True,
            signed=True),
    Channel("health", "health", f"Every minute; expires after {wire.HEALTH_EXPIRY_S} s", m.Health,
            qos=0),
    Channel("chain", "chain", "The signed ends of the chains", m.ChainHead, signed=True),
    Channel("reported", "cfg/reported", "What became of the wanted configuration", m.Reported,
            retain=True),
    Channel("command-result", wire.KINDS["cmd_res"].suffix, "What became of a command",
            m.CommandResult),
)  # fmt: skip
EVIDENCE = (
    Channel("evidence-init", "evd/{transfer}/init", "Announces one file", m.EvidenceInit),
    Channel("evidence-chunk", "evd/{transfer}/c/{offset}",
            f"Raw bytes from {{offset}} on, at most {wire.CHUNK_MAX}", None),
    Channel("evidence-fin", "evd/{transfer}/fin", "All bytes were sent", m.EvidenceFin),
)  # fmt: skip


def channels() -> tuple[Channel, ...]:
    """All of the contract; a kind in the uplink's tables that is not named here is a KeyError."""
    records = [
        Channel(name, kind.suffix, RECORDS[name], m.Envelope, DATA[name], signed=True)
        for name, kind in wire.KINDS.items()
        if kind.sealed
    ]
    down = [
        Channel(name, suffix, DOWN[name][1], DOWN[name][0], up=False, signed=True,
                retain=name == "desired")
        for suffix, name in wire.DOWN.items()
    ]  # fmt: skip
    return (*records, *STATE, *EVIDENCE, *down)


def schema(channel: Channel) -> dict[str, Any]:
    """A self-contained JSON Schema (2020-12) of one channel's payload."""
    if channel.body is None:
        raise ValueError(f"{channel.name} is raw bytes")
    made = msgspec.json.schema(channel.body)
    if channel.data is not None:
        inner = msgspec.json.schema(channel.data)
        made["$defs"] |= inner["$defs"]
        envelope = made["$defs"]["Envelope"]["properties"]
        envelope["data"] = {"$ref": inner["$ref"]}
        envelope["dataschema"] = {"const": channel.schema_id}
        envelope["type"] |= {
            "pattern": rf"^{wire.KINDS[channel.name].type}(\.[a-z]+)?\.v{wire.VERSION}$"
        }
    named = {"$schema": DIALECT, "$id": channel.schema_id, "title": channel.says}
    whole: dict[str, Any] = _same({**named, **made})
    return whole


def _same(item: Any) -> Any:
    """The same on every Python. Bounds as whole numbers where they are: `typing` merges Meta(gt=0)
    with an equal Meta(gt=0.0) of another module, so that which one is seen depends on what was
    imported first. Texts without the indent of docstrings, which 3.13 takes away."""
    if isinstance(item, dict):
        return {name: _same(value) for name, value in item.items()}
    if isinstance(item, list | tuple):
        return [_same(value) for value in item]
    if isinstance(item, str) and "\n" in item:
        return inspect.cleandoc(item)
    return int(item) if isinstance(item, float) and item.is_integer() else item


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3.0 document, from the device's side: it sends what goes up."""
    every = channels()
    return {
        "asyncapi": "3.0.0",
        "id": f"urn:cm:contract:{wire.VERSION}",
        "info": {
            "title": "City Edge MQTT contract",
            "version": f"{wire.VERSION}.0.0",
            "description": "Suspected street violations with evidence, over MQTT 5. Written from"
            " the side of the device: it sends what goes up and receives what comes down."
            " docs/platform.md explains how to subscribe.",
        },
        "defaultContentType": "application/json",
        "channels": {channel.name: _channel(channel) for channel in every},
        "operations": {f"{_action(c)}-{c.name}": _operation(c) for c in every},
        "components": {"messages": {channel.name: _message(channel) for channel in every}},
    }


def _action(channel: Channel) -> Literal["send", "receive"]:
    return "send" if channel.up else "receive"


PARAMETERS = {
    "tenant": "The city or bureau",
    "device": "The box: a whole level, so that two ACL lines bind it",
    "transfer": "SHA-256 of the file, lower-case hex",
    "offset": "Where in the file these bytes begin",
}


def _channel(channel: Channel) -> dict[str, Any]:
    address = f"{wire.ROOT}/{{tenant}}/{{device}}/{channel.suffix}"
    named = {p: {"description": d} for p, d in PARAMETERS.items() if f"{{{p}}}" in address}
    return {
        "address": address,
        "description": channel.says,
        "parameters": named,
        "messages": {channel.name: {"$ref": f"#/components/messages/{channel.name}"}},
    }


def _operation(channel: Channel) -> dict[str, Any]:
    return {
        "action": _action(channel),
        "channel": {"$ref": f"#/channels/{channel.name}"},
        "messages": [{"$ref": f"#/channels/{channel.name}/messages/{channel.name}"}],
        "bindings": {"mqtt": {"qos": channel.qos, "retain": channel.retain}},
    }


def _message(channel: Channel) -> dict[str, Any]:
    head = {"name": channel.name, "title": channel.says}
    if channel.body is None:
        raw = {"type": "string", "format": "binary", "maxLength": wire.CHUNK_MAX}
        return {**head, "contentType": "application/octet-stream", "payload": raw}
    if channel.signed:
        head["description"] = "Signed: Ed25519 over the RFC 8785 bytes without `sig`, base64."
    return {
        **head,
        "contentType": "application/json",
        "payload": {
            "schemaFormat": "application/schema+json;version=2020-12",
            "schema": {"$ref": f"./schemas/{channel.name}.json"},
        },
    }
