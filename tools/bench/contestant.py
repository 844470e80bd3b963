# SPDX-License-Identifier: AGPL-3.0-or-later
"""One contestant in a process and virtual environment of its own, told what to do line by line.

Reads JSON lines: first the settings, then {"frames": n} for each round; answers each with one JSON
line. CPU time is this process's user and system time, so nobody pays for the others.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

# name -> (module, function): settings -> an endless iterator that yields boxes per frame.
LOOPS: dict[str, tuple[str, str]] = {
    "bare": ("tools.bench.loops", "bare"),
    "ours": ("tools.bench.loops", "ours"),
    "ours-pictures": ("tools.bench.loops", "ours_pictures"),
    "ultralytics-predict": ("tools.bench.peers", "ultralytics_predict"),
    "ultralytics-track": ("tools.bench.peers", "ultralytics_track"),
    "ultralytics-botsort": ("tools.bench.peers", "ultralytics_botsort"),
    "supervision": ("tools.bench.peers", "supervision"),
}


def main() -> None:
    """A contestant's process: settings on the first line of stdin, then rounds, one JSON each.
    Runs in the contestant's own environment, so it imports nothing of ours that it need not."""
    settings = json.loads(sys.stdin.readline())
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not mix with the answers
    try:
        loop = _loop(settings)
        next(loop)
    except ImportError as error:
        print(json.dumps({"error": f"{error}"}), file=out, flush=True)
        return
    print(json.dumps({"ready": True}), file=out, flush=True)
    for line in sys.stdin:
        answer = _round(loop, int(json.loads(line)["frames"]))
        print(json.dumps(answer), file=out, flush=True)


def _loop(settings: dict[str, Any]) -> Iterator[int]:
    import importlib

    module, function = LOOPS[settings["loop"]]
    make: Callable[[dict[str, Any]], Iterator[int]] = getattr(
        importlib.import_module(module), function
    )
    return make(settings)


def _round(loop: Iterator[int], frames: int) -> dict[str, Any]:
    cpu_s, wall_s, boxes = _cpu_s(), time.perf_counter(), 0
    for _ in range(frames):
        boxes += next(loop)
    return {
        "cpu_ms": (_cpu_s() - cpu_s) / frames * 1000,
        "wall_ms": (time.perf_counter() - wall_s) / frames * 1000,
        "boxes": boxes / frames,
        "peak_mb": peak_mb(),
    }


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def peak_mb() -> float:
    """Highest resident memory of this process so far (ru_maxrss would inherit the parent's)."""
    with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123
        for line in status:
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    return 0.0


if __name__ == "__main__":
    main()
