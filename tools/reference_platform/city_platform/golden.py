# SPDX-License-Identifier: AGPL-3.0-or-later
"""Golden messages: one of every kind, byte for byte the same each time, made by the uplink's code.

They tell one story: a vendor on a pavement, seen, gone again; its picture in two chunks; what the
platform answers. Some are wrong on purpose. The keys are derived from a published phrase: anybody
can sign with them, so nobody may trust them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from city_platform.schemas import Channel, channels
from edge.handling.casework import step_data
from edge.handling.life import CaseStep, StepKind, fold, make_step
from edge.handling.life import Role as Author
from edge.uplink import messages as m
from edge.uplink import seal, wire
from edge.values import EvidenceFile, Fault, Json, Place, Role, Stamp, Violation, ZoneDecision

TENANT, DEVICE, BOOT, CONN = "city", "box-1", 17, 3
FIRST = "0" * 64
WALL = 1_772_352_000.0
CHUNK = 512
PICTURE = hashlib.shake_256(b"City Edge golden picture").digest(1000)
CLIP = hashlib.shake_256(b"City Edge golden clip").digest(2000)
MANIFEST = hashlib.sha256(b"City Edge golden manifest").hexdigest()
CHANNELS: dict[str, Channel] = {channel.name: channel for channel in channels()}


def key(whose: str) -> seal.Signer:
    """A key that everybody knows: SHA-256 of a phrase is its private half."""
    seed = hashlib.sha256(f"City Edge golden key of the {whose}".encode()).digest()
    private = Ed25519PrivateKey.from_private_bytes(seed)
    return seal.Signer(seal.fingerprint(private.public_key()), private)


BOX, DESK = key("device"), key("platform")


@dataclass(frozen=True, slots=True)
class Golden:
    """One message. `wrong` says why a receiver must refuse it; None where it is sound."""

    name: str
    channel: Channel
    payload: bytes
    wrong: str | None = None
    topic_parts: tuple[tuple[str, str], ...] = ()

    @property
    def file(self) -> str:
        return f"{self.name}.{'json' if self.channel.body else 'bin'}"

    @property
    def topic(self) -> str:
        suffix = self.channel.suffix.format(**dict(self.topic_parts))
        return wire.Topics(TENANT, DEVICE).up(suffix)

    def entry(self) -> dict[str, Json]:
        """A row of the index: how a platform's test finds, sends and judges this message."""
        told = self.channel
        return {
            "name": self.name,
            "file": self.file,
            "topic": self.topic,
            "direction": "up" if told.up else "down",
            "qos": told.qos,
            "retain": told.retain,
            "schema": told.schema_id if told.body else None,
            "sha256": seal.sha256(self.payload),
            "valid": self.wrong is None,
            "why": self.wrong,
        }


def golden() -> list[Golden]:
    """All of them, in the order in which they travel."""
    return [*_state(), *_records(), *_evidence(), *_down(), *_wrong()]


def at(seconds: float) -> Stamp:
    return Stamp(1000.0 + seconds, WALL + seconds, "ntp", 3.0)


def _plain(name: str, channel: str, body: msgspec.Struct) -> Golden:
    return Golden(name, CHANNELS[channel], msgspec.json.encode(body))


def _signed(name: str, channel: str, body: dict[str, Json], by: seal.Signer) -> Golden:
    return Golden(name, CHANNELS[channel], by.sign(body))


def _state() -> Iterator[Golden]:
    yield _plain("status-online", "status", m.Status(state="online", boot=BOOT, conn=CONN))
    yield _plain("status-offline", "status", m.Status(state="offline", boot=BOOT, conn=CONN))
    yield _signed("birth", "birth", msgspec.to_builtins(birth()), BOX)
    yield _plain("health", "health", _health())
    applied = m.Reported(rev=4, status="applied", sha256="c" * 64)
    yield _plain("reported", "reported", applied)
    refused = m.Reported(rev=4, status="rejected", errors=("rev 5", "cameras[0].fps = 0: above 0"))
    yield _plain("reported-rejected", "reported", refused)
    done = m.CommandResult(cmd_id="c-1", state="done", data={"file": "r1-close-1.jpg"})
    yield _plain("command-result", "command-result", done)
    looked = m.CommandResult(
        cmd_id="c-2", state="done", reason="case v-0002",
        data={
            "answer": "case", "violation": "v-0002", "camera": "north", "by": "calibrated",
            "files": [{"path": "after-1.jpg", "sha256": seal.sha256(PICTURE), "size": 1000}],
        },
    )  # fmt: skip
    yield _plain("command-result-look", "command-result", looked)


def birth() -> m.Birth:
    """The birth message of the golden box; tests and documents quote it."""
    pem = seal.public_pem(BOX.public).decode()
    return m.Birth(
        device=DEVICE,
        tenant=TENANT,
        boot=BOOT,
        conn=CONN,
        time=wire.utc_text(WALL),
        software="0.1.0",
        contract=wire.VERSION,
        platform="Linux aarch64",
        models={"city-v1": "0" * 64},
        cameras=({"id": "north"},),
        sensors=({"id": "noise"},),
        config_sha256="1" * 64,
        config_rev=4,
        limits={"chunk_max": wire.CHUNK_MAX},
        clock={"quality": "ntp", "error_ms": 3.0},
        trust={"release": "platform", "down": "signed", "tls": "on"},
        keys=(m.PublicKey(kid=BOX.kid, pem=pem),),
        schemas=tuple(f"urn:cm:schema:{kind}:{wire.VERSION}" for kind in wire.KINDS),
    )


def _health() -> m.Health:
    return m.Health(
        device=DEVICE,
        boot=BOOT,
        conn=CONN,
        time=wire.utc_text(WALL + 60),
        uptime_s=61.0,
        clock={"quality": "ntp", "error_ms": 3.0},
        board={},
        outbox={"records": {"violation": {"new": 0, "platform_ack": 3}}},
        uplink={"connects": CONN},
        faults=(),
        ladder=0,
    )


def _records() -> Iterator[Golden]:
    """Three revisions in one chain, a fault and a minute of noise in chains of their own."""
    prev = FIRST
    for seq, violation in enumerate(violations(), 1):
        data = {**wire.violation_data(violation), "manifest": MANIFEST}
        made = _record("violation", data, seq, prev, violation.phase)
        prev = seal.sha256(made.payload)
        yield made
    head = m.ChainEnd(seq=3, sha256=prev)
    fault = Fault("stream_stall", "north", "start", at(90), "无画面 12 s / no picture", {"s": 12.0})
    yield _record("fault", wire.fault_data(fault), 1, FIRST, "start")
    yield _record("sensor", wire.sensor_data([_reading()]), 1, FIRST, "minute")
    yield from _steps()
    yield _record("report", _report(), 1, FIRST, "week")
    ends = m.ChainHead(
        device=DEVICE, boot=BOOT, time=wire.utc_text(WALL + 240), heads={"violation": head}, kid=""
    )
    yield _signed("chain", "chain", msgspec.to_builtins(ends), BOX)


def _steps() -> Iterator[Golden]:
    """A case confirmed on the box's page, filed, and past its due time."""
    told: list[tuple[StepKind, float, dict[str, Json]]] = [
        (
            "found",
            WALL + 60,
            {"category": "street-vendor", "source": "north", "grid": "110101001001001"},
        ),
        ("confirmed", WALL + 600, {"due": WALL + 15_000}),
        ("filed", WALL + 601, {}),
        ("overdue", WALL + 15_000, {}),
    ]
    steps: list[CaseStep] = []
    prev = FIRST
    by: str
    role: Author
    for seq, (kind, when, facts) in enumerate(told, 1):
        by, role = ("wang", "page") if kind in ("confirmed", "filed") else ("box", "box")
        steps.append(make_step("v-0001", kind, when, arrived=when, by=by, role=role, facts=facts))
        data = step_data(steps[-1], fold(steps), Stamp(100.0 + seq, when + 30, "ntp", 3.0))
        made = _record("handling", data, seq, prev, kind)
        prev = seal.sha256(made.payload)
        yield made


def _report() -> dict[str, Json]:
    """A week's work report: its figures, and one of its files."""
    page = m.ReportFile(path="report-zh.html", sha256=seal.sha256(PICTURE), size=len(PICTURE))
    share = {"part": 1, "whole": 2, "value": 0.5, "interval": [0.0945, 0.9055]}
    body = m.ReportData(
        id="week-2026-02-23", period="week", first="2026-02-23", last="2026-03-01",
        as_of=wire.utc_text(WALL + 86_400), made=wire.moment(at(86_400)),
        figures={"found": 3, "confirmed": 1, "misdetected": 1, "unreviewed": 1, "precision": share},
        files=(page,),
    )  # fmt: skip
    return dict(wire.plain(msgspec.to_builtins(body)))


def _record(kind: str, data: dict[str, Json], seq: int, prev: str, label: str) -> Golden:
    body = wire.envelope(
        kind, data, device=DEVICE, tenant=TENANT, boot=BOOT, seq=seq, prev=prev, kid=BOX.kid
    )
    return _signed(f"{kind}-{label}", kind, body, BOX)


def evidence_file(role: Role, path: str, data: bytes) -> EvidenceFile:
    return EvidenceFile(role, path, hashlib.sha256(data).hexdigest(), len(data), at(30))


def violations() -> list[Violation]:
    """One violation in three revisions: new, with a clip, ended."""
    picture = evidence_file("close", "r1-close-1.jpg", PICTURE)
    clip = evidence_file("clip", "r2-clip-1.mp4", CLIP)
    new = Violation(
        id="v-0001",
        revision=1,
        phase="new",
        category="street_vending",
        codes={"gbt30428": "0501"},
        names={"zh": "无照经营游商", "en": "street vendor"},
        source={"kind": "fixed_camera", "camera": "north"},
        rule={"id": "vendor-pavement", "version": 1, "hold_s": 120.0},
        began=at(0),
        decided=at(121.5),
        ended=None,
        place=(0.25, 0.75),
        where=Place(30.25, 120.15, 5.0),
        zone=ZoneDecision(False, "in a forbidden zone", ("pavement",)),
        facts={"held_s": 121.5, "seen": 0.93},
        evidence=(picture,),
        gate="complete",
        gate_failed=(),
        occurrence=1,
        model_sha256="0" * 64,
        config_sha256="1" * 64,
    )
    update = replace(new, revision=2, phase="update", evidence=(picture, clip))
    return [new, update, replace(update, revision=3, phase="end", ended=at(200))]


def _reading() -> m.Reading:
    return m.Reading(
        sensor="noise",
        channel="level",
        unit="dB(A)",
        began=wire.moment(at(0)),
        ended=wire.moment(at(60)),
        n=60,
        valid=59,
        mean=61.25,
        min=52.5,
        max=74.0,
        flags={"overrange": 1},
        levels={"L10": 66.0, "L50": 60.5, "L90": 54.0},
    )


def _evidence() -> Iterator[Golden]:
    sha256 = seal.sha256(PICTURE)
    name, size = "r1-close-1.jpg", len(PICTURE)
    where = ("transfer", sha256)
    init = m.EvidenceInit(
        name=name, size=size, sha256=sha256, role="close", records=("v-0001/r1", "v-0001/r2")
    )
    fin = m.EvidenceFin(size=size, sha256=sha256)
    yield replace(_plain("evidence-init", "evidence-init", init), topic_parts=(where,))
    for offset in range(0, size, CHUNK):
        yield Golden(
            f"evidence-chunk-{offset}",
            CHANNELS["evidence-chunk"],
            PICTURE[offset : offset + CHUNK],
            topic_parts=(where, ("offset", str(offset))),
        )
    yield replace(_plain("evidence-fin", "evidence-fin", fin), topic_parts=(where,))


def _from_desk(name: str, channel: str, n: int, **fields: Any) -> Golden:
    body = {"type": channel, "device": DEVICE, "iss": "desk", "n": n, **fields}
    return _signed(name, channel, body, DESK)


def _down() -> Iterator[Golden]:
    """`n` rises from message to message, as a device demands."""
    new, update = (golden.payload for golden in list(_records())[:2])
    stored = [{"id": msgspec.json.decode(p)["id"], "sha256": seal.sha256(p)} for p in (new, update)]
    picture = seal.sha256(PICTURE)
    need = [{"id": picture, "state": "need", "ranges": [[CHUNK, len(PICTURE)]]}]
    have = [{"id": picture, "state": "have", "ranges": []}]
    yield _from_desk("ack-need", "ack", 1, records=stored[:1], evidence=need, nonce="a1b2c3d4")
    yield _from_desk("ack-have", "ack", 2, records=stored[1:], evidence=have)
    yield _from_desk("ack-pace", "ack", 3, pace={"kbit_s": 64.0, "clips": False})
    yield _from_desk(
        "review", "review", 4,
        violation="v-0001", revision=1, record_sha256=stored[0]["sha256"], verdict="confirmed",
        reason="摊位占道 / stall on the pavement", reviewer="duty-7", at=wire.utc_text(WALL + 900),
    )  # fmt: skip
    yield _from_desk(
        "command-snapshot", "command", 5,
        cmd_id="c-1", exp=WALL + 300, command="snapshot", arguments={"camera": "north"},
    )  # fmt: skip
    yield _from_desk(
        "command-look", "command", 7,
        cmd_id="c-2", exp=WALL + 300, command="look",
        arguments={
            "category": "street-vendor", "lat": 30.25, "lon": 120.15, "radius_m": 15.0,
            "source": "hotline", "note": "校门口有摊贩 / a stall at the school gate",
        },
    )  # fmt: skip
    yield _from_desk(
        "desired", "desired", 6,
        rev=5, exp=WALL + 86_400, site={"name": "crossing-12", "timezone": "Asia/Shanghai"},
    )  # fmt: skip


def _wrong() -> Iterator[Golden]:
    sound = next(_records())
    yield replace(
        sound,
        name="wrong-violation-changed",
        payload=sound.payload.replace(b'"occurrence":1', b'"occurrence":2'),
        wrong="the signature does not fit: one digit was changed on the way",
    )
    body = msgspec.json.decode(sound.payload)
    major = {**body, "type": "cm.violation.new.v2"}
    why = "an unknown major version goes to quarantine, not to the list"
    yield replace(_signed("wrong-violation-v2", "violation", major, BOX), wrong=why)
    own = msgspec.json.decode(next(_down()).payload)
    why = "signed by the device's key, not by the platform's"
    yield replace(_signed("wrong-ack-signer", "ack", {**own, "n": 7}, BOX), wrong=why)
    why = "for another device"
    yield replace(_from_desk("wrong-ack-device", "ack", 8, device="box-2"), wrong=why)
    again = next(_down())
    yield replace(again, name="wrong-ack-again", wrong="n is not above the last one heard")
