# SPDX-License-Identifier: AGPL-3.0-or-later
"""The outbox against a model, and what its callers may rely on."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from edge.outbox import (
    ChainPosition,
    Dispatch,
    Outbox,
    OutboxFull,
    OutboxRow,
    SealedRecord,
    State,
    ballast,
)
from edge.outbox.dispatch import revive
from edge.outbox.sweep import Sweep
from edge.values import EvidenceFile, Stamp
from tests.small_disk import small_disk

AT = Stamp(1.0, 2.0)


@pytest.mark.parametrize("umask", [0o007, 0o022, 0o077])
def test_every_user_of_the_group_may_write_it(tmp_path: Path, umask: int) -> None:
    """Each daemon is a user of its own, and whoever comes first makes the files; root, too."""
    before = os.umask(umask)
    try:
        outbox = Outbox(tmp_path / "outbox.db")
        outbox.put(lane="fault", kind="fault", key="f-1", body={})
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
        outbox.close()
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(
        ("outbox.db", "outbox.db-wal", "outbox.db-shm", "outbox.db.lock"), 0o660
    )


def seal(row: OutboxRow, head: ChainPosition) -> SealedRecord:
    payload = f"{head.seq + 1}:{row.key}:{head.sha256}".encode()
    digest = hashlib.sha256(payload).hexdigest()
    return SealedRecord(head.seq + 1, f"box-1:{row.boot}:{head.seq + 1}", payload, digest)


class OutboxModel(RuleBasedStateMachine):
    """Puts, claims, answers, crashes and sweeps in any order; a dictionary says what must hold."""

    keys = Bundle("keys")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="outbox-model-")
        self.path = Path(self.folder.name) / "outbox.db"
        self.outbox = Outbox(self.path)
        self.dispatch = Dispatch(self.path)
        for db in (self.outbox._db, self.dispatch._db):
            db.execute("PRAGMA synchronous=OFF")
        self.state: dict[str, State] = {}
        self.sealed: dict[str, OutboxRow] = {}
        self.order: list[str] = []

    def teardown(self) -> None:
        self.dispatch.close()
        self.outbox.close()
        self.folder.cleanup()

    @rule(target=keys, key=st.integers(0, 40).map(lambda n: f"v-{n}"))
    def put(self, key: str) -> str:
        fresh = self.outbox.put(lane="violation", kind="violation", key=key, body={"key": key})
        assert fresh == (key not in self.state)
        if fresh:
            self.state[key] = State.NEW
            self.order.append(key)
        return key

    @rule(limit=st.integers(1, 5))
    def claim(self, limit: int) -> None:
        with self.dispatch.commit():
            rows = self.dispatch.claim("violation", limit, seal)
        waiting = [key for key in self.order if self.state[key] is State.NEW][:limit]
        assert [row.key for row in rows] == waiting, "oldest first"
        for row in rows:
            before = self.sealed.setdefault(row.key, row)
            assert (before.payload, before.seq) == (row.payload, row.seq), "byte-identical"
            self.state[row.key] = State.INFLIGHT

    @rule(key=keys)
    def puback(self, key: str) -> None:
        row = self.sealed.get(key)
        if row is None:
            return
        with self.dispatch.commit():
            self.dispatch.mark_passed([row.id])
        if self.state.get(key) is State.INFLIGHT:
            self.state[key] = State.BROKER_ACK

    @rule(key=keys, right=st.booleans())
    def platform_ack(self, key: str, right: bool) -> None:
        row = self.sealed.get(key)
        if row is None or key not in self.state:
            return
        with self.dispatch.commit():
            sha256 = row.sha256 if right else "0" * 64
            found = self.dispatch.acknowledge(row.record_id or "", sha256 or "", b"{}")
        assert (found is not None) == right
        if right:
            self.state[key] = State.PLATFORM_ACK

    @rule(key=keys, bury=st.booleans())
    def refuse(self, key: str, bury: bool) -> None:
        row = self.sealed.get(key)
        if row is None or key not in self.state:
            return
        with self.dispatch.commit():
            self.dispatch.refuse(row.id, "no")
            if bury:
                self.dispatch.bury(row.id, "no")
        if self.state[key] is not State.PLATFORM_ACK:
            self.state[key] = State.DEAD if bury else State.NEW

    @rule()
    def retry_the_dead(self) -> None:
        with self.dispatch.commit():
            revive(self.dispatch._db, None)
        self._move({State.DEAD})

    @rule()
    def lose_the_connection(self) -> None:
        with self.dispatch.commit():
            self.dispatch.requeue_unconfirmed()
        self._move({State.INFLIGHT})

    @rule()
    def crash(self) -> None:
        self.dispatch.close()
        self.dispatch = Dispatch(self.path)
        self.dispatch._db.execute("PRAGMA synchronous=OFF")
        self._move({State.INFLIGHT, State.BROKER_ACK})

    @rule()
    def crash_in_the_middle_of_a_claim(self) -> None:
        with pytest.raises(KeyboardInterrupt), self.dispatch.commit():
            self.dispatch.claim("violation", 3, seal)
            raise KeyboardInterrupt

    @rule()
    def sweep(self) -> None:
        sweep = Sweep(self.path)
        released = sweep.released()
        sweep.forget(released)
        sweep.close()
        done = {key for key, state in self.state.items() if state is State.PLATFORM_ACK}
        assert {row.key for row in released} == done
        for key in done:
            del self.state[key]
            del self.sealed[key]
            self.order.remove(key)

    def _move(self, states: set[State]) -> None:
        for key, state in self.state.items():
            if state in states:
                self.state[key] = State.NEW

    @invariant()
    def implementation_is_the_model(self) -> None:
        found = self.outbox._db.execute("SELECT key, state FROM record").fetchall()
        assert {key: State(state) for key, state in found} == self.state

    @invariant()
    def numbers_are_given_once(self) -> None:
        numbers = [row.seq for row in self.sealed.values()]
        assert len(numbers) == len(set(numbers))


OutboxModel.TestCase.settings = settings(
    max_examples=15,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestOutboxModel = OutboxModel.TestCase


@pytest.mark.slow
def test_ten_thousand_steps_against_the_model() -> None:
    from hypothesis.stateful import run_state_machine_as_test

    long = settings(
        max_examples=200,
        stateful_step_count=50,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(OutboxModel, settings=long)


def revision(folder: Path, **files: bytes) -> tuple[Path, list[EvidenceFile]]:
    folder.mkdir(parents=True)
    listed = []
    for name, data in files.items():
        (folder / name).write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        listed.append(EvidenceFile("overview", name, digest, len(data), AT))
    (folder / "manifest.json").write_bytes(f'{{"of": "{folder}"}}'.encode())
    return folder, listed


def test_the_same_bytes_in_two_revisions_are_one_file(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db")
    for number in (1, 2):
        folder, files = revision(tmp_path / f"r{number}", a=b"same")
        outbox.put(
            lane="violation",
            kind="violation",
            key=f"v/r{number}",
            body={},
            folder=folder,
            files=files,
        )
    assert outbox.status()["files"] == {"picture": {"new": 3}}, "one picture and two manifests"


@pytest.mark.parametrize("name", ["", ".", "..", "../a", "/etc/passwd", "a/b", ".hidden", "a\0"])
def test_a_file_is_a_plain_name(tmp_path: Path, name: str) -> None:
    outbox = Outbox(tmp_path / "outbox.db")
    file = EvidenceFile("overview", name, "0" * 64, 1, AT)
    with pytest.raises(ValueError, match="plain name"):
        outbox.put(lane="violation", kind="v", key="1", body={}, folder=tmp_path, files=[file])
    assert outbox.status()["records"] == {}


def test_wal_and_full(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db")
    assert outbox._db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert outbox._db.execute("PRAGMA synchronous").fetchone()[0] == 2


def test_boots_are_counted(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db")
    assert outbox.boot() == outbox.boot() == 1
    outbox._boot_id = "another boot"
    assert outbox.boot() == 2


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "small", "size=8m") as folder:
        yield folder


def test_a_full_disk_costs_the_ballast_and_no_row(small: Path) -> None:
    outbox = Outbox(small / "outbox.db")
    ballast.restore(small, 3)
    (small / "video").write_bytes(b"x" * 3_500_000)
    put = 0
    with pytest.raises(OutboxFull):
        while True:
            body = {"n": put, "text": "x" * 2000}
            outbox.put(lane="violation", kind="violation", key=str(put), body=body)
            put += 1
    assert not (small / "ballast").exists()
    with closing(sqlite3.connect(small / "outbox.db")) as db:
        found = db.execute("SELECT count(*) FROM record").fetchone()[0]
    assert found == put > 100
    (small / "video").unlink()
    assert outbox.put(lane="violation", kind="violation", key="last", body={})


def test_a_full_disk_is_found_by_the_janitor_too(small: Path) -> None:
    ballast.restore(small, 2)
    outbox = Outbox(small / "outbox.db")
    (small / "ballast").rename(small / "kept")
    with pytest.raises(OSError, match="space"):
        ballast.restore(small, 100)
    (small / "kept").rename(small / "ballast")
    dispatch = Dispatch(small / "outbox.db")
    outbox.put(lane="violation", kind="violation", key="1", body={})
    with dispatch.commit():
        row = dispatch.claim("violation", 1, seal)[0]
        dispatch.acknowledge(row.record_id or "", row.sha256 or "", b"{}")
    (small / "video").write_bytes(b"x" * 5_000_000)
    from edge.config import Device
    from edge.config.device import Keep
    from edge.daemons.janitord import Janitor

    keep = Keep(floor_mb=1, ballast_mb=2, evidence_mb=100)
    Janitor(Device(keep=keep), small, small / "run").work(time.time() + 8 * 86_400.0)
    assert not outbox.known("violation", "1")


def test_a_kill_between_puts_loses_none_that_returned(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom pathlib import Path\nfrom edge.outbox import Outbox\n"
        "o = Outbox(Path(sys.argv[1]))\n"
        "for n in range(100000):\n"
        "    o.put(lane='violation', kind='violation', key=str(n), body={'n': n})\n"
        "    print(n, flush=True)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "outbox.db")], stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    returned = [int(child.stdout.readline()) for _ in range(40)]
    child.kill()
    returned += [int(line) for line in child.stdout.read().split()]
    child.wait()
    child.stdout.close()
    outbox = Outbox(tmp_path / "outbox.db")
    assert all(outbox.known("violation", str(n)) for n in returned)
