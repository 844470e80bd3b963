# SPDX-License-Identifier: AGPL-3.0-or-later
"""Faults across restarts: what was open when a daemon ended ends in a later run, and once."""

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edge.camera.folder import open_album
from edge.camera.stall import KIND, StallWatch
from edge.config import ConfigError, Device
from edge.config.device import Folders, Trust
from edge.config.paths import box_files
from edge.console.metrics import render
from edge.daemons.janitord import Janitor
from edge.faults import FaultLog
from edge.ipc import Answer, Responder, Spool, read_answer, write_answer
from edge.jsonfile import read_object, read_status
from edge.outbox import Outbox, ladder, salvage
from edge.pipeline.publisher import Publisher
from edge.runtime import write_status
from edge.uplink.build import open_stock
from edge.uplink.wire import fault_row, standing_faults
from edge.values import Fault, Stamp
from tests.fake_clock import FakeClock


def told(path: Path) -> list[tuple[str, str, str]]:
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute("SELECT body FROM record WHERE kind = 'fault' ORDER BY id").fetchall()
    bodies = [json.loads(body) for (body,) in rows]
    return [(body["kind"], body["subject"], body["phase"]) for body in bodies]


def daemon(path: Path, clock: FakeClock, name: str = "sensord") -> Publisher:
    return Publisher(Outbox(path, name), clock)


def test_a_fault_ends_in_the_run_after_the_one_that_began_it(tmp_path: Path) -> None:
    path, clock = tmp_path / "outbox.db", FakeClock()
    daemon(path, clock).faults.start("sensor_stale", "noise-1", "no valid value")
    again = daemon(path, clock)
    again.faults.start("sensor_stale", "noise-1", "no valid value")
    clock.advance(60.0)
    again.faults.end("sensor_stale", "noise-1")
    again.faults.end("sensor_stale", "noise-1")
    assert [phase for *_, phase in told(path)] == ["start", "end"]
    with closing(sqlite3.connect(path)) as db:
        (body,) = db.execute(
            "SELECT body FROM record WHERE kind = 'fault' ORDER BY id DESC LIMIT 1"
        ).fetchone()
    assert json.loads(body)["facts"] == {"lasted_s": 60.0}
    assert daemon(path, clock).faults.status() == []


@pytest.mark.parametrize("words", ["坏" * 5000, "x" * 4001, "half a name \udce5.jpg"])
def test_words_that_no_record_takes_do_not_keep_a_daemon_from_its_start(
    tmp_path: Path, words: str
) -> None:
    path, clock = tmp_path / "outbox.db", FakeClock()
    first = daemon(path, clock)
    first.faults.start("not_sound", words, words)
    first.faults.once("dead_letter", words, words)
    again = daemon(path, clock)
    (shown,) = again.faults.status()
    assert len(shown["text"]) <= 4000 and shown["text"][:4] == words[:4]
    assert again.faults.find("not_sound", words) is not None
    again.faults.start("not_sound", words, words)
    again.faults.end("not_sound", words)
    assert [phase for *_, phase in told(path)] == ["start", "start", "end"]
    assert daemon(path, clock).faults.status() == []


def test_an_open_fault_that_cannot_be_read_is_over_and_may_begin_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, clock = tmp_path / "outbox.db", FakeClock()
    first = daemon(path, clock)
    first.faults.start("not_sound", "north", "no such site")
    first.faults.start("stream_stall", "gate", "no picture")
    with closing(sqlite3.connect(path)) as db, db:
        body = json.dumps({"kind": "not_sound", "subject": "north", "text": "x" * 5000})
        db.execute("UPDATE open_fault SET body = ? WHERE kind = 'not_sound'", (body.encode(),))
    again = daemon(path, clock)
    assert [f["kind"] for f in again.faults.status()] == ["stream_stall"]
    assert "open fault not_sound of north cannot be read" in caplog.text
    caplog.clear()
    clock.advance(5.0)
    daemon(path, clock).faults.start("not_sound", "north", "no such site")
    assert "cannot be read" not in caplog.text
    assert len(daemon(path, clock).faults.status()) == 2


def test_each_daemon_knows_its_own(tmp_path: Path) -> None:
    path, clock = tmp_path / "outbox.db", FakeClock()
    daemon(path, clock, "visiond").faults.start("disk", "gate", "no room")
    daemon(path, clock, "sensord").faults.start("disk", "sensord", "no room")
    daemon(path, clock, "sensord").faults.once("dead_letter", "v-1", "refused")
    shape = {"kind": "disk", "subject": "gate", "text": "no room", "wall": clock.now().wall}
    assert daemon(path, clock, "visiond").faults.status() == [shape]
    assert [f["subject"] for f in daemon(path, clock).faults.status()] == ["sensord"]


def test_after_a_reboot_the_wall_clock_says_how_long_it_lasted(tmp_path: Path) -> None:
    path, clock = tmp_path / "outbox.db", FakeClock(mono=5000.0)
    daemon(path, clock).faults.start("sensor_stale", "noise-1", "no valid value")
    db = sqlite3.connect(path)
    db.execute("UPDATE boot SET boot_id = 'another'")
    db.commit()
    later = FakeClock(mono=20.0, wall=clock.now().wall + 300.0)
    daemon(path, later).faults.end("sensor_stale", "noise-1")
    (body,) = db.execute("SELECT body FROM record ORDER BY id DESC LIMIT 1").fetchone()
    db.close()
    assert json.loads(body)["facts"]["lasted_s"] == 300.0


def test_what_nobody_watches_any_more_ends(tmp_path: Path) -> None:
    path, clock = tmp_path / "outbox.db", FakeClock()
    first = daemon(path, clock)
    for camera in ("gate", "gone"):
        first.faults.start("stream_stall", camera, "no picture")
    again = daemon(path, clock)
    again.faults.end_others(lambda fault: fault.subject == "gate")
    assert told(path)[2:] == [("stream_stall", "gone", "end")]
    assert [f.subject for f in again.faults.standing()] == ["gate"]


def test_uplinkd_goes_on_with_what_was_open(tmp_path: Path) -> None:
    folders = Folders(state=str(tmp_path / "state"), run=str(tmp_path / "run"))
    device = Device(trust=Trust(down="tls"), folders=folders)
    where = box_files(device, None, tmp_path / "device.yaml")
    clock = FakeClock()
    stock = open_stock(device, where, clock)  # type: ignore[arg-type]
    stock.faults.start("forged_message", "command", "no key of ours")
    stock.faults.once("dead_letter", "v-1", "refused five times")
    for fault, stands in stock.raised:
        stock.outbox.put(**fault_row(fault, stands))
    again = open_stock(device, where, clock)  # type: ignore[arg-type]
    assert [f["kind"] for f in again.faults.status()] == ["forged_message"]
    for one in (stock, again):
        one.dispatch.close()
        one.outbox.close()


def test_a_stall_ends_with_the_first_picture_of_the_next_run() -> None:
    began = Fault(KIND, "gate", "start", Stamp(110.0, 0.0), "refused", {"silent_s": 10.0})
    watch = StallWatch("gate", began)
    assert watch.open
    assert watch.step(Stamp(200.5, 0.0), 200.0, None) is None, "no picture yet"
    over = watch.step(Stamp(203.0, 0.0), 202.0, None)
    assert over is not None and (over.phase, over.facts["lasted_s"]) == ("end", 102.0)
    assert not watch.open


@pytest.mark.parametrize("reboot", [False, True], ids=["daemon", "power"])
def test_the_disk_ladder_ends_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reboot: bool
) -> None:
    state, run = tmp_path / "state", tmp_path / "run"
    steps = iter([3, 3, 0])
    monkeypatch.setattr(ladder, "next_step", lambda room, before: next(steps))
    for _ in range(2):
        Janitor(Device(), state, run).work(0.0)
        if reboot:
            (run / "status" / "janitord.json").unlink()
    assert [phase for *_, phase in told(state / "outbox.db")] == ["start"] * 3
    Janitor(Device(), state, run).work(0.0)
    assert [(name, phase) for _, name, phase in told(state / "outbox.db")][3:] == [
        (ladder.STEPS[index], "end") for index in (3, 2, 1)
    ]


def test_a_salvage_carries_the_open_faults(tmp_path: Path) -> None:
    path, clock = tmp_path / "outbox.db", FakeClock()
    publisher = daemon(path, clock)
    publisher.faults.start("sensor_stale", "noise-1", "no valid value")
    db = sqlite3.connect(path)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    root = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'record_state'").fetchone()
    size = db.execute("PRAGMA page_size").fetchone()[0]
    db.close()
    with path.open("r+b") as file:
        file.seek((root[0] - 1) * size)
        file.write(b"\xff" * size)
    assert salvage.check_and_salvage(path) is not None
    found = standing_faults(Outbox(path, "sensord").open_faults(), clock.now())
    assert [(f.kind, f.subject) for f in found] == [("sensor_stale", "noise-1")]


def test_open_faults_of_every_daemon_are_counted_alike() -> None:
    rows: list[Fault] = []
    log = FaultLog(FakeClock().now, lambda fault, _: rows.append(fault))
    log.start("forged_message", "command", "no key of ours")
    log.start("subscribe_refused", "broker", "SUBACK 0x87")
    text = render({name: {"faults": log.status()} for name in ("uplinkd", "janitord")})
    assert 'edge_open_faults{daemon="uplinkd"} 2' in text
    assert 'edge_open_faults{daemon="janitord"} 2' in text


def refused(folder: Path) -> str:
    """What is said of a folder whose file has its name in GBK, as a Windows memory card."""
    folder.mkdir()
    (folder / os.fsdecode("\u8857\u53e3.heic".encode("gbk"))).write_bytes(b"x")
    with pytest.raises(ConfigError) as caught:
        open_album(folder, 1.0)
    text = str(caught.value)
    with pytest.raises(UnicodeEncodeError):
        text.encode()
    return text


def test_a_text_with_a_file_name_in_another_encoding_is_told(tmp_path: Path) -> None:
    text, clock = refused(tmp_path / "card"), FakeClock()
    faults = daemon(tmp_path / "outbox.db", clock).faults
    faults.start("not_sound", "gate", text, item=["camera", {text: text}])
    faults.once("dead_letter", text, text)
    with closing(sqlite3.connect(tmp_path / "outbox.db")) as db:
        first, second = (json.loads(b) for (b,) in db.execute("SELECT body FROM record"))
    assert first["text"].startswith(f"{tmp_path / 'card'}: no images in it")
    assert "?" in first["text"]
    assert first["facts"] == {"item": ["camera", {first["text"]: first["text"]}]}
    assert (second["subject"], second["text"]) == (first["text"], first["text"])
    # The status file, an answer and a request tell it, too.
    write_status(tmp_path, "visiond", {"faults": faults.status(), "set_aside": [{"text": text}]})
    said = read_status(tmp_path, "visiond")
    assert said["set_aside"][0]["text"] == said["faults"][0]["text"] == first["text"]
    write_answer(tmp_path / "asked", False, error=text)
    assert read_answer(tmp_path / "asked") == {"done": False, "error": first["text"]}
    Responder(tmp_path, {})._answer("a" * 24, Answer({"error": text}))
    assert read_object(tmp_path / "answers" / f"{'a' * 24}.json") == {"error": first["text"]}
    Spool(tmp_path, "visiond").ask("clip", into=text)
    assert [row["into"] for row in Spool(tmp_path, "visiond").take()] == [first["text"]]
