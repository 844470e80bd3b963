# SPDX-License-Identifier: AGPL-3.0-or-later
"""How fast a model runs on this board: all its workers at once, as in the daemon."""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edge.values import Image
from edge.vision.model import Model


@dataclass(frozen=True, slots=True)
class MeasuredPace:
    """pictures_per_s of all workers together; cpu_ms of one picture; wall time of one call."""

    pictures_per_s: float
    cpu_ms: float
    p50_ms: float
    p95_ms: float


def measure(
    model: Model, image: Image, *, seconds: float, progress: Callable[[float], None]
) -> MeasuredPace:
    """Detect in the same picture with `model.workers` threads for so many seconds."""
    model.detect(image)
    taken: list[float] = []
    end_s = time.perf_counter() + seconds
    threads = [
        threading.Thread(target=_work, args=(model, image, end_s, taken))
        for _ in range(model.workers)
    ]
    cpu_s, start_s = _cpu_s(), time.perf_counter()
    for thread in threads:
        thread.start()
    while (left_s := end_s - time.perf_counter()) > 0:
        progress(1 - left_s / seconds)
        time.sleep(min(0.2, left_s))
    for thread in threads:
        thread.join()
    spent_s = time.perf_counter() - start_s
    progress(1.0)
    p50, p95 = np.percentile(taken, [50, 95])
    cpu_ms = (_cpu_s() - cpu_s) / len(taken) * 1000
    return MeasuredPace(len(taken) / spent_s, cpu_ms, float(p50) * 1000, float(p95) * 1000)


def _work(model: Model, image: Image, end_s: float, taken: list[float]) -> None:
    """At least one picture each; `list.append` is atomic, so the threads share the list."""
    while True:
        start_s = time.perf_counter()
        model.detect(image)
        now_s = time.perf_counter()
        taken.append(now_s - start_s)
        if now_s >= end_s:
            return


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
