# SPDX-License-Identifier: AGPL-3.0-or-later
"""A registered device that is not honest: what it can do to the platform and to other devices.

It holds a key of its own and may publish on its own branch; nothing else is given to it.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from city_platform import golden, quotas
from city_platform.database import NoDatabase
from city_platform.files import Box, FolderFiles, NoFiles
from city_platform.intake import Receiver
from city_platform.quotas import Limits
from city_platform.store import Store
from edge.uplink import seal
from edge.uplink.mqtt import Arrived
from tests.reference_platform.fake_s3 import FakeS3

SOUND = {one.name: one for one in golden.golden() if one.channel.up and one.wrong is None}
OTHER = Box("city", "box-9")
UTC = "2026-03-01T08:00:00.000000Z"


class Rogue:
    """Device `box-9` with a key of its own."""

    def __init__(self, receiver: Receiver, tenant: str = "city") -> None:
        key = Ed25519PrivateKey.generate()
        self.signer = seal.Signer(seal.fingerprint(key.public_key()), key)
        self.receiver, self.tenant, self.seq = receiver, tenant, 0
        body = json.loads(SOUND["birth"].payload)
        pem = seal.public_pem(key.public_key()).decode()
        body |= {
            "device": "box-9",
            "tenant": tenant,
            "keys": [{"kid": self.signer.kid, "pem": pem}],
        }
        assert self.publish("birth", self.signer.sign(body)) == {}

    def publish(self, suffix: str, payload: bytes) -> dict[str, Any]:
        topic = f"cm/v1/{self.tenant}/box-9/{suffix}"
        answers = self.receiver.take([Arrived(topic, payload, 1, False)])
        return json.loads(next(iter(answers.values()))) if answers else {}

    def violation(self, envelope: dict[str, Any] | None = None, **data: Any) -> bool:
        """Whether it was acknowledged."""
        self.seq += 1
        body = json.loads(SOUND["violation-new"].payload)
        body |= {"id": f"box-9:1:{self.seq}", "seq": self.seq, **(envelope or {})}
        body["source"] = f"urn:cm:{self.tenant}:box-9/north"
        body["data"] |= {"evidence": [], "manifest": None, **data}
        return bool(self.publish("evt/violation", self.signer.sign(body)).get("records"))

    def init(self, sha256: str, size: int) -> str:
        told = {"name": "x.mp4", "size": size, "sha256": sha256, "role": "clip", "records": []}
        answer = self.publish(f"evd/{sha256}/init", json.dumps(told).encode())
        return str(answer["evidence"][0]["state"]) if answer else "-"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "received")
    yield made
    made.close()


@pytest.fixture
def receiver(store: Store) -> Receiver:
    made = Receiver(store, golden.DESK, "desk", tell=False)
    made.take([Arrived(one.topic, one.payload, 1, False) for one in SOUND.values()])
    return made


@pytest.fixture
def rogue(receiver: Receiver) -> Rogue:
    return Rogue(receiver)


def tree(folder: Path) -> dict[str, str]:
    """Every name below a folder with the hash of its bytes, the database left out."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith("platform")
    }


CLIMBING = [
    "../box-1/v-0001", "../../outside/x", "..", ".", "", "/etc/x", "v/w", "v\\w", "v-nul\0x",
    "v-1\n", "\nv-1", "v.1", "a" * 65, "a" * 306, "案件", "v 1", "v-\ud7ff", "%2e%2e", "-v",
    "con:1",
]  # fmt: skip


@pytest.mark.parametrize("name", CLIMBING)
def test_an_id_is_a_plain_word(rogue: Rogue, store: Store, tmp_path: Path, name: str) -> None:
    before = tree(tmp_path)
    assert not rogue.violation(id=name)
    assert tree(tmp_path) == before
    assert store.summary()["quarantined"] == 1
    assert rogue.violation(id="v-2"), "and the next one is taken"


ITEM = json.loads(SOUND["violation-new"].payload)["data"]["evidence"][0]


@pytest.mark.parametrize(
    "name",
    ["envelope.json", "manifest.json", "signer.pem", "receipt.json", "../r1-a.jpg", "r1-../a",
     "r1-a/b.jpg", "r1-", "r0-a.jpg", "r2-late.jpg", "r1-a.jpg\n", "r1-" + "a" * 101, ".r1-a", ""],
)  # fmt: skip
def test_a_listed_file_has_a_name_of_its_own(rogue: Rogue, store: Store, name: str) -> None:
    assert not rogue.violation(id="v-2", evidence=[{**ITEM, "path": name}])
    assert store.summary()["quarantined"] == 1


def test_what_is_stored_is_never_replaced(rogue: Rogue, store: Store, tmp_path: Path) -> None:
    assert rogue.violation(id="v-2", category="one")
    before = tree(tmp_path)
    assert not rogue.violation(id="v-2", category="another"), "same revision, other words"
    assert tree(tmp_path) == before
    assert rogue.violation(id="v-2", category="one"), "sealed again after a loss: the same words"
    assert tree(tmp_path) == before


def test_a_name_is_listed_for_one_file_only(rogue: Rogue, store: Store) -> None:
    assert rogue.violation(id="v-2", evidence=[{**ITEM, "path": "r1-a.jpg"}])
    other = {**ITEM, "path": "r1-a.jpg", "sha256": "b" * 64}
    assert not rogue.violation(id="v-2", revision=2, evidence=[other])


def test_a_device_of_the_same_name_in_another_city_is_another(
    receiver: Receiver, store: Store, tmp_path: Path
) -> None:
    here, there = Rogue(receiver), Rogue(receiver, "otherville")
    assert here.violation(id="v-2", category="one")
    assert there.violation(id="v-2", category="another")
    folder = tmp_path / "received/evidence"
    assert (folder / "city/box-9/v-2/r1/envelope.json").exists()
    assert (folder / "otherville/box-9/v-2/r1/envelope.json").exists()
    assert store.keys(Box("city", "box-9")) != store.keys(Box("otherville", "box-9"))


def test_a_birth_names_whose_topic_it_is_on(rogue: Rogue, store: Store) -> None:
    rogue.publish("birth", SOUND["birth"].payload)
    assert set(store.keys(OTHER)) == {rogue.signer.kid}


PATHS = ["../x", "a/../../x", "/x", "", ".", "a//b", "a/b/c/d", "a/\0", "a" * 200, "v-1/r1/x\n"]


@pytest.mark.parametrize("path", PATHS)
def test_the_folder_itself_refuses_a_path_that_leaves_it(tmp_path: Path, path: str) -> None:
    files = FolderFiles(tmp_path)
    for act in (files.place, files.renew):
        with pytest.raises(ValueError):
            act(OTHER, path, b"x")
    with pytest.raises(ValueError):
        files.place(Box("city", ".."), "v-1/r1/a", b"x")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_link_in_the_folder_leads_nowhere(tmp_path: Path) -> None:
    files = FolderFiles(tmp_path / "in")
    (tmp_path / "out").mkdir()
    (tmp_path / "in/evidence/city/box-9").mkdir(parents=True)
    (tmp_path / "in/evidence/city/box-9/v-1").symlink_to(tmp_path / "out")
    with pytest.raises(ValueError, match="link"):
        files.place(OTHER, "v-1/a", b"x")
    assert not list((tmp_path / "out").iterdir())


def test_placing_never_replaces(tmp_path: Path) -> None:
    files = FolderFiles(tmp_path)
    files.place(OTHER, "v-1/r1/envelope.json", b"first")
    files.place(OTHER, "v-1/r1/envelope.json", b"first")
    with pytest.raises(ValueError, match="other bytes"):
        files.place(OTHER, "v-1/r1/envelope.json", b"second")
    assert (tmp_path / "evidence/city/box-9/v-1/r1/envelope.json").read_bytes() == b"first"


def test_a_bucket_refuses_the_same(s3: FakeS3, tmp_path: Path) -> None:
    store = Store(tmp_path, bucket=f"{s3.url}/north")
    store.files.place(OTHER, "v-1/r1/envelope.json", b"first")
    for path, data in (("v-1/r1/envelope.json", b"second"), ("../box-1/x", b"x")):
        with pytest.raises(ValueError):
            store.files.place(OTHER, path, data)
    store.close()


# ---------------------------------------------------------------- one message, one fault


class Odd(BaseException):
    """Not even an Exception: must end the turn."""


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENAMETOOLONG, "too long"), OSError(errno.ENOTDIR, "x"), ValueError("x"),
     OverflowError("x"), UnicodeEncodeError("utf-8", "x", 0, 1, "x"), KeyError("a bug"),
     TypeError("a bug"), RecursionError("x")],
    ids=repr,
)  # fmt: skip
def test_whatever_is_wrong_with_one_message_is_put_aside(
    rogue: Rogue, store: Store, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def broken(*_: Any) -> bool:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(store, "add_violation", broken)
        assert not rogue.violation(id="v-2")
    assert store.summary()["quarantined"] == 1
    kept = {"violation": 3, "fault": 1, "sensor": 1, "handling": 4, "report": 1}
    assert store.summary()["records"] == kept, "undone alone"
    assert rogue.violation(id="v-3")


@pytest.mark.parametrize("error", [NoFiles("gone"), NoDatabase("full"), OSError(errno.ENOSPC, "x")])
def test_the_store_s_own_trouble_is_no_message_s(
    rogue: Rogue, store: Store, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def broken(*_: Any) -> bool:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(store, "add_violation", broken)
        with pytest.raises((NoFiles, NoDatabase)):
            rogue.violation(id="v-2")
    assert store.summary()["quarantined"] == 0
    assert rogue.violation(id="v-2")


def test_a_message_the_machine_fails_at_time_and_again_is_put_aside(
    rogue: Rogue, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the broker would bring it for ever, and nothing behind it."""
    real = FolderFiles.place

    def picky(self: FolderFiles, box: Box, path: str, data: bytes) -> None:
        if path.startswith("v-2/"):
            raise OSError(errno.EIO, "only here")
        real(self, box, path, data)

    monkeypatch.setattr(FolderFiles, "place", picky)
    for _ in range(4):
        rogue.seq = 1
        with pytest.raises(NoFiles):
            rogue.violation(id="v-2")
    rogue.seq = 1
    assert not rogue.violation(id="v-2")
    assert store.summary()["quarantined"] == 1
    assert rogue.violation(id="v-3")


# ------------------------------------------------------------------------- quotas


def test_the_quarantine_is_bounded_for_each_box_and_for_all(
    rogue: Rogue, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(130):
        rogue.publish("evt/violation", b"{%d" % number + b"x" * 100_000)
    rows = store._db.rows("SELECT device, length(payload) FROM quarantine")
    assert len(rows) == 100 and {size for _, size in rows} == {65_536}
    for _ in range(3):
        rogue.publish("evt/violation", b"{129" + b"x" * 100_000)
    assert len(store._db.rows("SELECT 1 FROM quarantine")) == 100
    assert store._db.rows("SELECT max(times) FROM quarantine") == [(4,)]
    monkeypatch.setattr(quotas, "ASIDE_ALL", 100)
    rogue.receiver.take([Arrived("nobody", b"", 1, False)])
    assert len(store._db.rows("SELECT 1 FROM quarantine")) == 100


def test_the_log_is_not_filled_from_afar(rogue: Rogue, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(50):
        rogue.publish("evt/violation", b"{%d" % number)
    assert capsys.readouterr().err.count("\n") == 1


def test_announced_files_have_a_quota(
    rogue: Rogue, receiver: Receiver, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FolderFiles, "free", lambda _: 10**13)
    states = [rogue.init(f"{number:064x}", 1_999_000_000) for number in range(10)]
    assert states.count("need") == 4 and states.count("hold") == 6, "eight gigabytes at a time"
    small = [rogue.init(f"{number:064x}", 10) for number in range(100, 200)]
    assert small.count("need") == 60, "sixty-four files at a time"
    honest = Arrived(SOUND["evidence-init"].topic.replace("9955", "1155"),
                     SOUND["evidence-init"].payload, 1, False)  # fmt: skip
    assert b'"need"' in next(iter(receiver.take([honest]).values())), "others are served"


def test_the_boxes_of_a_tenant_share_a_quota(tmp_path: Path) -> None:
    store = Store(tmp_path, limits=Limits(tenant_mb=1, floor_mb=1))
    with store.commit():
        sql = "INSERT INTO transfer VALUES ('city', 'box-other', ?, 900000, 0, 1)"
        store.database.run(sql, ("b" * 64,))
    rogue = Rogue(Receiver(store, golden.DESK, "desk", tell=False))
    assert rogue.init("a" * 64, 200_000) == "hold"
    assert rogue.init("a" * 64, 50_000) == "need"
    store.close()


def test_poison_of_the_transport_is_put_aside_unread_with_its_reason(store: Store) -> None:
    receiver = Receiver(store, golden.DESK, "desk", tell=False)
    poison = Arrived("cm/v1/city/box-9/evt/violation", b"\x00 ends whoever reads it", 7, False)
    assert receiver.take([], aside=[poison], why="brought 20 times and never taken") == {}
    sql = "SELECT device, why, payload FROM quarantine"
    ((device, why, payload),) = store.database.rows(sql)
    assert (device, why) == ("box-9", "brought 20 times and never taken")
    assert bytes(payload) == poison.payload


def test_what_was_announced_long_ago_makes_room(rogue: Rogue, store: Store) -> None:
    for number in range(64):
        rogue.init(f"{number:064x}", 10)
    assert rogue.init("f" * 64, 10) == "hold"
    store._db.run("UPDATE transfer SET touched = 1 WHERE device = 'box-9'")
    assert rogue.init("f" * 64, 10) == "need"


def test_whole_files_have_a_quota_and_the_disk_a_floor(tmp_path: Path) -> None:
    store = Store(tmp_path, limits=Limits(box_mb=1, floor_mb=1))
    rogue = Rogue(Receiver(store, golden.DESK, "desk", tell=False))
    data = os.urandom(900_000)
    name = hashlib.sha256(data).hexdigest()
    assert rogue.init(name, len(data)) == "need"
    for offset in range(0, len(data), 90_000):
        rogue.publish(f"evd/{name}/c/{offset}", data[offset : offset + 90_000])
    fin = json.dumps({"size": len(data), "sha256": name}).encode()
    assert rogue.publish(f"evd/{name}/fin", fin)["evidence"][0]["state"] == "have"
    assert rogue.init("a" * 64, 200_000) == "hold"
    store.close()
    store = Store(tmp_path / "full", limits=Limits(floor_mb=10**9))
    rogue = Rogue(Receiver(store, golden.DESK, "desk", tell=False))
    assert rogue.init("a" * 64, 10) == "hold"
    store.close()


def test_a_file_in_crumbs_begins_anew(rogue: Rogue, store: Store) -> None:
    name = "a" * 64
    rogue.init(name, 100_000)
    for offset in range(0, 400, 4):
        rogue.publish(f"evd/{name}/c/{offset}", b"x")
    assert store._db.rows("SELECT count(*) FROM part WHERE device = 'box-9'")[0][0] < 100


def test_keys_are_bounded(rogue: Rogue, store: Store) -> None:
    """Each endorsed by the one before, as an owner of one key can go on for ever."""
    body = json.loads(SOUND["birth"].payload) | {"device": "box-9", "tenant": "city"}
    old = rogue.signer
    for _ in range(80):
        key = Ed25519PrivateKey.generate()
        new = seal.Signer(seal.fingerprint(key.public_key()), key)
        pem = seal.public_pem(new.public).decode()
        endorsed = json.loads(old.sign({"endorses": new.kid, "pem": pem}))
        told = [{"kid": new.kid, "pem": pem, "endorsed": endorsed}]
        rogue.publish("birth", new.sign({**body, "keys": told}))
        old = new
    assert len(store.keys(OTHER)) == 64


def test_an_older_store_is_refused_in_words(tmp_path: Path) -> None:
    import sqlite3

    with sqlite3.connect(tmp_path / "platform.db") as db:
        db.execute("CREATE TABLE record (device TEXT, id TEXT, PRIMARY KEY (device, id))")
    db.close()
    with pytest.raises(NoDatabase, match="older receiver"):
        Store(tmp_path)
