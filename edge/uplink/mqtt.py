# SPDX-License-Identifier: AGPL-3.0-or-later
"""One MQTT 5 connection around paho, driven from our own thread: no callback ever runs elsewhere.

paho serves as the wire codec only (docs/architecture.md, "What the uplink does not trust"): a fresh
Client for every connection, its queue kept empty by our own window, its callbacks nothing but an
append to a list, so that none can raise, and no network thread that could die unnoticed.
"""

from __future__ import annotations

import logging
import socket
import ssl
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from paho.mqtt import MQTTException
from paho.mqtt.client import MQTT_ERR_SUCCESS, ConnectFlags, MQTTMessage
from paho.mqtt.client import Client as PahoClient
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 10.0
# A socket without any time left would not be tried at all.
CONNECT_LEAST_S = 0.1
SESSION_EXPIRY_S = 86_400
WILL_DELAY_S = 45
DOWN_PACKET_MAX = 1 << 20
# Receive Maximum 65535 and no packet limit are what a silent CONNACK means (MQTT 5, 3.2.2.3).
RECEIVE_MAX_DEFAULT = 65_535
PACKET_MAX_DEFAULT = 268_435_455
# Reason codes (MQTT 5, 2.4): somebody else came in under our name; the broker keeps no messages.
SESSION_TAKEN_OVER = 0x8E
RETAIN_NOT_SUPPORTED = 0x9A
# What paho's decoder raises for bytes that are not MQTT.
_NOT_MQTT = (MQTTException, ValueError, struct.error, IndexError, KeyError, TypeError)
# More than this in one turn would keep the outbox waiting.
_EVENTS_PER_TURN = 256


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the broker is and who we say we are. `tls` makes a context for each connection, so
    that renewed certificates are read anew; None is plain TCP, which the config says aloud."""

    host: str
    port: int
    client_id: str
    keepalive_s: int = 30
    tls: Callable[[], ssl.SSLContext] | None = None
    username: str | None = None
    password: Callable[[], str] | None = None


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker says for us, 45 s after we fell silent; retained where it can."""

    topic: str
    payload: bytes
    retain: bool = True


@dataclass(frozen=True, slots=True)
class Connected:
    """CONNACK 0 with the broker's limits."""

    receive_max: int
    packet_max: int
    session_present: bool
    retain: bool = True


@dataclass(frozen=True, slots=True)
class Answered:
    """PUBACK of one of our publishes. Below 0x80 is success, but 0x10 means nobody listens."""

    mid: int
    code: int


@dataclass(frozen=True, slots=True)
class Subscribed:
    """SUBACK: one code for each topic asked for; 0x80 and more is a refusal."""

    codes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message for us. It is acknowledged with `MqttConnection.acknowledge(mid)` once stored."""

    topic: str
    payload: bytes
    mid: int
    retain: bool


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection is over. `code` is the broker's reason where it gave one, else 0."""

    reason: str
    code: int = 0


Event = Connected | Answered | Subscribed | Arrived | Lost


def _properties(packet: int) -> Properties:
    return Properties(packet)  # type: ignore[no-untyped-call]  # paho leaves it untyped


class Client(PahoClient):
    """Paho's, whose time to connect is for all of a broker's addresses together, and for the
    handshake after them: it gives each of them all of it, and nothing else runs meanwhile."""

    def _create_socket(self) -> Any:
        self._give_up_at = time.monotonic() + CONNECT_TIMEOUT_S
        return super()._create_socket()

    def _create_socket_connection(self) -> socket.socket:
        found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        error: OSError = OSError(f"{self._host}: no address")
        for left, (family, kind, protocol, _, address) in zip(
            range(len(found), 0, -1), found, strict=True
        ):
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(self._left_s() / left)
                sock.connect(address)
            except OSError as one:
                sock.close()
                error = one
                continue
            self._connect_timeout = self._left_s()
            return sock
        raise error

    def _left_s(self) -> float:
        return max(CONNECT_LEAST_S, self._give_up_at - time.monotonic())


class MqttConnection:
    """From TCP connect to loss; made anew each time. Not thread-safe: one thread owns it.

    The constructor blocks up to CONNECT_TIMEOUT_S and raises OSError (which ssl.SSLError is).
    """

    def __init__(self, address: BrokerAddress, will: Will | None) -> None:
        self._events: list[Event] = []
        self._over = False
        self._retain = True
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=address.client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        self._client.connect_timeout = CONNECT_TIMEOUT_S
        # Our own window is the limit; paho must never hold a message back.
        self._client.max_inflight_messages_set(65_535)
        self._listen()
        self._open(address, will)

    def _listen(self) -> None:
        self._client.on_connect = self._on_connect
        self._client.on_publish = self._on_publish
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.on_disconnect = self._on_disconnect

    def _open(self, address: BrokerAddress, will: Will | None) -> None:
        if address.tls is not None:
            self._client.tls_set_context(address.tls())
        if address.username is not None:
            password = address.password() if address.password else None
            self._client.username_pw_set(address.username, password)
        if will is not None:
            delay = _properties(PacketTypes.WILLMESSAGE)
            delay.WillDelayInterval = WILL_DELAY_S
            self._client.will_set(will.topic, will.payload, 1, will.retain, properties=delay)
        asked = _properties(PacketTypes.CONNECT)
        asked.SessionExpiryInterval = SESSION_EXPIRY_S
        asked.MaximumPacketSize = DOWN_PACKET_MAX
        self._client.connect(
            address.host,
            address.port,
            keepalive=address.keepalive_s,
            clean_start=False,
            properties=asked,
        )
        sock = self._client.socket()
        if isinstance(sock, socket.socket):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def poll(self, timeout_s: float) -> list[Event]:
        """Wait for the network, then hand over all that happened, in order; Lost comes last."""
        self._turn(timeout_s)
        while not self._over and 0 < len(self._events) < _EVENTS_PER_TURN:
            before = len(self._events)
            self._turn(0.0)
            if len(self._events) == before:
                break
        events, self._events = self._events, []
        return events

    def _turn(self, timeout_s: float) -> None:
        if self._over:
            return
        try:
            code = self._client.loop(timeout_s)
        except _NOT_MQTT as error:
            self._lose(f"not MQTT: {error}")
            return
        except OSError as error:
            self._lose(str(error))
            return
        if code != MQTT_ERR_SUCCESS:
            self._lose(MQTTErrorCode(code).name.removeprefix("MQTT_ERR_").lower())

    def _lose(self, reason: str, code: int = 0) -> None:
        if not self._over:
            self._over = True
            self._events.append(Lost(reason, code))

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 1,
        retain: bool = False,
        expiry_s: int | None = None,
    ) -> int:
        """Hand one packet to the socket; returns its message id. Never queues for later. Not
        retained at a broker that said it keeps none: it would end the connection for it."""
        retain = retain and self._retain
        properties = _properties(PacketTypes.PUBLISH)
        if expiry_s is not None:
            properties.MessageExpiryInterval = expiry_s
        try:
            info = self._client.publish(topic, payload, qos, retain, properties)
        except OSError as error:
            self._lose(str(error))
            return 0
        if info.rc != MQTT_ERR_SUCCESS:
            self._lose(f"publish: {MQTTErrorCode(info.rc).name}")
        return info.mid

    def subscribe(self, topics: Sequence[str]) -> None:
        """QoS 1; the answer comes as Subscribed."""
        self._client.subscribe([(topic, SubscribeOptions(qos=1)) for topic in topics])

    def overhear(self, topic: str) -> None:
        """What others publish there, never our own; a refusal changes nothing."""
        self._client.subscribe(topic, options=SubscribeOptions(qos=0, noLocal=True))

    def acknowledge(self, mid: int) -> None:
        """PUBACK a message that is stored; until then the broker keeps it."""
        if not self._over and mid:
            self._client.ack(mid, 1)

    def close(self) -> None:
        """Say goodbye: the broker publishes no will."""
        if not self._over:
            self._client.disconnect()
        self.drop()

    def drop(self) -> None:
        """Hang up without a word, as on a link that no longer answers."""
        self._over = True
        sock = self._client.socket()
        if sock is not None:
            sock.close()

    def _on_connect(
        self,
        _c: PahoClient,
        _u: Any,
        flags: ConnectFlags,
        code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if code.is_failure:
            self._lose(f"refused: {code.getName()}", code.value)
            return
        receive = int(getattr(properties, "ReceiveMaximum", RECEIVE_MAX_DEFAULT))
        packet = int(getattr(properties, "MaximumPacketSize", PACKET_MAX_DEFAULT))
        self._retain = bool(getattr(properties, "RetainAvailable", 1))
        self._events.append(Connected(receive, packet, flags.session_present, self._retain))

    def _on_publish(self, _c: PahoClient, _u: Any, mid: int, code: ReasonCode, _p: Any) -> None:
        self._events.append(Answered(mid, code.value))

    def _on_subscribe(
        self, _c: PahoClient, _u: Any, _mid: int, codes: list[ReasonCode], _p: Any
    ) -> None:
        self._events.append(Subscribed(tuple(code.value for code in codes)))

    def _on_message(self, _c: PahoClient, _u: Any, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        mid = message.mid if message.qos else 0
        self._events.append(Arrived(topic, bytes(message.payload), mid, message.retain))

    def _on_disconnect(
        self, _c: PahoClient, _u: Any, _flags: Any, code: ReasonCode, _p: Properties | None
    ) -> None:
        value = getattr(code, "value", 0) or 0
        name = code.getName() if isinstance(code, ReasonCode) else str(code)
        self._lose(f"disconnected: {name}", int(value))
