# SPDX-License-Identifier: AGPL-3.0-or-later
"""Reference platform: takes what devices publish, checks it, stores it, and only then says so.

    tools/receiver --out received                      (broker on 127.0.0.1:1883, no TLS)
    tools/receiver --out received --ca ca.pem --host broker.example --port 8883
    tools/receiver --out received --page 8090          and a list at http://127.0.0.1:8090/
    tools/receiver --out received --gaps               which records are missing; asks no broker

    tools/receiver --out received --s3 http://store:9000/evidence     files in a bucket
    tools/receiver --out received --amqp node-1,node-2,node-3 --first 0,1     RabbitMQ's queues

Several share the load: the same --out (or the same --database, --s3 and platform.pem), --session-s
0, each its own --name. With --amqp the boxes are split by a hash into --shares queues; each
receiver names those it is first for, and takes over others while theirs is away. Keys of the
bucket: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY; of the brokers: AMQP_USER, AMQP_PASSWORD.
The acknowledgement is signed with `<out>/platform.pem` (made at first use); devices need
`<out>/platform.pub.pem` as `trust.platform_key`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import ssl
import sys
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from city_platform.database import NoDatabase
from city_platform.files import NoFiles
from city_platform.intake import Receiver
from city_platform.page import Page
from city_platform.queues import NoQueues, Shares, serve_queues
from city_platform.quotas import Limits
from city_platform.store import Store
from edge.runtime import Backoff, Stop, write_atomic
from edge.uplink import mqtt, seal, wire
from edge.uplink.mqtt import Arrived, BrokerAddress, Connected, Lost, MqttConnection

SHARED = ("evt/#", "evd/#", "chain", "cmd/res")


def platform_signer(folder: Path) -> seal.Signer:
    """The platform's key pair, made at first use; receivers that share a folder share it."""
    path = folder / "platform.pem"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _make_key(path)
    private = seal.read_private(path.read_bytes())
    public = folder / "platform.pub.pem"
    if not public.exists():
        write_atomic(public, seal.public_pem(private.public_key()))
    return seal.Signer(seal.fingerprint(private.public_key()), private)


def _make_key(path: Path) -> None:
    """Whole or not at all; of two receivers that start at once the first one's key stays."""
    own = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(seal.private_pem(Ed25519PrivateKey.generate()))
        file.flush()
        os.fsync(file.fileno())
    with contextlib.suppress(FileExistsError):
        os.link(own, path)
    own.unlink()


def serve(receiver: Receiver, address: BrokerAddress, group: str, stop: Stop) -> None:
    """Until stopped: one connection after the other."""
    backoff = Backoff(cap_s=30.0)
    while not stop:
        try:
            connection = MqttConnection(address, None)
        except OSError as error:
            print(f"receiver: {error}", file=sys.stderr)
            stop.wait(backoff.next_s())
            continue
        try:
            _session(receiver, connection, group, stop)
        except (NoFiles, NoDatabase) as error:
            # Nothing was acknowledged: the broker keeps it, and brings it to a new connection.
            connection.drop()
            option = "--database" if isinstance(error, NoDatabase) else "--s3, --out"
            print(f"receiver: {option}: {error}", file=sys.stderr)
        stop.wait(0.0 if stop else backoff.next_s())


def _session(receiver: Receiver, connection: MqttConnection, group: str, stop: Stop) -> None:
    while not stop:
        events = connection.poll(0.2)
        arrived = [event for event in events if isinstance(event, Arrived)]
        if any(isinstance(event, Connected) for event in events):
            connection.subscribe([f"$share/{group}/{wire.ROOT}/+/+/{name}" for name in SHARED])
            connection.subscribe([f"{wire.ROOT}/+/+/birth"])
        if arrived:
            for topic, payload in receiver.take(arrived).items():
                connection.publish(topic, payload)
            for event in arrived:
                connection.acknowledge(event.mid)
        lost = next((event for event in events if isinstance(event, Lost)), None)
        if lost:
            print(f"receiver: {lost.reason}", file=sys.stderr)
            return
    connection.close()


def arguments() -> argparse.Namespace:
    """Where to store, which broker, as which instance of a shared subscription."""
    parser = argparse.ArgumentParser(prog="tools/receiver", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--out", type=Path, required=True, help="folder for records and evidence")
    parser.add_argument("--database", help="postgresql://…; left out: SQLite in the folder")
    bucket = "http(s)://host:port/bucket[/prefix] of an S3-compatible store; left out: the folder"
    parser.add_argument("--s3", metavar="URL", help=bucket)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--ca", help="CA of the broker; given: TLS")
    hosts = "brokers whose quorum queues are read over AMQP, in place of --host: host[:port],…"
    parser.add_argument("--amqp", metavar="HOSTS", help=hosts)
    parser.add_argument("--shares", type=int, default=Shares().count, help="queues of the boxes")
    parser.add_argument("--first", default="", metavar="0,1", help="shares this one is first for")
    most = "messages that wait in each share; above it boxes are told to keep theirs"
    parser.add_argument("--queue-most", type=int, default=Shares().length_most, help=most)
    parser.add_argument("--queue-mb", type=int, default=Shares().mb_most, help="the same in MB")
    parser.add_argument("--group", default="platform", help="shared subscription group")
    parser.add_argument("--name", default="receiver-1", help="issuer name, one for each instance")
    session = "how long the broker keeps messages for this instance; 0 where several share the load"
    parser.add_argument("--session-s", type=int, default=mqtt.SESSION_EXPIRY_S, help=session)
    box_mb, floor_mb = Limits().box_mb, Limits().floor_mb
    parser.add_argument("--box-mb", type=int, default=box_mb, help="evidence of one box, in MB")
    all_mb = "evidence of all boxes of one tenant, in MB; above it boxes are told to hold theirs"
    parser.add_argument("--tenant-mb", type=int, default=Limits().tenant_mb, help=all_mb)
    kept = "what the disk keeps free for records, in MB"
    parser.add_argument("--floor-mb", type=int, default=floor_mb, help=kept)
    parser.add_argument("--page", type=int, metavar="PORT", help="list page on the loopback")
    parser.add_argument("--gaps", action="store_true", help="print the gap report; 1 with gaps")
    parser.add_argument("--json", action="store_true", help="a line for each stored thing")
    return parser.parse_args()


def main() -> int:
    """Receive until a signal; 2 without its database, 1 from --gaps where records are missing."""
    args = arguments()
    try:
        limits = Limits(args.box_mb, args.tenant_mb, args.floor_mb)
        store = Store(args.out, args.database, args.s3, limits=limits)
    except (NoDatabase, NoFiles) as error:
        option = "--database" if isinstance(error, NoDatabase) else "--s3"
        print(f"receiver: {option}: {error}", file=sys.stderr)
        return 2
    if args.gaps:
        return report(store)
    stop = Stop()
    stop.on_signals()
    receiver = Receiver(store, platform_signer(args.out), args.name, tell=args.json)
    page = None
    if args.page is not None:
        page = Page(lambda: Store(args.out, args.database, args.s3), args.page)
    if page:
        print(f"receiver: http://127.0.0.1:{page.port}/", file=sys.stderr)
    try:
        if args.amqp:
            login = os.environ.get("AMQP_USER", "guest"), os.environ.get("AMQP_PASSWORD", "guest")
            serve_queues(receiver, args.amqp.split(","), login, shares(args), stop)
        else:
            serve_mqtt(receiver, args, stop)
    except NoQueues as error:
        print(f"receiver: --amqp: {error}", file=sys.stderr)
        return 2
    if page:
        page.close()
    print(json.dumps({"summary": store.summary()}), flush=True)
    store.close()
    return 0


def shares(args: argparse.Namespace) -> Shares:
    """How the boxes are split. Raises NoQueues for shares that there are not."""
    try:
        mine = tuple(int(word) for word in args.first.split(",") if word)
    except ValueError:
        raise NoQueues(f"--first {args.first!r}: numbers with commas") from None
    if args.shares < 1 or any(not 0 <= number < args.shares for number in mine):
        raise NoQueues(f"--first {args.first!r}: shares are 0 to {args.shares - 1}")
    return Shares(args.shares, mine, args.queue_most, args.queue_mb)


def serve_mqtt(receiver: Receiver, args: argparse.Namespace, stop: Stop) -> None:
    """By a shared subscription, from any MQTT 5 broker that has them."""
    # For the life of this process: what a dead instance would be kept is never read by another.
    mqtt.SESSION_EXPIRY_S = args.session_s
    tls = (lambda: ssl.create_default_context(cafile=args.ca)) if args.ca else None
    address = BrokerAddress(args.host, args.port, client_id=f"cm-{args.group}-{args.name}", tls=tls)
    serve(receiver, address, args.group, stop)


def report(store: Store) -> int:
    """What the chains say is missing or does not fit."""
    gaps, breaks = store.sequence_gaps(), store.chain_breaks()
    for gap in gaps:
        whose, first, last = _whose(gap), gap["after"] + 1, gap["before"] - 1
        print(f"{whose} {gap['kind']}: {first} to {last} missing")
    for found in breaks:
        print(f"{_whose(found)} {found['kind']}: {found['seq']} does not follow the one before")
    print(f"{len(gaps)} gaps, {len(breaks)} breaks")
    store.close()
    return 1 if gaps or breaks else 0


def _whose(row: dict[str, Any]) -> str:
    return f"{row['tenant']}/{row['device']}"


if __name__ == "__main__":
    sys.exit(main())
