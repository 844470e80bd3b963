# SPDX-License-Identifier: AGPL-3.0-or-later
"""The platform's desk in a rig: signs commands, configurations and verdicts and publishes them."""

from __future__ import annotations

import time
from typing import Any

from edge.uplink import mqtt, seal, wire
from tools.faultlab.rig import Rig


class Desk:
    """The platform's desk: signs commands, configurations and verdicts and publishes them."""

    def __init__(self, rig: Rig, port: int) -> None:
        private = seal.read_private((rig.platform / "platform.pem").read_bytes())
        self._signer = seal.Signer(seal.fingerprint(private.public_key()), private)
        self._connection = mqtt.MqttConnection(
            mqtt.BrokerAddress("127.0.0.1", port, "cm-desk"), None
        )
        self._n = 0

    def say(self, kind: str, suffix: str, **fields: Any) -> None:
        """One signed message of the platform to the device."""
        self._n += 1
        told = {"type": kind, "device": "box-1", "iss": "desk", "n": self._n, **fields}
        topic = wire.Topics("city", "box-1").up(suffix)
        self._connection.publish(topic, self._signer.sign(told))
        self._connection.poll(0.05)

    def everything(self, number: int) -> None:
        """One of each, as a busy day brings them."""
        soon = time.time() + 300
        site = {"name": f"rev {number}", "cameras": []}
        self.say("desired", "cfg/desired", rev=number, exp=soon, site=site)
        asked = {"cmd_id": f"c-{number}", "command": "recheck", "arguments": {"camera": "north"}}
        self.say("command", "cmd/req", exp=soon, **asked)
        verdict = {"violation": f"v-{number:05d}", "revision": 1, "record_sha256": "0" * 64}
        at = "2026-05-01T08:00:00.000000Z"
        self.say("review", "review", verdict="rejected", at=at, **verdict)

    def close(self) -> None:
        self._connection.close()
