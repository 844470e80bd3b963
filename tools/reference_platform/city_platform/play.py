# SPDX-License-Identifier: AGPL-3.0-or-later
"""Publishes the upward golden messages to a broker, so that a subscriber can be tried on them.

tools/python -m city_platform.play --port 1883
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial

from city_platform.golden import Golden, golden
from edge.uplink.mqtt import Answered, BrokerAddress, Connected, Event, Lost, MqttConnection

WAIT_S = 20.0


class NoBroker(RuntimeError):
    """The broker is not there, or stopped answering."""


def _answers(mid: int, event: object) -> bool:
    return isinstance(event, Answered) and event.mid == mid


def play(host: str, port: int) -> list[Golden]:
    """Publish them one after the other, each acknowledged by the broker. Raises NoBroker."""
    try:
        connection = MqttConnection(BrokerAddress(host, port, client_id="cm-golden"), None)
    except OSError as error:
        raise NoBroker(f"{host}:{port}: {error}") from None
    _until(connection, lambda event: isinstance(event, Connected))
    told = [one for one in golden() if one.channel.up]
    for one in told:
        retain, qos = one.channel.retain, one.channel.qos
        mid = connection.publish(one.topic, one.payload, qos=qos, retain=retain)
        if qos:
            _until(connection, partial(_answers, mid))
    connection.close()
    return told


def _until(connection: MqttConnection, what: Callable[[Event], bool]) -> None:
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        for event in connection.poll(0.1):
            if isinstance(event, Lost):
                raise NoBroker(event.reason)
            if what(event):
                return
    raise NoBroker(f"no answer for {WAIT_S:.0f} s")


def main() -> int:
    """Publish the golden messages, wrong ones included, to try a subscriber with."""
    parser = argparse.ArgumentParser(prog="city_platform.play", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    args = parser.parse_args()
    try:
        told = play(args.host, args.port)
    except NoBroker as error:
        print(f"play: {error}", file=sys.stderr)
        return 1
    wrong = sum(one.wrong is not None for one in told)
    print(f"{len(told)} golden messages published, {wrong} of them wrong on purpose")
    return 0


if __name__ == "__main__":
    sys.exit(main())
