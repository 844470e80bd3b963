# SPDX-License-Identifier: AGPL-3.0-or-later
"""Poses of a flying aircraft from the platform's broker: listens, never publishes.

One owner, no thread: the live job polls it between pictures. The broker is retried for ever.
"""

from __future__ import annotations

import json
import logging
import ssl
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from edge.clock import Clock
from edge.config import ConfigError
from edge.drone.settings import Live
from edge.drone.telemetry.cloudapi import CloudPoses
from edge.drone.telemetry.plausible import LiveCheck
from edge.drone.telemetry.pose import Pose
from edge.runtime import Backoff, Trouble

log = logging.getLogger(__name__)

KEEPALIVE_S = 30
# Poses kept: as long as a picture may wait for the pose behind it, and far more.
KEPT = 400
# The longest that one round may read; the pictures wait meanwhile.
READ_S = 0.1


@dataclass(slots=True)
class PoseFeed:
    """`poses` are the aircraft's in order of time; `feed` counts what was refused and why."""

    settings: Live
    clock: Clock
    feed: CloudPoses = field(default_factory=CloudPoses)
    poses: deque[Pose] = field(default_factory=lambda: deque(maxlen=KEPT))
    check: LiveCheck = field(default_factory=lambda: LiveCheck("dji-cloud"))
    _reported: set[str] = field(default_factory=set)
    _client: Client | None = None
    _backoff: Backoff = field(default_factory=Backoff)
    _trouble: Trouble = field(default_factory=lambda: Trouble(log))
    _again_s: float = 0.0
    _heard: int = 0
    _refused: str | None = None

    def poll(self) -> bool:
        """Read all that has arrived, or for READ_S; true where there is a new pose."""
        before = self.feed.last_ms
        if self._client is None:
            self._connect()
        until_s = self.clock.now().mono + READ_S
        while self._read_one() and self.clock.now().mono < until_s:
            pass
        return self.feed.last_ms != before

    def _read_one(self) -> bool:
        """True where a message came: paho's loop reads a packet at a time, and there may be more
        behind it."""
        if self._client is None:
            return False
        heard = self._heard
        code = self._client.loop(0.0)
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._lost(self._refused or mqtt.error_string(code))
        return self._heard != heard

    def take(self, payload: bytes, topic: str = "") -> None:
        """One message of the broker; what an aircraft cannot do is left out."""
        try:
            message: Any = json.loads(payload)
        except (ValueError, RecursionError):
            self.feed.refused["not JSON"] += 1
            return
        origin_ms = self.feed.origin_ms
        said = self.feed.push(message, topic)
        if self.feed.origin_ms != origin_ms:
            # The aircraft's clock was set: what was told by the one before is of no use.
            self.poses.clear()
            self.check = LiveCheck(self.check.kind, left_out=self.check.left_out)
        pose = None if said is None else self.check(said)
        if pose is not None:
            self.poses.append(pose)
        self._report_others()

    def _report_others(self) -> None:
        """Once for each other aircraft heard: which one is followed, and how to follow another."""
        for serial in self.feed.others.keys() - self._reported:
            self._reported.add(serial)
            log.warning(
                "aircraft %s is heard too; %s is followed (aircraft.serial chooses)",
                serial,
                self.feed.serial,
            )

    def _connect(self) -> None:
        if self.clock.now().mono < self._again_s:
            return
        client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        client.on_message = self._on_message
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        self._secure(client)
        self._refused = None
        try:
            client.connect(self.settings.host, self.settings.port, KEEPALIVE_S)
        except OSError as error:
            self._lost(str(error))
            return
        self._client = client

    def _secure(self, client: Client) -> None:
        settings = self.settings
        if settings.tls == "on":
            client.tls_set_context(ssl.create_default_context(cafile=settings.ca))
        if settings.username is not None:
            client.username_pw_set(settings.username, password(settings))

    def _lost(self, why: str) -> None:
        self._client = None
        self._again_s = self.clock.now().mono + self._backoff.next_s()
        where = f"{self.settings.host}:{self.settings.port}"
        self._trouble.failed("broker", f"{where}: {why}; tried again")

    def _on_connect(
        self, client: Client, _user: Any, _flags: Any, code: ReasonCode, _properties: Any
    ) -> None:
        """A refused login comes here too; paho ends the connection behind it."""
        if code.is_failure:
            self._refused = f"refuses the login: {code} (live.username, live.password_file)"
            return
        self._backoff.reset()
        self._trouble.healed("broker")
        client.subscribe([(topic, 0) for topic in self.settings.topics])

    def _on_subscribe(
        self, _client: Client, _user: Any, _mid: int, codes: list[ReasonCode], _properties: Any
    ) -> None:
        for topic, code in zip(self.settings.topics, codes, strict=False):
            if code.is_failure:
                self._trouble.failed(f"topic {topic}", f"the broker refuses it: {code}")
            else:
                self._trouble.healed(f"topic {topic}")

    def _on_message(self, _client: Client, _user: Any, message: MQTTMessage) -> None:
        self._heard += 1
        self.take(bytes(message.payload), message.topic)

    def close(self) -> None:
        if self._client is not None:
            self._client.disconnect()
            self._client = None


def password(settings: Live) -> str | None:
    """Raises ConfigError for a password file that cannot be read."""
    if settings.password_file is None:
        return None
    try:
        return Path(settings.password_file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"live.password_file = {settings.password_file}: {error}") from None
