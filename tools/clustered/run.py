# SPDX-License-Identifier: AGPL-3.0-or-later
"""Boxes deliver to a platform of several machines, of which one after the other dies or is parted.

    tools/cluster                     200 boxes, 10,000 records, 200 files; each broker killed twice
                                      and one parted, the database's standby promoted twice, a
                                      receiver killed: some ten minutes
    tools/cluster --short             10 boxes, 500 records; one broker killed, one promotion
    tools/cluster --boxes 50 --records 2500 --files 50

Three nodes of RabbitMQ (MQTT 5, quorum queues), HAProxy before them, PostgreSQL with a standby that
has every commit, all from Debian 13's packages in network namespaces of their own; boxes with the
product's outbox and uplink; receivers of the reference platform. In the end every record that was
promised must be stored once and every file with its bytes. Needs root.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from edge.runtime import write_atomic
from tools.clustered.boxes import Account, Work
from tools.clustered.brokers import NODES
from tools.clustered.network import NoNetwork
from tools.clustered.platform import ClusterPlatform, log_line
from tools.faultlab.rig import Process
from tools.system import roots
from tools.system.roots import SYSTEMS, NoRoot

PROGRAMS = (
    "systemd-nspawn=systemd-container",
    "debootstrap=debootstrap",
    "ip=iproute2",
    "/usr/share/keyrings/debian-archive-keyring.gpg=debian-archive-keyring",
)
OUT = roots.ROOT / "out" / "cluster"
BOXES_EACH = 50
# Beside the time to put everything: for what comes after the last fault.
DRAIN_S = 60.0
WAIT_S = 240.0
DOWN_S = 10.0
PARTED_S = 40.0
BETWEEN_S = 4.0
FIRST_S = 5.0
# Over so long the records of one step are put: while it hurts, and after.
SPREAD_S = 25.0
# Boxes end by themselves after so long, whatever became of their trial.
MOST_S = 3600.0
# For their last accounts, when they gave up.
GRACE_S = 60.0
PROGRESS = "progress"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing done to the platform, with its healing. Returns how long the healing took."""

    name: str
    do: Callable[[ClusterPlatform], float]


@dataclass(frozen=True, slots=True)
class Hurt:
    """What is done to a broker, for how long (s), and how it is undone."""

    word: str
    held_s: float
    hurt: Callable[[ClusterPlatform, str], None]
    heal: Callable[[ClusterPlatform, str], None]


def _peers(node: str) -> list[str]:
    return [peer for peer in NODES if peer != node]


KILLED = Hurt(
    "killed",
    DOWN_S,
    lambda platform, node: platform.brokers.kill_node(node),
    lambda platform, node: platform.brokers.start_node(node),
)
PARTED = Hurt(
    "parted from the others",
    PARTED_S,
    lambda platform, node: platform.network.part(node, _peers(node)),
    lambda platform, node: platform.network.join(node, _peers(node)),
)
UNPLUGGED = Hurt(
    "unplugged",
    PARTED_S,
    lambda platform, node: platform.network.unplug(node),
    lambda platform, node: platform.network.plug(node),
)


def _step(node: str, how: Hurt) -> Step:
    """Timed is how long it takes, once it is undone, until boxes could log in at each of the three
    again (s)."""

    def do(platform: ClusterPlatform) -> float:
        """Do it, wait, undo it."""
        how.hurt(platform, node)
        time.sleep(how.held_s)
        began = time.monotonic()
        how.heal(platform, node)
        platform.wait(lambda: platform.brokers.all_up, f"{node} is back in the cluster")
        return time.monotonic() - began

    return Step(f"{node} {how.word}", do)


def _promoted(platform: ClusterPlatform) -> float:
    """The database's machine dies; later it comes back as the standby of the other."""
    took = platform.databases.fail_over()
    time.sleep(DOWN_S)
    platform.databases.follow()
    return took


def _receiver_killed(platform: ClusterPlatform) -> float:
    platform.kill_receiver(0)
    time.sleep(DOWN_S)
    platform.start_receiver(0)
    return 0.0


def _receivers_held(platform: ClusterPlatform) -> float:
    platform.hold_receivers(PARTED_S)
    return 0.0


HELD = Step("no receiver does anything, queues fill", _receivers_held)
PROMOTED = Step("database killed, standby promoted", _promoted)
RECEIVER = Step("a receiver killed", _receiver_killed)
SHORT = (_step("n2", KILLED), PROMOTED)
LONG = (
    *(_step(node, KILLED) for node in NODES),
    PROMOTED,
    RECEIVER,
    HELD,
    *(_step(node, KILLED) for node in NODES),
    PROMOTED,
    _step("n2", PARTED),
    _step("n3", UNPLUGGED),
)


class ClusterTrial:
    """One run in a folder."""

    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        self._args, self._folder = args, folder
        self._workers: list[Process] = []
        self._began = time.monotonic()

    def run(self) -> dict[str, Any]:
        """Start, hurt, heal, count. Raises NoNetwork, NoRoot."""
        root = roots.clustered(SYSTEMS[13])
        platform = ClusterPlatform(self._folder, root, receivers=self._args.receivers)
        try:
            platform.start()
            log_line("everything runs", self._began)
            return self._trial(platform)
        finally:
            for worker in self._workers:
                if worker.child.poll() is None:
                    worker.kill()
            platform.close()

    def _trial(self, platform: ClusterPlatform) -> dict[str, Any]:
        steps = SHORT if self._args.short else LONG
        start = time.monotonic() + FIRST_S
        self._start_boxes(platform, start, len(steps))
        time.sleep(FIRST_S)
        healed_after, calm = {}, start
        for turn, step in enumerate(steps, 1):
            self._begin(turn)
            log_line(step.name, self._began)
            time.sleep(BETWEEN_S)
            took = step.do(platform)
            healed_after[f"{turn}. {step.name}"] = round(took, 1)
            log_line(f"healed ({took:.1f} s)", self._began)
            calm = time.monotonic()
        self._begin(len(steps) + 1)
        accounts = self._accounts(calm + WAIT_S + GRACE_S)
        return self._result(platform, accounts, calm, healed_after)

    def _begin(self, turn: int) -> None:
        """Boxes put the part of this step from now on; after the last one they only drain."""
        write_atomic(self._folder / PROGRESS, str(turn).encode())

    def _start_boxes(self, platform: ClusterPlatform, start: float, steps: int) -> None:
        args = self._args
        for first in range(0, args.boxes, BOXES_EACH):
            number = min(BOXES_EACH, args.boxes - first)
            work = Work(
                first=first,
                count=number,
                folder=str(self._folder / "boxes"),
                host=platform.host,
                port=1883,
                key=str(platform.key),
                records=args.records // args.boxes,
                files=args.files // args.boxes,
                start=start,
                progress=str(self._folder / PROGRESS),
                steps=steps,
                spread_s=SPREAD_S,
                wait_s=WAIT_S,
                end=start + MOST_S,
            )
            argv = [sys.executable, "-m", "tools.clustered.boxes", json.dumps(asdict(work))]
            argv.append(str(self._folder / f"boxes-{first}.json"))
            self._workers.append(Process(argv, self._folder / f"boxes-{first}.log"))

    def _accounts(self, end: float) -> list[Account]:
        while time.monotonic() < end and any(w.child.poll() is None for w in self._workers):
            time.sleep(0.5)
        found = [
            msgspec.json.decode(path.read_bytes(), type=Account)
            for path in sorted(self._folder.glob("boxes-*.json"))
        ]
        if len(found) != len(self._workers):
            said = self._workers[0].log.read_text()[-1500:]
            raise NoNetwork(f"boxes gave no account: {said}")
        return found

    def _result(
        self,
        platform: ClusterPlatform,
        accounts: list[Account],
        calm: float,
        healed_after: dict[str, float],
    ) -> dict[str, Any]:
        """calm: since when nothing is broken; what was not put by then is put at once."""
        promised = {name: files for one in accounts for name, files in one.promised.items()}
        drained = max((_drained(one.waiting) for one in accounts), default=calm)
        faults: dict[str, int] = {}
        for kind, n in (pair for one in accounts for pair in one.faults.items()):
            faults[kind] = faults.get(kind, 0) + n
        return {
            "boxes": self._args.boxes,
            "promised": len(promised),
            **asdict(platform.stored(promised)),
            "left": sum(one.left for one in accounts),
            "given_up": sum(one.dead for one in accounts),
            "drained_s": round(max(0.0, drained - calm), 1),
            "steps": healed_after,
            "connects": sum(len(one.connects) for one in accounts),
            "waiting_most": max(n for one in accounts for _, n in one.waiting),
            "faults_of_boxes": faults,
            "took_s": round(time.monotonic() - self._began, 1),
        }


def _drained(waiting: list[tuple[float, int]]) -> float:
    """When nothing waited any more, and nothing did later."""
    return next((at for at, n in reversed(waiting) if n), 0.0) + 1.0


def problems(told: dict[str, Any]) -> Iterator[str]:
    """What does not hold, one line each."""
    zero = "missing", "doubled", "invented", "torn", "gaps", "breaks", "quarantined", "left"
    yield from (f"{name}: {told[name]}" for name in (*zero, "given_up") if told[name])
    if told["drained_s"] > DRAIN_S:
        yield f"drained {told['drained_s']} s after the healing, more than {DRAIN_S:.0f}"


def arguments() -> argparse.Namespace:
    """The options of tools/cluster, with the numbers of the small or the whole form."""
    parser = argparse.ArgumentParser(prog="tools/cluster", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--short", action="store_true", help="the small form")
    parser.add_argument("--boxes", type=int)
    parser.add_argument("--records", type=int)
    parser.add_argument("--files", type=int)
    parser.add_argument("--receivers", type=int, default=2)
    parser.add_argument("--keep", action="store_true", help="leave the folder with its logs")
    args = parser.parse_args()
    small = (10, 500, 10) if args.short else (200, 10_000, 200)
    for name, value in zip(("boxes", "records", "files"), small, strict=True):
        if getattr(args, name) is None:
            setattr(args, name, value)
    return args


def main() -> int:
    """0 where nothing was lost or doubled and all drained in time; 1 with a line for each problem;
    2 where it could not be tried."""
    args = arguments()
    # What was started goes with this, also where somebody ends it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    subprocess.run([str(roots.ROOT / "tools" / "packages"), *PROGRAMS], check=True)
    folder = Path(tempfile.mkdtemp(prefix="cluster-", dir="/var/tmp"))
    folder.chmod(0o755)
    try:
        told = ClusterTrial(args, folder).run()
    except (NoNetwork, NoRoot) as error:
        print(f"tools/cluster: {error} (logs: {folder})", file=sys.stderr)
        return 2
    found = list(problems(told))
    OUT.mkdir(parents=True, exist_ok=True)
    line = json.dumps(told)
    (OUT / ("short.json" if args.short else "cluster.json")).write_text(line + "\n")
    print(line)
    for problem in found:
        print(f"tools/cluster: {problem} (logs: {folder})", file=sys.stderr)
    if not found and not args.keep:
        shutil.rmtree(folder)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
