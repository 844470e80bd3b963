# SPDX-License-Identifier: AGPL-3.0-or-later
"""What others rely on in the outbox, one promise a test: which row goes where, which one stays."""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from edge.config import ConfigError
from edge.outbox import (
    RECEIPT,
    ChainPosition,
    Dispatch,
    Outbox,
    OutboxRow,
    SealedRecord,
    State,
    ballast,
    ladder,
    pages,
    salvage,
)
from edge.outbox.dispatch import revive
from edge.outbox.salvage import _Walk, check_and_salvage
from edge.outbox.schema import MIGRATIONS, connect, gate, lower, lowest, make_shared, transaction
from edge.outbox.sweep import BATCH, Sweep
from edge.values import EvidenceFile, Stamp

AT = Stamp(1.0, 2.0)


def seal(row: OutboxRow, head: ChainPosition) -> SealedRecord:
    payload = f"{head.seq + 1}:{row.key}".encode()
    digest = hashlib.sha256(payload).hexdigest()
    return SealedRecord(head.seq + 1, f"box-1:1:{head.seq + 1}", payload, digest)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


@pytest.fixture
def outbox(path: Path) -> Iterator[Outbox]:
    found = Outbox(path, "visiond")
    yield found
    found.close()


@pytest.fixture
def dispatch(outbox: Outbox, path: Path) -> Iterator[Dispatch]:
    found = Dispatch(path)
    yield found
    found.close()


def put(outbox: Outbox, key: str, kind: str = "violation", **more: Any) -> bool:
    return outbox.put(lane="violation", kind=kind, key=key, body={"key": key}, **more)


def evidence(folder: Path, key: str, *names: str, role: str = "overview") -> dict[str, Any]:
    """A sealed revision with these files and its manifest, as `put` takes it."""
    place = folder / "evidence" / key / "r1"
    place.mkdir(parents=True)
    files = []
    for name in names:
        data = f"{key}/{name}".encode()
        (place / name).write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        files.append(EvidenceFile(role, name, digest, len(data), AT))  # type: ignore[arg-type]
    listed = [{"sha256": f.sha256, "role": f.role, "path": f.path, "size": f.size} for f in files]
    manifest = {"violation": {"key": key}, "files": listed}
    (place / "manifest.json").write_text(json.dumps(manifest))
    return {"folder": place, "files": files}


def states(path: Path, table: str = "record") -> dict[str, int]:
    name = "key" if table == "record" else "path"
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute(f"SELECT {name}, state FROM {table}").fetchall()
    return {Path(key).name: state for key, state in rows}


# Pages: what is read where the tree can no longer be walked.

NUMBERS = (0, 1, 2, -1, 127, -128, 300, 70_000, -70_000, 1 << 30, 1 << 40, -(1 << 40), 1 << 60)
VALUES = (*NUMBERS, None, 1.5, -2.25e300, "", "中文" * 40, b"", bytes(range(256)))


def raw(path: Path, rows: list[tuple[int, Any, Any]]) -> bytes:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA page_size=4096")
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a, b)")
        db.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
        db.commit()
    return path.read_bytes()


def laid(data: bytes, log: bytes = b"") -> pages.PagedFile:
    return pages.PagedFile(io.BytesIO(data), io.BytesIO(log))


def test_every_kind_of_value_is_read_from_the_bare_pages(tmp_path: Path) -> None:
    ids = [1, 2, 127, 128, 16_383, 16_384, 1 << 31, 1 << 55, (1 << 56) + 5, (1 << 62) + 1]
    rows = [(ids[n % len(ids)] + n * 1000, value, n) for n, value in enumerate(VALUES)]
    found = dict(pages.rows(laid(raw(tmp_path / "t.db", rows)), 3))
    assert found == {rowid: [None, a, b] for rowid, a, b in rows}


@pytest.mark.parametrize("size", [4050, 4060, 4061, 4062, 4090, 8000, 8190, 40_000])
def test_a_value_longer_than_its_page_is_followed_to_its_end(tmp_path: Path, size: int) -> None:
    value = os.urandom(size)
    found = dict(pages.rows(laid(raw(tmp_path / "t.db", [(7, value, "end")])), 3))
    assert found[7] == [None, value, "end"]


def test_rows_of_another_table_and_torn_ones_are_left_out(tmp_path: Path) -> None:
    data = raw(tmp_path / "t.db", [(n, "x" * 30, n) for n in range(1, 200)])
    assert list(pages.rows(laid(data), 4)) == []
    torn = bytearray(data)
    leaf = next(start for start in range(4096, len(torn), 4096) if torn[start] == 0x0D)
    (at,) = struct.unpack_from(">H", torn, leaf + 8)
    torn[leaf + at : leaf + at + 2] = b"\xff\x7f"
    found = dict(pages.rows(laid(bytes(torn)), 3))
    assert 190 < len(found) < 199
    assert all(values == [None, "x" * 30, n] for n, values in found.items())


def test_only_what_was_committed_is_taken_from_the_log(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    raw(path, [(1, "old", 0)])
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("INSERT INTO t VALUES (2, 'committed', 0)")
        db.commit()
        log = path.with_name("t.db-wal").read_bytes()
        db.execute("INSERT INTO t VALUES (3, 'later', 0)")
        db.commit()
        longer = path.with_name("t.db-wal").read_bytes()
    data = raw(tmp_path / "u.db", [(1, "old", 0)])

    def ids(log: bytes) -> set[int]:
        return {rowid for rowid, _ in pages.rows(laid(data, log), 3)}

    assert ids(b"") == {1}
    assert ids(log) == {1, 2}
    assert ids(longer) == {1, 2, 3}
    open_end = bytearray(longer)
    struct.pack_into(">I", open_end, len(log) + 4, 0)
    assert ids(bytes(open_end)) == {1, 2}, "the last frame was no commit"
    other = bytearray(longer)
    other[len(log) + 8] ^= 0xFF
    assert ids(bytes(other)) == {1, 2}, "a frame of an older log"
    small = bytearray(log)
    struct.pack_into(">I", small, 8, 1024)
    assert ids(bytes(small)) == {1}, "a log of another page size"


def test_a_log_makes_the_file_longer(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    before = raw(path, [(1, "old", 0)])
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.executemany("INSERT INTO t VALUES (?, ?, 0)", [(n, "x" * 3000) for n in range(2, 9)])
        db.commit()
        log = path.with_name("t.db-wal").read_bytes()
    whole = laid(before, log)
    assert len(whole) > len(before)
    assert {rowid for rowid, _ in pages.rows(whole, 3)} == set(range(1, 9))


# Ballast and ladder: what a full disk costs, and in which order.


def test_the_ballast_is_laid_once_whole_and_only_where_it_is_wanted(tmp_path: Path) -> None:
    assert not ballast.restore(tmp_path, 0)
    assert list(tmp_path.iterdir()) == []
    assert ballast.restore(tmp_path, 2)
    assert not ballast.restore(tmp_path, 2), "it is there"
    (only,) = tmp_path.iterdir()
    found = only.stat()
    assert (only.name, found.st_size, found.st_blocks * 512 >= 2 << 20) == (
        "ballast",
        2 << 20,
        True,
    )
    assert found.st_mode & 0o117 == 0
    assert ballast.drop(tmp_path)
    assert not ballast.drop(tmp_path)


def test_a_ballast_that_finds_no_room_leaves_no_half_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        ballast.restore(tmp_path, 1)
    assert list(tmp_path.iterdir()) == []


def test_what_is_short_is_a_fifth_more_than_the_floor() -> None:
    assert ladder.Room(100, 1000, 100).short == 0
    assert ladder.Room(99, 1000, 100).short == 21
    assert ladder.Room(1000, -10, 100).short == 30
    assert ladder.Room(1000, 0, 100).short == 0, "a quota that is just used up"


@pytest.mark.parametrize(
    ("text", "step"),
    [('{"ladder": 4}', 4), ('{"ladder": 5}', 0), ('{"ladder": -1}', 0), ("{", 0), ("{}", 0)],
)
def test_a_step_that_is_none_counts_as_normal(tmp_path: Path, text: str, step: int) -> None:
    (tmp_path / "status").mkdir()
    assert ladder.current_step(tmp_path) == 0
    (tmp_path / "status" / "janitord.json").write_text(text)
    assert ladder.current_step(tmp_path) == step


# The uplink's side: states.


def test_a_lost_connection_sends_what_nobody_confirmed_and_nothing_else(
    outbox: Outbox, dispatch: Dispatch, path: Path, tmp_path: Path
) -> None:
    for n in range(5):
        put(outbox, f"v-{n}", **evidence(tmp_path, f"v-{n}", f"f{n}.jpg"))
    with dispatch.commit():
        rows = dispatch.claim("violation", 4, seal)
        dispatch.mark_passed([rows[1].id])
        dispatch.acknowledge(rows[2].record_id or "", rows[2].sha256 or "", b"{}")
        dispatch.bury(rows[3].id, "too long")
        files = [file for _ in range(4) if (file := dispatch.claim_file(["picture"]))]
        for file, state in zip(
            files, (State.INFLIGHT, State.BROKER_ACK, State.PLATFORM_ACK, State.DEAD), strict=True
        ):
            dispatch.mark_file(file.sha256, state)
    with dispatch.commit():
        dispatch.requeue_unconfirmed()
    assert states(path) == {"v-0": 0, "v-1": 2, "v-2": 3, "v-3": 8, "v-4": 0}
    by_file = states(path, "file")
    assert [by_file[Path(file.path).name] for file in files if file.role != "manifest"] == [
        {0: 0, 1: 0, 2: 3, 3: 8}[n] for n, file in enumerate(files) if file.role != "manifest"
    ]
    assert dispatch.waiting("violation")
    assert not dispatch.waiting("fault")
    with dispatch.commit():
        assert dispatch.requeue() == 1, "at a start what only the broker has waits, too"
    assert states(path)["v-1"] == 0


def test_nothing_acknowledged_ever_moves_back(
    outbox: Outbox, dispatch: Dispatch, path: Path
) -> None:
    put(outbox, "v-1")
    with dispatch.commit():
        (row,) = dispatch.claim("violation", 9, seal)
        known = (row.record_id or "", row.sha256 or "")
        assert dispatch.acknowledge(known[0], "0" * 64, b"{}") is None, "other bytes"
        assert dispatch.sent(*known)
        assert not dispatch.sent(known[0], "0" * 64)
        released = dispatch.acknowledge(*known, b'{"n": 1}')
        assert released is not None and released.key == "v-1"
        dispatch.acknowledge(*known, b'{"n": 2}')
        dispatch.mark([row.id], State.NEW)
        dispatch.mark_passed([row.id])
        dispatch.bury(row.id, "no")
        assert dispatch.refuse(row.id, "no") == 0
    assert states(path) == {"v-1": 3}
    with closing(Sweep(path)) as sweep:
        assert [found.receipt for found in sweep.released()] == [b'{"n": 1}']


def test_refusals_are_counted_and_a_dead_letter_waits_again_when_asked(
    outbox: Outbox, dispatch: Dispatch, path: Path, tmp_path: Path
) -> None:
    put(outbox, "v-1", **evidence(tmp_path, "v-1", "a.jpg"))
    put(outbox, "v-2")
    with dispatch.commit():
        one, two = dispatch.claim("violation", 9, seal)
        assert [dispatch.refuse(one.id, "schema") for _ in range(2)] == [1, 2]
        dispatch.bury(one.id, "schema")
        dispatch.bury(two.id, "schema")
        file = dispatch.claim_file(["clip", "picture"])
        assert file is not None
        assert [dispatch.refuse_file(file.sha256, "late") for _ in range(2)] == [1, 2]
        assert dispatch.refuse_file("0" * 64, "late") == 0
        dispatch.mark_file(file.sha256, State.MISSING, "gone")
        dispatch.mark_file(file.sha256, State.MISSING)
    with closing(connect(path)) as db:
        note = db.execute("SELECT note FROM file WHERE sha256 = ?", (file.sha256,)).fetchone()[0]
        assert note == "gone", "a state without a note keeps the note"
        assert revive(db, "v-2") == 1
        assert revive(db, one.record_id) == 1
        assert revive(db, None) == 1, "the file"
        assert revive(db, None) == 0
        refused = db.execute("SELECT refused FROM record WHERE key = 'v-1'").fetchone()[0]
    assert refused == 0
    assert set(states(path).values()) == {0}


def test_the_oldest_goes_first_and_the_chain_counts_on(outbox: Outbox, dispatch: Dispatch) -> None:
    for n in range(3):
        put(outbox, f"v-{n}")
    put(outbox, "f-1", kind="fault")
    assert dispatch.head("violation") == ChainPosition()
    assert dispatch.highest_seq("violation") == 0
    with dispatch.commit():
        first = dispatch.claim("violation", 2, seal)
        assert [(row.key, row.seq) for row in first] == [("v-0", 1), ("v-1", 2)]
        dispatch.mark([row.id for row in first], State.NEW)
        again = dispatch.claim("violation", 2, seal)
        assert [(row.payload, row.body) for row in again] == [(r.payload, None) for r in first]
        (third,) = dispatch.claim("violation", 2, seal)
        assert third.seq == 3
    assert dispatch.head("violation").sha256 == third.sha256
    assert dispatch.highest_seq("violation") == 3
    assert dispatch.highest_seq("fault") == 0


def test_an_older_number_moves_no_chain_back(outbox: Outbox, dispatch: Dispatch) -> None:
    put(outbox, "v-1")
    put(outbox, "n-1", kind="note")
    with dispatch.commit():
        dispatch.set_head("violation", ChainPosition(9, "9" * 64))
        dispatch.claim("violation", 1, lambda row, head: SealedRecord(4, "r", b"p", "4" * 64))
        dispatch.claim("note", 1, lambda row, head: SealedRecord(None, "n", b"p", "5" * 64))
    assert dispatch.head("violation") == ChainPosition(9, "9" * 64)
    assert dispatch.head("note") == ChainPosition()


def test_pictures_go_before_clips_and_of_each_the_oldest(
    outbox: Outbox, dispatch: Dispatch, tmp_path: Path
) -> None:
    put(outbox, "v-1", **evidence(tmp_path, "v-1", "a.mp4", role="clip"))
    put(outbox, "v-2", **evidence(tmp_path, "v-2", "b.jpg"))
    assert dispatch.files_waiting(["clip"])
    assert not dispatch.files_waiting(["telemetry"])
    with dispatch.commit():
        order = []
        while file := dispatch.claim_file(["picture", "clip"]):
            order.append((file.record, file.role))
    assert [record for record, _ in order] == [1, 2, 2, 1]
    assert order[-1] == (1, "clip")
    assert not dispatch.files_waiting(["clip", "picture"])
    assert dispatch.file("0" * 64) is None
    listed = dispatch.manifest_sha256(2)
    assert listed is not None and [row.key for row in dispatch.links(listed)] == ["v-2"]
    put(outbox, "v-3")
    assert dispatch.manifest_sha256(3) is None


def test_counters_and_issuers_outlive_the_process(outbox: Outbox, path: Path) -> None:
    with closing(Dispatch(path)) as dispatch, dispatch.commit():
        assert (dispatch.counted("sent"), dispatch.heard("ack:p")) == (0, 0)
        dispatch.count("sent")
        dispatch.count("sent", 4)
        dispatch.hear("ack:p", 7)
        dispatch.hear("cmd:p", 2)
    with closing(Dispatch(path)) as again:
        assert (again.counted("sent"), again.issuers()) == (5, {"ack:p": 7, "cmd:p": 2})
        with again.commit():
            again.unhear("ack:p")
        assert (again.heard("ack:p"), again.heard("cmd:p")) == (0, 2)


def test_a_commit_of_another_process_is_noticed_once(outbox: Outbox, dispatch: Dispatch) -> None:
    assert dispatch.changed()
    assert not dispatch.changed()
    put(outbox, "v-1")
    assert dispatch.changed()
    assert not dispatch.changed()


def test_status_says_what_waits_since_when_and_how_much(
    outbox: Outbox, dispatch: Dispatch, tmp_path: Path
) -> None:
    assert outbox.status()["oldest_wall"] is None
    kept = evidence(tmp_path, "v-1", "a.jpg")
    put(outbox, "v-1", **kept)
    put(outbox, "v-2")
    size = (kept["folder"] / "manifest.json").stat().st_size
    with dispatch.commit():
        row, _ = dispatch.claim("violation", 2, seal)
        dispatch.acknowledge(row.record_id or "", row.sha256 or "", b"{}")
        dispatch.mark_file(kept["files"][0].sha256, State.PLATFORM_ACK)
    told = outbox.status()
    assert told == dispatch.status()
    assert told["records"] == {"violation": {"platform_ack": 1, "inflight": 1}}
    assert told["files"] == {"picture": {"new": 1, "platform_ack": 1}}
    assert told["waiting_bytes"] == size
    assert told["oldest_wall"] > row.put_wall


# The producers' side.


def test_a_fault_stands_from_its_start_to_its_end_for_its_own_daemon(
    outbox: Outbox, path: Path
) -> None:
    def fault(phase: str, subject: str = "gate") -> None:
        body = {"kind": "disk", "subject": subject, "phase": phase}
        outbox.put(lane="fault", kind="fault", key=f"{phase}-{subject}", body=body, stands=True)

    fault("start")
    fault("start", "yard")
    fault("end", "yard")
    assert outbox.open_faults() == [({"kind": "disk", "subject": "gate", "phase": "start"}, True)]
    with closing(Outbox(path, "sensord")) as other:
        assert other.open_faults() == []
    assert outbox.boot() == 1


def test_a_name_that_leads_elsewhere_is_no_evidence(outbox: Outbox, tmp_path: Path) -> None:
    kept = evidence(tmp_path, "v-1", "a.jpg")
    for name in ("../a.jpg", ".hidden", "", "a/b"):
        wrong = EvidenceFile("overview", name, "0" * 64, 1, AT)
        with pytest.raises(ValueError, match="plain name"):
            put(outbox, "v-1", folder=kept["folder"], files=[wrong])
    with pytest.raises(ValueError, match="plain name"):
        put(outbox, "v-1", files=kept["files"])
    assert put(outbox, "v-1", **kept)
    assert not put(outbox, "v-1", **kept), "known already"
    assert outbox.known("violation", "v-1")
    assert not outbox.known("fault", "v-1")


def test_a_lost_file_that_comes_again_is_sent_again(
    outbox: Outbox, dispatch: Dispatch, path: Path, tmp_path: Path
) -> None:
    first = evidence(tmp_path / "one", "v-1", "a.jpg")
    put(outbox, "v-1", **first)
    lost = first["files"][0]
    with dispatch.commit():
        dispatch.mark_file(lost.sha256, State.MISSING)
    second = evidence(tmp_path / "two", "v-1", "a.jpg")
    put(outbox, "v-2", **second)
    found = dispatch.file(lost.sha256)
    assert found is not None and found.path == str(second["folder"] / "a.jpg")
    assert states(path, "file")["a.jpg"] == State.NEW
    with dispatch.commit():
        dispatch.mark_file(lost.sha256, State.PLATFORM_ACK)
    put(outbox, "v-3", **first)
    assert states(path, "file")["a.jpg"] == State.PLATFORM_ACK, "not sent twice"


# The janitor's side.


def test_only_what_every_destination_has_is_deleted_and_its_files_with_it(
    outbox: Outbox, dispatch: Dispatch, path: Path, tmp_path: Path
) -> None:
    shared = evidence(tmp_path, "v-1", "a.jpg")
    put(outbox, "v-1", **shared)
    put(outbox, "v-2", folder=shared["folder"], files=shared["files"])
    with dispatch.commit():
        one, _ = dispatch.claim("violation", 2, seal)
        dispatch.acknowledge(one.record_id or "", one.sha256 or "", b"{}")
        while file := dispatch.claim_file(["picture"]):
            dispatch.mark_file(file.sha256, State.PLATFORM_ACK)
    with closing(Sweep(path)) as sweep:
        (released,) = sweep.released()
        assert (released.key, released.folder) == ("v-1", str(shared["folder"]))
        sweep.forget([released])
        assert sweep.released() == []
    assert list(states(path)) == ["v-2"]
    assert len(states(path, "file")) == 2, "the other record lists them still"
    with dispatch.commit():
        (two,) = (row for row in dispatch.links(shared["files"][0].sha256))
        dispatch.acknowledge(two.record_id or "", two.sha256 or "", b"{}")
    with closing(Sweep(path)) as sweep:
        sweep.forget(sweep.released())
    assert (states(path), states(path, "file")) == ({}, {})


def test_released_rows_come_in_bounded_batches(
    outbox: Outbox, dispatch: Dispatch, path: Path
) -> None:
    with transaction(outbox._db):
        outbox._db.executemany(
            "INSERT INTO record (lane, kind, key, state, boot, put_wall) VALUES"
            " ('violation', 'violation', ?, 3, 1, 0)",
            [(f"v-{n}",) for n in range(BATCH + 5)],
        )
    with closing(Sweep(path)) as sweep:
        first = sweep.released()
        assert [row.key for row in first] == [f"v-{n}" for n in range(200)]
        sweep.forget(first)
        assert len(sweep.released()) == 5


def test_telemetry_beyond_its_quota_goes_and_is_counted_and_what_is_on_its_way_stays(
    outbox: Outbox, dispatch: Dispatch, path: Path
) -> None:
    for n in range(6):
        outbox.put(lane="telemetry", kind="level", key=f"t-{n}", body={})
    put(outbox, "v-1")
    with dispatch.commit():
        rows = dispatch.claim("level", 2, seal)
        dispatch.mark_passed([rows[0].id])
    with closing(Sweep(path)) as sweep:
        assert sweep.shed(2, "quota") == 3
        assert sweep.shed(2, "quota") == 0
    assert sorted(states(path)) == ["t-1", "t-4", "t-5", "v-1"]
    assert dispatch.counted("dropped:telemetry:quota") == 3


def test_the_log_beside_the_file_is_emptied(outbox: Outbox, path: Path) -> None:
    put(outbox, "v-1")
    log = path.with_name("outbox.db-wal")
    assert log.stat().st_size > 0
    with closing(Sweep(path)) as sweep:
        sweep.checkpoint()
    assert log.stat().st_size == 0


# Opening, migrating, going back.


def test_a_database_goes_back_to_an_older_program_whole_or_not_at_all(
    outbox: Outbox, dispatch: Dispatch, path: Path, tmp_path: Path
) -> None:
    put(outbox, "v-1", **evidence(tmp_path, "v-1", "a.jpg"))
    assert lowest() == 1
    with pytest.raises(ConfigError, match="no way back from schema 1"):
        lower(path, 0)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS)
    assert lower(path, len(MIGRATIONS)) == len(MIGRATIONS)
    assert lower(path, 1) == 1
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone()[0] == 1
        tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master").fetchall()}
        assert "open_fault" not in tables
        assert db.execute("SELECT key FROM record").fetchall() == [("v-1",)]
        assert db.execute("SELECT count(*) FROM file").fetchone()[0] == 2
    again = Outbox(path, "visiond")
    assert again.known("violation", "v-1")
    assert again.open_faults() == []
    again.close()


def test_rows_of_two_destinations_have_no_way_back(tmp_path: Path) -> None:
    path = tmp_path / "two.db"
    with closing(Outbox(path, destinations=("platform", "city"))) as both:
        put(both, "v-1")
    with pytest.raises(ConfigError, match="cannot go back from schema 3"):
        lower(path, 2)
    with closing(Outbox(path)) as still:
        assert still.status()["records"] == {"violation": {"new": 2}}


def test_a_block_that_raises_changes_nothing(path: Path) -> None:
    with closing(connect(path)) as db:
        with pytest.raises(KeyError), transaction(db):
            db.execute("INSERT INTO heard VALUES ('a', 1)")
            raise KeyError
        assert not db.in_transaction
        assert db.execute("SELECT count(*) FROM heard").fetchone()[0] == 0


def test_a_file_that_is_there_keeps_its_mode_and_a_gate_is_for_one_or_for_all(path: Path) -> None:
    path.touch(0o600)
    make_shared(path)
    assert path.stat().st_mode & 0o777 == 0o600
    with (
        gate(path),
        gate(path),
        path.with_name("outbox.db.lock").open() as lock,
        pytest.raises(BlockingIOError),
    ):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with path.with_name("outbox.db.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


# Salvage.


def test_nothing_to_salvage_is_no_fault(path: Path) -> None:
    assert check_and_salvage(path) is None
    path.touch()
    assert check_and_salvage(path) is None
    assert path.stat().st_size == 0
    path.unlink()
    Outbox(path).close()
    assert check_and_salvage(path) is None
    assert [p.name for p in path.parent.iterdir() if ".bad" in p.name] == []


def break_index(path: Path) -> None:
    """Damage that a quick check finds and that leaves every table readable."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        root = db.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'record_state'"
        ).fetchone()[0]
    with path.open("r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(b"\xff" * 200)


def test_what_is_small_and_readable_goes_over_whole(outbox: Outbox, path: Path) -> None:
    put(outbox, "v-1")
    body = {"kind": "disk", "subject": "gate", "phase": "start"}
    outbox.put(lane="fault", kind="fault", key="f-1", body=body, stands=True)
    with closing(Dispatch(path)) as dispatch, dispatch.commit():
        (row,) = dispatch.claim("violation", 1, seal)
        dispatch.refuse(row.id, "late")
        dispatch.hear("ack:p", 41)
        dispatch.count("sent", 5)
    outbox.close()
    break_index(path)
    found = check_and_salvage(path)
    assert found is not None and (found.rows, found.from_evidence) == (2, 0)
    assert found.kept_as.is_file()
    with closing(Outbox(path, "visiond")) as again, closing(Dispatch(path)) as dispatch:
        assert again.open_faults() == [(body, True)]
        assert (dispatch.heard("ack:p"), dispatch.counted("sent")) == (41, 5)
        assert dispatch.head("violation") == ChainPosition(1, row.sha256 or "")
        with dispatch.commit():
            (same,) = dispatch.claim("violation", 1, seal)
        assert (same.payload, same.seq, same.refused) == (row.payload, 1, 1)


def test_a_case_with_its_receipt_is_not_made_anew(path: Path, tmp_path: Path) -> None:
    for key in ("v-1", "v-2", "v-3"):
        evidence(tmp_path, key, "a.jpg", "gone.jpg")
        (tmp_path / "evidence" / key / "r1" / "gone.jpg").unlink()
    (tmp_path / "evidence" / "v-1" / "r1" / RECEIPT).write_text("{}")
    (tmp_path / "evidence" / "v-3" / "r1" / "manifest.json").write_text('{"files": []}')
    Outbox(path).close()
    break_index(path)
    found = check_and_salvage(path)
    assert found is not None and (found.rows, found.from_evidence) == (0, 1)
    with closing(Outbox(path)) as again:
        assert again.known("violation", "v-2/r1")
        assert not again.known("violation", "v-1/r1")
        told = again.status()["files"]
    assert told == {"picture": {"new": 2}}, "the picture that is there, and the manifest"
    with closing(Dispatch(path)) as dispatch, dispatch.commit():
        (row,) = dispatch.claim("violation", 9, seal)
        manifest = tmp_path / "evidence" / "v-2" / "r1" / "manifest.json"
        assert row.put_wall == manifest.stat().st_mtime
        assert json.loads(manifest.read_bytes())["violation"] == {"key": "v-2"}
        digest = hashlib.sha256(manifest.read_bytes()).hexdigest()
        assert dispatch.manifest_sha256(row.id) == digest


class Torn:
    """A database of which some ids cannot be read."""

    def __init__(self, bad: set[int]) -> None:
        self.bad, self.asked = bad, 0

    def execute(self, _: str, ids: tuple[int, int]) -> Torn:
        self.asked += 1
        self.found = [(n,) for n in range(*ids)]
        if self.bad & set(range(*ids)):
            raise sqlite3.DatabaseError("malformed")
        return self

    def __iter__(self) -> Iterator[tuple[int]]:
        return iter(self.found)


def test_only_the_rows_that_cannot_be_read_are_left_out() -> None:
    torn = Torn({3, 700})
    walk = _Walk(torn)  # type: ignore[arg-type]
    assert [row[0] for row in walk.rows(0, 1000)] == [n for n in range(1000) if n not in (3, 700)]
    assert not walk.whole
    assert torn.asked < 60
    sound = _Walk(Torn(set()))  # type: ignore[arg-type]
    assert len(list(sound.rows(0, 10))) == 10
    assert sound.whole


def row_of(number: int, state: State, payload: bytes | None) -> tuple[Any, ...]:
    values: dict[str, Any] = dict.fromkeys(salvage._RECORD)
    values |= {"id": number, "state": int(state), "payload": payload, "key": f"v-{number}"}
    values |= {"lane": "violation", "kind": "violation", "boot": 1, "put_wall": 2.0}
    values |= {"refused": 0, "destination": "platform"}
    return tuple(values.values())


def test_brackets_without_end_do_not_end_a_salvage(path: Path, tmp_path: Path) -> None:
    evidence(tmp_path, "v-1", "a.jpg")
    deep = b"[" * 100_000
    with closing(Outbox(path)) as outbox:
        put(outbox, "v-2")
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE record SET body = ?", (deep,))
    (tmp_path / "evidence" / "v-1" / "r1" / "manifest.json").write_bytes(deep)
    break_index(path)
    found = check_and_salvage(path)
    assert found is not None and (found.rows, found.from_evidence) == (0, 0)


def test_of_two_copies_the_sealed_one_is_kept_then_the_one_further_on(path: Path) -> None:
    new, sealed = row_of(1, State.NEW, None), row_of(1, State.NEW, b"p")
    further, other = row_of(1, State.INFLIGHT, b"p"), row_of(2, State.NEW, None)
    with closing(connect(path)) as db:
        carried = salvage._Carried(db)
        for row, kept in (
            (new, new),
            (sealed, sealed),
            (row_of(1, State.INFLIGHT, None), sealed),
            (further, further),
            (sealed, further),
        ):
            carried.take(row)
            names = ", ".join(salvage._RECORD)
            assert db.execute(f"SELECT {names} FROM record").fetchall() == [kept]
        carried.take(other)
        assert db.execute("SELECT id, state FROM record ORDER BY id").fetchall() == [
            (1, State.INFLIGHT),
            (2, State.NEW),
        ]


def test_a_page_of_the_log_beyond_the_file_is_read_at_its_place() -> None:
    size = pages.PAGE
    head = b"\0" * 8 + size.to_bytes(4, "big") + b"\0" * 4 + b"saltsalt" + b"\0" * 8
    frame = (3).to_bytes(4, "big") + (3).to_bytes(4, "big") + b"saltsalt" + b"\0" * 8
    whole = laid(b"a" * size, head + frame + b"c" * size)
    assert len(whole) == 3 * size
    assert [whole.page(n) for n in (1, 2, 3)] == [b"a" * size, b"", b"c" * size]
    uncommitted = frame[:4] + b"\0" * 4 + frame[8:]
    assert len(laid(b"a" * size, head + uncommitted + b"c" * size)) == size


def test_the_first_page_is_read_behind_the_header_of_the_file(tmp_path: Path) -> None:
    data = raw(tmp_path / "t.db", [(1, "a", "b")])
    ((rowid, values),) = [found for found in pages.rows(laid(data), 5) if found[1][0] == "table"]
    assert (rowid, values[1:4]) == (1, ["t", "t", 2])


def test_a_database_that_is_busy_is_not_taken_for_a_broken_one(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.outbox.schema.BUSY_TIMEOUT_MS", 1)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("CREATE TABLE t (a)")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            connect(path)
