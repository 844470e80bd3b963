# SPDX-License-Identifier: AGPL-3.0-or-later
"""Reference platform: takes what devices publish, checks it, stores it, and only then says so.

    tools/receiver --out received                      (broker on 127.0.0.1:1883, no TLS)
    tools/receiver --out received --ca ca.pem --host broker.example --port 8883
    tools/receiver --out received --page 8090          and a list at http://127.0.0.1:8090/
    tools/receiver --out received --gaps               which records are missing; asks no broker

    tools/receiver --out received --s3 http://store:9000/evidence     files in a bucket

Several share the load: the same --out (or the same --database, --s3 and platform.pem), --session-s
0, each its own --name. Keys of the bucket: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY.
The acknowledgement is signed with `<out>/platform.pem` (made at first use); devices need
`<out>/platform.pub.pem` as `trust.platform_key`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import ssl
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from city_platform.database import NoDatabase
from city_platform.files import NoFiles
from city_platform.page import Page
from city_platform.store import NAME, SHA256, Store
from edge.runtime import Backoff, Stop, write_atomic
from edge.uplink import messages as m
from edge.uplink import mqtt, seal, wire
from edge.uplink.mqtt import Arrived, BrokerAddress, Connected, Lost, MqttConnection

SHARED = ("evt/#", "evd/#", "chain", "cmd/res")
OFFSET = re.compile(r"[0-9]{1,15}")
KIND_OF_TOPIC = {kind.suffix: name for name, kind in wire.KINDS.items()}


@dataclass(slots=True)
class Answer:
    """What one device is told after the commit."""

    records: list[m.RecordAck] = field(default_factory=list)
    evidence: dict[str, m.EvidenceAck] = field(default_factory=dict)


class Receiver:
    """Applies messages to the store and gathers the answers. One per process."""

    def __init__(self, store: Store, signer: seal.Signer, name: str, *, tell: bool) -> None:
        self._store, self._signer, self._name, self._tell = store, signer, name, tell
        self._n = 0
        self._answers: dict[tuple[str, str], Answer] = defaultdict(Answer)

    def take(self, arrived: list[Arrived]) -> dict[str, bytes]:
        """One transaction for all of them; returns topic -> signed ack to publish."""
        with self._store.commit():
            for event in arrived:
                self._one(event)
        answers, self._answers = self._answers, defaultdict(Answer)
        return {
            f"{wire.ROOT}/{tenant}/{device}/ack": self._ack(device, answer)
            for (tenant, device), answer in answers.items()
        }

    def _one(self, event: Arrived) -> None:
        parts = event.topic.split("/", 4)
        if len(parts) != 5 or not all(NAME.fullmatch(part) for part in parts[2:4]):
            return
        tenant, device, suffix = parts[2], parts[3], parts[4]
        try:
            if suffix in KIND_OF_TOPIC:
                self._record(tenant, device, KIND_OF_TOPIC[suffix], event.payload)
            elif suffix.startswith("evd/"):
                self._evidence(tenant, device, suffix.split("/")[1:], event.payload)
            elif suffix == "birth":
                self._birth(device, event.payload)
            elif suffix == "chain":
                self._chain(device, event.payload)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            print(f"receiver: {event.topic}: {error}", file=sys.stderr)
            self._store.quarantine(device, event.topic, str(error), event.payload)

    def _birth(self, device: str, payload: bytes) -> None:
        """The first key of a device is believed; a later one needs the word of a known one."""
        for told in wire.parse(payload).get("keys", ()):
            key = msgspec.convert(told, m.PublicKey)
            known = self._store.keys(device)
            if known and key.kid not in known:
                said = key.endorsed or {}
                self._ring(device).verify(said)
                if said.get("pem") != key.pem:
                    raise seal.Forged(f"key {key.kid} is endorsed as another one")
            self._store.add_key(device, key.kid, key.pem)
        self._ring(device).verify(wire.parse(payload))

    def _ring(self, device: str) -> seal.KeyRing:
        keys = self._store.keys(device)
        return seal.KeyRing({kid: _public(pem) for kid, pem in keys.items()})

    def _chain(self, device: str, payload: bytes) -> None:
        """How far the device's chains go; a tail that never came shows in the gap report."""
        body = wire.parse(payload)
        self._ring(device).verify(body)
        told = msgspec.convert(body, m.ChainHead)
        if told.device != device:
            raise seal.Forged(f"chain of {told.device!r} on the topic of {device}")
        self._store.add_heads(device, told.heads)

    def _record(self, tenant: str, device: str, kind: str, payload: bytes) -> None:
        if not wire.KINDS[kind].sealed:
            self._say(device, kind, wire.parse(payload))
            return
        body = wire.parse(payload)
        self._ring(device).verify(body)
        told = wire.parse_envelope(payload)
        if told.id.split(":", 1)[0] != device:
            raise seal.Forged(f"record of {told.id!r} on the topic of {device}")
        fresh = self._store.add_record(device, kind, told, payload)
        if kind == "violation":
            self._want(device, told, payload)
        answer = m.RecordAck(id=told.id, sha256=seal.sha256(payload))
        self._answers[tenant, device].records.append(answer)
        if fresh:
            self._say(device, kind, {"id": told.id, "type": told.type, "subject": told.subject})

    def _want(self, device: str, told: m.Envelope, payload: bytes) -> None:
        """Note where the files of a violation belong, and lay its envelope there."""
        data = msgspec.convert(told.data, m.ViolationData)
        folder = wire.violation_key(data.id, data.revision)
        self._store.add_violation(device, data, told.id)
        for item in data.evidence:
            path = wire.evidence_path(data.id, data.revision, item.path)
            self._store.want(device, item.sha256, path)
        if data.manifest:
            self._store.want(device, data.manifest, f"{folder}/manifest.json")
        self._store.place(device, f"{folder}/envelope.json", payload)
        pem = self._store.keys(device)[told.kid]
        self._store.place(device, f"{folder}/signer.pem", pem.encode())

    def _evidence(self, tenant: str, device: str, part: list[str], payload: bytes) -> None:
        transfer, *rest = part
        if not SHA256.fullmatch(transfer):
            raise ValueError(f"transfer {transfer!r} is not a SHA-256")
        if rest == ["init"]:
            told = msgspec.json.decode(payload, type=m.EvidenceInit)
            self._store.announce(device, transfer, told.size)
            self._answer(tenant, device, transfer)
        elif len(rest) == 2 and rest[0] == "c" and OFFSET.fullmatch(rest[1]):
            self._store.write(device, transfer, int(rest[1]), payload)
        elif rest == ["fin"]:
            if not self._store.done(device, transfer) and not self._store.gaps(device, transfer):
                self._store.finish(device, transfer)
            self._answer(tenant, device, transfer)
        else:
            raise ValueError(f"no part of a transfer: {'/'.join(rest)[:80]!r}")

    def _answer(self, tenant: str, device: str, transfer: str) -> None:
        have = self._store.done(device, transfer)
        gaps = () if have else tuple(self._store.gaps(device, transfer)[:1000])
        answer = m.EvidenceAck(id=transfer, state="have" if have else "need", ranges=gaps)
        self._answers[tenant, device].evidence[transfer] = answer
        if have:
            self._say(device, "evidence", {"sha256": transfer})

    def _ack(self, device: str, answer: Answer) -> bytes:
        self._n = max(self._n + 1, time.time_ns() // 1000)
        ack = m.Ack(
            device=device,
            iss=self._name,
            n=self._n,
            records=tuple(answer.records),
            evidence=tuple(answer.evidence.values()),
            nonce=os.urandom(8).hex(),
        )
        return self._signer.sign(msgspec.to_builtins(ack))

    def _say(self, device: str, kind: str, body: dict[str, Any]) -> None:
        if self._tell:
            print(json.dumps({"device": device, "kind": kind, **body}), flush=True)


@lru_cache(maxsize=100_000)
def _public(pem: str) -> Ed25519PublicKey:
    return seal.read_public(pem.encode())[0]


def platform_signer(folder: Path) -> seal.Signer:
    """The platform's key pair, made at first use; receivers that share a folder share it."""
    path = folder / "platform.pem"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _make_key(path)
    private = seal.read_private(path.read_bytes())
    public = folder / "platform.pub.pem"
    if not public.exists():
        write_atomic(public, seal.public_pem(private.public_key()))
    return seal.Signer(seal.fingerprint(private.public_key()), private)


def _make_key(path: Path) -> None:
    """Whole or not at all; of two receivers that start at once the first one's key stays."""
    own = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(seal.private_pem(Ed25519PrivateKey.generate()))
        file.flush()
        os.fsync(file.fileno())
    with contextlib.suppress(FileExistsError):
        os.link(own, path)
    own.unlink()


def serve(receiver: Receiver, address: BrokerAddress, group: str, stop: Stop) -> None:
    """Until stopped: one connection after the other."""
    backoff = Backoff(cap_s=30.0)
    while not stop:
        try:
            connection = MqttConnection(address, None)
        except OSError as error:
            print(f"receiver: {error}", file=sys.stderr)
            stop.wait(backoff.next_s())
            continue
        try:
            _session(receiver, connection, group, stop)
        except NoFiles as error:
            # Nothing was acknowledged: the broker keeps it, and brings it to a new connection.
            connection.drop()
            print(f"receiver: --s3: {error}", file=sys.stderr)
        stop.wait(0.0 if stop else backoff.next_s())


def _session(receiver: Receiver, connection: MqttConnection, group: str, stop: Stop) -> None:
    while not stop:
        events = connection.poll(0.2)
        arrived = [event for event in events if isinstance(event, Arrived)]
        if any(isinstance(event, Connected) for event in events):
            connection.subscribe([f"$share/{group}/{wire.ROOT}/+/+/{name}" for name in SHARED])
            connection.subscribe([f"{wire.ROOT}/+/+/birth"])
        if arrived:
            for topic, payload in receiver.take(arrived).items():
                connection.publish(topic, payload)
            for event in arrived:
                connection.acknowledge(event.mid)
        lost = next((event for event in events if isinstance(event, Lost)), None)
        if lost:
            print(f"receiver: {lost.reason}", file=sys.stderr)
            return
    connection.close()


def arguments() -> argparse.Namespace:
    """Where to store, which broker, as which instance of a shared subscription."""
    parser = argparse.ArgumentParser(prog="tools/receiver", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--out", type=Path, required=True, help="folder for records and evidence")
    parser.add_argument("--database", help="postgresql://…; left out: SQLite in the folder")
    bucket = "http(s)://host:port/bucket[/prefix] of an S3-compatible store; left out: the folder"
    parser.add_argument("--s3", metavar="URL", help=bucket)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--ca", help="CA of the broker; given: TLS")
    parser.add_argument("--group", default="platform", help="shared subscription group")
    parser.add_argument("--name", default="receiver-1", help="issuer name, one for each instance")
    session = "how long the broker keeps messages for this instance; 0 where several share the load"
    parser.add_argument("--session-s", type=int, default=mqtt.SESSION_EXPIRY_S, help=session)
    parser.add_argument("--page", type=int, metavar="PORT", help="list page on the loopback")
    parser.add_argument("--gaps", action="store_true", help="print the gap report; 1 with gaps")
    parser.add_argument("--json", action="store_true", help="a line for each stored thing")
    return parser.parse_args()


def main() -> int:
    """Receive until a signal; 2 without its database, 1 from --gaps where records are missing."""
    args = arguments()
    try:
        store = Store(args.out, args.database, args.s3)
    except (NoDatabase, NoFiles) as error:
        option = "--database" if isinstance(error, NoDatabase) else "--s3"
        print(f"receiver: {option}: {error}", file=sys.stderr)
        return 2
    if args.gaps:
        return report(store)
    stop = Stop()
    stop.on_signals()
    receiver = Receiver(store, platform_signer(args.out), args.name, tell=args.json)
    page = None
    if args.page is not None:
        page = Page(lambda: Store(args.out, args.database, args.s3), args.page)
    if page:
        print(f"receiver: http://127.0.0.1:{page.port}/", file=sys.stderr)
    # For the life of this process: what a dead instance would be kept is never read by another.
    mqtt.SESSION_EXPIRY_S = args.session_s
    tls = (lambda: ssl.create_default_context(cafile=args.ca)) if args.ca else None
    address = BrokerAddress(args.host, args.port, client_id=f"cm-{args.group}-{args.name}", tls=tls)
    serve(receiver, address, args.group, stop)
    if page:
        page.close()
    print(json.dumps({"summary": store.summary()}), flush=True)
    store.close()
    return 0


def report(store: Store) -> int:
    """What the chains say is missing or does not fit."""
    gaps, breaks = store.sequence_gaps(), store.chain_breaks()
    for gap in gaps:
        print(f"{gap['device']} {gap['kind']}: {gap['after'] + 1} to {gap['before'] - 1} missing")
    for found in breaks:
        print(f"{found['device']} {found['kind']}: {found['seq']} does not follow the one before")
    print(f"{len(gaps)} gaps, {len(breaks)} breaks")
    store.close()
    return 1 if gaps or breaks else 0


if __name__ == "__main__":
    sys.exit(main())
