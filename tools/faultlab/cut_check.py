# SPDX-License-Identifier: AGPL-3.0-or-later
"""What must be true of a box's disk after a power cut, given what the world was told before."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edge.clock import SystemClock
from edge.config import ConfigError, Device, load
from edge.config.paths import box_files
from edge.evidence import store
from edge.outbox import OutboxBroken, OutboxRow, State
from edge.outbox.salvage import check_and_salvage
from edge.uplink import seal
from edge.uplink.build import Stock, open_stock
from edge.uplink.sealer import Sealer
from edge.uplink.wire import KINDS


@dataclass(slots=True)
class Told:
    """The notes up to one moment: what the box has promised, said and obeyed."""

    promised: dict[str, dict[str, str]] = field(default_factory=dict)
    sent: dict[str, dict[str, Any]] = field(default_factory=dict)
    obeyed: list[dict[str, Any]] = field(default_factory=list)
    # Of `obeyed`, those that the broker has let go of, so that they never come again.
    kept: list[dict[str, Any]] = field(default_factory=list)

    def note(self, told: dict[str, Any]) -> None:
        """One line of the worker's log: what it promised, sent, obeyed, and what was on disk by
        then."""
        if "promised" in told:
            self.promised[told["promised"]] = told["files"]
        elif "sent" in told:
            self.sent.setdefault(told["sent"], told)
        elif "obeyed" in told:
            self.obeyed.append(told)
        elif "taken" in told:
            self.kept += self.obeyed
            self.obeyed = []
        elif "started" in told:
            # What the last one died in is brought again; a command's counter is on disk already.
            self.kept += [note for note in self.obeyed if note["obeyed"] == "command"]
            self.obeyed = []


@dataclass(frozen=True, slots=True)
class Held:
    """What the platform has: record id -> SHA-256, names of violations, hashes of whole files."""

    records: dict[str, str]
    violations: set[str]
    files: set[str]

    @classmethod
    def of(cls, platform: Path) -> Held:
        """What the receiver's database says it keeps: records, cases, finished files."""
        with closing(sqlite3.connect(platform / "platform.db")) as db:
            rows = db.execute("SELECT id, sha256, subject FROM record").fetchall()
            files = db.execute("SELECT sha256 FROM transfer WHERE done = 1").fetchall()
        records, violations = {row[0]: row[1] for row in rows}, {row[2] for row in rows}
        return cls(records, violations, {file[0] for file in files})


@dataclass(slots=True)
class Verdict:
    """Problems found, by kind; `examples` has the first of each."""

    found: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def say(self, kind: str, text: str) -> None:
        self.found[kind] += 1
        self.examples.setdefault(kind, text)


def check(folder: Path, told: Told, held: Held, verdict: Verdict) -> None:
    """Start on this disk as the daemons do, and look for what is lost or would be forged."""
    try:
        _check(folder, told, held, verdict)
    except (ConfigError, OutboxBroken, sqlite3.DatabaseError, ValueError, OSError) as error:
        verdict.say("does not start", str(error))


def _check(folder: Path, told: Told, held: Held, verdict: Verdict) -> None:
    state = folder / "state"
    store.clean(state / "evidence")
    if check_and_salvage(state / "outbox.db") is not None:
        verdict.say("damaged", "the outbox had to be salvaged after a mere power cut")
    _config(folder, told, verdict)
    device = load(folder / "device.yaml", Device)
    stock = open_stock(device, box_files(device, folder / "site.yaml", None), SystemClock())
    try:
        rows = _rows(folder)
        for name, files in told.promised.items():
            _promise(folder, name, files, rows.get(f"{name}/r1"), held, verdict)
        _sent(stock, told, rows, held, verdict)
        _reviews(state, told, verdict)
        _goes_on(stock, told, verdict)
    finally:
        stock.dispatch.close()
        stock.outbox.close()


def _rows(folder: Path) -> dict[str, tuple[int, str | None, str | None]]:
    """Key -> state, record id, SHA-256 of every row."""
    db = sqlite3.connect(folder / "state" / "outbox.db")
    found = db.execute("SELECT key, state, record_id, sha256 FROM record").fetchall()
    db.close()
    return {row[0]: row[1:] for row in found}


def _promise(
    folder: Path,
    name: str,
    files: dict[str, str],
    row: tuple[int, str | None, str | None] | None,
    held: Held,
    verdict: Verdict,
) -> None:
    if row is None or row[0] == State.PLATFORM_ACK:
        if name not in held.violations:
            verdict.say("lost" if row is None else "false release", name)
        if row is None:
            return
    place = folder / "state" / "evidence" / name / "r1"
    for path, sha256 in files.items():
        if sha256 not in held.files and _sha256(place / path) != sha256:
            verdict.say("torn", f"{name}/{path}")


def _sent(
    stock: Stock,
    told: Told,
    rows: dict[str, tuple[int, str | None, str | None]],
    held: Held,
    verdict: Verdict,
) -> None:
    """What was sent stands on the disk with the same bytes, or was released; its key is here."""
    here = {row[1]: row[2] for row in rows.values() if row[1]}
    known = {key.kid for key in stock.keys.public}
    for record, note in told.sent.items():
        if here.get(record, held.records.get(record)) != note["sha256"]:
            verdict.say("forgotten", f"{record} was sent with other bytes, or is on no disk")
        if note["kid"] not in known:
            verdict.say("key lost", note["kid"])
    for kind in {note["kind"] for note in told.sent.values()}:
        last = max(n["seq"] for n in told.sent.values() if n["kind"] == kind)
        if stock.dispatch.head(kind).seq < last:
            verdict.say("chain behind", f"{kind}: {stock.dispatch.head(kind).seq} after {last}")
    # Only a command's counter is stored before it is obeyed; the others bear a repeat.
    begun = [note for note in told.obeyed if note["obeyed"] == "command"]
    for note in told.kept + begun:
        if stock.dispatch.heard(f"{note['obeyed']}:{note['iss']}") < note["n"]:
            verdict.say("counter behind", f"{note['obeyed']} {note['n']} could be done twice")


def _config(folder: Path, told: Told, verdict: Verdict) -> None:
    """The site file is the old or the new one, whole; the revision is known."""
    site = folder / "site.yaml"
    try:
        name = yaml.safe_load(site.read_bytes())["name"] if site.exists() else "rev 0"
    except (yaml.YAMLError, TypeError, KeyError):
        name = "torn"
    if not name.startswith("rev "):
        verdict.say("config torn", name)
    revs = [n["rev"] for n in told.kept if n["obeyed"] == "desired"]
    file = folder / "state" / "config" / "applied.json"
    applied: dict[str, Any] = json.loads(file.read_bytes()) if file.exists() else {"seen": 0}
    seen = max(applied["seen"], (applied.get("waiting") or {"rev": 0})["rev"])
    if revs and seen < max(revs):
        verdict.say("config forgotten", f"rev {max(revs)}, on disk {seen}")


def _reviews(state: Path, told: Told, verdict: Verdict) -> None:
    kept: set[int] = set()
    for path in (state / "reviews").glob("*.jsonl"):
        for line in path.read_bytes().splitlines():
            try:
                kept.add(json.loads(line)["n"])
            except (ValueError, KeyError):
                continue  # the torn last line, closed off by the next verdict
    for note in told.kept:
        if note["obeyed"] == "review" and note["n"] not in kept:
            verdict.say("review lost", str(note["n"]))


def _goes_on(stock: Stock, told: Told, verdict: Verdict) -> None:
    """Everything that waits can be sealed, under numbers that nothing sent had."""
    sealer = Sealer(stock.keys.signer, stock.topics, stock.dispatch, lambda: 0.0)
    ring = seal.KeyRing({key.kid: _public(key.pem) for key in stock.keys.public})
    for kind in KINDS:
        with stock.dispatch.commit():
            for row in stock.dispatch.claim(kind, 10_000, sealer.seal):
                _claimed(row, told, ring, verdict)


def _public(pem: str) -> Ed25519PublicKey:
    return seal.read_public(pem.encode())[0]


def _claimed(row: OutboxRow, told: Told, ring: seal.KeyRing, verdict: Verdict) -> None:
    if row.record_id in told.sent and told.sent[row.record_id]["sha256"] != row.sha256:
        verdict.say("forged", f"{row.record_id} would be sent again with other bytes")
    if KINDS[row.kind].sealed:
        try:
            ring.verify(json.loads(row.payload or b"{}"))
        except seal.Forged as error:
            verdict.say("unverifiable", f"{row.key}: {error}")


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return "absent"
