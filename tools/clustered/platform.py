# SPDX-License-Identifier: AGPL-3.0-or-later
"""Brokers, databases and receivers of one trial in a folder: started, hurt, and asked what is
stored."""

from __future__ import annotations

import hashlib
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import msgspec

from city_platform.files import Box
from city_platform.store import Store
from tools.clustered.boxes import TENANT
from tools.clustered.brokers import NODES, Brokers
from tools.clustered.databases import SERVERS, Databases
from tools.clustered.network import SWITCH, Network, NoNetwork
from tools.faultlab.rig import Process

SHARES = 4
# So few that a stop of the receivers fills them: boxes must then be told to keep theirs.
QUEUE_MOST = 200
UP_S = 300.0


@dataclass(frozen=True, slots=True)
class Stored:
    """The platform's store against what boxes promised. doubled: violations with more than one
    row; torn: files that are not there with their bytes."""

    records: int
    missing: int
    doubled: int
    invented: int
    files: int
    torn: int
    gaps: int
    breaks: int
    quarantined: int


class ClusterPlatform:
    """Everything on the platform's side; `close` ends all of it, however far it came."""

    def __init__(
        self,
        folder: Path,
        root: Path,
        *,
        receivers: int,
        memory_mb: int = 500,
        queue_most: int = QUEUE_MOST,
    ) -> None:
        self.folder, self.out = folder, folder / "received"
        self._queue_most = queue_most
        self.network = Network((*NODES, *SERVERS))
        self._receivers: list[Process | None] = [None] * receivers
        self.network.enter()
        (folder / "brokers").mkdir()
        self.brokers = Brokers(self.network, root, folder / "brokers", memory_mb=memory_mb)
        self.databases = Databases(self.network, root, folder / "databases")

    @property
    def key(self) -> Path:
        return self.out / "platform.pub.pem"

    @property
    def host(self) -> str:
        """Where boxes connect."""
        return SWITCH

    def start(self) -> None:
        """Brokers, database with standby, receivers. Raises NoNetwork."""
        self.brokers.start()
        self.databases.start()
        self.wait(lambda: self.brokers.all_up, "three brokers answer")
        for number in range(len(self._receivers)):
            self.start_receiver(number)
        self.wait(self.key.exists, "the platform's key")

    def start_receiver(self, number: int) -> None:
        """Start a receiver for its part of the shares."""
        mine = [str(n) for n in range(SHARES) if n % len(self._receivers) == number]
        argv = [sys.executable, "-m", "city_platform.receiver", "--out", str(self.out)]
        argv += ["--database", self.databases.url, "--name", f"receiver-{number}"]
        argv += ["--amqp", self.brokers.hosts, "--shares", str(SHARES), "--first", ",".join(mine)]
        argv += ["--queue-most", str(self._queue_most)]
        log = self.folder / f"receiver-{number}.log"
        self._receivers[number] = Process(argv, log)

    def kill_receiver(self, number: int) -> None:
        child = self._receivers[number]
        assert child is not None
        child.kill()

    def hold_receivers(self, seconds: float) -> None:
        """None of them does anything meanwhile; the brokers give them up."""
        for number in (signal.SIGSTOP, signal.SIGCONT):
            for child in self._receivers:
                if child is not None:
                    child.child.send_signal(number)
            if number is signal.SIGSTOP:
                time.sleep(seconds)

    def wait(self, so: Callable[[], bool], what: str, limit_s: float = UP_S) -> None:
        """Raises NoNetwork where it does not become so."""
        end = time.monotonic() + limit_s
        while not so():
            self._alive()
            if time.monotonic() > end:
                raise NoNetwork(f"not within {limit_s:.0f} s: {what}")
            time.sleep(0.25)

    def _alive(self) -> None:
        if self.brokers.ended:
            raise NoNetwork(f"the balancer ended: {self.brokers.ended}")
        for number, child in enumerate(self._receivers):
            if child is not None and child.child.poll() not in (None, -signal.SIGKILL):
                said = child.log.read_text().splitlines()[-4:]
                raise NoNetwork(f"receiver-{number} ended: {said}")

    def stored(self, promised: Mapping[str, Mapping[str, str]]) -> Stored:
        """Every record and file, read back and compared."""
        sql = "SELECT device, payload FROM record WHERE kind = 'violation'"
        with closing(Store(self.out, self.databases.url)) as store:
            rows = store.database.rows(sql)
            told = store.summary()
        named = [(device, _violation(bytes(payload))) for device, payload in rows]
        found = Counter(name for _, name in named)
        return Stored(
            records=len(rows),
            missing=sum(name not in found for name in promised),
            doubled=sum(n > 1 for n in found.values()),
            invented=sum(name not in promised for name in found),
            files=sum(len(files) for files in promised.values()),
            torn=sum(
                self._sha256(device, name, path) != sha256
                for device, name in named
                for path, sha256 in promised.get(name, {}).items()
            ),
            gaps=len(told["gaps"]),
            breaks=len(told["breaks"]),
            quarantined=told["quarantined"],
        )

    def _sha256(self, device: str, violation: str, path: str) -> str:
        file = self.out / "evidence" / Box(TENANT, device).path / violation / "r1" / path
        return hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else ""

    def close(self) -> None:
        """End the receivers first, then brokers, databases and network."""
        for child in self._receivers:
            if child is not None and child.child.poll() is None:
                child.kill()
        self.brokers.close()
        self.databases.close()
        self.network.close()


def _violation(payload: bytes) -> str:
    return str(msgspec.json.decode(payload)["data"]["id"])


def log_line(text: str, began: float) -> None:
    print(json.dumps({"s": round(time.monotonic() - began, 1), "what": text}), flush=True)
