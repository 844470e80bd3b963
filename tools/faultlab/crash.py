# SPDX-License-Identifier: AGPL-3.0-or-later
"""edge-uplinkd that is killed (SIGKILL) at a named step. Nothing of this is in the product.

tools/python -m tools.faultlab.crash 'after publish' 3 --device device.yaml --site site.yaml
"""

from __future__ import annotations

import functools
import importlib
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from edge import runtime
from edge.daemons import uplinkd
from edge.uplink import link

# Step -> (module, class or "", function). Each can be cut before and after.
STEPS: dict[str, tuple[str, str, str]] = {
    "sealing": ("edge.uplink.sealer", "Sealer", "seal"),
    "envelope": ("edge.uplink.sealer", "Sealer", "_write_beside"),
    "claim": ("edge.outbox.dispatch", "Dispatch", "claim"),
    "mark": ("edge.outbox.dispatch", "Dispatch", "mark_passed"),
    "publish": ("edge.uplink.mqtt", "MqttConnection", "publish"),
    "puback": ("edge.uplink.in_flight", "InFlight", "answered"),
    "release": ("edge.outbox.dispatch", "Dispatch", "acknowledge"),
    "acks": ("edge.uplink.inbox", "Inbox", "_apply"),
    "broker ack": ("edge.uplink.mqtt", "MqttConnection", "acknowledge"),
    "chunk": ("edge.uplink.transfer", "Transfers", "_send_chunk"),
    "fin": ("edge.uplink.transfer", "Transfers", "_closed"),
    "have": ("edge.uplink.transfer", "Transfers", "answered"),
    "requeue": ("edge.outbox.dispatch", "Dispatch", "requeue"),
    "chain head": ("edge.uplink.chain_heads", "HeadsFile", "keep"),
}
MOMENTS = ("before", "after")


def arm(moment: str, step: str, count: int) -> None:
    """Replace the step by one that dies with its `count`-th call."""
    module_name, class_name, name = STEPS[step]
    module = importlib.import_module(module_name)
    owner = getattr(module, class_name) if class_name else module
    setattr(owner, name, _deadly(getattr(owner, name), moment, count))


def _deadly(work: Callable[..., Any], moment: str, count: int) -> Callable[..., Any]:
    calls = 0

    @functools.wraps(work)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        """Count the call, and die by SIGKILL before or after the one that is asked for."""
        nonlocal calls
        calls += 1
        if calls == count and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = work(*args, **kwargs)
        if calls == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    return wrapped


def main() -> int:
    """uplinkd that kills itself at a named step: `before put_row 3`, then its usual arguments."""
    moment, _, step = sys.argv[1].partition(" ")
    if moment == "brisk":
        link.BACKOFF_CAP_S = float(sys.argv[2])
    else:
        arm(moment, step, int(sys.argv[2]))
    options = dict(zip(sys.argv[3::2], sys.argv[4::2], strict=True))
    return runtime.run(
        lambda stop, notify: uplinkd.main(
            stop,
            notify,
            site_path=options["--site"],
            device_path=options["--device"],
            boot_spread_s=0.0,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
