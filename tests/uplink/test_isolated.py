# SPDX-License-Identifier: AGPL-3.0-or-later
"""One bad record, file or message stays one fault: bugs at every seam of a real edge-uplinkd, with
a real broker and the reference platform."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from edge.clock import SystemClock
from edge.notices.hooks import Hook, hooks_file, write_hooks
from edge.outbox import Outbox, OutboxFull, State
from edge.uplink import seal
from edge.uplink.mqtt import Arrived, BrokerAddress, Connected, MqttConnection, Subscribed
from edge.uplink.wire import Topics
from tests.daemons.guards import guard_in
from tests.uplink.throwing import FILES, RECORDS
from tools.faultlab.rig import STOP_S, Process, Rig, eventually

ENDINGS_MOST = 12


class Restarted:
    """The throwing uplinkd, started again whenever it ends, as systemd does."""

    def __init__(self, rig: Rig, port: int) -> None:
        self._argv = [sys.executable, "-m", "tests.uplink.throwing"]
        self._argv += ["--device", str(rig.device_file(port))]
        self._argv += ["--site", str(rig.folder / "site.yaml")]
        self._rig, self.endings = rig, 0
        self._start()

    def _start(self) -> None:
        self._child = self._rig.own(Process(self._argv, self._rig.folder / "uplinkd.log"))

    def until(self, so: Callable[[], object], within_s: float = 90.0) -> None:
        end = time.monotonic() + within_s
        while not so():
            if self._child.child.poll() is not None:
                assert self._child.child.returncode == 1, self.log[-3000:]
                self.endings += 1
                assert self.endings <= ENDINGS_MOST, self.log[-3000:]
                self._start()
            assert time.monotonic() < end, self._seen()
            time.sleep(0.02)

    def _seen(self) -> str:
        aside = told(self._rig, "message_set_aside")
        return f"{states(self._rig)} {self.faults()} {aside} {self.log[-3000:]}"

    @property
    def log(self) -> str:
        return (self._rig.folder / "uplinkd.log").read_text()

    def faults(self) -> set[tuple[str, str]]:
        try:
            found = json.loads((self._rig.folder / "run/status/uplinkd.json").read_bytes())
        except (OSError, ValueError):
            return set()
        return {(fault["kind"], fault["subject"]) for fault in found["faults"]}

    def stop(self) -> None:
        assert self._child.child.poll() is None, self.log[-3000:]
        assert self._child.stop() == 0


def states(rig: Rig) -> dict[str, str]:
    """Key of each violation, and name of each picture, to its state."""
    with contextlib.closing(sqlite3.connect(rig.state / "outbox.db")) as db:
        rows = db.execute("SELECT key, state FROM record WHERE kind = 'violation'").fetchall()
        files = db.execute("SELECT path, state FROM file WHERE role <> 'manifest'").fetchall()
    found = {key.partition("/")[0].partition(":")[0]: State(s).name for key, s in rows}
    return found | {Path(path).parts[-3] + " file": State(s).name for path, s in files}


@pytest.mark.broker
def test_a_bug_at_any_seam_of_a_record_or_file_stays_with_it(rig: Rig) -> None:
    broker = rig.broker()
    rig.receiver(broker.port)
    outbox = rig.outbox()
    for seam in (*RECORDS, *FILES, "good-1", "good-2"):
        rig.put(outbox, f"v-{seam}", {"r1-a.jpg": seam.encode() * 500})
    daemon = Restarted(rig, broker.port)
    # What the platform had before the bug stays acknowledged; all others lie aside.
    late = {"v-answered", "v-have file"}
    want = {f"v-{seam}": "ASIDE" for seam in RECORDS}
    want |= {f"v-{seam} file": "ASIDE" for seam in FILES}
    want |= {f"v-{seam}": "PLATFORM_ACK" for seam in (*FILES, "good-1", "good-2")}
    want |= {f"v-good-{n} file": "PLATFORM_ACK" for n in (1, 2)}

    def lacks() -> list[str]:
        found = states(rig)
        settled = {key for key in late if found[key] in ("ASIDE", "PLATFORM_ACK")}
        return [key for key in want if found[key] != want[key] and key not in settled]

    daemon.until(lambda: not lacks())
    sure = {key.split()[0] for key in want if key not in late and want[key] == "ASIDE"}
    daemon.until(lambda: told(rig, "record_set_aside") >= sure)
    aside = {key.split()[0] for key, state in states(rig).items() if state == "ASIDE"}
    daemon.until(lambda: {s.partition("/")[0] for _, s in daemon.faults()} == aside)
    # Those that come now are delivered at once, and nothing ends it any more.
    before = daemon.endings
    rig.put(outbox, "v-late", {"r1-a.jpg": b"late" * 500})
    daemon.until(lambda: states(rig).get("v-late file") == "PLATFORM_ACK")
    assert daemon.endings == before
    assert outbox.status()["records"]["violation"]["aside"] >= len(RECORDS) - 1
    # An operator drops one, and its fault is over.
    listed = [json.loads(line) for line in command(rig, "list", "aside", "--json").splitlines()]
    assert {row["state"] for row in listed} == {"aside"} and len(listed) >= len(want) - 8
    assert json.loads(command(rig, "drop", key_of(rig, "v-send"), "--json")) == {"dropped": 1}
    daemon.until(lambda: not any("v-send" in subject for _, subject in daemon.faults()))
    assert states(rig)["v-send"] == "DROPPED"
    daemon.stop()
    # The mended program delivers what was set aside.
    command(rig, "retry", "all")
    rig.uplinkd(broker.port)
    eventually(lambda: states(rig) == {
        key: "DROPPED" if key == "v-send" else "PLATFORM_ACK" for key in states(rig)
    })  # fmt: skip


def told(rig: Rig, kind: str) -> set[str]:
    """Whom faults of a kind name, also those that are over."""
    with contextlib.closing(sqlite3.connect(rig.state / "outbox.db")) as db:
        rows = db.execute("SELECT key FROM record WHERE key LIKE ?", (f"{kind}:%",)).fetchall()
    return {key.split(":")[1].partition("/")[0] for (key,) in rows}


def key_of(rig: Rig, name: str) -> str:
    with contextlib.closing(sqlite3.connect(rig.state / "outbox.db")) as db:
        found = db.execute("SELECT key FROM record WHERE key LIKE ?", (f"{name}%",)).fetchone()
    return str(found[0])


def command(rig: Rig, *words: str) -> str:
    argv = [sys.executable, "-m", "edge", "outbox", *words]
    argv += ["--device", str(rig.folder / "device.yaml")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=STOP_S, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Desk:
    """Says things to the box with the platform's own key."""

    def __init__(self, rig: Rig, port: int) -> None:
        private = seal.read_private((rig.platform / "platform.pem").read_bytes())
        self._signer = seal.Signer(seal.fingerprint(private.public_key()), private)
        self._topics, self._n = Topics("city", "box-1"), int(time.time() * 1e6)
        self._connection = MqttConnection(BrokerAddress("127.0.0.1", port, "cm-desk"), None)
        self.results: list[dict[str, Any]] = []
        self.poll_until(lambda event: isinstance(event, Connected))
        self._connection.subscribe([self._topics.up("cmd/res")])
        self.poll_until(lambda event: isinstance(event, Subscribed))
        # A broker keeps nothing for a session that has not subscribed yet; the box subscribes first
        # and then says that it is there, retained.
        self._connection.subscribe([self._topics.up("status")])
        self.poll_until(self._is_online)

    def poll_until(self, done: Callable[[Any], bool]) -> None:
        end = time.monotonic() + 90
        while time.monotonic() < end:
            if any(done(event) for event in self._connection.poll(0.05)):
                return
        raise AssertionError("the broker says nothing")

    def _is_online(self, event: Any) -> bool:
        if not isinstance(event, Arrived) or event.topic != self._topics.up("status"):
            return False
        self._connection.acknowledge(event.mid)
        return bool(json.loads(event.payload)["state"] == "online")

    def say(self, suffix: str, kind: str, issuer: str = "duty", **fields: Any) -> None:
        self._n += 1
        body = {"type": kind, "device": "box-1", "iss": issuer, "n": self._n, **fields}
        self._connection.publish(self._topics.up(suffix), self._signer.sign(body))

    def command(self, cmd_id: str, name: str = "snapshot", note: str = "") -> None:
        more = {"exp": time.time() + 300, "command": name, "arguments": {"camera": "north"}}
        if note:
            more["arguments"] = {"camera": note}
        self.say("cmd/req", "command", cmd_id=cmd_id, **more)

    def heard(self, cmd_id: str, state: str) -> bool:
        for event in self._connection.poll(0.0):
            if isinstance(event, Arrived):
                self._connection.acknowledge(event.mid)
            if isinstance(event, Arrived) and event.topic == self._topics.up("cmd/res"):
                self.results.append(json.loads(event.payload))
        return any(r["cmd_id"] == cmd_id and r["state"] == state for r in self.results)

    def close(self) -> None:
        self._connection.close()


@pytest.mark.broker
def test_a_bug_in_the_work_for_a_message_stays_with_it(rig: Rig) -> None:
    broker = rig.broker()
    rig.receiver(broker.port)
    outbox = rig.outbox()
    answered = rig.state / "requests" / "c-answer"
    daemon = Restarted(rig, broker.port)
    daemon.until(lambda: "connected" in daemon.log)
    desk = Desk(rig, broker.port)
    try:
        desk.command("c-read", note="throw-read")
        desk.command("c-command")
        desk.command("c-answer")
        desk.say("cfg/desired", "desired", rev=1, exp=time.time() + 300, site={"throw": 1})
        review = {"violation": "v-review", "revision": 1, "record_sha256": "0" * 64}
        said = {"verdict": "rejected", "at": "2026-05-01T00:00:00.000Z"}
        desk.say("review", "review", **review, **said)
        desk.say("ack", "ack", "release")
        kinds = {"command", "desired", "review", "ack"}
        aside = rig.state / "uplink" / "aside"

        def one_fault_each() -> bool:
            kept = {path.name.partition("-")[0] for path in aside.glob("*")}
            return told(rig, "message_set_aside") == kinds == kept

        daemon.until(one_fault_each)
        daemon.until(lambda: desk.heard("c-command", "failed"))
        daemon.until(lambda: desk.heard("c-answer", "failed"))
        assert (answered / "told.json").exists()
        # A sound one of each kind is taken, a record is delivered, and the faults are over.
        before = daemon.endings
        rig.put(outbox, "v-good", {"r1-a.jpg": b"good" * 500})
        desk.command("c-good", "restart")
        daemon.until(lambda: desk.heard("c-good", "rejected"))
        daemon.until(lambda: states(rig).get("v-good file") == "PLATFORM_ACK")
        over = {("message_set_aside", "ack"), ("message_set_aside", "command")}
        daemon.until(lambda: not over & daemon.faults())
        assert daemon.endings == before
        daemon.until(lambda: ("message_set_aside", "review") in daemon.faults())
    finally:
        desk.close()
    daemon.stop()


@pytest.mark.broker
def test_a_notice_that_cannot_be_worded_or_sent_stops_no_other(rig: Rig) -> None:
    got: list[str] = []

    class Chat(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    chat = HTTPServer(("127.0.0.1", 0), Chat)
    threading.Thread(target=chat.serve_forever, daemon=True).start()
    broker = rig.broker()
    rig.receiver(broker.port)
    url = f"http://127.0.0.1:{chat.server_port}/robot"
    hooks = [Hook(id=name, name=name, kind="plain", url=url) for name in ("bad", "fine")]
    write_hooks(hooks_file(rig.state), hooks)
    daemon = Restarted(rig, broker.port)
    try:
        daemon.until((rig.state / "notices-told.json").exists)
        outbox = rig.outbox()
        for name in ("v-notice", "v-good"):
            rig.put(outbox, name)
        # Sealed and acknowledged long before the desk looks: it is told all the same.
        daemon.until(lambda: any("v-good" in text for text in got))
        wanted = {("notice_failed", "bad")}
        daemon.until(lambda: wanted <= daemon.faults())
        daemon.until(lambda: "notice of violation v-notice" in told(rig, "item_set_aside"))
        assert not any("v-notice" in text for text in got)
        before = daemon.endings
        rig.put(outbox, "v-late")
        daemon.until(lambda: any("v-late" in text for text in got))
        assert daemon.endings == before
    finally:
        chat.shutdown()
        chat.server_close()
    daemon.stop()


def test_what_is_wrong_with_the_disk_is_no_items_fault(tmp_path: Path) -> None:
    guard = guard_in(tmp_path)
    for error in (
        OutboxFull("no room"),
        OSError(28, "No space left on device"),
        sqlite3.OperationalError("disk I/O error"),
        sqlite3.DatabaseError("database disk image is malformed"),
    ):
        for _ in range(3):
            with pytest.raises(type(error)), guard.working_for("north"):
                raise error


def test_one_bug_in_all_items_does_not_end_the_process_for_each(tmp_path: Path) -> None:
    ended = 0
    for number in range(200):
        try:
            with guard_in(tmp_path).working_for(f"violation v-{number}", lambda why: None):
                raise ZeroDivisionError
        except ZeroDivisionError:
            ended += 1
    assert ended == 8


def test_a_fault_that_cannot_be_sent_is_told_by_one_fault(tmp_path: Path) -> None:
    """Each fault is a record; one about it, and one about that, would never end."""
    from edge.faults import FaultLog
    from edge.outbox import Dispatch
    from edge.uplink.isolated import Isolated

    outbox = Outbox(tmp_path / "outbox.db", "uplinkd")
    clock, raised = SystemClock(), []
    faults = FaultLog(clock.now, lambda fault, stands: raised.append(fault))
    dispatch = Dispatch(tmp_path / "outbox.db")
    isolated = Isolated(guard_in(tmp_path), dispatch, faults, tmp_path / "aside")
    for number in range(20):
        outbox.put(lane="fault", kind="fault", key=f"f-{number}", body={"n": number})
        with contextlib.suppress(ZeroDivisionError), dispatch.commit():
            dispatch.claim("fault", 100, lambda row, head: 1 / 0, isolated.record)
        isolated.settle()
    dispatch.close()
    outbox.close()
    assert [(fault.kind, fault.subject) for fault in raised] == [("record_set_aside", "fault")]
