# SPDX-License-Identifier: AGPL-3.0-or-later
"""A second destination: one row for each, sent and released by itself; old files are migrated."""

import sqlite3
from pathlib import Path

from edge.outbox import Dispatch, Outbox, State
from edge.outbox.dispatch import ChainPosition, OutboxRow, SealedRecord
from edge.outbox.schema import MIGRATIONS, PLATFORM, boot_id
from edge.outbox.sweep import Sweep
from edge.values import EvidenceFile, Stamp

BOTH = (PLATFORM, "archive")


def seal(row: OutboxRow, head: ChainPosition) -> SealedRecord:
    payload = f"{row.key}:{head.seq + 1}".encode()
    return SealedRecord(head.seq + 1, f"box:1:{head.seq + 1}", payload, payload.hex())


def folder_with_a_picture(root: Path) -> tuple[Path, EvidenceFile]:
    folder = root / "evidence" / "v-1" / "r1"
    folder.mkdir(parents=True)
    (folder / "r1-a.jpg").write_bytes(b"picture")
    return folder, EvidenceFile("overview", "r1-a.jpg", "a" * 64, 7, Stamp(0.0, 0.0))


def test_each_destination_sends_and_releases_its_own_row(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    folder, picture = folder_with_a_picture(tmp_path)
    outbox = Outbox(path, destinations=BOTH)
    row = {"lane": "violation", "kind": "violation", "key": "v-1/r1", "body": {"n": 1}}
    assert outbox.put(**row, folder=folder, files=[picture])
    assert not outbox.put(**row)
    to = {name: Dispatch(path, name) for name in BOTH}
    sweep = Sweep(path)
    for done, (name, dispatch) in enumerate(to.items()):
        with dispatch.commit():
            (claimed,) = dispatch.claim("violation", 10, seal)
            file = dispatch.claim_file(["picture"])
        assert claimed.seq == 1 and dispatch.head("violation").seq == 1
        assert file is not None and dispatch.links(file.sha256) == [claimed]
        assert not dispatch.waiting("violation") and not dispatch.files_waiting(["picture"])
        assert claimed.record_id is not None and claimed.sha256 is not None
        with dispatch.commit():
            assert dispatch.acknowledge(claimed.record_id, claimed.sha256, name.encode())
            dispatch.mark_file(file.sha256, State.PLATFORM_ACK)
        assert len(sweep.released()) == (0, 2)[done], "kept until every destination has it"
        assert to["archive"].waiting("violation") == (done == 0)
    sweep.forget(sweep.released())
    db = sqlite3.connect(path)
    left = "SELECT (SELECT count(*) FROM record) + (SELECT count(*) FROM file)"
    assert db.execute(left).fetchone() == (0,)


def test_a_lost_link_to_one_sends_nothing_again_to_the_other(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    Outbox(path, destinations=BOTH).put(lane="fault", kind="fault", key="f", body={})
    platform, archive = (Dispatch(path, name) for name in BOTH)
    for dispatch in (platform, archive):
        with dispatch.commit():
            dispatch.claim("fault", 10, seal)
    with platform.commit():
        platform.requeue_unconfirmed()
    assert platform.waiting("fault") and not archive.waiting("fault")


def test_rows_of_the_version_before_go_on(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    old = sqlite3.connect(path)
    for step in MIGRATIONS[:2]:
        old.executescript(step)
    old.execute("PRAGMA user_version=2")
    old.execute("INSERT INTO boot (boot_id) VALUES (?)", (boot_id(),))
    old.execute(
        "INSERT INTO record (id, lane, kind, key, state, boot, put_wall, body)"
        " VALUES (7, 'violation', 'violation', 'v-1/r1', 2, 1, 1.0, '{}')"
    )
    old.execute("INSERT INTO file VALUES ('aa', 'picture', 'close', '/x', 3, 7, 9, 2, 'gone')")
    old.execute("INSERT INTO record_file VALUES (7, 'aa')")
    old.execute("INSERT INTO head VALUES ('violation', 41, 'bb')")
    old.commit()
    old.close()
    assert Outbox(path).known("violation", "v-1/r1")
    assert not Outbox(path).put(lane="violation", kind="violation", key="v-1/r1", body={})
    dispatch = Dispatch(path)
    assert dispatch.waiting("violation") and dispatch.head("violation").seq == 41
    file = dispatch.file("aa")
    assert file is not None and (file.record, file.refused) == (7, 2)
    assert dispatch.status()["files"] == {"picture": {"missing": 1}}
    db = sqlite3.connect(path)
    for check in ("integrity_check", "quick_check"):
        assert db.execute(f"PRAGMA {check}").fetchone() == ("ok",)
    assert db.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
