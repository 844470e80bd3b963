# SPDX-License-Identifier: AGPL-3.0-or-later
"""Values to JSON and back, topics, and the envelope."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.uplink import messages as m
from edge.uplink import seal, wire
from edge.values import EvidenceFile, Fault, Json, Place, Stamp, Violation, ZoneDecision
from tools.faultlab.rig import AT, make_violation

FILE = EvidenceFile("clip", "r2-clip-1.mp4", "a" * 64, 4_000_000, AT, masked=True)


def through_json(data: object) -> object:
    return msgspec.json.decode(seal.canonical(data))


def violation_from(data: Mapping[str, Json]) -> Violation:
    """The inverse of `wire.violation_data`. Raises msgspec.ValidationError."""
    message = msgspec.convert(data, m.ViolationData)
    fields = {
        name: getattr(message, name) for name in message.__struct_fields__ if name != "manifest"
    }
    fields |= {
        "began": wire.stamp(message.began),
        "decided": wire.stamp(message.decided),
        "ended": None if message.ended is None else wire.stamp(message.ended),
        "where": Place(**msgspec.structs.asdict(message.where)),
        "zone": ZoneDecision(**msgspec.structs.asdict(message.zone)),
        "evidence": tuple(_evidence_file(item) for item in message.evidence),
        "facts": {k: v for k, v in message.facts.items() if k not in wire.OLD_NAMES.values()},
    }
    return Violation(**fields)


def _evidence_file(item: m.EvidenceItem) -> EvidenceFile:
    message = {**msgspec.structs.asdict(item), "at": wire.stamp(item.at)}
    return EvidenceFile(**message)


def test_a_violation_comes_back_as_it_was() -> None:
    violation = replace(make_violation("v-1", (FILE,)), ended=AT, parent="v-0", priority="lead")
    assert violation_from(through_json(wire.violation_data(violation))) == violation


def test_a_fault_comes_back_as_it_was() -> None:
    fault = Fault("stream_stall", "north", "start", AT, "无画面 12 s", {"frames": 0})
    assert wire.fault_from(through_json(wire.fault_data(fault))) == fault


@given(st.floats(-1e9, 5e9))
def test_instants_keep_their_microseconds(wall: float) -> None:
    assert abs(wire.utc_seconds(wire.utc_text(wall)) - wall) <= 1e-6


@pytest.mark.parametrize(
    ("wall", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000000Z"),
        (1_767_225_600.25, "2026-01-01T00:00:00.250000Z"),
        (-1.0, "1969-12-31T23:59:59.000000Z"),
        (1e300, "9999-12-31T23:59:59.000000Z"),
        (math.nan, "1970-01-01T00:00:00.000000Z"),
    ],
)
def test_utc_text(wall: float, text: str) -> None:
    assert wire.utc_text(wall) == text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float32(0.5), 0.5),
        (np.int64(7), 7),
        (np.array([1.0, np.nan]), [1.0, None]),
        (math.inf, None),
        (2**60, str(2**60)),
        (float(2**60), str(float(2**60))),
        ({1: (2, {3})}, {"1": [2, [3]]}),
        (True, True),
        (b"x", "b'x'"),
    ],
)
def test_facts_become_plain(value: object, expected: object) -> None:
    assert wire.plain(value) == expected


def envelope(kind: str, data: dict[str, object]) -> dict[str, object]:
    return wire.envelope(
        kind, data, device="box-1", tenant="city", boot=17, seq=123, prev="0" * 64, kid="k"
    )


def test_the_envelope_is_a_cloud_event() -> None:
    body = envelope("violation", wire.violation_data(make_violation("v-1")))
    assert body["id"] == "box-1:17:123"
    assert body["type"] == "cm.violation.new.v1"
    assert body["source"] == "urn:cm:city:box-1/north"
    assert body["subject"] == "v-1"
    # CloudEvents 1.0, 3.1: attribute names are lower-case ASCII letters and digits.
    assert all(name.isalnum() and name == name.lower() for name in body)
    assert wire.parse_envelope(seal.canonical({**body, "sig": ""})).seq == 123


def test_ids_of_different_kinds_never_meet() -> None:
    fault = wire.fault_data(Fault("stall", "north", "start", AT, ""))
    reading = m.Reading(
        sensor="s",
        channel="c",
        unit="dB",
        began=wire.moment(AT),
        ended=wire.moment(AT),
        n=60,
        valid=60,
        mean=61.5,
        min=50.0,
        max=80.0,
        flags={"ok": 60},
        levels={"L10": 66.0},
    )
    bodies = [
        envelope("violation", wire.violation_data(make_violation("v-1"))),
        envelope("fault", fault),
        envelope("sensor", wire.sensor_data([reading])),
    ]
    assert len({body["id"] for body in bodies}) == 3


def test_another_major_version_is_told_apart() -> None:
    body = envelope("violation", wire.violation_data(make_violation("v-1")))
    with pytest.raises(wire.Malformed) as malformed:
        wire.parse_envelope(seal.canonical({**body, "type": "cm.violation.new.v2", "sig": ""}))
    assert malformed.value.why == "version"


def test_unknown_fields_are_ignored_by_receivers() -> None:
    body = envelope("violation", wire.violation_data(make_violation("v-1")))
    wire.parse_envelope(seal.canonical({**body, "sig": "", "later": {"more": 1}}))


@given(st.binary(max_size=300))
def test_no_bytes_crash_the_envelope_reader(payload: bytes) -> None:
    with pytest.raises(wire.Malformed):
        wire.parse_envelope(payload)


def test_the_device_is_a_whole_level_of_every_topic() -> None:
    topics = wire.Topics("city", "box-1")
    names = [topics.up(kind.suffix) for kind in wire.KINDS.values()]
    names += [topics.evidence("a" * 64, "c/0"), *topics.down]
    for name in names:
        assert name.split("/")[:4] == ["cm", "v1", "city", "box-1"]
        assert name.count("/") <= 7, "AWS IoT allows seven"


def test_the_same_transfer_for_the_file_transfer_of_emqx() -> None:
    topics = wire.Topics("city", "box-1")
    assert topics.evidence("ab", "init", emqx=True) == "$file/box-1.ab/init"
    assert topics.evidence("ab", "c/98304", emqx=True) == "$file/box-1.ab/98304"
    assert topics.evidence("ab", "fin/7/cc", emqx=True) == "$file/box-1.ab/fin/7/cc"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("r1-close-1.jpg", "v-9/r1/r1-close-1.jpg"),
        ("r12-clip.mp4", "v-9/r12/r12-clip.mp4"),
        ("a.jpg", "v-9/r3/a.jpg"),
    ],
)
def test_where_a_listed_file_lies(name: str, path: str) -> None:
    assert wire.evidence_path("v-9", 3, name) == path


def test_faults_at_the_same_place_have_their_own_rows() -> None:
    first = Fault("stall", "north", "start", AT, "")
    later = replace(first, at=Stamp(AT.mono + 60, AT.wall + 60))
    end = replace(first, phase="end")
    assert len({wire.fault_key(fault) for fault in (first, later, end)}) == 3
