# SPDX-License-Identifier: AGPL-3.0-or-later
"""The parts of uplinkd built from its configuration: the only place that knows them all."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from edge.clock import SystemClock
from edge.config import Device
from edge.config.paths import BoxFiles
from edge.faults import FaultLog
from edge.isolation import ItemGuard
from edge.outbox import Dispatch, Outbox
from edge.outbox.salvage import Salvage, check_and_salvage
from edge.uplink import downward, wire
from edge.uplink.chain_heads import HeadsFile, take_over
from edge.uplink.credentials import Credentials
from edge.uplink.file_transfer import Mode
from edge.uplink.inbox import Fail, Inbox, Obey
from edge.uplink.isolated import Isolated
from edge.uplink.keys import Keys, device_keys, platform_ring
from edge.uplink.mqtt import BrokerAddress
from edge.uplink.pacing import DAY_S, DayBudget, TokenBucket
from edge.uplink.presence import BootConnection, Presence
from edge.uplink.pump import PumpParts
from edge.uplink.records import Records
from edge.uplink.sealer import Sealer
from edge.uplink.transfer import Transfers, budget_counter
from edge.uplink.trust import DownlinkTrust
from edge.uplink.wire import Topics
from edge.values import Fault

log = logging.getLogger(__name__)

BYTES_PER_KBIT_S = 125.0
MB = 1_000_000
ASIDE = "item_set_aside"


@dataclass(frozen=True, slots=True)
class Stock:
    """What lies on disk and is opened once. Raises ConfigError for keys that cannot be read."""

    keys: Keys
    trust: DownlinkTrust
    credentials: Credentials
    salvage: Salvage | None
    outbox: Outbox
    dispatch: Dispatch
    heads: HeadsFile
    faults: FaultLog
    # Rows of `faults` that wait: no row may be inserted inside a transaction of the dispatch.
    raised: list[tuple[Fault, bool]]
    topics: Topics
    guard: ItemGuard
    isolated: Isolated


def open_stock(device: Device, where: BoxFiles, clock: SystemClock) -> Stock:
    """Keys, trust and the outbox, checked and salvaged where it was damaged; losses are reported.
    Raises ConfigError for a key that is not one."""
    keys = device_keys(device.trust, device.device, where.keys, where.base)
    trust = DownlinkTrust(device.device, platform_ring(device.trust, where.base))
    credentials = Credentials(device.broker, where.base)
    salvage = check_and_salvage(where.outbox)
    outbox = Outbox(where.outbox, "uplinkd")
    raised: list[tuple[Fault, bool]] = []
    standing = wire.standing_faults(outbox.open_faults(), clock.now(), outbox.forget_fault)
    faults = FaultLog(clock.now, lambda fault, stands: raised.append((fault, stands)), standing)
    dispatch, kept = Dispatch(where.outbox), where.state / "uplink"
    guard = ItemGuard(kept / "ended.json", "", lambda i, why: faults.start(ASIDE, i, why))
    # Who ended an earlier run is forgotten with it; what is aside in the outbox is not.
    faults.end_others(lambda fault: fault.kind != ASIDE)
    stock = Stock(
        keys=keys,
        trust=trust,
        credentials=credentials,
        salvage=salvage,
        outbox=outbox,
        dispatch=dispatch,
        heads=HeadsFile(kept / "heads.json"),
        faults=faults,
        raised=raised,
        topics=Topics(device.tenant, device.device),
        guard=guard,
        isolated=Isolated(guard, dispatch, faults, kept / "aside"),
    )
    _take_over(device, where, stock)
    _report_losses(stock)
    return stock


def _take_over(device: Device, where: BoxFiles, stock: Stock) -> None:
    """A statement lies beside the platform's key, whose signature it has. Raises ConfigError."""
    if not device.trust.platform_key:
        return
    path = (where.base / device.trust.platform_key).with_name("replacement.json")
    ring = platform_ring(device.trust, where.base)
    chains = take_over(path, device.tenant, device.device, ring, stock.dispatch)
    if chains:
        log.warning("%s: goes on in the chains of the box before: %s", path, ", ".join(chains))


def _report_losses(stock: Stock) -> None:
    """Chains go on above what may have been given; a salvage is a fault the city hears of."""
    jumped = stock.heads.restore(stock.dispatch)
    if stock.salvage is not None:
        salvaged = stock.salvage
        text = (
            f"{salvaged.rows} rows carried over, {salvaged.from_evidence} made anew from evidence"
        )
        facts = {"file": salvaged.kept_as.name, "chains": jumped}
        stock.faults.once("outbox_salvaged", "outbox", text, **facts)


def build_parts(
    device: Device,
    stock: Stock,
    *,
    obey: dict[str, Obey],
    fail: Fail = lambda message, why: None,
    bucket: TokenBucket,
    pace: Callable[[downward.Pace], None],
) -> PumpParts:
    """The pump's parts around one outbox; `obey` are the commands it may carry out, `fail` hears of
    those that failed by a bug, `pace` takes the platform's wish for speed."""
    sealer = Sealer(stock.keys.signer, stock.topics, stock.dispatch, time.time)
    by_broker = device.trust.release == "puback"
    records = Records(
        stock.dispatch,
        stock.topics,
        sealer.seal,
        stock.faults,
        stock.isolated,
        receipt=sealer.broker_receipt,
        by_broker=by_broker,
    )
    transfers = Transfers(
        stock.dispatch,
        stock.topics,
        stock.faults,
        stock.isolated,
        mode=Mode(emqx=device.broker.file_transfer == "emqx", by_broker=by_broker),
        bucket=bucket,
        budget=day_budget(device, stock.dispatch),
        wall=time.time,
    )
    inbox = Inbox(
        stock.dispatch,
        stock.topics,
        stock.trust,
        sealer=sealer,
        records=records,
        transfers=transfers,
        faults=stock.faults,
        isolated=stock.isolated,
        obey=obey,
        fail=fail,
        pace=pace,
    )
    session = BootConnection(stock.outbox.boot())
    presence = Presence(stock.topics, sealer, stock.dispatch, session, stock.heads)
    return PumpParts(
        stock.dispatch,
        records,
        transfers,
        inbox,
        presence,
        stock.faults,
        session,
        stock.isolated,
    )


def day_budget(device: Device, dispatch: Dispatch) -> DayBudget:
    """What is left of today's evidence bytes, across restarts."""
    limit = device.broker.evidence_mb_day
    day = int(time.time() // DAY_S)

    def kept(day: int) -> int:
        return dispatch.counted(budget_counter(day))

    return DayBudget(limit * MB if limit else None, day, kept(day), kept)


def address(device: Device, credentials: Credentials) -> BrokerAddress:
    """The broker as the session needs it; the client id is the box's, so two boxes of one name
    throw each other out and show."""
    broker = device.broker
    return BrokerAddress(
        broker.host,
        broker.port,
        client_id=f"cm-{device.tenant}-{device.device}",
        keepalive_s=broker.keepalive_s,
        tls=credentials.tls,
        username=broker.username,
        password=credentials.password,
    )


def bytes_s(kbit_s: float | None) -> float | None:
    return None if kbit_s is None else kbit_s * BYTES_PER_KBIT_S
