# SPDX-License-Identifier: AGPL-3.0-or-later
"""What devices publish, checked and stored message by message; what they are told after it."""

from __future__ import annotations

import errno
import json
import os
import re
import sys
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from city_platform.database import NoDatabase
from city_platform.files import Box, NoFiles
from city_platform.store import Store
from edge import patterns
from edge.outbox import MANIFEST
from edge.uplink import downward, seal, wire
from edge.uplink import messages as m
from edge.uplink.chain_heads import CHAIN
from edge.uplink.mqtt import Arrived
from edge.uplink.sealer import ENVELOPE, SIGNER

OFFSET = re.compile(r"[0-9]{1,15}")
NAME, SHA256 = re.compile(patterns.NAME), re.compile(patterns.SHA256)
# Whose topic names no device.
NOBODY = Box("-", "-")
KIND_OF_TOPIC = {kind.suffix: name for name, kind in wire.KINDS.items()}


@dataclass(slots=True)
class Answer:
    """What one device is told after the commit."""

    records: list[downward.RecordAck] = field(default_factory=list)
    evidence: dict[str, downward.EvidenceAck] = field(default_factory=dict)


# Errors of the machine, not of the message that happens to meet them.
MACHINE = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ENOMEM, errno.EMFILE, errno.ENFILE,
     errno.EACCES, errno.EPERM}
)  # fmt: skip
# So often may the machine fail at one and the same message before the message is to blame.
BLAME_AFTER = 5
SAY_EVERY_S = 10.0


class Receiver:
    """Applies messages to the store and gathers the answers. One per process.

    Whatever is wrong with one message is that message's: it is undone alone and put aside, and the
    next has its turn. What is wrong with the store (NoFiles, NoDatabase) ends the turn for all of
    its messages: none is acknowledged, and the broker brings them again.
    """

    def __init__(self, store: Store, signer: seal.Signer, name: str, *, tell: bool) -> None:
        self._store, self._signer, self._name, self._tell = store, signer, name, tell
        self._n = 0
        self._lines: list[str] = []
        self._answers: dict[Box, Answer] = defaultdict(Answer)
        self._blamed: Counter[str] = Counter()
        self._said: dict[Box, tuple[float, int]] = {}

    def take(
        self, arrived: list[Arrived], *, aside: Sequence[Arrived] = (), why: str = ""
    ) -> dict[str, bytes]:
        """One transaction for all of them; returns topic -> signed ack to publish. What the
        transport found to be poison (`aside`) is put aside with its reason, unread."""
        with self._store.commit():
            self._store.prepare({box_of(event.topic) for event in arrived} - {NOBODY})
            if not self._together(arrived):
                for event in arrived:
                    self._one(event)
            for event in aside:
                self._put_aside(box_of(event.topic), event, why)
        for line in self._lines:
            print(line, flush=True)
        answers, self._answers = self._answers, defaultdict(Answer)
        return {
            f"{wire.ROOT}/{box.path}/ack": self._ack(box.device, answer)
            for box, answer in answers.items()
        }

    def _together(self, arrived: list[Arrived]) -> bool:
        """All of them as if each were sound, which is what they nearly always are; whether they
        were. If not, nothing of it stands, and one by one shows whose fault it is."""
        self._answers.clear()
        self._lines.clear()
        try:
            with self._store.apart():
                for event in arrived:
                    self._said_by(box_of(event.topic), event)
        except Exception:  # noqa: BLE001
            # Whatever it was: `_one` meets it again, and knows at which message.
            self._answers.clear()
            self._lines.clear()
            return False
        return True

    def _said_by(self, box: Box, event: Arrived) -> None:
        if box == NOBODY:
            raise ValueError("no topic of a device")
        self._dispatch(box, event.topic.split("/", 4)[4], event.payload)

    def knows(self, box: Box) -> bool:
        """Whether a key of this box is believed."""
        return bool(self._store.keys(box))

    def _one(self, event: Arrived) -> None:
        box = box_of(event.topic)
        try:
            with self._store.apart():
                self._said_by(box, event)
        except (NoFiles, NoDatabase) as error:
            self._machine(box, event, error)
        except OSError as error:
            if error.errno in MACHINE:
                self._machine(box, event, NoFiles(str(error)))
            else:
                self._put_aside(box, event, str(error))
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            self._put_aside(box, event, str(error))
        except Exception as error:  # noqa: BLE001
            # A bug, met by a message: without this it would come again and end us again.
            self._put_aside(box, event, f"bug: {traceback.format_exc(limit=-3)}"[-500:])
            print(f"receiver: a bug, please report: {error!r}", file=sys.stderr)

    def _machine(self, box: Box, event: Arrived, error: NoFiles | NoDatabase) -> None:
        """The store's trouble; a message that alone meets it time and again is put aside."""
        digest = seal.sha256(event.topic.encode() + event.payload)
        if len(self._blamed) > 1000:
            self._blamed.clear()
        self._blamed[digest] += 1
        if self._blamed[digest] < BLAME_AFTER:
            raise error
        self._put_aside(box, event, f"{BLAME_AFTER} times: {error}")

    def _put_aside(self, box: Box, event: Arrived, why: str) -> None:
        """Kept for a person, and told; nobody may fill the log from afar."""
        why = why.encode(errors="replace").decode()
        self._store.quotas.put_aside(box, event.topic, why, event.payload)
        since, left_out = self._said.get(box, (-SAY_EVERY_S, 0))
        if time.monotonic() - since < SAY_EVERY_S:
            self._said[box] = (since, left_out + 1)
            return
        if len(self._said) > 10_000:
            self._said.clear()
        self._said[box] = (time.monotonic(), 0)
        more = f" (and {left_out} more since)" if left_out else ""
        print(f"receiver: {event.topic[:200]}: {why[:300]}{more}", file=sys.stderr)

    def _dispatch(self, box: Box, suffix: str, payload: bytes) -> None:
        ended = self._store.registry.ended(box)
        if ended:
            raise seal.Forged(f"the box is {ended}")
        if suffix in KIND_OF_TOPIC:
            self._record(box, KIND_OF_TOPIC[suffix], payload)
        elif suffix.startswith("evd/"):
            self._evidence(box, suffix.split("/")[1:], payload)
        elif suffix == "birth":
            self._birth(box, payload)
        elif suffix == "chain":
            self._chain(box, payload)

    def _birth(self, box: Box, payload: bytes) -> None:
        """The first key of a device is believed; a later one needs the word of a known one."""
        body = wire.parse(payload)
        told = msgspec.convert(body, m.Birth)
        if (told.tenant, told.device) != box:
            raise seal.Forged(f"birth of {told.device!r} in {told.tenant!r} on another's topic")
        for key in told.keys:
            known = self._store.keys(box)
            if known and key.kid not in known and not self._replaces(box, key):
                said = key.endorsed or {}
                self._ring(box).verify(said)
                if said.get("pem") != key.pem:
                    raise seal.Forged(f"key {key.kid} is endorsed as another one")
            self._store.add_key(box, key.kid, key.pem)
        self._ring(box).verify(body)

    def _replaces(self, box: Box, key: m.PublicKey) -> bool:
        """A new box under an old one's name, as the platform said beforehand."""
        return key.endorsed is None and self._store.registry.believe(box, key.kid, time.time())

    def _ring(self, box: Box) -> seal.KeyRing:
        keys, over = self._store.keys(box), self._store.registry.ended_keys(box)
        return seal.KeyRing({kid: _public(pem) for kid, pem in keys.items() if kid not in over})

    def _chain(self, box: Box, payload: bytes) -> None:
        """How far the device's chains go; a tail that never came shows in the gap report, and
        later, offline, by the signed ends that lie beside the evidence."""
        body = wire.parse(payload)
        self._ring(box).verify(body)
        told = msgspec.convert(body, m.ChainHead)
        if told.device != box.device:
            raise seal.Forged(f"chain of {told.device!r} on the topic of {box.device}")
        if self._store.add_heads(box, told.heads):
            self._store.files.renew(box, CHAIN, payload)

    def _record(self, box: Box, kind: str, payload: bytes) -> None:
        body = wire.parse(payload)
        if not wire.KINDS[kind].sealed:
            self._say(box, kind, body)
            return
        self._ring(box).verify(body)
        told = wire.parse_envelope(payload)
        if told.id.split(":", 1)[0] != box.device or not _source_fits(told.source, box):
            raise seal.Forged(f"record {told.id!r} of {told.source!r} on the topic of {box.path}")
        fresh = self._store.add_record(box, kind, told, payload)
        if kind == "violation":
            self._want(box, told, payload)
        answer = downward.RecordAck(id=told.id, sha256=seal.sha256(payload))
        self._answers[box].records.append(answer)
        if fresh:
            self._say(box, kind, {"id": told.id, "type": told.type, "subject": told.subject})

    def _want(self, box: Box, told: m.Envelope, payload: bytes) -> None:
        """Note where the files of a violation belong, and lay its envelope there."""
        data = msgspec.convert(told.data, m.ViolationData)
        folder = wire.violation_key(data.id, data.revision)
        first = self._store.add_violation(box, data, told.id)
        for item in data.evidence:
            if int(item.path[1:].partition("-")[0]) > data.revision:
                raise ValueError(f"{item.path} is of a revision after r{data.revision}")
            path = wire.evidence_path(data.id, data.revision, item.path)
            self._store.want(box, item.sha256, path)
        if data.manifest:
            self._store.want(box, data.manifest, f"{folder}/{MANIFEST}")
        if first:
            pem = self._store.keys(box)[told.kid]
            self._store.files.place(box, f"{folder}/{ENVELOPE}", payload)
            self._store.files.place(box, f"{folder}/{SIGNER}", pem.encode())

    def _evidence(self, box: Box, part: list[str], payload: bytes) -> None:
        transfer, *rest = part
        if not SHA256.fullmatch(transfer):
            raise ValueError(f"transfer {transfer[:80]!r} is not a SHA-256")
        if rest == ["init"]:
            told = msgspec.json.decode(payload, type=m.EvidenceInit)
            if self._store.announce(box, transfer, told.size):
                self._answer(box, transfer)
            else:
                later = downward.EvidenceAck(id=transfer, state="hold")
                self._answers[box].evidence[transfer] = later
        elif len(rest) == 2 and rest[0] == "c" and OFFSET.fullmatch(rest[1]):
            self._store.write(box, transfer, int(rest[1]), payload)
        elif rest == ["fin"]:
            if not self._store.done(box, transfer) and not self._store.gaps(box, transfer):
                self._store.finish(box, transfer)
            self._answer(box, transfer)
        else:
            raise ValueError(f"no part of a transfer: {'/'.join(rest)[:80]!r}")

    def _answer(self, box: Box, transfer: str) -> None:
        have = self._store.done(box, transfer)
        gaps = () if have else tuple(self._store.gaps(box, transfer)[:1000])
        answer = downward.EvidenceAck(id=transfer, state="have" if have else "need", ranges=gaps)
        self._answers[box].evidence[transfer] = answer
        if have:
            self._say(box, "evidence", {"sha256": transfer})

    def _ack(self, device: str, answer: Answer) -> bytes:
        self._n = max(self._n + 1, time.time_ns() // 1000)
        ack = downward.Ack(
            device=device,
            iss=self._name,
            n=self._n,
            records=tuple(answer.records),
            evidence=tuple(answer.evidence.values()),
            nonce=os.urandom(8).hex(),
        )
        return self._signer.sign(msgspec.to_builtins(ack))

    def _say(self, box: Box, kind: str, body: dict[str, Any]) -> None:
        if self._tell:
            self._lines.append(json.dumps({**box._asdict(), "kind": kind, **body}))


def box_of(topic: str) -> Box:
    """Whose topic it is; NOBODY where it names no device."""
    parts = topic.split("/", 4)
    named = len(parts) == 5 and all(NAME.fullmatch(part) for part in parts[2:4])
    return Box(parts[2], parts[3]) if named else NOBODY


def _source_fits(source: str, box: Box) -> bool:
    """`urn:cm:tenant:device`, with what of the box it is of."""
    return source.split("/", 1)[0] == f"urn:cm:{box.tenant}:{box.device}"


@lru_cache(maxsize=100_000)
def _public(pem: str) -> Ed25519PublicKey:
    return seal.read_public(pem.encode())[0]
