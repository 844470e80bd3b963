# SPDX-License-Identifier: AGPL-3.0-or-later
"""How many records a receiver takes for each second of its own core, into PostgreSQL.

    tools/python -m tools.clustered.throughput --records 4000

Signed and chained records of many boxes go through the receiver's own intake in commits as large as
the queues bring them; the database is a machine of its own with a standby. Counted is CPU time of
this process, which waits for the database meanwhile, so that a busy machine does not change it.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from city_platform import golden
from city_platform.files import Box
from city_platform.intake import Receiver
from city_platform.receiver import platform_signer
from city_platform.store import Store
from edge.uplink import messages as m
from edge.uplink import seal, wire
from edge.uplink.mqtt import Arrived
from tools.clustered.databases import SERVERS, Databases
from tools.clustered.network import Network, NoNetwork
from tools.clustered.run import OUT
from tools.system import roots
from tools.system.roots import SYSTEMS, NoRoot

TENANT = "city"
BATCH = 64


class Sender:
    """A box's signed birth and records, one after the other."""

    def __init__(self, name: str) -> None:
        self.box = Box(TENANT, name)
        private = Ed25519PrivateKey.generate()
        self._signer = seal.Signer(seal.fingerprint(private.public_key()), private)
        self._seq, self._prev = 0, "0" * 64

    def birth(self) -> Arrived:
        pem = seal.public_pem(self._signer.public).decode()
        keys = (m.PublicKey(kid=self._signer.kid, pem=pem),)
        told = msgspec.structs.replace(golden.birth(), device=self.box.device, keys=keys)
        return self._arrived("birth", self._signer.sign(msgspec.to_builtins(told)))

    def record(self) -> Arrived:
        """The next sealed violation of this box, as it comes from the broker."""
        self._seq += 1
        told = replace(golden.violations()[0], id=f"{self.box.device}-{self._seq}", evidence=())
        body = wire.envelope(
            "violation", wire.violation_data(told), device=self.box.device, tenant=TENANT, boot=1,
            seq=self._seq, prev=self._prev, kid=self._signer.kid,
        )  # fmt: skip
        payload = self._signer.sign(body)
        self._prev = seal.sha256(payload)
        return self._arrived("evt/violation", payload)

    def _arrived(self, suffix: str, payload: bytes) -> Arrived:
        return Arrived(f"{wire.ROOT}/{self.box.path}/{suffix}", payload, 1, retain=False)


def batches(boxes: int, records: int) -> Iterator[list[Arrived]]:
    """Births first, then the boxes' records mixed as they come from many."""
    senders = [Sender(f"box-{n:04d}") for n in range(boxes)]
    yield [sender.birth() for sender in senders]
    came = [random.choice(senders).record() for _ in range(records)]
    yield from (came[at : at + BATCH] for at in range(0, records, BATCH))


def measured(store: Store, out: Path, boxes: int, records: int) -> dict[str, float]:
    """Through one receiver; every record must stand there once."""
    receiver = Receiver(store, platform_signer(out), "one", tell=False)
    first, *rest = batches(boxes, records)
    receiver.take(first)
    cpu, wall = time.process_time(), time.perf_counter()
    for batch in rest:
        receiver.take(batch)
    cpu_s, wall_s = time.process_time() - cpu, time.perf_counter() - wall
    told = store.summary()
    whole = told["records"].get("violation", 0) == records and not told["quarantined"]
    return {
        "records": records,
        "boxes": boxes,
        "per_core_s": round(records / cpu_s, 1),
        "per_wall_s": round(records / wall_s, 1),
        "cpu_ms": round(1000.0 * cpu_s / records, 3),
        "lost_or_doubled": 0 if whole else 1,
    }


def main() -> int:
    """0 with the figures as JSON; 1 where a record is not there once; 2 where there is no root."""
    parser = argparse.ArgumentParser(prog="tools.clustered.throughput", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--records", type=int, default=4000)
    parser.add_argument("--boxes", type=int, default=200)
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="throughput-", dir="/var/tmp"))
    folder.chmod(0o755)
    try:
        network = Network(SERVERS)
        databases = None
        try:
            network.enter()
            databases = Databases(network, roots.clustered(SYSTEMS[13]), folder / "databases")
            databases.start()
            store = Store(folder / "received", databases.url)
            told = measured(store, folder / "received", args.boxes, args.records)
            store.close()
        finally:
            if databases:
                databases.close()
            network.close()
    except (NoNetwork, NoRoot) as error:
        print(f"throughput: {error}", file=sys.stderr)
        return 2
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "throughput.json").write_text(json.dumps(told) + "\n")
    print(json.dumps(told))
    shutil.rmtree(folder)
    return int(told["lost_or_doubled"])


if __name__ == "__main__":
    sys.exit(main())
