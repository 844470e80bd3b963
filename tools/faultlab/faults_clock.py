# SPDX-License-Identifier: AGPL-3.0-or-later
"""Scenarios of tools/faults in which the wall clock is wrong and steps under a running daemon."""

from __future__ import annotations

import json
import time
from datetime import timedelta

from city_platform.store import Store
from tools.faultlab import shim
from tools.faultlab.desk import Desk
from tools.faultlab.oracle import Oracle, Result
from tools.faultlab.rig import Rig, eventually

YEARS_2 = timedelta(days=730).total_seconds()
HOUR = 3600.0
CLIP = 300_000


def clock_steps(rig: Rig, oracle: Oracle, runs: int) -> Result:
    """1970 at start, then right, two years ahead, an hour back, right again; all while sending."""
    broker = rig.broker()
    rig.receiver(broker.port)
    clock = rig.folder / "clock"
    clock.write_text(f"{1000 - time.time():.0f}")
    env = shim.environment(shim.build(rig.folder), rig.state, clock=clock)
    rig.uplinkd(broker.port, env)
    eventually(lambda: told(rig).get("online") is True, within_s=60)
    desk = Desk(rig, broker.port)
    desk.everything(1)
    eventually(lambda: refused(rig, "command", "clock") and refused(rig, "desired", "clock"))
    clock.write_text("0".ljust(20))
    eventually(lambda: bool(oracle.outbox.status()["records"].get("cmd_res")), within_s=60)
    for _ in range(runs):
        for wrong_s in (1000 - time.time(), 0.0, YEARS_2, YEARS_2 - HOUR, 0.0):
            oracle.put(clip=CLIP)
            clock.write_text(f"{wrong_s:.0f}".ljust(20))
            for _ in range(5):
                oracle.put(pictures=1)
            began = time.monotonic()
            eventually(lambda: oracle.waiting() == 0, within_s=120)
            oracle.recovered(time.monotonic() - began)
    desk.close()
    oracle.settle()
    store = Store(rig.platform)
    out_of_order = len(store.sequence_gaps()) + len(store.chain_breaks())
    store.close()
    note = f"gaps and breaks {out_of_order}; in 1970 nothing that expires was obeyed"
    result = oracle.result("clock from 1970, +2 y, -1 h", runs * 5, note)
    assert out_of_order == 0, note
    return result


def told(rig: Rig) -> dict[str, object]:
    try:
        return dict(json.loads((rig.folder / "run/status/uplinkd.json").read_bytes()))
    except FileNotFoundError:
        return {}


def refused(rig: Rig, kind: str, why: str) -> bool:
    return f"refused:{kind}:{why}" in told(rig).get("refused", {})  # type: ignore[operator]
