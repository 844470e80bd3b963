# SPDX-License-Identifier: AGPL-3.0-or-later
"""The reference platform on golden messages: what it keeps, refuses, misses and shows."""

from __future__ import annotations

import itertools
import json
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from city_platform import golden
from city_platform.database import NoDatabase, Sqlite
from city_platform.files import NoFiles
from city_platform.intake import Receiver
from city_platform.page import Page
from city_platform.receiver import report
from city_platform.store import Store
from edge.uplink import downward, seal
from edge.uplink.mqtt import Arrived
from edge.uplink.verify import verify_folder
from tests.small_disk import small_disk

SOUND = {one.name: one for one in golden.golden() if one.channel.up and one.wrong is None}
WRONG = [one for one in golden.golden() if one.channel.up and one.wrong]
ACK = "cm/v1/city/box-1/ack"
mids = itertools.count(1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path)
    yield made
    made.close()


@pytest.fixture
def receiver(store: Store) -> Receiver:
    return Receiver(store, golden.DESK, "desk", tell=False)


def arrived(*messages: golden.Golden) -> list[Arrived]:
    return [Arrived(one.topic, one.payload, next(mids), False) for one in messages]


def acked(receiver: Receiver, *names: str) -> downward.Ack:
    """The answer to these golden messages, its signature checked."""
    answers = receiver.take(arrived(*(SOUND[name] for name in names)))
    return said(answers)


def said(answers: dict[str, bytes]) -> downward.Ack:
    assert list(answers) == [ACK]
    seal.KeyRing({golden.DESK.kid: golden.DESK.public}).verify(json.loads(answers[ACK]))
    return msgspec.json.decode(answers[ACK], type=downward.Ack)


def test_every_golden_message_in_order(receiver: Receiver, store: Store, tmp_path: Path) -> None:
    ack = said(receiver.take(arrived(*SOUND.values())))
    records = [one for one in SOUND.values() if one.channel.data]
    assert [r.sha256 for r in ack.records] == [seal.sha256(one.payload) for one in records]
    assert [e.state for e in ack.evidence] == ["have"]
    assert store.summary() == {
        "records": {"violation": 3, "fault": 1, "sensor": 1, "handling": 4, "report": 1},
        "files": 1,
        "complete": 1,
        "quarantined": 0,
        "gaps": [],
        "breaks": [],
    }
    folder = tmp_path / "evidence/city/box-1/v-0001/r1"
    assert (folder / "r1-close-1.jpg").read_bytes() == golden.PICTURE
    assert (folder / "envelope.json").read_bytes() == SOUND["violation-new"].payload
    assert verify_folder(folder).problem is not None  # its manifest was never sent


def test_a_repeat_is_acknowledged_and_stored_once(receiver: Receiver, store: Store) -> None:
    first = acked(receiver, "birth", "violation-new")
    again = acked(receiver, "violation-new", "violation-new")
    assert set(again.records) == set(first.records) and again.n > first.n
    assert store.summary()["records"] == {"violation": 1}


def test_revisions_come_in_any_order(receiver: Receiver, store: Store) -> None:
    acked(receiver, "birth", "violation-end", "violation-new", "violation-update")
    assert store.summary()["gaps"] == store.summary()["breaks"] == []
    assert len(store.latest(10)) == 3


def test_a_revision_sealed_twice_is_listed_once(receiver: Receiver, store: Store) -> None:
    """As after the loss of a device's database."""
    acked(receiver, "birth", "violation-new")
    body = {**json.loads(SOUND["violation-new"].payload), "id": "box-1:18:10001", "seq": 10_001}
    second = replace(SOUND["violation-new"], payload=golden.BOX.sign(body))
    assert len(said(receiver.take(arrived(second))).records) == 1
    assert len(store.latest(10)) == 1 and store.summary()["records"] == {"violation": 2}


@pytest.mark.parametrize("one", WRONG, ids=lambda one: one.name)
def test_the_wrong_ones_are_put_aside_unanswered(
    receiver: Receiver, store: Store, one: golden.Golden
) -> None:
    receiver.take(arrived(SOUND["birth"]))
    assert receiver.take(arrived(one)) == {}
    assert store.summary()["quarantined"] == 1 and store.summary()["records"] == {}


def test_the_same_id_with_other_bytes_is_not_acknowledged(receiver: Receiver, store: Store) -> None:
    acked(receiver, "birth", "violation-new")
    body = json.loads(SOUND["violation-new"].payload)
    other = replace(SOUND["violation-new"], payload=golden.BOX.sign({**body, "mono": 5.0}))
    assert receiver.take(arrived(other)) == {}
    assert store.summary()["quarantined"] == 1


def test_a_device_cannot_speak_for_another(receiver: Receiver, store: Store) -> None:
    topic = SOUND["violation-new"].topic.replace("box-1", "box-2")
    birth = Arrived(topic.replace("evt/violation", "birth"), SOUND["birth"].payload, 1, True)
    assert receiver.take([birth]) == {}
    assert receiver.take([Arrived(topic, SOUND["violation-new"].payload, 2, False)]) == {}
    assert store.summary()["records"] == {}


@pytest.mark.parametrize(
    ("names", "gap"),
    [
        (("violation-new", "violation-end"), (1, 3)),
        (("violation-update", "violation-end"), (0, 2)),
        (("violation-new", "violation-update", "chain"), (2, 4)),
        (("chain",), (0, 4)),
    ],
)
def test_gaps_at_the_start_in_the_middle_and_at_the_end(
    receiver: Receiver, store: Store, names: tuple[str, ...], gap: tuple[int, int]
) -> None:
    receiver.take(arrived(SOUND["birth"], *(SOUND[name] for name in names)))
    assert [(g["after"], g["before"]) for g in store.sequence_gaps()] == [gap]
    assert report(store) == 1


def test_a_record_that_does_not_follow_is_reported(receiver: Receiver, store: Store) -> None:
    acked(receiver, "birth", "violation-new")
    body = {**json.loads(SOUND["violation-update"].payload), "prev": "f" * 64}
    receiver.take(arrived(replace(SOUND["violation-update"], payload=golden.BOX.sign(body))))
    assert store.chain_breaks() == [
        {"tenant": "city", "device": "box-1", "kind": "violation", "seq": 2}
    ]


def test_missing_chunks_are_asked_for(receiver: Receiver) -> None:
    acked(receiver, "birth", "evidence-init")
    (answer,) = acked(receiver, "evidence-chunk-512", "evidence-fin").evidence
    assert (answer.state, answer.ranges) == ("need", ((0, 512),))
    (answer,) = acked(receiver, "evidence-chunk-0", "evidence-fin").evidence
    assert answer.state == "have"


def test_a_torn_file_is_asked_for_from_the_start(receiver: Receiver) -> None:
    torn = replace(SOUND["evidence-chunk-0"], payload=b"x" * 512)
    acked(receiver, "birth", "evidence-init")
    receiver.take(arrived(torn, SOUND["evidence-chunk-512"]))
    (answer,) = acked(receiver, "evidence-fin").evidence
    assert (answer.state, answer.ranges) == ("need", ((0, 1000),))


WORDS = ("cm", "v1", "city", "box-1", "evd", "c", "fin", "init", "evt", "violation", "chain")
ODD = ("birth", "..", "", "-5", "0", "512", "9" * 30, "a" * 64, "\0")
NAMES = st.sampled_from([*WORDS, *ODD])


@settings(max_examples=300, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(
    st.lists(NAMES, max_size=5),
    st.one_of(st.binary(max_size=60), st.sampled_from([one.payload for one in SOUND.values()])),
)
def test_no_topic_or_payload_ends_it(receiver: Receiver, tail: list[str], payload: bytes) -> None:
    receiver.take([Arrived("/".join(["cm", "v1", "city", "box-1", *tail]), payload, 1, False)])


@pytest.mark.parametrize("tail", ["cmd/res", "evt/violation", "birth", f"evd/{'a' * 64}/init"])
def test_depth_does_not_end_it(receiver: Receiver, store: Store, tail: str) -> None:
    """A device that is unsigned here must not stop the platform for all the others."""
    for levels in (500, 100_000):
        payload = b'{"a":' * levels + b"1" + b"}" * levels
        assert receiver.take([Arrived(f"cm/v1/city/box-1/{tail}", payload, 1, False)]) == {}
    assert store.summary()["quarantined"] == 2


def test_the_page_lists_and_shows(receiver: Receiver, store: Store, tmp_path: Path) -> None:
    hostile = json.loads(SOUND["violation-new"].payload)
    hostile["data"]["names"]["zh"] = "<script>alert(1)</script>"
    receiver.take(arrived(*SOUND.values()))
    again = golden.BOX.sign({**hostile, "id": "box-1:17:9", "seq": 9,
                             "data": {**hostile["data"], "id": "v-9"}})  # fmt: skip
    receiver.take(arrived(replace(SOUND["violation-new"], payload=again)))
    served = Page(lambda: Store(tmp_path), 0)
    try:
        text = get(served, "/").decode()
        assert "无照经营游商" in text and "v-0001 r3 end" in text
        assert "<script>" not in text and "&lt;script&gt;" in text
        assert get(served, "/city/box-1/v-0001/r1/r1-close-1.jpg") == golden.PICTURE
        for path in ("/../platform.db", "/%2e%2e/platform.db", "/box-1", "//etc/passwd"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                get(served, path)
    finally:
        served.close()


def get(served: Page, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{served.port}{path}", timeout=90) as answer:
        return bytes(answer.read())


def test_what_sqlite_rolled_back_meanwhile_is_not_acknowledged_as_kept(tmp_path: Path) -> None:
    """SQLite does so by itself where the disk is full; here it is asked to."""
    db = Sqlite(tmp_path / "a.db", "CREATE TABLE kept (n INTEGER UNIQUE)")
    with pytest.raises(NoDatabase, match="no transaction"), db.transaction():
        db.run("INSERT INTO kept VALUES (1)")
        with suppress(sqlite3.IntegrityError):
            db.run("INSERT OR ROLLBACK INTO kept VALUES (1)")
    assert db.rows("SELECT count(*) FROM kept") == [(0,)]
    db.close()


def sealed_again(number: int) -> Arrived:
    """The same violation as a record of its own."""
    one = SOUND["violation-new"]
    body = {**json.loads(one.payload), "id": f"box-1:18:{number}", "seq": number}
    return Arrived(one.topic, golden.BOX.sign(body), next(mids), False)


def ten(receiver: Receiver) -> list[str]:
    """The digests acknowledged of ten such records; none where the store has no room."""
    first = 10 * next(mids)
    try:
        ack = said(receiver.take([sealed_again(first + n) for n in range(10)]))
    except (NoDatabase, NoFiles):
        return []
    return [one.sha256 for one in ack.records]


def test_a_full_disk_acknowledges_what_it_kept_and_goes_on_once_there_is_room(
    tmp_path: Path,
) -> None:
    with small_disk(tmp_path / "small", "size=3m") as folder:
        (folder / "video").write_bytes(b"x" * 1_500_000)
        store = Store(folder)
        receiver = Receiver(store, golden.DESK, "desk", tell=False)
        receiver.take(arrived(SOUND["birth"]))
        filled = list(itertools.takewhile(bool, (ten(receiver) for _ in range(1000))))
        assert 10 < len(filled) < 1000
        later = [ten(receiver) for _ in range(5)]
        (folder / "video").unlink()
        again = [ten(receiver) for _ in range(10)]
        with closing(sqlite3.connect(folder / "platform.db")) as db:
            found = {sha256 for (sha256,) in db.execute("SELECT sha256 FROM record")}
        store.close()
    assert all(again)
    assert {one for ack in (*filled, *later, *again) for one in ack} == found
