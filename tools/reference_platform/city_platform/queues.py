# SPDX-License-Identifier: AGPL-3.0-or-later
"""Intake from RabbitMQ over AMQP: quorum queues, one for each share of the boxes.

    amq.topic ──► cm.devices ──► cm.share.0 … n     one binding for each box, by its hash
                     └─ no binding yet ──► cm.unknown ──► whoever takes it makes the binding
    cm.share.*, cm.unknown ──► cm.poison            brought DELIVERIES_MOST times, never taken

Boxes speak MQTT to the same brokers and know nothing of it. A share has one active consumer: the
receiver with the highest priority for it, or another one while that is away. What is not taken
stays in the queue, on most of the nodes; a full queue refuses, and the box keeps its record.
"""

from __future__ import annotations

import random
import sys
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from city_platform.bindings import Bindings
from city_platform.database import NoDatabase
from city_platform.files import Box, NoFiles
from city_platform.intake import NOBODY, Receiver, box_of
from edge.runtime import Backoff, Stop
from edge.uplink import wire
from edge.uplink.mqtt import Arrived

PORT = 5672
HEARTBEAT_S = 10
CONNECT_S = 5.0
POLL_S = 0.2
# What a receiver holds at most: with chunks of 96 KiB some 25 MB, and the size of its commits.
PREFETCH = 256
# A message that ended its receiver so often is the message's own fault.
DELIVERIES_MOST = 20
# Of AMQP 0-9-1: a queue stands there with other arguments.
PRECONDITION_FAILED = 406
DEVICES, UNKNOWN, POISON = "cm.devices", "cm.unknown", "cm.poison"
# Every level after the box that a platform takes; what it says itself never comes back.
WANTED = ("evt.#", "evd.#", "chain", "cmd.res", "birth")
# MQTT's separator and AMQP's, each the other's ordinary letter.
TO_AMQP, TO_MQTT = str.maketrans("/.", "./"), str.maketrans("./", "/.")


class NoQueues(RuntimeError):
    """No broker answers, or its queues are not as asked; one line."""


@dataclass(frozen=True, slots=True)
class Shares:
    """How the boxes are split: `count` queues, of which this receiver is first for `mine`.

    length_most, mb_most: of each queue; above it the broker refuses what boxes publish.
    """

    count: int = 4
    mine: tuple[int, ...] = ()
    length_most: int = 200_000
    mb_most: int = 2_000

    def queue(self, box: Box) -> str:
        """Where the messages of a box wait: by a hash that every receiver computes alike."""
        return f"cm.share.{zlib.crc32(box.path.encode()) % self.count}"

    @property
    def names(self) -> list[str]:
        return [f"cm.share.{number}" for number in range(self.count)]

    @property
    def arguments(self) -> dict[str, Any]:
        """Of a queue: kept by most nodes, bounded, its poison taken out; one consumer at a time,
        so that what a box says is taken in its order: who it is before what it saw."""
        return {
            "x-queue-type": "quorum",
            "x-single-active-consumer": True,
            "x-overflow": "reject-publish",
            "x-max-length": self.length_most,
            "x-max-length-bytes": self.mb_most * 1_000_000,
            "x-delivery-limit": DELIVERIES_MOST,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": POISON,
            "x-dead-letter-strategy": "at-least-once",
        }


def serve_queues(
    receiver: Receiver, hosts: Sequence[str], login: tuple[str, str], shares: Shares, stop: Stop
) -> None:
    """Until stopped: one connection after the other, to whichever broker answers.

    Raises NoQueues where the library is missing, or where the queues stand there otherwise.
    """
    try:
        import pika
    except ImportError:
        raise NoQueues("pika is missing: pip install ./tools/reference_platform") from None
    backoff = Backoff(cap_s=5.0)
    bindings = Bindings(
        lambda: _connect(pika, hosts, login), (pika.exceptions.AMQPError, OSError), DEVICES
    )
    bindings.start(stop)
    while not stop:
        began = time.monotonic()
        try:
            connection = _connect(pika, hosts, login)
            _Session(pika, connection, receiver, shares, bindings).run(stop)
        except pika.exceptions.ChannelClosedByBroker as error:
            if error.reply_code == PRECONDITION_FAILED:
                raise NoQueues(
                    f"{error.reply_text[:300]}: delete it, or give what it has"
                ) from None
            print(f"receiver: --amqp: {error}", file=sys.stderr)
        except (pika.exceptions.AMQPError, OSError) as error:
            told = str(error) or type(error).__name__
            print(f"receiver: --amqp: {told[:300]}", file=sys.stderr)
        if time.monotonic() - began > 30.0:
            backoff.reset()
        stop.wait(0.0 if stop else backoff.next_s())


def _connect(pika: Any, hosts: Sequence[str], login: tuple[str, str]) -> Any:
    """Another broker first each time, so that receivers spread and a dead one is passed by."""
    return pika.BlockingConnection(
        [
            pika.ConnectionParameters(
                host=host.partition(":")[0],
                port=int(host.partition(":")[2] or PORT),
                credentials=pika.PlainCredentials(*login),
                heartbeat=HEARTBEAT_S,
                socket_timeout=CONNECT_S,
                stack_timeout=CONNECT_S,
                blocked_connection_timeout=60.0,
            )
            for host in random.sample(list(hosts), len(hosts))
        ]
    )


class _Session:
    """One connection, of one thread."""

    def __init__(
        self,
        pika: Any,
        connection: Any,
        receiver: Receiver,
        shares: Shares,
        bindings: Bindings,
    ) -> None:
        self._bindings = bindings
        self._connection, self._receiver, self._shares = connection, receiver, shares
        self._channel = connection.channel()
        self._kept = pika.BasicProperties(delivery_mode=2)
        self._came: list[Arrived] = []
        self._poison: list[Arrived] = []
        self._unknown: set[Box] = set()

    def run(self, stop: Stop) -> None:
        """Take, store, answer, and only then say to the broker that it was taken."""
        self._declare()
        self._consume()
        backoff = Backoff(cap_s=5.0)
        while not stop:
            self._connection.process_data_events(time_limit=POLL_S)
            if not self._came and not self._poison:
                continue
            try:
                self._take()
                backoff.reset()
            except (NoFiles, NoDatabase) as error:
                # Held, not given back: a delivery that is given back counts against the message.
                option = "--database" if isinstance(error, NoDatabase) else "--s3, --out"
                print(f"receiver: {option}: {error}", file=sys.stderr)
                self._connection.sleep(max(0.1, backoff.next_s()))
        self._connection.close()

    def _declare(self) -> None:
        channel = self._channel
        channel.exchange_declare(UNKNOWN, "fanout", durable=True)
        found = {"alternate-exchange": UNKNOWN}
        channel.exchange_declare(DEVICES, "topic", durable=True, arguments=found)
        poison = {"x-queue-type": "quorum", "x-max-length": 10_000}
        channel.queue_declare(POISON, durable=True, arguments=poison)
        for name in (UNKNOWN, *self._shares.names):
            channel.queue_declare(name, durable=True, arguments=self._shares.arguments)
        channel.queue_bind(UNKNOWN, UNKNOWN)
        root = wire.ROOT.translate(TO_AMQP)
        for suffix in WANTED:
            channel.exchange_bind(DEVICES, "amq.topic", f"{root}.*.*.{suffix}")

    def _consume(self) -> None:
        channel = self._channel
        channel.basic_qos(prefetch_count=PREFETCH)
        for number, name in enumerate(self._shares.names):
            first = {"x-priority": 10 if number in self._shares.mine else 0}
            channel.basic_consume(name, self._arrived, arguments=first)
        channel.basic_consume(UNKNOWN, self._arrived_unknown)
        channel.basic_consume(POISON, self._arrived_poison)

    def _arrived(self, _channel: Any, how: Any, _properties: Any, payload: bytes) -> None:
        topic = how.routing_key.translate(TO_MQTT)
        self._came.append(Arrived(topic, payload, how.delivery_tag, retain=False))

    def _arrived_unknown(self, channel: Any, how: Any, properties: Any, payload: bytes) -> None:
        self._arrived(channel, how, properties, payload)
        self._unknown.add(box_of(self._came[-1].topic))

    def _arrived_poison(self, _channel: Any, how: Any, properties: Any, payload: bytes) -> None:
        """Its routing key is the queue's now; the broker keeps where it came from."""
        died = (properties.headers or {}).get("x-death") or [{}]
        keys = died[0].get("routing-keys") or [how.routing_key]
        topic = str(keys[0]).translate(TO_MQTT)
        self._poison.append(Arrived(topic, payload, how.delivery_tag, retain=False))

    def _take(self) -> None:
        """All that came, in one commit. Raises NoFiles, NoDatabase; then nothing was said."""
        why = f"brought {DELIVERIES_MOST} times and never taken"
        answers = self._receiver.take(self._came, aside=self._poison, why=why)
        for topic, payload in answers.items():
            key = topic.translate(TO_AMQP)
            self._channel.basic_publish("amq.topic", key, payload, self._kept)
        for box in self._unknown - {NOBODY}:
            self._bind(box)
        last = max(event.mid for event in (*self._came, *self._poison))
        # Everything on this channel up to here was in the commit.
        self._channel.basic_ack(last, multiple=True)
        self._came, self._poison, self._unknown = [], [], set()

    def _bind(self, box: Box) -> None:
        """Soon its messages wait in its share; only of one whose key is believed."""
        if not self._bindings.known(box) and self._receiver.knows(box):
            key = f"{wire.ROOT}/{box.path}".translate(TO_AMQP)
            self._bindings.want(box, self._shares.queue(box), f"{key}.#")
