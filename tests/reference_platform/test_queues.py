# SPDX-License-Identifier: AGPL-3.0-or-later
"""Boxes split by hash, and the whole of it on a real cluster of three brokers and two databases."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from argparse import Namespace
from collections import Counter
from pathlib import Path

import pytest

from city_platform.bindings import Bindings
from city_platform.files import Box
from city_platform.queues import TO_AMQP, TO_MQTT, NoQueues, Shares
from city_platform.receiver import shares
from edge.runtime import Stop
from tools.clustered.run import problems
from tools.faultlab.rig import eventually

ROOT = Path(__file__).resolve().parents[2]


def asked(count: int, first: str) -> Namespace:
    return Namespace(shares=count, first=first, queue_most=1000, queue_mb=100)


def test_every_box_has_one_share_and_the_shares_are_alike_in_size() -> None:
    boxes = [Box("city", f"box-{n:05d}") for n in range(10_000)]
    loads = Counter(Shares(4).queue(box) for box in boxes)
    assert set(loads) == {"cm.share.0", "cm.share.1", "cm.share.2", "cm.share.3"}
    assert max(loads.values()) < 1.1 * min(loads.values())
    # Another receiver, started on another day, must find the same one.
    assert Shares(4, mine=(1,)).queue(Box("hue", "box-1")) == "cm.share.2"
    assert Shares(4).queue(Box("a", "b")) != Shares(4).queue(Box("b", "a"))


def test_a_topic_goes_to_amqp_and_back() -> None:
    topic = "cm/v1/city/box-1/evd/0a/c/98304"
    assert topic.translate(TO_AMQP) == "cm.v1.city.box-1.evd.0a.c.98304"
    assert "a.b/c".translate(TO_AMQP).translate(TO_MQTT) == "a.b/c"


@pytest.mark.parametrize("first", ["4", "-1", "one", "0,9"])
def test_a_share_that_there_is_not_is_refused_in_one_line(first: str) -> None:
    with pytest.raises(NoQueues, match="--first"):
        shares(asked(4, first))


def test_shares_as_asked() -> None:
    told = shares(asked(2, "0,1"))
    assert (told.names, told.mine) == (["cm.share.0", "cm.share.1"], (0, 1))


GOOD = {
    **dict.fromkeys(("missing", "doubled", "invented", "torn", "gaps", "breaks"), 0),
    **dict.fromkeys(("quarantined", "left", "given_up"), 0),
    "drained_s": 59.0,
}


@pytest.mark.parametrize("wrong", [{"missing": 1}, {"doubled": 1}, {"torn": 2}, {"drained_s": 61}])
def test_what_does_not_hold_is_said(wrong: dict[str, int]) -> None:
    assert list(problems(GOOD)) == []
    assert len(list(problems({**GOOD, **wrong}))) == 1


class BrokerGone(Exception):
    """As pika raises it."""


class SlowBroker:
    """A connection and its channel: a binding takes its time, and the third one ends it."""

    def __init__(self, bound: list[str], *, breaks: bool) -> None:
        self._bound, self._breaks, self._never = bound, breaks, threading.Event()

    def channel(self) -> SlowBroker:
        return self

    def process_data_events(self, time_limit: float) -> None:
        self._never.wait(min(0.01, time_limit))

    def queue_bind(self, queue: str, exchange: str, key: str) -> None:
        self._never.wait(0.05)
        if self._breaks and len(self._bound) == 2:
            raise BrokerGone("gone")
        assert exchange == "cm.devices"
        self._bound.append(f"{queue} {key}")

    def close(self) -> None:
        pass


def test_a_slow_binding_holds_up_nobody_and_is_made_once() -> None:
    bound: list[str] = []
    connections = [SlowBroker(bound, breaks=True), SlowBroker(bound, breaks=False)]
    bindings = Bindings(lambda: connections.pop(0), (BrokerGone,), "cm.devices")
    stop = Stop()
    boxes = [Box("city", f"b{n}") for n in range(5)]
    for box in boxes * 3:
        bindings.want(box, "cm.share.0", f"cm.v1.{box.device}.#")
    assert not bound and all(bindings.known(box) for box in boxes)
    bindings.start(stop)
    eventually(lambda: len(bound) == 5, within_s=30)
    stop.set()
    assert bound == [f"cm.share.0 cm.v1.b{n}.#" for n in range(5)] and not connections


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_broker_and_the_database_die_and_nothing_is_lost_or_doubled() -> None:
    if os.geteuid() or not (shutil.which("systemd-nspawn") and shutil.which("debootstrap")):
        pytest.skip("needs root, systemd-nspawn and debootstrap: tools/cluster --short")
    done = subprocess.run(
        [str(ROOT / "tools" / "cluster"), "--short"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["records"] == told["promised"] == 500 and told["files"] == 10
