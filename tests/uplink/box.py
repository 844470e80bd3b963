# SPDX-License-Identifier: AGPL-3.0-or-later
"""One device's uplink in this process, and a platform that answers by hand."""

from __future__ import annotations

import itertools
import json
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.daemons import uplinkd
from edge.outbox import Outbox
from edge.runtime import Backoff, Notify, Stop
from edge.uplink import downward, seal, wire
from tools.faultlab.fake_broker import FakeBroker, Got
from tools.faultlab.rig import Rig, make_violation

TOPICS = wire.Topics("city", "box-1")


class Platform:
    """Signs what goes down. `n` rises by itself; any field may be overridden."""

    def __init__(self) -> None:
        private = Ed25519PrivateKey.generate()
        self.signer = seal.Signer(seal.fingerprint(private.public_key()), private)
        self._n = itertools.count(1)

    def message(self, kind: str, **fields: Any) -> bytes:
        body = {"type": kind, "device": "box-1", "iss": "desk", "n": next(self._n), **fields}
        return self.signer.sign(body)

    def ack(self, *payloads: bytes, evidence: tuple[downward.EvidenceAck, ...] = ()) -> bytes:
        records = [{"id": json.loads(p)["id"], "sha256": seal.sha256(p)} for p in payloads]
        return self.message("ack", records=records, evidence=msgspec.to_builtins(evidence))

    def command(self, command: str, **fields: Any) -> bytes:
        told = {"cmd_id": "c-1", "exp": time.time() + 300, "arguments": {}, **fields}
        return self.message("command", command=command, **told)


class Box:
    """The daemon's own main loop in a thread, with short waits between connections."""

    def __init__(self, folder: Path, port: int, platform: Platform, **broker: Any) -> None:
        self.folder, self.platform = folder, platform
        self.rig = Rig(folder)
        (folder / "platform").mkdir(exist_ok=True)
        pem = seal.public_pem(platform.signer.public)
        (folder / "platform" / "platform.pub.pem").write_bytes(pem)
        self.device = self.rig.device_file(port)
        if broker:
            told = ", ".join(f"{key}: {value}" for key, value in broker.items())
            text = self.device.read_text().replace("tls: off}", f"tls: off, {told}}}")
            self.device.write_text(text)
        self.stop = Stop()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.code: int | None = None
        self.error: BaseException | None = None

    def _run(self) -> None:
        site = self.folder / "site.yaml"
        try:
            self.code = uplinkd.main(
                self.stop, Notify({}), site_path=site, device_path=self.device, boot_spread_s=0.0
            )
        except BaseException as error:
            self.error = error
            raise

    def start(self) -> Box:
        self.thread.start()
        return self

    def close(self) -> None:
        self.stop.set()
        if self.thread.is_alive():
            self.thread.join(90)
        self.rig.close()
        assert not self.thread.is_alive()

    def outbox(self) -> Outbox:
        return self.rig.outbox()

    def put(self, *names: str) -> None:
        outbox = self.outbox()
        for name in names:
            body = wire.violation_data(make_violation(name))
            key = wire.violation_key(name, 1)
            outbox.put(lane="violation", kind="violation", key=key, body=body)
        outbox.close()

    def status(self) -> dict[str, Any]:
        """The daemon's status file, or that of one that has not started. Raises RuntimeError where
        the daemon ended by an error: nobody waits for what a dead one would do."""
        if self.error is not None:
            raise RuntimeError("uplinkd ended by an error") from self.error
        try:
            return dict(json.loads((self.folder / "run/status/uplinkd.json").read_bytes()))
        except FileNotFoundError:
            return {"online": False, "refused": {}}

    def states(self, kind: str = "violation") -> dict[str, int]:
        outbox = self.outbox()
        try:
            return dict(outbox.status()["records"].get(kind, {}))
        finally:
            outbox.close()


def of_kind(broker: FakeBroker, suffix: str) -> list[Got]:
    return [got for got in broker.got if got.topic == TOPICS.up(suffix)]


def violations(broker: FakeBroker) -> list[Got]:
    return of_kind(broker, "evt/violation")


class Brisk(Backoff):
    """Tests do not wait for minutes; the real delays have their own test."""

    def next_s(self) -> float:
        return min(0.1, super().next_s())
