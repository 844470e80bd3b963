# SPDX-License-Identifier: AGPL-3.0-or-later
"""docs/platform.md as an integrator uses it: the program in it is taken out and run."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import sqlite3
import sys
import time
from contextlib import closing

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from city_platform import golden, play, schemas
from city_platform.contract import FOLDER
from edge.uplink import downward, seal, wire
from edge.uplink.trust import DownlinkTrust
from edge.values import Stamp
from tools.faultlab.rig import Process, Rig, eventually

PAGE = (FOLDER.parent / "docs" / "platform.md").read_text(encoding="utf-8")
PATIENCE_S = 90.0


def subscriber(rig: Rig, port: int) -> Process:
    """The Python program of the page, running; its public key lies where the device looks."""
    text, _ = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    path = rig.folder / "subscriber.py"
    path.write_text(text, encoding="utf-8")
    argv = [sys.executable, str(path), "127.0.0.1", str(port), str(rig.platform)]
    child = Process(argv, rig.folder / "subscriber.log")
    rig.children.append(child)
    eventually((rig.platform / "platform.pub.pem").exists, within_s=PATIENCE_S)
    return child


def test_every_topic_stands_on_the_page() -> None:
    for channel in schemas.channels():
        row = next((li for li in PAGE.splitlines() if li.startswith(f"| `{channel.suffix}`")), "")
        assert channel.says in row, f"{channel.suffix}: {channel.says}"


@pytest.mark.broker
def test_the_subscriber_serves_a_real_device(rig: Rig) -> None:
    broker = rig.broker()
    subscriber(rig, broker.port)
    rig.uplinkd(broker.port)
    outbox = rig.outbox()
    picture, clip = os.urandom(250_000), os.urandom(600_000)
    rig.put(outbox, "v-1", {"r1-a.jpg": picture, "r1-b.mp4": clip})
    rig.put(outbox, "v-2")

    def released() -> bool:
        told = outbox.status()
        return told["records"].get("violation") == {"platform_ack": 2} and all(
            states.keys() == {"platform_ack"} for states in told["files"].values()
        )

    eventually(released, within_s=PATIENCE_S)
    for data in (picture, clip):
        stored = rig.platform / "files" / "box-1" / hashlib.sha256(data).hexdigest()
        assert stored.read_bytes() == data


@pytest.mark.broker
def test_the_subscriber_takes_the_golden_messages_and_refuses_the_wrong_ones(rig: Rig) -> None:
    broker = rig.broker(extra="log_type all")
    child = subscriber(rig, broker.port)
    eventually(lambda: b"SUBSCRIBE" in broker.log.read_bytes(), within_s=PATIENCE_S)
    told = play.play("127.0.0.1", broker.port)
    wrong = [one for one in told if one.wrong]
    eventually(lambda: len(child.log.read_text().splitlines()) == len(wrong), within_s=PATIENCE_S)
    with closing(sqlite3.connect(rig.platform / "records.db")) as db:
        stored = {row[0] for row in db.execute("SELECT payload FROM record")}
    assert stored == {one.payload for one in told if one.channel.data and not one.wrong}
    assert len(stored) == 10 and len(wrong) == 2
    name = hashlib.sha256(golden.PICTURE).hexdigest()
    assert (rig.platform / "files" / golden.DEVICE / name).read_bytes() == golden.PICTURE


def test_the_program_is_short() -> None:
    text, _ = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert sum(bool(line.strip()) for line in text.splitlines()) <= 100
    assert "edge" not in re.findall(r"^(?:import|from) (\w+)", text, re.MULTILINE)


def test_the_answers_of_the_page_are_what_a_device_takes() -> None:
    """The second program of the page, with the first one's key and nobody at the broker."""
    _, text = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    private = Ed25519PrivateKey.generate()
    kid, said = seal.fingerprint(private.public_key()), Sent()
    known = {"KEY": private, "KID": kid, "client": said, "time": time, "json": json}
    exec(text.replace("…", "0" * 64), {**known, "base64": base64, "rfc8785": rfc8785})
    trust = DownlinkTrust("box-1", seal.KeyRing({kid: private.public_key()}))
    at = Stamp(1.0, time.time(), "ntp", 1.0)
    kinds = wire.Topics("city", "box-1").down
    read = [trust.read(kinds[topic], payload.encode(), {}, at) for topic, payload in said.sent]
    assert [type(message) for message in read] == [
        downward.Command,
        downward.Desired,
        downward.Review,
    ]


class Sent:
    """In place of paho's client."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []

    def publish(self, topic: str, payload: str, qos: int) -> None:
        assert qos == 1
        self.sent.append((topic, payload))
