# SPDX-License-Identifier: AGPL-3.0-or-later
"""Evidence in chunks: resumed where the platform has gaps, paced, behind the violations."""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import dataclass, field

import msgspec
import pytest

from edge.uplink import downward
from edge.uplink import messages as m
from edge.uplink.pacing import CHUNK_MIN, ChunkSize, DayBudget, TokenBucket, missing
from edge.uplink.wire import CHUNK_MAX
from tests.uplink.box import TOPICS, Box, Platform, of_kind, violations
from tools.faultlab.fake_broker import FakeBroker, Got, Manners
from tools.faultlab.rig import eventually


@dataclass
class Assembler:
    """A platform's memory of one device's files, as a platform builds it from the chunks."""

    box: Box
    broker: FakeBroker
    bytes_got: int = 0
    parts: dict[str, bytearray] = field(default_factory=dict)
    here: dict[str, set[int]] = field(default_factory=dict)
    seen: int = 0
    mute: bool = False
    hold: bool = False

    def work(self) -> None:
        """Take what has come since the last time and answer it."""
        fresh, self.seen = self.broker.got[self.seen :], len(self.broker.got)
        answers = [answer for got in fresh if (answer := self._one(got))]
        if answers and not self.mute:
            ack = self.box.platform.ack(evidence=tuple(answers))
            self.broker.send(TOPICS.up("ack"), ack)

    def _one(self, got: Got) -> downward.EvidenceAck | None:
        prefix = TOPICS.up("evd/")
        if not got.topic.startswith(prefix):
            return None
        sha256, _, part = got.topic.removeprefix(prefix).partition("/")
        if part == "init":
            told = msgspec.json.decode(got.payload, type=m.EvidenceInit)
            self.parts.setdefault(sha256, bytearray(told.size))
            self.here.setdefault(sha256, set())
            return self._answer(sha256)
        if part == "fin":
            return self._answer(sha256)
        offset = int(part.removeprefix("c/"))
        self.bytes_got += len(got.payload)
        self.parts[sha256][offset : offset + len(got.payload)] = got.payload
        self.here[sha256] |= set(range(offset, offset + len(got.payload)))
        return None

    def _answer(self, sha256: str) -> downward.EvidenceAck:
        if self.hold:
            return downward.EvidenceAck(id=sha256, state="hold")
        gaps = self.gaps(sha256)
        if not gaps and hashlib.sha256(self.parts[sha256]).hexdigest() == sha256:
            return downward.EvidenceAck(id=sha256, state="have")
        return downward.EvidenceAck(id=sha256, state="need", ranges=tuple(gaps))

    def gaps(self, sha256: str) -> list[tuple[int, int]]:
        lost = sorted(set(range(len(self.parts[sha256]))) - self.here[sha256])
        gaps: list[tuple[int, int]] = []
        for at in lost:
            if gaps and gaps[-1][1] == at:
                gaps[-1] = (gaps[-1][0], at + 1)
            else:
                gaps.append((at, at + 1))
        return gaps


@pytest.fixture
def assembler(box: Box, fake: FakeBroker) -> Assembler:
    return Assembler(box, fake)


def files(box: Box) -> dict[str, dict[str, int]]:
    outbox = box.outbox()
    try:
        return dict(outbox.status()["files"])
    finally:
        outbox.close()


def finished(box: Box, assembler: Assembler) -> bool:
    assembler.work()
    return all(set(states) == {"platform_ack"} for states in files(box).values())


def test_a_file_arrives_whole_and_chunks_keep_their_bound(
    box: Box, fake: FakeBroker, assembler: Assembler
) -> None:
    clip = os.urandom(700_000)
    box.rig.put(box.outbox(), "v-1", {"r1-clip.mp4": clip, "r1-empty.jpg": b""})
    box.start()
    eventually(lambda: finished(box, assembler))
    assert clip in [bytes(part) for part in assembler.parts.values()]
    chunks = [got for got in fake.got if "/c/" in got.topic]
    assert max(len(got.payload) for got in chunks) <= CHUNK_MAX
    assert assembler.bytes_got < len(clip) + 10_000, "nothing is sent twice"


def test_an_upload_goes_on_where_it_was_cut(
    box: Box, fake: FakeBroker, assembler: Assembler
) -> None:
    size = 600_000
    text = box.device.read_text().replace("tls: off}", "tls: off, evidence_kbit_s: 800}")
    box.device.write_text(text)
    box.rig.put(box.outbox(), "v-1", {"r1-clip.mp4": os.urandom(size)})
    box.start()
    cuts = 0
    while cuts < 5:
        before = assembler.bytes_got
        eventually(lambda b=before: assembler.work() or assembler.bytes_got > b + 40_000)
        fake.cut()
        cuts += 1
    eventually(lambda: finished(box, assembler))
    window_and_chunk = 5 * CHUNK_MAX
    assert assembler.bytes_got - size < cuts * window_and_chunk


def test_bytes_that_arrive_damaged_are_asked_for_again(
    box: Box, fake: FakeBroker, assembler: Assembler
) -> None:
    data = os.urandom(300_000)
    box.rig.put(box.outbox(), "v-1", {"r1-a.jpg": data})
    sha256 = hashlib.sha256(data).hexdigest()
    box.start()
    eventually(lambda: assembler.work() or len(assembler.here.get(sha256, ())) == len(data))
    assembler.here[sha256] -= set(range(1000, 50_000))
    eventually(lambda: finished(box, assembler))


def test_pictures_go_before_clips_and_violations_before_both(
    box: Box, fake: FakeBroker, assembler: Assembler
) -> None:
    outbox = box.outbox()
    for name in ("v-1", "v-2"):
        box.rig.put(outbox, name, {"r1-clip.mp4": os.urandom(400_000), "r1-a.jpg": name.encode()})
    box.start()
    eventually(lambda: finished(box, assembler))
    kinds = [_kind(got) for got in fake.got if _kind(got)]
    assert kinds.index("violation") < kinds.index("chunk of a clip")
    last_picture = len(kinds) - 1 - kinds[::-1].index("chunk of a picture")
    assert kinds[last_picture:].count("chunk of a clip") > 3


def _kind(got: Got) -> str:
    if got.topic.endswith("violation"):
        return "violation"
    if "/c/" in got.topic:
        return "chunk of a clip" if len(got.payload) > 2000 else "chunk of a picture"
    return ""


def test_a_platform_that_wants_a_clip_later_is_not_pressed(
    box: Box, fake: FakeBroker, assembler: Assembler
) -> None:
    assembler.hold = True
    box.rig.put(box.outbox(), "v-1", {"r1-clip.mp4": os.urandom(100_000)})
    box.start()
    eventually(lambda: assembler.work() or len(assembler.parts) == 2)
    time.sleep(0.5)
    assembler.work()
    assert assembler.bytes_got == 0
    assembler.hold = False
    wanted = tuple(
        downward.EvidenceAck(id=sha256, state="need", ranges=((0, len(part)),))
        for sha256, part in assembler.parts.items()
    )
    fake.send(TOPICS.up("ack"), box.platform.ack(evidence=wanted))
    eventually(lambda: finished(box, assembler))


def test_a_file_that_waited_for_an_answer_goes_on_as_soon_as_the_platform_answers_again(
    box: Box, fake: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.uplink.transfer.ANSWER_DEADLINE_S", 0.2)
    box.rig.put(box.outbox(), "v-1", {"r1-a.jpg": b"p" * 100})
    box.start()

    def announced() -> int:
        return sum(got.topic.endswith("/init") for got in fake.got)

    eventually(lambda: announced() >= 5, within_s=60)
    before = announced()
    other = downward.EvidenceAck(id="0" * 64, state="hold")
    fake.send(TOPICS.up("ack"), box.platform.ack(evidence=(other,)))
    # Four times more take 3 s, and 96 s where the old time stands.
    eventually(lambda: announced() >= before + 4, within_s=60)


def test_a_lost_file_is_a_fault_and_holds_up_nothing(
    box: Box, fake: FakeBroker, assembler: Assembler
) -> None:
    outbox = box.outbox()
    box.rig.put(outbox, "v-1", {"r1-a.jpg": b"gone soon"})
    box.rig.put(outbox, "v-2", {"r1-a.jpg": b"still here"})
    (box.rig.state / "evidence" / "v-1" / "r1" / "r1-a.jpg").unlink()
    box.start()
    wanted = {"picture": {"missing": 1, "platform_ack": 3}}
    eventually(lambda: assembler.work() or files(box) == wanted)
    eventually(lambda: any(b"evidence_missing" in got.payload for got in fake.got))


def test_a_file_that_rotted_on_the_card_is_a_fault_and_not_sent_for_ever(
    box: Box, fake: FakeBroker, assembler: Assembler
) -> None:
    outbox = box.outbox()
    box.rig.put(outbox, "v-1", {"r1-clip.mp4": os.urandom(200_000), "r1-a.jpg": b"sound"})
    path = box.folder / "state" / "evidence" / "v-1" / "r1" / "r1-clip.mp4"
    data = bytearray(path.read_bytes())
    data[100_000] ^= 1
    path.write_bytes(data)
    box.start()
    eventually(lambda: assembler.work() or files(box)["clip"] == {"missing": 1})
    eventually(lambda: any(b"evidence_missing" in got.payload for got in fake.got))
    sent = sum(len(got.payload) for got in fake.got if "/c/" in got.topic)
    assert sent < 250_000, "one time is enough"


@pytest.mark.parametrize("lie", [0, 1, 7])
def test_nonsense_ranges_are_harmless(
    box: Box, fake: FakeBroker, assembler: Assembler, lie: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.uplink.transfer.ANSWER_DEADLINE_S", 0.5)
    data = os.urandom(50_000)
    sha256 = hashlib.sha256(data).hexdigest()
    assembler.mute = True
    box.rig.put(box.outbox(), "v-1", {"r1-a.jpg": data})
    box.start()
    eventually(lambda: assembler.work() or sha256 in assembler.parts)
    ranges = [((9, 3),), ((0, 2**50), (5, 10), (-0, 7)), ((60_000, 70_000),)][lie % 3]
    answer = downward.EvidenceAck(id=sha256, state="need", ranges=ranges)
    fake.send(TOPICS.up("ack"), box.platform.ack(evidence=(answer,)))
    assembler.mute = False
    eventually(lambda: finished(box, assembler))


def test_the_weak_mode_releases_by_puback_and_says_so(
    box: Box, fake: FakeBroker, platform: Platform
) -> None:
    path = box.rig.device_file(fake.port, release="puback")
    assert path == box.device
    data = os.urandom(200_000)
    box.rig.put(box.outbox(), "v-1", {"r1-a.jpg": data})
    box.start()
    eventually(lambda: box.states() == {"platform_ack": 1})
    eventually(lambda: files(box) == {"picture": {"platform_ack": 2}})
    birth = json.loads(of_kind(fake, "birth")[-1].payload)
    assert birth["trust"]["release"] == "puback"
    sent = [got for got in fake.got if hashlib.sha256(data).hexdigest() in got.topic]
    whole = b"".join(got.payload for got in sent if "/c/" in got.topic)
    assert whole == data


def test_the_file_transfer_of_emqx(box: Box, fake: FakeBroker, assembler: Assembler) -> None:
    text = box.device.read_text().replace("tls: off}", "tls: off, file_transfer: emqx}")
    box.device.write_text(text)
    data = os.urandom(150_000)
    sha256 = hashlib.sha256(data).hexdigest()
    box.rig.put(box.outbox(), "v-1", {"r1-a.jpg": data})
    box.start()
    fin = f"$file/box-1.{sha256}/fin/{len(data)}/{sha256}"
    eventually(lambda: any(got.topic == fin for got in fake.got))
    sent = [got for got in fake.got if got.topic.startswith(f"$file/box-1.{sha256}/")]
    told = json.loads(sent[0].payload)
    assert told == {"name": "r1-a.jpg", "size": len(data), "checksum": sha256}
    assert b"".join(got.payload for got in sent[1:-1]) == data
    assert files(box)["picture"].get("platform_ack") is None
    have = downward.EvidenceAck(id=sha256, state="have")
    fake.send(TOPICS.up("ack"), box.platform.ack(evidence=(have,)))
    eventually(lambda: files(box)["picture"].get("platform_ack") == 1)


def test_refused_evidence_does_not_stop_the_records(box: Box, fake: FakeBroker) -> None:
    from tools.faultlab.fake_broker import puback

    fake.manners = Manners(answer=lambda got: [puback(got.mid, 0x87 if "evd" in got.topic else 0)])
    box.rig.put(box.outbox(), "v-1", {"r1-a.jpg": b"x"})
    box.start()
    eventually(lambda: len(violations(fake)) == 1)
    eventually(lambda: len(of_kind(fake, "evt/fault")) == 1)
    assert b"not_authorized" in of_kind(fake, "evt/fault")[0].payload


def test_the_platform_may_slow_evidence_down_and_stop_clips(
    box: Box, fake: FakeBroker, assembler: Assembler
) -> None:
    box.start()
    eventually(lambda: len(of_kind(fake, "birth")) == 1)
    fake.send(TOPICS.up("ack"), box.platform.message("ack", pace={"clips": False}))
    # What is said after it is heard after it.
    fake.send(TOPICS.up("cmd/req"), box.platform.command("recheck", arguments={"camera": "north"}))
    eventually(lambda: len(of_kind(fake, "cmd/res")) == 1)
    box.rig.put(box.outbox(), "v-1", {"r1-clip.mp4": b"c" * 5000, "r1-a.jpg": b"p"})
    eventually(lambda: assembler.work() or files(box)["picture"] == {"platform_ack": 2})
    assert files(box)["clip"] == {"new": 1}
    fake.send(TOPICS.up("ack"), box.platform.message("ack", pace={"clips": True}))
    eventually(lambda: finished(box, assembler))


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        (((0, 10),), [(0, 10)]),
        (((5, 8), (0, 3)), [(0, 3), (5, 8)]),
        (((0, 6), (4, 8)), [(0, 6), (6, 8)]),
        (((0, 999),), [(0, 10)]),
        (((7, 7), (9, 3), (10, 12)), []),
        ((), []),
    ],
)
def test_needed_ranges_are_put_in_order(
    ranges: tuple[tuple[int, int], ...], expected: list[tuple[int, int]]
) -> None:
    assert missing(10, ranges) == expected


def test_chunks_grow_on_a_fast_line_and_shrink_on_a_thin_one() -> None:
    chunk = ChunkSize()
    for _ in range(8):
        chunk.answered(chunk.bytes, 0.05)
    assert (chunk.bytes, chunk.parallel) == (CHUNK_MAX, 4)
    for _ in range(8):
        chunk.answered(chunk.bytes, 6.0)
    assert (chunk.bytes, chunk.parallel) == (CHUNK_MIN, 1)


def test_the_bucket_keeps_its_rate_over_time() -> None:
    bucket, sent, now = TokenBucket(1000.0), 0, 0.0
    while now < 60.0:
        if bucket.take(700, now):
            sent += 700
        now += 0.05
    assert 58_000 <= sent <= 63_000


def test_the_day_s_budget_keeps_room_for_pictures_and_no_clock_gives_it_twice() -> None:
    budget = DayBudget(1000)
    noon = 20_000 * 86_400.0 + 43_200
    budget.spend(850, noon)
    assert not budget.allows("clip", noon)
    assert budget.allows("picture", noon)
    budget.spend(200, noon)
    assert not budget.allows("picture", noon)
    assert budget.allows("picture", noon - 86_400), "a clock set back: a day of its own"
    assert not budget.allows("picture", noon), "and forward again"
    assert budget.allows("clip", noon + 86_400)
