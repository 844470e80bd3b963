# SPDX-License-Identifier: AGPL-3.0-or-later
"""A fleet that comes back from an outage of the whole cluster: tools/fleet's devices and bars.

    tools/python -m tools.clustered.outage                                   2,000, 10 to 14 minutes
    tools/python -m tools.clustered.outage --devices 300 --outage 60 --seconds 30     five minutes

All three brokers die at once and come back after five minutes; what waits drains into the database.
Devices count as back from the moment at which the first broker takes one.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from city_platform.store import Store
from tools.clustered.brokers import NODES
from tools.clustered.network import NoNetwork
from tools.clustered.platform import ClusterPlatform
from tools.clustered.run import OUT
from tools.faultlab.fleet import Fleet, counted, problems, table
from tools.system import roots
from tools.system.roots import SYSTEMS, NoRoot


class WholeCluster:
    """The cluster as one thing that goes away and comes back."""

    port = 1883

    def __init__(self, platform: ClusterPlatform) -> None:
        self._platform = platform
        self.host, self.key = platform.host, platform.key

    def down(self) -> None:
        for node in NODES:
            self._platform.brokers.kill_node(node)

    def up(self) -> None:
        """Returns once boxes can log in at one of them: from then on they do."""
        brokers = self._platform.brokers
        for node in NODES:
            brokers.start_node(node)
        self._platform.wait(lambda: any(brokers.up(node) for node in NODES), "a broker is back")

    def stored(self) -> dict[str, Any]:
        with closing(Store(self._platform.out, self._platform.databases.url)) as store:
            return counted(store.summary())


def arguments() -> argparse.Namespace:
    """The options of the outage."""
    parser = argparse.ArgumentParser(prog="tools.clustered.outage", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--devices", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=60.0, help="steady load before the outage")
    parser.add_argument("--outage", type=float, default=300.0, help="seconds without a broker")
    parser.add_argument("--every", type=float, default=100.0, help="seconds between records")
    parser.add_argument("--picture-bytes", type=int, default=20_000, help="with each tenth record")
    return parser.parse_args()


def main() -> int:
    """As tools/fleet; 2 where the cluster could not be had."""
    args = arguments()
    # What was started goes with this, also where somebody ends it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folder = Path(tempfile.mkdtemp(prefix="outage-", dir="/var/tmp"))
    folder.chmod(0o755)
    try:
        platform = ClusterPlatform(
            folder, roots.clustered(SYSTEMS[13]), receivers=2, memory_mb=1500, queue_most=50_000
        )
        try:
            platform.start()
            result = Fleet(args, folder, WholeCluster(platform)).run()
        finally:
            platform.close()
    except (NoNetwork, NoRoot) as error:
        print(f"outage: {error} (logs: {folder})", file=sys.stderr)
        return 2
    shown = {name: value for name, value in result.items() if name != "series"}
    print(table(result), file=sys.stderr)
    found = problems(result, outage_s=args.outage, strict=True)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "outage.json").write_text(json.dumps(shown) + "\n")
    print(json.dumps(shown))
    for line in found:
        print(f"outage: {line} (logs: {folder})", file=sys.stderr)
    if not found:
        shutil.rmtree(folder)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
