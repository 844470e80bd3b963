# SPDX-License-Identifier: AGPL-3.0-or-later
"""Counters of what comes down: a wrong clock somewhere deafens no box, and nothing is replayed."""

from __future__ import annotations

import errno
import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.uplink import downward, seal
from edge.uplink.trust import AHEAD_S, LAST_N, DownlinkTrust, RefusedMessage, forgotten, room_for
from edge.values import Stamp
from tests.brokers import need_mosquitto
from tests.uplink.box import TOPICS, Box, Platform, of_kind, violations
from tests.uplink.test_desired import NEW, Desk
from tools.faultlab.fake_broker import FakeBroker
from tools.faultlab.rig import Mosquitto, eventually

WALL = 1_780_000_000.0
SET, UNSET = Stamp(100.0, WALL, "ntp", 5.0), Stamp(100.0, WALL, "unsynced", 0.0)
NOW_N = round(WALL * 1e6)
HIGHEST = 2**53 - 1
PLATFORM = Platform()
TRUST = DownlinkTrust("box-1", seal.KeyRing({PLATFORM.signer.kid: PLATFORM.signer.public}))


def ack(n: int, iss: str = "desk") -> bytes:
    return PLATFORM.signer.sign({"type": "ack", "device": "box-1", "iss": iss, "n": n})


def refused(payload: bytes, heard: dict[str, int], at: Stamp, kind: str = "ack") -> str:
    """The word it was refused with, or "" where it was taken."""
    try:
        TRUST.read(kind, payload, heard, at)
    except RefusedMessage as error:
        return error.why
    return ""


def wrong(box: Box) -> set[str]:
    """The faults that the daemon says are open."""
    return {f"{fault['kind']}:{fault['subject']}" for fault in box.status().get("faults", ())}


@pytest.mark.parametrize("n", [HIGHEST, NOW_N + round(AHEAD_S * 1e6) + 1, LAST_N + 1])
def test_a_counter_far_ahead_is_refused(n: int) -> None:
    assert refused(ack(n), {}, SET) == "ahead"
    assert refused(ack(NOW_N + 1000), {}, SET) == "", "and the right one is taken afterwards"


def test_without_a_clock_only_what_no_clock_says_is_refused() -> None:
    assert refused(ack(HIGHEST), {}, UNSET) == "ahead"
    assert refused(ack(NOW_N + round(400 * 86_400e6)), {}, UNSET) == ""


def test_what_was_spent_before_the_clock_was_set_counts_as_now() -> None:
    """Also on a box that was deafened by an older release."""
    for spent in (HIGHEST, NOW_N + round(3600e6)):
        heard = {"ack:desk": spent}
        assert refused(ack(NOW_N + 1), heard, SET) == ""
        assert refused(ack(NOW_N - 1), heard, SET) == "replay"
        assert refused(ack(NOW_N + 1), heard, UNSET) == "replay", "no clock to know better by"


def test_small_counters_still_do() -> None:
    assert refused(ack(6), {"ack:desk": 5}, SET) == ""
    assert refused(ack(5), {"ack:desk": 5}, SET) == "replay"


@pytest.mark.parametrize("rev", [HIGHEST, NOW_N + round(AHEAD_S * 1e6) + 1])
def test_a_revision_far_ahead_is_refused(rev: int) -> None:
    body = {"type": "desired", "device": "box-1", "iss": "desk", "n": 5, "exp": WALL + 60}
    payload = PLATFORM.signer.sign({**body, "rev": rev, "site": {}})
    assert refused(payload, {}, SET, "desired") == "ahead"
    assert refused(PLATFORM.signer.sign({**body, "rev": 6, "site": {}}), {}, SET, "desired") == ""


def test_the_signed_way_back_of_a_revision(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.want(1_000_000, NEW)
    now = itertools.count(100.0, 100.0)
    desk.desired.step(next(now))
    for rev, follows, taken in (
        (7, None, False),
        (7, 999_999, False),
        (7, 1_000_000, True),
        (8, None, True),
        (9, 1_000_000, True),
        (8, None, False),
    ):
        told = downward.Desired(
            device="box-1", iss="desk", n=1, rev=rev, follows=follows, exp=9e9, site=NEW
        )
        desk.desired.obey(told, next(now))
        desk.desired.step(next(now))
        assert (desk.reported[-1].status != "rejected") is taken, (rev, follows)


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(1, 10_000)), max_size=300))
def test_invented_issuers_lock_nobody_out_and_nothing_is_replayed(
    said: list[tuple[int, int]],
) -> None:
    """Whatever order: a message taken once is never taken again, and memory is bounded."""
    heard: dict[str, int] = {}
    taken = set[tuple[int, int]]()
    for issuer, n in said:
        message = downward.Ack(device="box-1", iss=f"i{issuer}", n=n)
        name = f"ack:i{issuer}"
        if n <= heard.get(name, heard.get(forgotten("ack"), 0)):
            continue
        assert (issuer, n) not in taken
        taken.add((issuer, n))
        oldest = room_for("ack", message, heard)
        if oldest is not None:
            heard[forgotten("ack")] = max(heard.get(forgotten("ack"), 0), heard.pop(oldest))
        heard[name] = n
        assert len(heard) <= 65


def test_three_hundred_names_and_then_a_new_one(box: Box, fake: FakeBroker) -> None:
    """The 301st issuer, the platform's real one, is heard, and the box's memory stays small."""
    box.put("v-1")
    box.start()
    eventually(lambda: box.states() == {"broker_ack": 1})
    n = itertools.count(1)
    for number in range(300):
        fake.send(TOPICS.up("ack"), box.platform.message("ack", iss=f"flood{number}", n=next(n)))
    got = violations(fake)[0]
    record = {"id": json.loads(got.payload)["id"], "sha256": seal.sha256(got.payload)}
    fake.send(TOPICS.up("ack"), box.platform.message("ack", iss="new", n=1000, records=[record]))
    eventually(lambda: box.states() == {"platform_ack": 1})
    eventually(lambda: box.status()["refused"].get("issuers_forgotten") == 237)


def test_a_restart_keeps_what_was_forgotten(box: Box, fake: FakeBroker) -> None:
    box.start()
    eventually(lambda: len(of_kind(fake, "birth")) == 1)
    for number in range(1, 67):
        fake.send(TOPICS.up("ack"), box.platform.message("ack", iss=f"i{number}", n=number))
    eventually(lambda: box.status()["refused"].get("issuers_forgotten") == 2)
    box.close()
    again = Box(box.folder, fake.port, box.platform).start()
    try:
        eventually(lambda: len(of_kind(fake, "birth")) == 2)
        fake.send(TOPICS.up("ack"), box.platform.message("ack", iss="i1", n=1))
        eventually(lambda: again.status()["refused"].get("refused:ack:replay") == 1)
    finally:
        again.close()


def test_answers_that_are_refused_while_records_wait_are_a_fault(
    box: Box, fake: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.uplink.inbox.DEAF_AFTER_S", 0.2)
    box.put("v-1")
    box.start()
    eventually(lambda: box.states() == {"broker_ack": 1})
    fake.send(TOPICS.up("ack"), box.platform.message("ack", n=50))

    def alarmed() -> bool:
        fake.send(TOPICS.up("ack"), box.platform.message("ack", n=3))
        return "acks_refused:platform" in wrong(box)

    eventually(alarmed)
    got = violations(fake)[0]
    record = {"id": json.loads(got.payload)["id"], "sha256": seal.sha256(got.payload)}
    fake.send(TOPICS.up("ack"), box.platform.message("ack", iss="fresh", n=1, records=[record]))
    eventually(lambda: box.states() == {"platform_ack": 1})
    eventually(lambda: "acks_refused:platform" not in wrong(box))
    told = [json.loads(got.payload)["data"] for got in of_kind(fake, "evt/fault")]
    assert [t["phase"] for t in told if t["kind"] == "acks_refused"] == ["start", "end"]


def test_a_repeat_now_and_then_is_none(box: Box, fake: FakeBroker) -> None:
    box.put("v-1")
    box.start()
    eventually(lambda: box.states() == {"broker_ack": 1})
    for n in (50, 50, 50, 50, 51):
        fake.send(TOPICS.up("ack"), box.platform.message("ack", n=n))
    eventually(lambda: box.status()["refused"].get("refused:ack:replay") == 3)
    assert not of_kind(fake, "evt/fault")


# ------------------------------------------------------- a real broker, and what it will not do


def test_two_boxes_of_one_name_are_a_fault_on_both(
    tmp_path: Path, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_mosquitto()
    monkeypatch.setattr("edge.uplink.link.PENALTY_S", 0.1)
    monkeypatch.setattr("edge.daemons.uplinkd.STATUS_EVERY_S", 0.1)
    from tests.uplink.box import Brisk

    monkeypatch.setattr("edge.uplink.link.Backoff", Brisk)
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    broker = Mosquitto(tmp_path)
    boxes = [Box(tmp_path / name, broker.port, platform) for name in ("one", "two")]
    boxes[0].put("v-1", "v-2", "v-3")
    for box in boxes:
        box.start()
    try:
        for box in boxes:
            eventually(lambda box=box: "name_taken:broker" in wrong(box))  # type: ignore[misc]
        assert "dead" not in boxes[0].states(), "no record is blamed for it"
        boxes[1].close()
        monkeypatch.setattr("edge.uplink.pump.TAKEN_OVER_S", 0.5)
        eventually(lambda: "name_taken:broker" not in wrong(boxes[0]))
    finally:
        for box in boxes:
            box.close()
        broker.stop()


def test_a_broker_without_retain_is_still_delivered_to(
    tmp_path: Path, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever subscribes later hears who the box is all the same."""
    import paho.mqtt.client as paho

    need_mosquitto()
    monkeypatch.setattr("edge.daemons.uplinkd.STATUS_EVERY_S", 0.1)
    monkeypatch.setattr("edge.uplink.presence.REPEAT_EVERY_S", 0.5)
    broker = Mosquitto(tmp_path, extra="retain_available false")
    box = Box(tmp_path, broker.port, platform)
    box.put("v-1")
    box.start()
    try:
        eventually(lambda: bool(box.status()["online"]))
        eventually(lambda: "no_retain:broker" in wrong(box))
        heard = set[str]()
        late = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        late.on_message = lambda _c, _u, message: heard.add(message.topic.rsplit("/", 1)[1])
        late.connect("127.0.0.1", broker.port)
        late.subscribe("cm/v1/#", 1)
        late.loop_start()
        eventually(lambda: {"birth", "status"} <= heard)
        late.disconnect()
        late.loop_stop()
        assert box.status()["connects"] <= 3
    finally:
        box.close()
        broker.stop()


def test_what_met_a_full_disk_has_its_turn_again(
    box: Box, fake: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No inode left for a verdict: the daemon waits, and nobody need send it a second time."""
    from edge.uplink.reviews import ReviewLog

    real, tries = ReviewLog.keep, itertools.count()

    def full(self: ReviewLog, review: downward.Review) -> None:
        if next(tries) < 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(self, review)

    monkeypatch.setattr(ReviewLog, "keep", full)
    monkeypatch.setattr("edge.daemons.uplinkd.FULL_DISK_WAIT_S", 0.05)
    box.start()
    eventually(lambda: len(of_kind(fake, "birth")) == 1)
    told = {"violation": "v-1", "revision": 1, "record_sha256": "0" * 64, "verdict": "rejected"}
    at = "2026-05-01T08:00:00Z"
    fake.send(TOPICS.up("review"), box.platform.message("review", **told, at=at))
    eventually(lambda: bool(list((box.folder / "state/reviews").glob("*.jsonl"))))
    assert box.thread.is_alive() and next(tries) == 4


def test_a_status_that_has_no_room_ends_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edge import runtime

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(runtime, "write_atomic", full)
    runtime.write_status(tmp_path, "visiond", {})
