# SPDX-License-Identifier: AGPL-3.0-or-later
"""How the poses of a flying aircraft are read from a broker, over real sockets."""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from edge import runtime
from edge.drone.posefeed import PoseFeed
from edge.drone.settings import Live
from edge.values import Stamp
from tests.fake_clock import FakeClock
from tools.faultlab.fake_broker import FakeBroker, Manners

TOPIC = "thing/product/dock/drc/up"


@pytest.fixture
def broker() -> Iterator[FakeBroker]:
    made = FakeBroker()
    yield made
    made.close()


def pose(number: int) -> bytes:
    data = {"latitude": 24.5 + number * 1e-6, "longitude": 118.1, "height": 100.0,
            "attitude_head": 0.0, "gimbal_yaw": 0.0, "gimbal_pitch": -60.0}  # fmt: skip
    at = 1_777_600_000_000 + 100 * number
    return json.dumps({"method": "osd_info_push", "timestamp": at, "data": data}).encode()


def feed_of(broker: FakeBroker, clock: FakeClock) -> PoseFeed:
    return PoseFeed(Live(port=broker.port, tls="off", username="u"), clock)


def until(done: Callable[[], bool], step: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not done():
        assert time.monotonic() < deadline
        step()
        time.sleep(0.002)


def arrived(feed: PoseFeed, count: int) -> bool:
    """Whether so many messages wait in the socket's buffer."""
    client = feed._client
    assert client is not None and client.socket() is not None
    try:
        waiting = client.socket().recv(1 << 20, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    return waiting.count(b"osd_info_push") == count and waiting.endswith(b"}}")


def test_a_round_reads_all_that_has_arrived(broker):
    feed = feed_of(broker, FakeClock())
    until(lambda: bool(broker.subscribes), feed.poll)
    for number in range(100):
        broker.send(TOPIC, pose(number))
    until(lambda: arrived(feed, 100), lambda: None)
    # The answers to connecting and subscribing may stand before them.
    for _ in range(3):
        feed.poll()
    assert len(feed.poses) == 100
    feed.close()


class Ticking(FakeClock):
    """Moves by 25 ms whenever it is asked."""

    def now(self) -> Stamp:
        self.advance(0.025)
        return super().now()


def test_a_sender_without_end_does_not_keep_the_pictures_waiting(broker):
    feed = feed_of(broker, Ticking())
    until(lambda: bool(broker.subscribes), feed.poll)
    for number in range(100):
        broker.send(TOPIC, pose(number))
    until(lambda: arrived(feed, 100), lambda: None)
    until(lambda: len(feed.poses) > 0, feed.poll)
    assert len(feed.poses) < 10
    feed.close()


def test_a_refused_login_is_said_once_and_tried_ever_more_rarely(broker, monkeypatch, caplog):
    monkeypatch.setattr(runtime.random, "uniform", lambda least, most: most)
    broker.manners = Manners(connack=0x87)
    clock = FakeClock()
    feed = feed_of(broker, clock)
    with caplog.at_level(logging.INFO, "edge.drone.posefeed"):
        until(lambda: len(broker.connects) == 5, lambda: (feed.poll(), clock.advance(0.05)))
    assert clock.now().mono >= 1 + 2 + 4 + 8
    (said,) = [record.getMessage() for record in caplog.records]
    assert "refuses the login: Not authorized (live.username, live.password_file)" in said
    broker.manners = Manners()
    with caplog.at_level(logging.INFO, "edge.drone.posefeed"):
        until(lambda: bool(broker.subscribes), lambda: (feed.poll(), clock.advance(0.5)))
    assert caplog.records[-1].getMessage() == "broker: well again"
    feed.close()


def test_a_refused_topic_is_said(broker, caplog):
    broker.manners = Manners(suback=0x87)
    feed = feed_of(broker, FakeClock())
    until(lambda: "refuses it" in caplog.text, feed.poll)
    assert f"topic {Live().topics[0]}: the broker refuses it: Not authorized" in caplog.text
    feed.close()
