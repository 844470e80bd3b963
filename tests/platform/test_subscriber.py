# SPDX-License-Identifier: AGPL-3.0-or-later
"""docs/platform.md as an integrator uses it: the program in it is taken out and run."""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
import sys

import pytest

from tools.platform import golden, play, schemas
from tools.platform.contract import FOLDER
from tools.platform.rig import Process, Rig, eventually

PAGE = (FOLDER.parent / "docs" / "platform.md").read_text(encoding="utf-8")
PATIENCE_S = 90.0


def subscriber(rig: Rig, port: int) -> Process:
    """The Python program of the page, running; its public key lies where the device looks."""
    (text,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
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
    with sqlite3.connect(rig.platform / "records.db") as db:
        stored = {row[0] for row in db.execute("SELECT payload FROM record")}
    assert stored == {one.payload for one in told if one.channel.data and not one.wrong}
    assert len(stored) == 5 and len(wrong) == 2
    name = hashlib.sha256(golden.PICTURE).hexdigest()
    assert (rig.platform / "files" / golden.DEVICE / name).read_bytes() == golden.PICTURE


def test_the_program_is_short() -> None:
    (text,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert sum(bool(line.strip()) for line in text.splitlines()) <= 100
    assert "edge" not in re.findall(r"^(?:import|from) (\w+)", text, re.MULTILINE)
