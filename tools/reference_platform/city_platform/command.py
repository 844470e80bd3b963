# SPDX-License-Identifier: AGPL-3.0-or-later
"""Sends one command to a box and prints what becomes of it, as the desk of a platform would.

tools/python -m city_platform.command --key received/platform.pem --device box-1 look \\
    category=street-vendor lat=36.3891 lon=120.4472 source=hotline note=校门口有摊贩
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import msgspec

from city_platform.play import NoBroker
from edge.uplink import downward, seal
from edge.uplink import messages as m
from edge.uplink.mqtt import Arrived, BrokerAddress, Connected, Lost, MqttConnection, Subscribed
from edge.uplink.wire import Topics


def command(name: str, arguments: dict[str, Any], device: str, issuer: str) -> dict[str, Any]:
    """The message without its signature; its counter is the time in microseconds."""
    now = time.time()
    return {
        "type": "command", "device": device, "iss": issuer, "n": int(now * 1e6),
        "cmd_id": f"c-{secrets.token_hex(6)}", "exp": now + 300.0, "command": name,
        "arguments": arguments,
    }  # fmt: skip


def parsed(words: Sequence[str]) -> dict[str, Any]:
    """key=value words as arguments; numbers become numbers. Raises ValueError."""
    found: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise ValueError(f"{word!r}: expected key=value")
        try:
            found[key] = float(value) if "." in value else int(value)
        except ValueError:
            found[key] = value
    return found


def results(
    broker: BrokerAddress, topics: Topics, message: bytes, cmd_id: str, limit_s: float
) -> Iterator[m.CommandResult]:
    """Publish the signed command; every result that names it, until one ends it. Raises NoBroker
    where the broker goes away, or no end was told within limit_s."""
    try:
        connection = MqttConnection(broker, None)
    except OSError as error:
        raise NoBroker(f"{broker.host}:{broker.port}: {error}") from None
    until = time.monotonic() + limit_s
    try:
        while time.monotonic() < until:
            for event in connection.poll(0.1):
                if isinstance(event, Lost):
                    raise NoBroker(event.reason)
                if isinstance(event, Connected):
                    connection.subscribe([topics.up("cmd/res")])
                if isinstance(event, Subscribed):
                    connection.publish(topics.up("cmd/req"), message)
                if isinstance(event, Arrived):
                    connection.acknowledge(event.mid)
                    told = msgspec.json.decode(event.payload, type=m.CommandResult)
                    if told.cmd_id == cmd_id:
                        yield told
                        if told.state != "accepted":
                            return
    finally:
        connection.close()
    raise NoBroker(f"the box has not answered within {limit_s:.0f} s")


def main() -> int:
    """0: done; 1: rejected, failed or no answer; 2: words that make no command."""
    parser = argparse.ArgumentParser(prog="city_platform.command", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--host", default="127.0.0.1", help="of the broker (default: %(default)s)")
    parser.add_argument("--port", type=int, default=1883, help="of the broker")
    parser.add_argument("--key", type=Path, required=True, help="the platform's private key, PEM")
    parser.add_argument("--tenant", default="city")
    parser.add_argument("--device", required=True)
    parser.add_argument("--issuer", default="duty", help="who of the platform says so")
    parser.add_argument("--limit", type=float, default=240.0, help="seconds to wait for the end")
    parser.add_argument("command", choices=get_args(downward.CommandName))
    parser.add_argument("arguments", nargs="*", metavar="key=value")
    args = parser.parse_args()
    try:
        private = seal.read_private(args.key.read_bytes())
        told = command(args.command, parsed(args.arguments), args.device, args.issuer)
    except (OSError, ValueError) as error:
        print(f"command: {error}", file=sys.stderr)
        return 2
    signed = seal.Signer(seal.fingerprint(private.public_key()), private).sign(told)
    broker = BrokerAddress(args.host, args.port, f"cm-{args.issuer}-{told['cmd_id']}")
    state = ""
    try:
        topics = Topics(args.tenant, args.device)
        for one in results(broker, topics, signed, told["cmd_id"], args.limit):
            print(json.dumps(msgspec.to_builtins(one), ensure_ascii=False))
            state = one.state
    except NoBroker as error:
        print(f"command: {error}", file=sys.stderr)
    return 0 if state == "done" else 1


if __name__ == "__main__":
    sys.exit(main())
