# SPDX-License-Identifier: AGPL-3.0-or-later
"""A damaged outbox is salvaged: at least 99 of 100 rows, the bad file kept, start within 10 s."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import random
import shutil
import sqlite3
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.config import ConfigError
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
from edge.outbox.salvage import check_and_salvage
from edge.outbox.schema import connect, gate
from tests.small_disk import small_disk
from tools.faultlab.rig import Rig

ROWS = 2000
PAGE = 4096


def seal(row: OutboxRow, head: ChainPosition) -> SealedRecord:
    payload = b"sealed " + (row.body or b"") + b"." * 900
    digest = hashlib.sha256(payload).hexdigest()
    return SealedRecord(head.seq + 1, f"box-1:1:{head.seq + 1}", payload, digest)


def fill(path: Path) -> None:
    """Rows in every state and of every size, some beyond a page."""
    db = Outbox(path)
    # What is tested is the reading of a damaged file, not the speed of this disk.
    db._db.execute("PRAGMA synchronous=OFF")
    rng = random.Random(5)
    for n in range(ROWS):
        text = "x" * rng.choice([10, 1500, 1500, 1500, 9000])
        db.put(lane="violation", kind="violation", key=f"v-{n}", body={"n": n, "text": text})
    dispatch = Dispatch(path)
    with dispatch.commit():
        for row in dispatch.claim("violation", ROWS // 2, seal)[: ROWS // 4]:
            dispatch.acknowledge(row.record_id or "", row.sha256 or "", b"{}")
        dispatch.hear("ack:receiver-1", 77)
    dispatch.close()
    db.close()


def flip_pages(path: Path) -> None:
    rng = random.Random(11)
    with path.open("r+b") as file:
        for page in rng.sample(range(1, path.stat().st_size // PAGE), 5):
            file.seek(page * PAGE)
            file.write(rng.randbytes(PAGE))


def zero_header(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(bytes(100))


def zero_first_page(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(bytes(PAGE))


def cut_off_a_little(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 3 * PAGE - 100)


DAMAGE: list[Callable[[Path], None]] = [flip_pages, zero_header, zero_first_page, cut_off_a_little]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("sound") / "outbox.db"
    fill(path)
    return path.read_bytes()


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda d: d.__name__)
def test_damage_costs_at_most_one_row_in_a_hundred(
    damage: Callable[[Path], None], sound: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "outbox.db"
    path.write_bytes(sound)
    damage(path)
    bad = path.read_bytes()
    began = time.monotonic()
    told = check_and_salvage(path)
    assert time.monotonic() - began < 10.0
    assert told is not None
    assert told.rows >= 0.99 * ROWS, f"{told.rows} of {ROWS}"
    assert told.kept_as.read_bytes()[PAGE:] == bad[PAGE:]
    assert check_and_salvage(path) is None
    found = connect(path).execute("SELECT key, body, payload, state FROM record").fetchall()
    plain = tmp_path / "sound.db"
    plain.write_bytes(_plain(sound))
    original = sqlite3.connect(plain)
    right = {
        row[0]: row[1:]
        for row in original.execute("SELECT key, body, payload, state FROM record").fetchall()
    }
    wrong = [row[0] for row in found if right[row[0]] != row[1:]]
    assert wrong == [], "what is carried over is exactly what was there"


def _plain(data: bytes) -> bytes:
    """Journal mode bytes of the header set to rollback, for a file that has no log beside it."""
    return data[:18] + b"\x01\x01" + data[20:]


def test_rows_that_only_the_log_holds_survive_a_bad_header(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = Outbox(path)
    for n in range(50):
        outbox.put(lane="violation", kind="violation", key=f"v-{n}", body={"n": n})
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for part in tmp_path.glob("outbox.db*"):
        (crashed / part.name).write_bytes(part.read_bytes())
    log = (crashed / "outbox.db-wal").read_bytes()
    data = (crashed / "outbox.db").read_bytes()
    assert len(log) > len(data)
    (crashed / "outbox.db-shm").unlink()
    (crashed / "outbox.db").write_bytes(b"\xff" * 100 + data[100:])
    check_and_salvage(crashed / "outbox.db")
    again = Outbox(crashed / "outbox.db")
    assert all(again.known("violation", f"v-{n}") for n in range(50))


def test_a_missing_log_leaves_a_database_that_opens(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = Outbox(path)
    outbox.put(lane="violation", kind="violation", key="v-1", body={"n": 1})
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    (crashed / "outbox.db").write_bytes(path.read_bytes())
    assert check_and_salvage(crashed / "outbox.db") is None
    again = Outbox(crashed / "outbox.db")
    assert again.put(lane="violation", kind="violation", key="v-1", body={"n": 1})


def test_lost_rows_are_made_anew_from_the_evidence(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    outbox = rig.outbox()
    for n in range(5):
        rig.put(outbox, f"v-{n}", {"r1-a.jpg": b"picture %d" % n})
    outbox.close()
    path = rig.state / "outbox.db"
    for part in rig.state.glob("outbox.db*"):
        part.unlink()
    path.write_bytes(b"not a database at all" * 1000)
    told = check_and_salvage(path)
    assert told is not None
    assert told.from_evidence == 5
    status = Outbox(path).status()
    assert status["records"] == {"violation": {"new": 5}}
    assert status["files"] == {"picture": {"new": 10}}


def test_a_producer_goes_on_in_the_new_file(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = Outbox(path)
    outbox.put(lane="violation", kind="violation", key="v-1", body={"n": 1})
    Dispatch(path).close()
    db = connect(path)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    db.close()
    zero_header(path)
    assert check_and_salvage(path) is not None
    assert outbox.put(lane="violation", kind="violation", key="v-2", body={"n": 2})
    assert Outbox(path).known("violation", "v-2")
    assert Outbox(path).known("violation", "v-1")


def test_nobody_makes_a_database_where_one_is_being_salvaged(tmp_path: Path) -> None:
    """Its log would lie beside the salvaged file and be taken for that one's."""
    path, opened = tmp_path / "outbox.db", threading.Event()

    def produce() -> None:
        outbox = Outbox(path)
        opened.set()
        outbox.put(lane="violation", kind="violation", key="v-1", body={})
        outbox.close()

    with gate(path, alone=True):
        thread = threading.Thread(target=produce)
        thread.start()
        assert not opened.wait(0.3)
        assert [part.name for part in tmp_path.iterdir()] == ["outbox.db.lock"]
    thread.join(90)
    assert Outbox(path).known("violation", "v-1")


def test_a_newer_database_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    db = connect(path)
    db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(ConfigError, match="newer program"):
        check_and_salvage(path)
    assert State.NEW == 0


def test_producers_are_held_off_while_it_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "outbox.db"
    fill(path)
    passed: list[bool] = []

    def looked_at(where: Path) -> bool:
        with where.with_name(f"{where.name}.lock").open("r+b") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                passed.append(True)
            except BlockingIOError:
                passed.append(False)
        return True

    monkeypatch.setattr("edge.outbox.salvage._sound", looked_at)
    assert check_and_salvage(path) is None
    with gate(path):
        looked_at(path)
    assert passed == [False, True]


def test_files_belong_to_the_record_that_they_belonged_to(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    outbox = rig.outbox()
    for n in range(5):
        rig.put(outbox, f"v-{n}", {"r1-a.jpg": b"picture %d" % n, "r1-b.mp4": b"clip %d" % n})
    outbox.close()
    path = rig.state / "outbox.db"

    def files() -> list[tuple[object, ...]]:
        with contextlib.closing(sqlite3.connect(path)) as db:
            return db.execute(
                "SELECT r.key, f.path, f.role, f.lane, f.size, f.destination FROM file f"
                " JOIN record_file rf USING (sha256) JOIN record r ON r.id = rf.record"
                " WHERE f.record = r.id ORDER BY 1, 2"
            ).fetchall()

    before = files()
    assert len(before) == 15
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    zero_header(path)
    told = check_and_salvage(path)
    assert told is not None and (told.rows, told.from_evidence) == (5, 0)
    assert files() == before


def big_rows(path: Path, rows: int, size: int) -> Path:
    """An outbox whose tree no longer leads to its rows."""
    with contextlib.closing(Outbox(path)) as outbox:
        for n in range(rows):
            body = {"n": n, "text": "z" * size}
            outbox.put(lane="violation", kind="violation", key=f"v-{n}", body=body)
    zero_header(path)
    return path


def keys(path: Path) -> set[str]:
    with contextlib.closing(connect(path)) as db:
        return {key for (key,) in db.execute("SELECT key FROM record")}


def test_an_outbox_larger_than_the_memory_is_salvaged(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with contextlib.closing(Outbox(path)) as outbox:
        for n in range(25):
            body = {"n": n, "text": "z" * 300_000}
            outbox.put(lane="violation", kind="violation", key=f"v-{n}", body=body)
    flip_pages(path)
    size = path.stat().st_size
    tracemalloc.start()
    try:
        found = check_and_salvage(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found is not None and found.rows >= 20
    assert peak < size / 4, f"{peak} bytes held for a file of {size}"


def crashed_with_its_log(folder: Path) -> Path:
    """Thirty rows, the last three of them in the log only, and a header of the file that is none
    and does not stand in the log."""
    outbox = Outbox(folder / "outbox.db")
    for n in range(30):
        if n == 27:
            with contextlib.closing(connect(folder / "outbox.db")) as db:
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        outbox.put(lane="violation", kind="violation", key=f"v-{n}", body={"n": n})
    crashed = folder / "crashed"
    crashed.mkdir()
    for suffix in ("", "-wal"):
        data = (folder / f"outbox.db{suffix}").read_bytes()
        (crashed / f"outbox.db{suffix}").write_bytes(data)
    outbox.close()
    with (crashed / "outbox.db").open("r+b") as file:
        file.write(b"\xff" * 100)
    return crashed / "outbox.db"


def ended_before_step(path: Path, number: int) -> bool:
    """Whether a process that salvages is killed before the so many-th change of a name."""
    child = os.fork()
    if child == 0:
        left = [number]

        def count(event: str, _: object) -> None:
            if event in ("os.link", "os.remove", "os.rename"):
                left[0] -= 1
                if left[0] == 0:
                    os._exit(9)

        sys.addaudithook(count)
        try:
            check_and_salvage(path)
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def test_a_salvage_that_is_killed_between_any_two_steps_loses_no_row(tmp_path: Path) -> None:
    crashed, number = crashed_with_its_log(tmp_path), 1
    while True:
        path = shutil.copytree(crashed.parent, tmp_path / str(number)) / crashed.name
        killed = ended_before_step(path, number)
        check_and_salvage(path)
        assert keys(path) == {f"v-{n}" for n in range(30)}, f"killed before step {number}"
        (bad,) = path.parent.glob("outbox.db.bad-*[0-9]")
        assert bad.read_bytes()[:100] == b"\xff" * 100, "the damaged one is kept"
        if not killed:
            break
        number += 1
    assert number > 5


def test_a_full_disk_keeps_the_damaged_file_for_the_next_start(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=12m") as disk:
        path = big_rows(disk / "outbox.db", 60, 100_000)
        (disk / "evidence").write_bytes(bytes(2_000_000))
        for _ in range(2):
            with pytest.raises(OutboxFull, match="no room to salvage it"):
                check_and_salvage(path)
        assert not list(disk.glob(".*")), "what was begun is no burden on a full disk"
        (disk / "evidence").unlink()
        assert check_and_salvage(path) is not None
        assert keys(path) == {f"v-{n}" for n in range(60)}


def test_the_ballast_makes_room_for_a_salvage(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=12m") as disk:
        path = big_rows(disk / "outbox.db", 60, 100_000)
        assert ballast.restore(disk, 2)
        assert check_and_salvage(path) is not None
        assert keys(path) == {f"v-{n}" for n in range(60)}
        assert not (disk / ballast.NAME).exists()
