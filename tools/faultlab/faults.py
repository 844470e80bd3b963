# SPDX-License-Identifier: AGPL-3.0-or-later
"""What goes wrong on a pole, done to the real daemon with a real broker and the real platform side.

    tools/faults                     a short form of each
    tools/faults --full              the long form (some hours)
    tools/faults --only kill_at_random --json
    tools/faults --fuzz 10           ten minutes of each network parser; goes on where it stopped

Prints a table: test, runs, obligations, missing, spurious, false releases, worst recovery. In the
long form faults that have tests of their own are rows too: runs are tests, missing failed ones.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from edge.progress import ProgressBar
from tools.faultlab import faults_clock, faults_disk, fuzz, tested
from tools.faultlab.crash import MOMENTS, STEPS
from tools.faultlab.oracle import Oracle, Result
from tools.faultlab.proxy import Faults, Proxy
from tools.faultlab.rig import Process, Rig, Skipped, eventually
from tools.faultlab.shim import NoCompiler

RATE_S = 0.05
AT_WORK = 0.85
CLIP_BYTES = 3_000_000
Scenario = Callable[[Rig, Oracle, int], Result]


def kill_at_random(rig: Rig, oracle: Oracle, runs: int) -> Result:
    """SIGKILL of uplinkd at random moments while 20 records a second are put."""
    broker = rig.broker()
    rig.receiver(broker.port)
    rng, bar = random.Random(1), ProgressBar("kill -9")
    for run in range(runs):
        began, daemon = time.monotonic(), rig.uplinkd(broker.port)
        if rng.random() < AT_WORK:
            # Its start takes long on a busy machine; most kills are to hit it at work.
            eventually(partial(status_younger_than, rig, began), within_s=120)
        end = time.monotonic() + rng.uniform(0.0, 2.0)
        while time.monotonic() < end:
            oracle.put(pictures=1 if rng.random() < 0.2 else 0)
            time.sleep(RATE_S)
        daemon.kill()
        bar.update((run + 1) / runs)
    bar.close()
    began = time.monotonic()
    rig.uplinkd(broker.port)
    eventually(lambda: status_younger_than(rig, began), within_s=120)
    oracle.recovered(time.monotonic() - began)
    oracle.settle()
    return oracle.result("kill -9 at random", runs)


def status_younger_than(rig: Rig, mono: float) -> bool:
    path = rig.folder / "run" / "status" / "uplinkd.json"
    return path.exists() and time.time() - path.stat().st_mtime < time.monotonic() - mono


def kill_at_steps(rig: Rig, oracle: Oracle, runs: int) -> Result:
    """SIGKILL before and after each named step; `runs` times over, at rising call counts."""
    return kill_at(
        rig,
        oracle,
        [(m, step, run + 1) for run in range(runs) for step in STEPS for m in MOMENTS],
    )


def kill_at(rig: Rig, oracle: Oracle, cuts: list[tuple[str, str, int]]) -> Result:
    """One SIGKILL after the other at (moment, step, call), with two new records before each."""
    broker = rig.broker()
    rig.receiver(broker.port)
    survived = []
    bar = ProgressBar("steps")
    for number, (moment, step, count) in enumerate(cuts):
        oracle.put(pictures=1)
        oracle.put()
        if not dies(rig, broker.port, f"{moment} {step}", count):
            survived.append(f"{moment} {step} {count}")
        bar.update((number + 1) / len(cuts))
    bar.close()
    rig.uplinkd(broker.port)
    oracle.settle()
    note = f"not reached: {', '.join(survived)}" if survived else ""
    return oracle.result("kill -9 at named steps", len(cuts), note)


def dies(rig: Rig, port: int, step: str, count: int) -> bool:
    """Run uplinkd until the step kills it; false where it idles without reaching the step."""
    argv = [sys.executable, "-m", "tools.faultlab.crash", step, str(count)]
    argv += ["--device", str(rig.device_file(port)), "--site", str(rig.folder / "site.yaml")]
    child = Process(argv, rig.folder / "crash.log")
    end = time.monotonic() + 15
    while time.monotonic() < end:
        if child.child.poll() is not None:
            return True
        time.sleep(0.05)
    child.stop()
    return False


def broker_loses_all(rig: Rig, oracle: Oracle, runs: int) -> Result:
    """The broker acknowledges, is killed before it delivers, and comes back empty."""
    broker = rig.broker()
    away = rig.receiver(broker.port)
    rig.brisk_uplinkd(broker.port)
    # Its session must stand, so that the broker acknowledges for it while it is away.
    oracle.put()
    eventually(lambda: oracle.waiting() == 0, within_s=60)
    away.stop()
    port = broker.port
    for run in range(runs):
        receiver = rig.receiver(port, name=f"receiver-{run}") if run else None
        for _ in range(20):
            oracle.put()
            time.sleep(RATE_S)
        broker.kill()
        if receiver:
            receiver.stop()
        broker = rig.broker(port=port)
    rig.receiver(port)
    oracle.settle()
    return oracle.result("broker killed after PUBACK", runs)


def platform_away(rig: Rig, oracle: Oracle, runs: int) -> Result:
    """The broker keeps 10 messages for a platform that is away, and drops the others silently."""
    broker = rig.broker(extra="max_queued_messages 10")
    rig.uplinkd(broker.port)
    away = rig.receiver(broker.port)
    oracle.put()
    eventually(lambda: oracle.waiting() == 0, within_s=60)
    away.stop()
    for _ in range(60 * runs):
        oracle.put()
    time.sleep(3.0)
    early = oracle.outbox.status()["records"]["violation"].get("platform_ack", 0) - 1
    rig.receiver(broker.port)
    oracle.settle()
    told = oracle.result("platform away, queue of 10", runs, f"released meanwhile: {early}")
    return dataclasses.replace(told, false_releases=told.false_releases + early)


def link_flaps(rig: Rig, oracle: Oracle, runs: int) -> Result:
    """The link is cut every 3 s; there must be progress all the same."""
    broker = rig.broker()
    proxy = Proxy(("127.0.0.1", broker.port))
    rig.receiver(broker.port)
    rig.uplinkd(proxy.port)
    stuck = 0
    for _ in range(runs):
        before = oracle.waiting()
        for _ in range(10):
            oracle.put()
        end = time.monotonic() + 30.0
        while time.monotonic() < end:
            time.sleep(3.0)
            proxy.cut()
        stuck += oracle.waiting() >= before + 10
    oracle.settle()
    note = f"half minutes without progress: {stuck}, connects {proxy.accepted}"
    proxy.close()
    return oracle.result("link cut every 3 s", runs * 10, note)


def clip_cut(rig: Rig, oracle: Oracle, runs: int) -> Result:
    """A clip's upload is cut at random offsets: little is sent twice, and its hash fits."""
    broker = rig.broker()
    proxy = Proxy(("127.0.0.1", broker.port), faults=Faults(kbit_s=8000.0))
    rig.receiver(broker.port)
    rig.brisk_uplinkd(proxy.port)
    rng, cuts, over = random.Random(3), 0, 0
    while cuts < runs:
        before = proxy.bytes_up
        oracle.put(clip=CLIP_BYTES)
        while oracle.waiting() and cuts < runs:
            time.sleep(rng.uniform(0.6, 2.0))
            proxy.cut()
            cuts += 1
        eventually(lambda: oracle.waiting() == 0, within_s=120)
        over += max(0, proxy.bytes_up - before - CLIP_BYTES)
    oracle.settle()
    note = f"{over / runs / 1024:.0f} KiB sent again per cut"
    proxy.close()
    return oracle.result("clip cut at random offsets", runs, note)


def black_hole(rig: Rig, oracle: Oracle, runs: int) -> Result:
    """Packets vanish without a word; the link is cut after the deadline and heals."""
    broker = rig.broker()
    proxy = Proxy(("127.0.0.1", broker.port))
    rig.receiver(broker.port)
    path = rig.device_file(proxy.port)
    path.write_text(path.read_text().replace("tls: off}", "tls: off, ack_deadline_s: 3}"))
    rig.uplinkd_with(path)
    for _ in range(runs):
        oracle.put(pictures=1)
        eventually(lambda: oracle.waiting() == 0)
        proxy.faults.silent = True
        for _ in range(20):
            oracle.put()
        time.sleep(6.0)
        proxy.faults.silent = False
        proxy.cut()
        began = time.monotonic()
        eventually(lambda: oracle.waiting() == 0, within_s=60)
        oracle.recovered(time.monotonic() - began)
    proxy.close()
    broker_port = broker.port
    rig.uplinkd_with(rig.device_file(broker_port))
    oracle.settle()
    return oracle.result("black hole", runs)


# name -> (scenario, runs in the short form, runs in the long form)
SCENARIOS: dict[str, tuple[Scenario, int, int]] = {
    "kill_at_random": (kill_at_random, 4, 300),
    "kill_at_steps": (kill_at_steps, 1, 4),
    "broker_loses_all": (broker_loses_all, 2, 20),
    "platform_away": (platform_away, 1, 10),
    "link_flaps": (link_flaps, 1, 20),
    "clip_cut": (clip_cut, 5, 100),
    "black_hole": (black_hole, 1, 20),
    "power_cuts": (faults_disk.power_cuts, 40, 1500),
    "sync_errors": (faults_disk.sync_errors, 40, 500),
    "disk_full": (faults_disk.disk_full, 2, 10),
    "damaged_outbox": (faults_disk.damaged_outbox, 3, 30),
    "clock_steps": (faults_clock.clock_steps, 1, 20),
    **{name: (tested.scenario(name), 1, 1) for name in tested.TESTS},
}
SHORT = [name for name in SCENARIOS if name not in tested.TESTS]


def run_scenario(name: str, *, full: bool, runs: int | None = None) -> Result:
    """In a folder of its own that is removed afterwards. `runs` instead of the form's number."""
    scenario, short, long = SCENARIOS[name]
    runs = runs or (long if full else short)
    with tempfile.TemporaryDirectory(prefix="edge-faults-") as folder:
        rig = Rig(Path(folder))
        try:
            return scenario(rig, Oracle(rig, rig.outbox()), runs)
        except (NoCompiler, Skipped) as error:
            return Result(name, 0, 0, 0, 0, 0, 0.0, f"SKIPPED: {error}")
        finally:
            rig.close()


def line(result: Result) -> str:
    """A row of the table for people."""
    return (
        f"{result.test:28} {result.runs:5} {result.obligations:8} {result.missing:8}"
        f" {result.spurious:9} {result.false_releases:6} {result.worst_recovery_s:9.1f}"
        f"  {'ok  ' if result.ok else 'FAIL'} {result.note}"
    )


def main() -> int:
    """A line for each test; 1 where anything was lost, invented, freed early or too slow."""
    parser = argparse.ArgumentParser(prog="tools/faults", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--full", action="store_true", help="the long form of each")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=list(SCENARIOS),
        metavar="TEST",
        help="these: " + ", ".join(SCENARIOS),
    )
    parser.add_argument("--runs", type=int, help="so many of each, whatever the form")
    parser.add_argument("--fuzz", type=float, metavar="MINUTES", help="of each network parser")
    parser.add_argument("--json", action="store_true", help="a JSON line for each test")
    args = parser.parse_args()
    if args.fuzz is not None:
        return fuzz.run(args.fuzz)
    head = f"{'test':28} {'runs':>5} {'promised':>8} {'missing':>8} {'spurious':>9}"
    if not args.json:
        print(f"{head} {'false':>6} {'worst s':>9}")
    well = True
    for name in args.only or (SCENARIOS if args.full else SHORT):
        result = run_scenario(name, full=args.full, runs=args.runs)
        told = {**dataclasses.asdict(result), "ok": result.ok}
        print(json.dumps(told) if args.json else line(result), flush=True)
        well = well and result.ok
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
