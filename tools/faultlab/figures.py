# SPDX-License-Identifier: AGPL-3.0-or-later
"""The uplink's figures, measured with the real daemon, a real Mosquitto and the reference platform.

    tools/uplink-figures                 drain, memory, latency when idle, latency on a thin line
    tools/uplink-figures --only drain --records 10000

Prints one JSON line for each figure with the bound it must keep; exit 1 where one does not.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from edge.outbox import Outbox
from edge.uplink import wire
from tools.faultlab.proxy import Faults, Proxy
from tools.faultlab.rig import Rig, eventually, make_violation

IDLE_ROUNDS = 60
THIN_KBIT_S = 64.0
THIN_VIOLATIONS = 25
CLIP_BYTES = 4_000_000


def put_bare(outbox: Outbox, name: str) -> None:
    violation = make_violation(name)
    key = wire.violation_key(name, 1)
    outbox.put(lane="violation", kind="violation", key=key, body=wire.violation_data(violation))


def fill(rig: Rig, records: int) -> None:
    """Waiting violations, put fast: their durability is not what is measured here."""
    outbox = rig.outbox()
    outbox._db.execute("PRAGMA synchronous=OFF")
    for n in range(records):
        put_bare(outbox, f"v-{n:06d}")
    outbox.close()


def acknowledged(rig: Rig) -> int:
    """How many violations the platform has said it stored (state 3 of the outbox)."""
    with closing(sqlite3.connect(rig.state / "outbox.db", timeout=10)) as db:
        return int(
            db.execute(
                "SELECT count(*) FROM record WHERE kind = 'violation' AND state = 3"
            ).fetchone()[0]
        )


def drain(rig: Rig, records: int) -> dict[str, Any]:
    """Growth of resident memory with so many waiting offline, then the rate of draining them."""
    fill(rig, records)
    broker = rig.broker()
    rig.receiver(broker.port)
    port = broker.port
    broker.stop()
    daemon = rig.uplinkd(port)
    process = psutil.Process(daemon.pid)
    eventually(lambda: (rig.folder / "run" / "status" / "uplinkd.json").exists())
    time.sleep(3.0)
    before = process.memory_info().rss
    broker = rig.broker(port=port)
    eventually(lambda: acknowledged(rig) > 0, within_s=180)
    began, first = time.monotonic(), acknowledged(rig)
    peak = before
    while acknowledged(rig) < records:
        peak = max(peak, process.memory_info().rss)
        time.sleep(0.2)
    rate = (records - first) / (time.monotonic() - began)
    cpu = process.cpu_times()
    order = in_order(rig)
    return {
        "figure": "drain",
        "records": records,
        "per_s": round(rate),
        "bound_per_s": 500,
        "rss_growth_mb": round((peak - before) / 1e6, 1),
        "bound_rss_mb": 20,
        "rss_mb": round(peak / 1e6, 1),
        "cpu_ms_per_record": round((cpu.user + cpu.system) / records * 1000, 2),
        "in_order": order,
        "ok": rate >= 500 and peak - before < 20e6 and order,
    }


def in_order(rig: Rig) -> bool:
    """Whether the platform got the subjects in the order in which they were put."""
    with closing(sqlite3.connect(rig.platform / "platform.db")) as db:
        rows = db.execute("SELECT subject FROM record WHERE kind = 'violation' ORDER BY rowid")
        subjects = [row[0] for row in rows]
    return subjects == sorted(subjects)


def _more_acknowledged(rig: Rig, than: int) -> bool:
    return acknowledged(rig) > than


def latencies(rig: Rig, rounds: int, pause: Callable[[int], float]) -> list[float]:
    """Seconds from a returned put to the platform's acknowledgement in the outbox, one by one."""
    outbox, found = rig.outbox(), []
    for n in range(rounds):
        have, began = acknowledged(rig), time.monotonic()
        put_bare(outbox, f"l-{time.monotonic_ns()}")
        eventually(partial(_more_acknowledged, rig, have), within_s=120)
        found.append(time.monotonic() - began)
        time.sleep(pause(n))
    outbox.close()
    return found


def p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


def idle(rig: Rig) -> dict[str, Any]:
    """From put to acknowledgement with nothing else to do, p50 and p95 in ms."""
    broker = rig.broker()
    rig.receiver(broker.port)
    rig.uplinkd(broker.port)
    latencies(rig, 3, lambda _: 0.1)
    found = latencies(rig, IDLE_ROUNDS, lambda n: 0.1 + 0.037 * (n % 7))
    return {
        "figure": "idle latency",
        "p50_ms": round(statistics.median(found) * 1000),
        "p95_ms": round(p95(found) * 1000),
        "bound_p95_ms": 300,
        "ok": p95(found) <= 0.3,
    }


def thin(rig: Rig, faults: Faults) -> dict[str, Any]:
    """Violations on a thin line while a 4 MB clip uploads over it."""
    broker = rig.broker()
    proxy = Proxy(("127.0.0.1", broker.port), faults=faults)
    rig.receiver(broker.port)
    rig.uplinkd(proxy.port)
    rig.put(rig.outbox(), "v-clip", {"r1-clip.mp4": os.urandom(CLIP_BYTES)})
    time.sleep(15.0)
    found = latencies(rig, THIN_VIOLATIONS, lambda n: 1.0 + n % 3)
    clip_kbit_s = proxy.bytes_up * 8 / 1000
    proxy.close()
    return {
        "figure": "thin line",
        "kbit_s": faults.kbit_s,
        "delay_s": faults.delay_s,
        "p50_s": round(statistics.median(found), 2),
        "p95_s": round(p95(found), 2),
        "bound_p95_s": 10,
        "uploaded_kbit": round(clip_kbit_s),
        "ok": p95(found) < 10.0,
    }


def figures(records: int) -> dict[str, Callable[[Rig], dict[str, Any]]]:
    """Name -> how it is measured; each gets a rig of its own."""
    return {
        "drain": lambda rig: drain(rig, records),
        "idle": idle,
        "thin": lambda rig: thin(rig, Faults(kbit_s=THIN_KBIT_S)),
        "bad": lambda rig: thin(rig, Faults(kbit_s=THIN_KBIT_S, delay_s=0.5, sliced=0.2)),
    }


def measure(work: Callable[[Rig], dict[str, Any]]) -> dict[str, Any]:
    """One figure in a folder that is removed afterwards, whatever happens."""
    with tempfile.TemporaryDirectory(prefix="edge-figures-") as folder:
        rig = Rig(Path(folder))
        try:
            return work(rig)
        finally:
            rig.close()


def main() -> int:
    """One JSON a figure; 1 where a bound is not kept."""
    parser = argparse.ArgumentParser(prog="tools/uplink-figures", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--only", choices=list(figures(0)))
    parser.add_argument("--records", type=int, default=10_000)
    args = parser.parse_args()
    well = True
    for name, work in figures(args.records).items():
        if args.only in (None, name):
            told = measure(work)
            print(json.dumps(told), flush=True)
            well = well and bool(told["ok"])
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
