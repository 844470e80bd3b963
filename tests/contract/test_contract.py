# SPDX-License-Identifier: AGPL-3.0-or-later
"""The published contract is what the code says, and the golden messages follow it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from jsonschema import Draft202012Validator

from city_platform import contract, golden, schemas
from edge.config import Site, load
from edge.config.yamltext import dump
from edge.runtime import Backoff
from edge.uplink import downward, seal, wire
from edge.uplink import messages as m
from edge.uplink.trust import DownlinkTrust, RefusedMessage, counter_name
from tests.uplink.box import Box, Platform
from tools.faultlab.fake_broker import FakeBroker
from tools.faultlab.rig import eventually

GOLDEN = contract.FOLDER / "golden"
INDEX: list[dict[str, Any]] = json.loads((GOLDEN / "index.json").read_bytes())
IDS = [entry["name"] for entry in INDEX]


def validator(name: str) -> Draft202012Validator:
    text = (contract.FOLDER / "schemas" / f"{name}.json").read_bytes()
    return Draft202012Validator(json.loads(text))


VALIDATORS = {c.schema_id: validator(c.name) for c in schemas.channels() if c.body}


def test_the_files_are_what_the_code_makes() -> None:
    assert contract.drift(contract.FOLDER) == [], "run tools/contract"


def test_drift_is_told_file_by_file(tmp_path: Path) -> None:
    contract.write(tmp_path / "c")
    (tmp_path / "c/schemas/ack.json").write_text("{}")
    (tmp_path / "c/golden/birth.json").unlink()
    (tmp_path / "c/more.json").write_text("{}")
    assert contract.drift(tmp_path / "c") == [
        "golden/birth.json: missing",
        "more.json: not made by the code",
        "schemas/ack.json: differs",
    ]


def test_the_golden_configuration_is_one(tmp_path: Path) -> None:
    told = next(one for one in golden.golden() if one.name == "desired")
    path = tmp_path / "site.yaml"
    path.write_text(dump(json.loads(told.payload)["site"]))
    assert load(path, Site).name == "crossing-12"


def test_each_message_struct_is_published() -> None:
    """A struct that nothing refers to would be a message without a schema."""
    known: set[str] = set()
    for channel in schemas.channels():
        if channel.body is not None:
            known |= schemas.schema(channel)["$defs"].keys()
    defined = {
        name
        for name, item in (vars(m) | vars(downward)).items()
        if isinstance(item, type) and issubclass(item, m.Message)
    }
    assert defined - known == {"Message", "Down"}


@pytest.mark.parametrize("name", sorted(VALIDATORS))
def test_schemas_are_schemas(name: str) -> None:
    Draft202012Validator.check_schema(VALIDATORS[name].schema)


@pytest.mark.parametrize("entry", INDEX, ids=IDS)
def test_golden_messages_follow_their_schemas(entry: dict[str, Any]) -> None:
    payload = (GOLDEN / entry["file"]).read_bytes()
    assert seal.sha256(payload) == entry["sha256"]
    if entry["schema"] is None:
        assert len(payload) <= wire.CHUNK_MAX
        return
    found = list(VALIDATORS[entry["schema"]].iter_errors(json.loads(payload)))
    if entry["name"] == "wrong-violation-v2":
        assert [list(error.absolute_path) for error in found] == [["type"]]
    else:
        assert found == []


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("violation-new", {"prev": "AB"}),
        ("violation-new", {"data": {}}),
        ("status-online", {"state": "asleep"}),
        ("ack-need", {"evidence": [{"id": "x", "state": "need"}]}),
        ("command-snapshot", {"command": "rm"}),
        ("command-snapshot", {"extra": 1}),
    ],
)
def test_schemas_refuse_what_does_not_follow(name: str, change: dict[str, Any]) -> None:
    entry = next(entry for entry in INDEX if entry["name"] == name)
    body = json.loads((GOLDEN / entry["file"]).read_bytes())
    assert not VALIDATORS[entry["schema"]].is_valid({**body, **change})


def test_unknown_fields_are_allowed_on_the_way_up() -> None:
    body = json.loads((GOLDEN / "violation-new.json").read_bytes())
    body["data"]["later"] = 1
    assert VALIDATORS["urn:cm:schema:violation:1"].is_valid({**body, "later": 1})


def test_golden_records_are_signed_and_chained() -> None:
    public = seal.read_public((GOLDEN / "device.pub.pem").read_bytes())
    ring, prev = seal.ring(public), (0, "0" * 64)
    for phase in ("new", "update", "end"):
        payload = (GOLDEN / f"violation-{phase}.json").read_bytes()
        ring.verify(wire.parse(payload))
        told = wire.parse_envelope(payload)
        assert seal.follows(*prev, told.seq, told.prev) is None
        prev = (told.seq, seal.sha256(payload))
    changed = wire.parse((GOLDEN / "wrong-violation-changed.json").read_bytes())
    with pytest.raises(seal.Forged):
        ring.verify(changed)


def test_a_device_takes_the_golden_answers_and_refuses_the_wrong_ones() -> None:
    trust = DownlinkTrust(golden.DEVICE, seal.ring(seal.read_public(
        (GOLDEN / "platform.pub.pem").read_bytes())))  # fmt: skip
    heard: dict[str, int] = {}
    for one in golden.golden():
        if one.channel.up:
            continue
        if one.wrong is None:
            message = trust.read(one.channel.name, one.payload, heard, golden.at(0))
            heard[counter_name(one.channel.name, message)] = message.n
        else:
            with pytest.raises(RefusedMessage):
                trust.read(one.channel.name, one.payload, heard, golden.at(0))


def test_asyncapi_refers_to_what_is_there() -> None:
    told = yaml.safe_load((contract.FOLDER / "asyncapi.yaml").read_text(encoding="utf-8"))
    for message in told["components"]["messages"].values():
        ref = message["payload"].get("schema", {}).get("$ref")
        assert ref is None or (contract.FOLDER / ref).is_file()
    for operation in told["operations"].values():
        _, _, _, messages, name = operation["messages"][0]["$ref"].split("/")
        channel = told["channels"][operation["channel"]["$ref"].split("/")[-1]]
        assert name in channel[messages]
        assert channel["address"].count("/") <= 7


def test_the_daemon_publishes_only_what_the_contract_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker, box = _running(tmp_path, monkeypatch)
    try:
        outbox = box.outbox()
        box.rig.put(outbox, "v-1", {"r1-a.jpg": b"x" * 5000})
        outbox.close()
        wanted = ["/status", "/birth", "/evt/violation", "/init", "/chain", "/cfg/reported"]
        eventually(lambda: all(any(g.topic.endswith(w) for g in broker.got) for w in wanted))
    finally:
        box.close()
        broker.close()
    for got in broker.got:
        if not got.topic.endswith("/health"):
            assert problems(got.topic, got.payload) == []


def test_the_health_of_the_daemon_follows_its_schema(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.uplink.presence.HEALTH_EVERY_S", 0.2)
    broker, box = _running(tmp_path, monkeypatch)
    try:
        eventually(lambda: any(got.topic.endswith("/health") for got in broker.got))
    finally:
        box.close()
        broker.close()
    got = next(got for got in broker.got if got.topic.endswith("/health"))
    assert problems(got.topic, got.payload) == []


class _Brisk(Backoff):
    def next_s(self) -> float:
        return min(0.1, super().next_s())


def _running(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[FakeBroker, Box]:
    monkeypatch.setattr("edge.uplink.link.Backoff", _Brisk)
    broker = FakeBroker()
    return broker, Box(folder, broker.port, Platform()).start()


def problems(topic: str, payload: bytes) -> list[str]:
    """Why a published message is not of the contract."""
    suffix = topic.split("/", 4)[4]
    for channel in schemas.channels():
        shape = channel.suffix.split("/")
        parts = suffix.split("/")
        same = [a == b or a.startswith("{") for a, b in zip(shape, parts, strict=False)]
        if channel.up and len(shape) == len(parts) and all(same):
            if channel.body is None:
                return []
            body = msgspec.json.decode(payload)
            return [e.message for e in VALIDATORS[channel.schema_id].iter_errors(body)]
    return [f"{topic} is not in the contract"]
