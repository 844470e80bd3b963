# SPDX-License-Identifier: AGPL-3.0-or-later
"""Trackers side by side: cost and identity quality on made streets with known truth.

VENV=bench tools/python -m tools.bench.tracking [--quick] [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import replace
from typing import Any

import numpy as np

from tools.bench.crowds import Crowd, Instant, play
from tools.bench.identity import Identity, Picture, score
from tools.bench.trackers import TRACKERS, Update

CASES: dict[str, Crowd] = {
    "2 pictures/s": Crowd(fps=2),
    "5 pictures/s": Crowd(fps=5),
    "10 pictures/s": Crowd(fps=10),
    "25 pictures/s": Crowd(fps=25, seconds=20),
    "5, irregular": Crowd(fps=5, jitter=1.0),
    "5, poor detector": Crowd(fps=5, miss=0.2, noise=0.06, false_per_s=1.0),
    "5, dense": Crowd(fps=5, walkers=35, carts=6, seconds=25),
    "10, dense": Crowd(fps=10, walkers=35, carts=6, seconds=25),
}
PEER = "trackers-bytetrack"


def main() -> None:
    """IDF1 and switches of each tracker on made crowds, and the cost of an update in µs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    report = compare(seeds=1 if args.quick else 4, share=0.3 if args.quick else 1.0)
    if args.json:
        print(json.dumps(report))
        return
    for case, rows in report["identity"].items():
        for name, row in rows.items():
            print(f"{case:18} {name:26} IDF1 {row['idf1']:.3f}  switches {row['switches']:5d}")
    for boxes, rows in report["cost_us"].items():
        print(f"{boxes} boxes:", ", ".join(f"{name} {us:.0f} us" for name, us in rows.items()))


def compare(*, seeds: int, share: float) -> dict[str, dict[str, Any]]:
    """{"identity": {case: {tracker: measures}}, "cost_us": {boxes: {tracker: us}}, "cost_ratio"}"""
    identity: dict[str, dict[str, object]] = {}
    for case, crowd in CASES.items():
        some = replace(crowd, seconds=crowd.seconds * share)
        streets = [play(some, seed) for seed in range(seeds)]
        identity[case] = {
            name: _summary([_followed(make(some.fps), street) for street in streets])
            for name, make in TRACKERS.items()
        }
    cost = {str(boxes): _cost(boxes, rounds=5 if share < 1 else 9) for boxes in (27, 81)}
    return {
        "identity": identity,
        "cost_us": {boxes: rows["us"] for boxes, rows in cost.items()},
        "cost_ratio": {boxes: rows["ratio"] for boxes, rows in cost.items()},
    }


def _followed(update: Update, street: list[Instant]) -> Identity:
    pictures = []
    for instant in street:
        ids, boxes = update(instant)
        pictures.append(Picture(instant.ids, instant.truth, ids, boxes))
    return score(pictures)


def _summary(results: list[Identity]) -> dict[str, float]:
    return {
        "idf1": float(np.mean([one.idf1 for one in results])),
        "mota": float(np.mean([one.mota for one in results])),
        "switches": sum(one.switches for one in results),
    }


def _cost(boxes: int, *, rounds: int) -> dict[str, dict[str, float]]:
    """CPU microseconds for one picture, and the paired ratio to the peer, rounds interleaved."""
    walkers = round(boxes * 0.85)
    crowd = Crowd(fps=10, walkers=walkers * 2, carts=boxes // 4, cars=boxes // 9, seconds=8)
    street = [_limited(instant, boxes) for instant in play(crowd, 99)]
    times: dict[str, list[float]] = {name: [] for name in TRACKERS}
    for _ in range(rounds):
        for name, make in TRACKERS.items():
            update = make(crowd.fps)
            start_s = time.process_time()
            for instant in street:
                update(instant)
            times[name].append((time.process_time() - start_s) / len(street) * 1e6)
    pairs = {
        name: statistics.median(a / b for a, b in zip(times[name], times[PEER], strict=True))
        for name in times
    }
    return {"us": {name: statistics.median(all_) for name, all_ in times.items()}, "ratio": pairs}


def _limited(instant: Instant, boxes: int) -> Instant:
    """The same number of boxes in every picture, the best ones."""
    best = np.argsort(-instant.scores)[:boxes]
    return replace(
        instant,
        boxes=instant.boxes[best],
        scores=instant.scores[best],
        labels=instant.labels[best],
    )


if __name__ == "__main__":
    main()
