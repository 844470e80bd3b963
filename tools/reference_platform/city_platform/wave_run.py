# SPDX-License-Identifier: AGPL-3.0-or-later
"""Software releases for a fleet, in waves: started, watched, stopped; and the process that orders.

    tools/waves --out received start spring --number 7 --sha256 … --one-per-grid
    tools/waves --out received run                    (beside the receivers; orders and watches)
    tools/waves --out received show spring            where every box stands; list: every wave
    tools/waves --out received stop spring            nobody more is ordered; go: it goes on
    tools/waves --out received label hue/box-0042 --grid 330102001000101 --tag school

Halts by itself once too many did not hold; `go` goes on, and only failures after it count. What it
orders is the signed command update_software, and what it believes is what boxes report in signed
records. The page of tools/receiver (--page, /waves) shows and does the same.
"""

from __future__ import annotations

import argparse
import json
import os
import ssl
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from city_platform.database import Database, NoDatabase
from city_platform.files import Box
from city_platform.receiver import platform_signer
from city_platform.store import open_database
from city_platform.wave_store import NoWave, WaveStore
from city_platform.waves import ENDED, FAILED, SHARES, BoxRow, Wave, chosen, counts, plan, progress
from edge.runtime import Backoff, Stop
from edge.uplink import downward, seal, wire
from edge.uplink.mqtt import BrokerAddress, Connected, Lost, MqttConnection

STEP_S = 2.0
COMMAND_S = 300.0
Publish = Callable[[str, bytes], None]


@dataclass(slots=True)
class Orders:
    """Signs commands; one issuer, whose counter only rises."""

    signer: seal.Signer
    issuer: str = "waves"
    _n: int = 0

    def update(self, box: Box, wave: Wave) -> tuple[str, bytes]:
        """Topic and payload of the command for one box."""
        self._n = max(self._n + 1, time.time_ns() // 1000)
        told = downward.Command(
            device=box.device,
            iss=self.issuer,
            n=self._n,
            cmd_id=f"wave-{wave.name}-{self._n}",
            exp=time.time() + COMMAND_S,
            command="update_software",
            arguments={"number": wave.number, "sha256": wave.sha256},
        )
        payload = self.signer.sign(msgspec.to_builtins(told))
        return f"{wire.ROOT}/{box.path}/cmd/req", payload


def step(database: Database, orders: Orders, publish: Publish, now: float) -> list[str]:
    """One look at every wave; what changed, in lines. A box is marked before it is ordered: after a
    crash it is asked again once its time is over, and a box obeys a release once."""
    said: list[str] = []
    store = WaveStore(database)
    for row in store.waves():
        if row.state == "done":
            continue
        wave = row.wave
        with database.transaction():
            store.hear(row)
            found = plan(wave, row.state, store.rows(wave), now, since=row.went)
            due = [
                replace(one, stage="ordered", at=now, orders=one.orders + 1) for one in found.due
            ]
            store.keep(wave, (*found.fell, *due))
            if found.state != row.state:
                store.set_state(wave.name, found.state, found.why)
                said.append(f"{wave.name}: {found.state}{f': {found.why}' if found.why else ''}")
        for one in found.due:
            publish(*orders.update(one.box, wave))
        if found.due:
            said.append(f"{wave.name}: {len(found.due)} ordered, share {found.share:.1%}")
    return said


def run(database: Database, orders: Orders, address: BrokerAddress, stop: Stop) -> None:
    """Until stopped. What could not be sent is sent again once its time is over."""
    backoff = Backoff(cap_s=30.0)
    while not stop:
        try:
            connection = MqttConnection(address, None)
            _session(database, orders, connection, stop, backoff)
        except (OSError, NoDatabase) as error:
            print(f"waves: {error}", file=sys.stderr)
        stop.wait(0.0 if stop else backoff.next_s())


def _session(
    database: Database, orders: Orders, connection: MqttConnection, stop: Stop, backoff: Backoff
) -> None:
    due, online = 0.0, False

    def publish(topic: str, payload: bytes) -> None:
        connection.publish(topic, payload, expiry_s=round(COMMAND_S))

    while not stop:
        events = connection.poll(0.2)
        online |= any(isinstance(event, Connected) for event in events)
        if any(isinstance(event, Lost) for event in events):
            return
        if online and time.monotonic() >= due:
            backoff.reset()
            due = time.monotonic() + STEP_S
            for line in step(database, orders, publish, time.time()):
                print(line, flush=True)
    connection.close()


def _start(store: WaveStore, args: argparse.Namespace) -> dict[str, Any]:
    given = {
        "name": args.name,
        "number": args.number,
        "sha256": args.sha256,
        "tenant": args.tenant,
        "tag": args.tag,
        "shares": args.shares,
        "one_per_grid": args.one_per_grid,
    }
    given |= {
        k: v for k in ("failed_share", "soak_s", "at_most") if (v := getattr(args, k)) is not None
    }
    try:
        wave = msgspec.convert(given, Wave)
    except msgspec.ValidationError as error:
        raise NoWave(f"{args.name}: {error}") from None
    store.create(wave, time.time())
    return _shown(store, args.name)


def _shown(store: WaveStore, name: str, *, boxes: bool = False) -> dict[str, Any]:
    """A wave as a value for JSON; `boxes` with every one of them."""
    row = store.one(name)
    rows = store.rows(row.wave)
    shares = [
        {"share": one.share, "boxes": len(one.boxes), "ended": _ended(one.boxes), "now": one.turn}
        for one in progress(row.wave, rows, time.time())
    ]
    failed = [
        {"box": r.box.path, "stage": r.stage, "why": r.why} for r in rows if r.stage in FAILED
    ]
    return {
        **msgspec.to_builtins(row.wave),
        "state": row.state,
        "why": row.why,
        "boxes": counts(row.wave, rows),
        "progress": shares,
        "failed": failed,
        **({"each": [_box(one) for one in chosen(row.wave, rows)]} if boxes else {}),
    }


def _ended(rows: Iterable[BoxRow]) -> int:
    return sum(row.stage in ENDED for row in rows)


def _box(row: BoxRow) -> dict[str, Any]:
    facts = {"stage": row.stage, "since": row.at, "orders": row.orders, "why": row.why}
    return {"box": row.box.path, **facts, "grid": row.grid, "tags": sorted(row.tags)}


def _show(store: WaveStore, args: argparse.Namespace) -> dict[str, Any]:
    return _shown(store, args.name, boxes=args.boxes)


def _set(store: WaveStore, args: argparse.Namespace) -> dict[str, Any]:
    store.stop(args.name) if args.what == "stop" else store.go(args.name, time.time())
    return _shown(store, args.name)


def _label(store: WaveStore, args: argparse.Namespace) -> dict[str, Any]:
    tenant, _, device = args.name.partition("/")
    if not tenant or not device:
        raise NoWave(f"{args.name}: write TENANT/DEVICE")
    store.label(Box(tenant, device), args.grid, args.tags)
    return {"box": args.name, "grid": args.grid, "tags": args.tags}


def arguments() -> argparse.Namespace:
    """The options of tools/waves, one set for each of its actions."""
    parser = argparse.ArgumentParser(prog="tools/waves", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--out", type=Path, required=True, help="the receivers' folder")
    parser.add_argument("--database", help="the receivers' postgresql://…")
    what = parser.add_subparsers(dest="what", required=True)
    start = what.add_parser("start", help="begin a wave; tools/waves run orders")
    start.add_argument("name")
    start.add_argument("--number", type=int, required=True)
    start.add_argument("--sha256", required=True, help="of the manifest, as tools/bundle says")
    start.add_argument("--tenant", default="")
    start.add_argument("--tag", default="")
    start.add_argument("--shares", type=float, nargs="+", default=list(SHARES))
    start.add_argument("--failed-share", type=float, help="bound above which it halts (0.1)")
    start.add_argument("--soak-s", type=float, help="between two shares (1800)")
    start.add_argument("--at-most", type=int, help="on their way at once (200)")
    start.add_argument("--one-per-grid", action="store_true", help="never two of one unit grid")
    for name in ("show", "stop", "go"):
        what.add_parser(name).add_argument("name")
    what.choices["show"].add_argument("--boxes", action="store_true", help="every one of them")
    what.add_parser("list")
    label = what.add_parser("label", help="unit grid and tags of a box")
    label.add_argument("name", metavar="TENANT/DEVICE")
    label.add_argument("--grid", default="")
    label.add_argument("--tag", dest="tags", action="append", default=[])
    runs = what.add_parser("run", help="order and watch until stopped")
    runs.add_argument("--host", default="127.0.0.1")
    runs.add_argument("--port", type=int, default=1883)
    runs.add_argument("--ca", help="CA of the broker; given: TLS")
    return parser.parse_args()


def main() -> int:
    """0 done; 2 with one line of what is wrong."""
    args = arguments()
    try:
        with closing(open_database(args.out, args.database)) as database:
            return _done(args, database)
    except (NoDatabase, NoWave) as error:
        print(f"tools/waves: {error}", file=sys.stderr)
        return 2


def _done(args: argparse.Namespace, database: Database) -> int:
    store = WaveStore(database)
    if args.what == "run":
        stop = Stop()
        stop.on_signals()
        tls = (lambda: ssl.create_default_context(cafile=args.ca)) if args.ca else None
        name = f"cm-waves-{os.getpid()}"
        address = BrokerAddress(args.host, args.port, client_id=name, tls=tls)
        run(database, Orders(platform_signer(args.out)), address, stop)
        return 0
    if args.what == "list":
        for row in store.waves():
            print(json.dumps(_shown(store, row.wave.name), ensure_ascii=False))
        return 0
    with database.transaction():
        works = {"start": _start, "stop": _set, "go": _set, "label": _label}
        told = works[args.what](store, args) if args.what in works else _show(store, args)
    print(json.dumps(told, ensure_ascii=False))
    return 0


__all__ = ["BoxRow", "Orders", "main", "run", "step"]

if __name__ == "__main__":
    sys.exit(main())
