# SPDX-License-Identifier: AGPL-3.0-or-later
"""What comes down: only the platform's own, fresh, for this device, and of its kind is obeyed."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from edge.ipc import Spool
from edge.uplink import downward, seal
from edge.uplink.trust import KINDS, DownlinkTrust, RefusedMessage
from edge.values import Stamp
from tests.uplink.box import TOPICS, Box, Platform, of_kind, violations
from tools.faultlab.fake_broker import FakeBroker
from tools.faultlab.rig import eventually

NOW = Stamp(100.0, 1_780_000_000.0, "ntp", 5.0)
PLATFORM = Platform()
TRUST = DownlinkTrust("box-1", seal.KeyRing({PLATFORM.signer.kid: PLATFORM.signer.public}))
COMMAND = {
    "type": "command",
    "device": "box-1",
    "iss": "desk",
    "n": 5,
    "cmd_id": "c-1",
    "exp": NOW.wall + 60,
    "command": "snapshot",
    "arguments": {"camera": "north"},
}


def signed(**change: Any) -> bytes:
    return PLATFORM.signer.sign({**COMMAND, **change})


def foreign() -> bytes:
    private = Ed25519PrivateKey.generate()
    return seal.Signer(PLATFORM.signer.kid, private).sign(COMMAND)


def unsigned() -> bytes:
    return json.dumps({**COMMAND, "kid": PLATFORM.signer.kid}).encode()


def with_byte_changed() -> bytes:
    return signed().replace(b"north", b"south")


def nested(levels: int) -> dict[str, Any]:
    """Deep enough to end what walks it, and still signed: its canonical form recurses less."""
    data: dict[str, Any] = {}
    for _ in range(levels):
        data = {"a": data}
    return data


def deep() -> bytes:
    return b'{"a":' * 10_000 + b"1" + b"}" * 10_000


def test_a_good_command_is_read() -> None:
    command = TRUST.read("command", signed(), {}, NOW)
    assert isinstance(command, downward.Command)
    assert command.arguments == {"camera": "north"}


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (foreign(), "signature"),
        (unsigned(), "signature"),
        (with_byte_changed(), "signature"),
        (signed(device="box-2"), "device"),
        (signed(n=4), "replay"),
        (signed(n=3), "replay"),
        (signed(n=0, iss="new"), "replay"),
        (signed(n=-1), "fields"),
        (signed(n="9"), "fields"),
        (signed(exp=NOW.wall - 1), "expired"),
        (signed(exp=NOW.wall + 3600), "expired"),
        (signed(type="ack"), "fields"),
        (signed(type="desired"), "fields"),
        (signed(command="shell"), "fields"),
        (signed(command="reboot; rm -rf /"), "fields"),
        (signed(cmd_id="../../etc/passwd"), "fields"),
        (signed(iss="../x"), "fields"),
        (signed(more="surprise"), "fields"),
        (signed(text="x" * 70_000), "size"),
        (b"", "json"),
        (b"null", "json"),
        (b"[]", "json"),
        (b"\xff\xfe", "json"),
        (b'{"n": NaN}', "json"),
        (deep(), "json"),
        (signed(arguments=nested(400)), "json"),
        (b"!!python/object/apply:os.system [id]", "json"),
    ],
)
def test_anything_else_is_refused_with_its_reason(payload: bytes, why: str) -> None:
    with pytest.raises(RefusedMessage) as refused:
        TRUST.read("command", payload, {"command:desk": 4}, NOW)
    assert refused.value.why == why


@pytest.mark.parametrize("fraction", ["", ".5", ".500", ".500000", ".5000000000"])
def test_a_verdict_s_time_may_have_a_fraction_or_none(fraction: str) -> None:
    told = {"type": "review", "device": "box-1", "iss": "desk", "n": 9, "violation": "v-1",
            "revision": 1, "record_sha256": "0" * 64, "verdict": "rejected"}  # fmt: skip
    payload = PLATFORM.signer.sign({**told, "at": f"2026-05-01T08:00:00{fraction}Z"})
    if len(fraction) in (0, 4, 7):
        assert TRUST.read("review", payload, {}, NOW).n == 9
    else:
        with pytest.raises(RefusedMessage):
            TRUST.read("review", payload, {}, NOW)


def test_a_clock_that_was_never_set_obeys_nothing_that_expires() -> None:
    with pytest.raises(RefusedMessage) as refused:
        TRUST.read("command", signed(exp=1000.0), {}, Stamp(5.0, 900.0))
    assert refused.value.why == "clock"


def test_counters_are_kept_for_each_kind_and_issuer() -> None:
    heard = {"command:desk": 99, "ack:night": 99}
    for name in ("day", "night"):
        TRUST.read("command", signed(iss=name), heard, NOW)


def test_without_signatures_everything_else_is_still_checked() -> None:
    weak = DownlinkTrust("box-1", None)
    assert weak.read("command", unsigned(), {}, NOW).device == "box-1"
    with pytest.raises(RefusedMessage):
        weak.read("command", json.dumps({**COMMAND, "device": "x"}).encode(), {}, NOW)


@given(st.sampled_from(sorted(KINDS)), st.binary(max_size=200))
def test_no_bytes_crash_the_reader(kind: str, payload: bytes) -> None:
    with pytest.raises(RefusedMessage):
        TRUST.read(kind, payload, {}, NOW)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(
    st.sampled_from(sorted(KINDS)),
    st.dictionaries(
        st.sampled_from(["type", "device", "iss", "n", "exp", "records", "evidence", "site", "rev",
                         "cmd_id", "command", "arguments", "kid", "sig", "pace", "verdict"]),
        json_values,
    ),
)  # fmt: skip
def test_no_json_crashes_the_reader(kind: str, data: dict[str, Any]) -> None:
    payload = json.dumps(data).encode("utf-8", "surrogatepass")
    for trust in (TRUST, DownlinkTrust("box-1", None)):
        try:
            assert isinstance(trust.read(kind, payload, {}, NOW), KINDS[kind])
        except RefusedMessage:
            continue


def frozen(folder: Path) -> dict[str, str]:
    """Hashes of everything that a message from afar could change."""
    found = {}
    for path in sorted(folder.rglob("*")):
        keep = any(part in path.parts for part in ("config", "requests", "reviews", "spool"))
        if path.is_file() and (keep or path.name == "site.yaml"):
            name = str(path.relative_to(folder))
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def forgeries(platform: Platform) -> dict[str, list[bytes]]:
    stranger = Platform()
    late = platform.command("snapshot", exp=time.time() - 5, arguments={"camera": "north"})
    other = platform.command("restart", device="box-2", arguments={"daemon": "visiond"})
    site = {"cameras": [{"id": "a", "source": "file:///etc/shadow"}]}
    return {
        "cmd/req": [
            stranger.command("snapshot", arguments={"camera": "north"}),
            late,
            other,
            platform.command("restart", arguments={"daemon": "../../bin/sh"}, cmd_id="c-2"),
            platform.command("snapshot", arguments={"camera": "--help"}, cmd_id="c-3"),
            b"\x00\x01",
        ],
        "cfg/desired": [
            stranger.message("desired", rev=9, exp=time.time() + 600, site={}),
            platform.message("desired", rev=1, exp=time.time() - 600, site={}),
            platform.message("desired", rev=1, exp=time.time() + 600, site=site),
            b"!!python/object/new:os.system [id]",
        ],
        "review": [stranger.message("review", violation="v-1", revision=1)],
        "ack": [stranger.message("ack", records=[])],
    }


def test_forged_messages_are_counted_and_change_nothing(
    box: Box, fake: FakeBroker, platform: Platform
) -> None:
    (box.folder / "site.yaml").write_text("name: 原样\n")
    box.put("v-1")
    box.start()
    eventually(lambda: box.states() == {"broker_ack": 1})
    before = frozen(box.folder)
    sent = forgeries(platform)
    for suffix, payloads in sent.items():
        for payload in payloads:
            fake.send(TOPICS.up(suffix), payload)
    count = sum(len(payloads) for payloads in sent.values())
    # Those that pass the door fail on what they ask for, and are answered.
    asked = 3

    def refused() -> int:
        told = box.status()["refused"]
        return sum(n for name, n in told.items() if name.startswith("refused:"))

    eventually(lambda: refused() == count - asked)
    eventually(lambda: len(of_kind(fake, "cmd/res")) == 2)
    states = [json.loads(got.payload)["state"] for got in of_kind(fake, "cmd/res")]
    assert states == ["rejected", "rejected"]
    after = frozen(box.folder)
    after.pop("state/config/applied.json", None)
    assert after == before
    assert box.states() == {"broker_ack": 1}


def test_an_attack_is_a_fault_that_ends(
    box: Box, fake: FakeBroker, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.uplink.inbox.FORGED_OVER_S", 0.3)
    box.start()
    eventually(lambda: len(of_kind(fake, "birth")) == 1)
    fake.send(TOPICS.up("ack"), Platform().message("ack", records=[]))
    eventually(lambda: len(of_kind(fake, "evt/fault")) == 2)
    told = [json.loads(got.payload)["data"] for got in of_kind(fake, "evt/fault")]
    assert [(t["kind"], t["subject"], t["phase"]) for t in told] == [
        ("forged_message", "ack", "start"),
        ("forged_message", "ack", "end"),
    ]


def test_a_command_is_done_once_however_often_it_comes(
    box: Box, fake: FakeBroker, platform: Platform
) -> None:
    box.start()
    eventually(lambda: len(of_kind(fake, "birth")) == 1)
    command = platform.command("snapshot", arguments={"camera": "north"})
    for _ in range(3):
        fake.send(TOPICS.up("cmd/req"), command)
    spool = Spool(box.folder / "run", "visiond")
    eventually(lambda: box.status()["refused"].get("refused:command:replay") == 2)
    asked = spool.take()
    assert [(told["kind"], told["camera"]) for told in asked] == [("snapshot", "north")]
    into = Path(asked[0]["into"])
    (into / "overview-1.jpg").write_bytes(b"a picture")
    (into / "answer.json").write_text('{"done": true}')
    eventually(lambda: len(of_kind(fake, "cmd/res")) == 2)
    results = [json.loads(got.payload) for got in of_kind(fake, "cmd/res")]
    assert [told["state"] for told in results] == ["accepted", "done"]
    assert results[1]["data"]["files"][0]["path"] == "overview-1.jpg"
    again = platform.command("snapshot", arguments={"camera": "north"})
    fake.send(TOPICS.up("cmd/req"), again)
    eventually(lambda: len(of_kind(fake, "cmd/res")) >= 3)
    assert spool.take() == [], "the same cmd_id is not done a second time"


def test_a_counter_survives_a_restart(
    box: Box, fake: FakeBroker, platform: Platform, tmp_path: Path
) -> None:
    box.start()
    eventually(lambda: len(of_kind(fake, "birth")) == 1)
    command = platform.command("recheck", arguments={"camera": "north"})
    fake.send(TOPICS.up("cmd/req"), command)
    eventually(lambda: len(of_kind(fake, "cmd/res")) == 1)
    box.close()
    again = Box(tmp_path, fake.port, platform).start()
    eventually(lambda: len(of_kind(fake, "birth")) == 2)
    fake.send(TOPICS.up("cmd/req"), command)
    eventually(lambda: again.status()["refused"].get("refused:command:replay") == 1)
    again.close()
    assert len(Spool(box.folder / "run", "visiond").take()) == 1


def test_a_review_is_kept_for_the_learning_part(
    box: Box, fake: FakeBroker, platform: Platform
) -> None:
    box.put("v-1")
    box.start()
    eventually(lambda: len(violations(fake)) == 1)
    payload = violations(fake)[0].payload
    review = platform.message(
        "review",
        violation="v-1",
        revision=1,
        record_sha256=seal.sha256(payload),
        verdict="rejected",
        reason="有证经营",
        reviewer="王",
        at="2026-05-01T08:00:00.000000Z",
    )
    fake.send(TOPICS.up("review"), review)
    path = box.folder / "state" / "reviews" / "2026-05.jsonl"
    eventually(path.exists)
    told = json.loads(path.read_text().splitlines()[0])
    assert (told["violation"], told["verdict"], told["reason"]) == ("v-1", "rejected", "有证经营")
