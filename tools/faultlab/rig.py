# SPDX-License-Identifier: AGPL-3.0-or-later
"""A whole uplink in one folder: Mosquitto, the device's daemon, the reference platform."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from edge.outbox import Outbox
from edge.uplink import wire
from edge.values import EvidenceFile, Place, Role, Stamp, Violation, ZoneDecision
from tools.demonstration.processes import free_port, mosquitto_program

AT = Stamp(12.5, 1_767_225_600.25, "ntp", 3.0)
WAIT_S = 120.0
# Long enough for a machine that is busy with something else.
STOP_S = 120.0


class Skipped(RuntimeError):
    """This machine or user cannot do this one; says why."""


def eventually(what: Callable[[], bool], *, within_s: float = WAIT_S) -> None:
    """Wait until something is so; says what never was."""
    end = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < end, f"not within {within_s:.0f} s"
        time.sleep(0.02)


Owned = TypeVar("Owned", bound="Process")


class Process:
    """A child that is always ended, with its output kept for the failure message."""

    def __init__(self, argv: list[str], log: Path, env: dict[str, str] | None = None) -> None:
        self.log = log
        with log.open("ab") as file:
            self.child = subprocess.Popen(
                argv, stdout=file, stderr=file, env={**os.environ, **(env or {})}
            )

    @property
    def pid(self) -> int:
        return self.child.pid

    def kill(self) -> None:
        self.child.send_signal(signal.SIGKILL)
        self.child.wait()

    def stop(self) -> int:
        """SIGTERM and the exit code; one that does not stop in time is killed and told."""
        if self.child.poll() is None:
            self.child.terminate()
        try:
            return self.child.wait(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise


class Mosquitto(Process):
    """A real broker on its own port; `extra` is added to its configuration."""

    def __init__(self, folder: Path, *, port: int | None = None, extra: str = "") -> None:
        self.port = port or free_port()
        conf = folder / f"mosquitto-{self.port}.conf"
        # Started by root it would become another user, who may not read a test's keys.
        user = "user root\n" if os.geteuid() == 0 else ""
        conf.write_text(f"{user}listener {self.port} 127.0.0.1\nallow_anonymous true\n{extra}\n")
        super().__init__([mosquitto_program(), "-c", str(conf)], folder / "mosquitto.log")
        try:
            eventually(lambda: answers(self.port), within_s=10)
        except AssertionError:
            self.stop()
            raise AssertionError(f"mosquitto: {self.log.read_text()[-500:]}") from None


def answers(port: int) -> bool:
    """Whether anything takes connections on this local port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=0.2).close()
    except OSError:
        return False
    return True


class Rig:
    """One device and one platform in a folder. Start and end each part as a test needs it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.platform = folder / "platform"
        self.state = folder / "state"
        self.children: list[Process] = []
        self._outboxes: list[Outbox] = []
        self._uplinkd: Process | None = None

    def broker(self, *, port: int | None = None, extra: str = "") -> Mosquitto:
        return self.own(Mosquitto(self.folder, port=port, extra=extra))

    def receiver(self, port: int, *, name: str = "receiver-1") -> Process:
        """Starts the platform's receiver and waits for its key."""
        argv = [sys.executable, "-m", "city_platform.receiver", "--out", str(self.platform)]
        argv += ["--port", str(port), "--name", name, "--json"]
        child = self.own(Process(argv, self.folder / f"{name}.log"))
        eventually((self.platform / "platform.pub.pem").exists)
        return child

    def device_file(self, port: int, **trust: str) -> Path:
        """A device.yaml for a broker on this port, trusting the rig's platform."""
        path = self.folder / "device.yaml"
        told = {"platform_key": "platform/platform.pub.pem", **trust}
        lines = "".join(f"  {key}: {value}\n" for key, value in told.items())
        path.write_text(
            f"device: box-1\nbroker: {{host: 127.0.0.1, port: {port}, tls: off}}\n"
            f"trust:\n{lines}folders: {{state: state, run: run}}\n"
        )
        return path

    def uplinkd(self, port: int, env: dict[str, str] | None = None, **trust: str) -> Process:
        return self.uplinkd_with(self.device_file(port, **trust), env)

    def brisk_uplinkd(self, port: int, cap_s: float = 2.0) -> Process:
        """One that waits less between connections than the product does."""
        argv = [sys.executable, "-m", "tools.faultlab.crash", "brisk", str(cap_s)]
        argv += ["--device", str(self.device_file(port)), "--site", str(self.folder / "site.yaml")]
        return self.own(Process(argv, self.folder / "uplinkd.log"))

    def uplinkd_with(self, path: Path, env: dict[str, str] | None = None) -> Process:
        """With a device file written before; ends one that still runs."""
        if self._uplinkd is not None:
            self._uplinkd.stop()
        argv = [sys.executable, "-m", "edge", "uplinkd", "--device", str(path)]
        argv += ["--site", str(self.folder / "site.yaml")]
        self._uplinkd = self.own(Process(argv, self.folder / "uplinkd.log", env))
        return self._uplinkd

    def own(self, child: Owned) -> Owned:
        self.children.append(child)
        return child

    def close(self) -> None:
        for child in reversed(self.children):
            child.stop()
        for outbox in self._outboxes:
            outbox.close()

    def outbox(self) -> Outbox:
        """Closed with the rig, if not before."""
        self._outboxes.append(Outbox(self.state / "outbox.db"))
        return self._outboxes[-1]

    def put(self, outbox: Outbox, name: str, files: dict[str, bytes] | None = None) -> Violation:
        """One violation with its evidence folder, put as visiond does it."""
        folder = self.state / "evidence" / name / "r1"
        folder.mkdir(parents=True)
        listed = [write(folder, path, data) for path, data in (files or {}).items()]
        violation = make_violation(name, tuple(listed))
        body = wire.violation_data(violation)
        told = {"id": name, "revision": 1, "files": body["evidence"], "violation": body}
        (folder / "manifest.json").write_bytes(msgspec.json.encode(told))
        key = wire.violation_key(name, 1)
        outbox.put(
            lane="violation", kind="violation", key=key, body=body, folder=folder, files=listed
        )
        return violation


def write(folder: Path, name: str, data: bytes) -> EvidenceFile:
    (folder / name).write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    role: Role = "clip" if name.endswith(".mp4") else "overview"
    return EvidenceFile(role, name, digest, len(data), AT)


def make_violation(name: str, files: tuple[EvidenceFile, ...] = ()) -> Violation:
    """A suspected violation as the box writes it, with nothing that a test does not ask for."""
    return Violation(
        id=name,
        revision=1,
        phase="new",
        category="street_vending",
        codes={"gbt30428": "0501"},
        names={"zh": "无照经营游商", "en": "street vendor"},
        source={"kind": "fixed_camera", "camera": "north"},
        rule={"id": "r", "version": 1},
        began=AT,
        decided=AT,
        ended=None,
        place=(0.25, 0.75),
        where=Place(30.25, 120.15, 5.0),
        zone=ZoneDecision(False, "in a forbidden zone", ("pavement",)),
        facts={"held_s": 181.5, "seen": 0.93},
        evidence=files,
        gate="complete",
        gate_failed=(),
        occurrence=1,
        model_sha256="0" * 64,
        config_sha256="1" * 64,
    )
