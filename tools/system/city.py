# SPDX-License-Identifier: AGPL-3.0-or-later
"""The city's side, on the host: its CA, its broker with TLS and the documented ACL, its platform.

Certificates are made by the commands of docs/platform.md as they stand there.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from edge.uplink import seal, wire
from tools.demonstration.processes import free_port, mosquitto_program, running, wait_for
from tools.system import document
from tools.system.container import until

# As in docs/install.md and in the device file that is installed.
HOST, DEVICE, TENANT = "mqtt.bureau.example", "box-0042", "hue"
CONF = """\
user root
per_listener_settings true
persistence true
persistence_location {folder}/
max_queued_messages 0
listener {secure} 127.0.0.1
allow_anonymous true
cafile {folder}/broker-ca.pem
certfile {folder}/broker.crt
keyfile {folder}/broker.key
require_certificate true
use_identity_as_username true
acl_file {folder}/acl
listener {plain} 127.0.0.1
allow_anonymous true
"""


class City:
    """Everything that stands in the bureau. Use as a context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.received = folder, folder / "received"
        self.secure, self._plain = free_port(), free_port()
        self._stack = ExitStack()

    def __enter__(self) -> City:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._authority(document.blocks("platform.md", "openssl req")[0])
        (self.folder / "acl").write_text(document.blocks("platform.md", "pattern write")[0])
        told = {"folder": self.folder, "secure": self.secure, "plain": self._plain}
        conf = self.folder / "mosquitto.conf"
        conf.write_text(CONF.format(**told))
        broker = running([mosquitto_program(), "-c", str(conf)], self.folder / "mosquitto.log")
        process = self._stack.enter_context(broker)
        receive = [sys.executable, "-m", "city_platform.receiver", "--out", str(self.received)]
        time.sleep(0.5)
        receiver = self._stack.enter_context(
            running([*receive, "--port", str(self._plain)], self.folder / "receiver.log")
        )
        key = self.received / "platform.pub.pem"
        wait_for(key.exists, 60.0, "the receiver", receiver)
        assert process.poll() is None, (self.folder / "mosquitto.log").read_text()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _authority(self, block: str) -> None:
        subprocess.run(["sh", "-ec", block], cwd=self.folder, check=True, capture_output=True)

    def sign(self, request: Path) -> Path:
        """The bureau's CA signs a box's request; the certificate."""
        shutil.copy(request, self.folder / f"{DEVICE}.csr")
        self._authority(document.blocks("platform.md", f"-in {DEVICE}.csr")[0])
        return self.folder / f"{DEVICE}.crt"

    def records(self, kind: str) -> list[dict[str, Any]]:
        """What the platform has stored of this kind, in the order in which it came."""
        path = self.received / "platform.db"
        if not path.exists():
            return []
        with closing(sqlite3.connect(path, timeout=30)) as db:
            rows = db.execute("SELECT payload FROM record WHERE kind = ? ORDER BY seq", (kind,))
            return [json.loads(row[0])["data"] for row in rows]

    def categories(self) -> set[str]:
        return {str(data["category"]) for data in self.records("violation")}

    def desk(self) -> Desk:
        """Who gives orders to the box."""
        signer = (self.received / "platform.pem").read_bytes()
        return Desk(signer, self._plain)


class Desk:
    """Signs commands, publishes them and hears what became of them."""

    def __init__(self, pem: bytes, port: int) -> None:
        private = seal.read_private(pem)
        self._signer = seal.Signer(seal.fingerprint(private.public_key()), private)
        self._topics = wire.Topics(TENANT, DEVICE)
        self._n, self._told = 0, dict[str, list[dict[str, Any]]]()
        self._lock = threading.Lock()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, "desk", protocol=paho.MQTTv5)
        self._client.on_message = self._heard
        self._client.on_connect = lambda client, *_: client.subscribe(
            self._topics.up("cmd/res"), qos=1
        )
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _heard(self, _client: object, _data: object, message: Any) -> None:
        told = json.loads(message.payload)
        with self._lock:
            self._told.setdefault(str(told["cmd_id"]), []).append(told)

    def order(self, command: str, **arguments: Any) -> str:
        """Send one signed command; its id."""
        self._n += 1
        name = f"c-{command}-{self._n}-{time.time_ns()}"
        told = {"type": "command", "device": DEVICE, "iss": f"desk-{id(self)}", "n": self._n}
        told |= {"exp": time.time() + 300, "cmd_id": name, "command": command}
        payload = self._signer.sign({**told, "arguments": arguments})
        self._client.publish(self._topics.up("cmd/req"), payload, qos=1)
        return name

    def outcome(self, name: str, limit_s: float) -> dict[str, Any]:
        """The last word about it: done, failed or rejected. Raises Failed."""

        def last() -> dict[str, Any] | None:
            with self._lock:
                told = [one for one in self._told.get(name, []) if one["state"] != "accepted"]
            return told[-1] if told else None

        until(last, f"an answer to {name}", limit_s)
        found = last()
        assert found is not None
        return found
