# SPDX-License-Identifier: AGPL-3.0-or-later
"""How well a repeated loudspeaker is told from a street, on made sound.

    tools/python -m tools.bench.loudspeaker --loops 120 --hours 24

Loops of 3 to 45 s at --snr dB against each street, through rooms, clipping, G.711 and AAC 32k, two
minutes each: found with the right period, or missed. Then so many hours of streets without a loop,
two or three kinds of sound at once: every window called a loop is a false one. One line of JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable

import numpy as np

from edge.sensors.repetition import Repetition, assess
from tools.bench.made_sound import RATE, STREETS, Rng, Sound, aac, clipped, loop, mixed, mulaw, room

WINDOW_S = 120.0
SPOILS: tuple[Callable[[Sound], Sound], ...] = (np.asarray, clipped, mulaw, aac)


def loop_heard(n: int, snr_db: float, rng: Rng) -> tuple[bool, float]:
    """(found with its period, CPU seconds) of one made window."""
    period_s = float(rng.uniform(3.1, 44.5))
    names = list(STREETS)
    other = STREETS[names[n % len(names)]](WINDOW_S, rng)
    sound = room(mixed(loop(WINDOW_S, period_s, rng), other, snr_db), rng)
    found, cpu_s = timed(SPOILS[n // len(names) % len(SPOILS)](sound))
    rounds = found.period_s / period_s
    right = abs(found.period_s - period_s * max(1, round(rounds))) <= 0.1
    return found.kind == "loop" and right, cpu_s


def street(rng: Rng) -> Sound:
    """Two or three of the made sounds at once, at ratios as they come."""
    names = rng.choice(list(STREETS), size=int(rng.integers(2, 4)), replace=False)
    first, *others = (STREETS[str(name)](WINDOW_S, rng) for name in names)
    for other in others:
        first = mixed(first, other, float(rng.uniform(-10, 10)))
    return first


def timed(sound: Sound) -> tuple[Repetition, float]:
    began = time.process_time()
    found = assess(sound, RATE)
    return found, time.process_time() - began


def measure(loops: int, snr_db: float, hours: float, seed: int) -> dict[str, float]:
    """Shares and counts as they are printed."""
    rng = np.random.default_rng(seed)
    heard = [loop_heard(n, snr_db, rng) for n in range(loops)]
    windows = round(hours * 3600 / WINDOW_S)
    kinds = [timed(street(rng))[0].kind for _ in range(windows)]
    return {
        "loops": loops,
        "snr_db": snr_db,
        "found_share": round(sum(found for found, _ in heard) / max(1, loops), 4),
        "street_hours": hours,
        "false_loops": kinds.count("loop"),
        "told_as_beat": kinds.count("beat"),
        "cpu_s_of_two_minutes": round(float(np.median([cpu for _, cpu in heard])), 3),
    }


def main(argv: list[str] | None = None) -> int:
    """Measure and print one line of JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--loops", type=int, default=120)
    parser.add_argument("--snr", type=float, default=-3.0, metavar="DB")
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args(argv)
    print(json.dumps(measure(args.loops, args.snr, args.hours, args.seed)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
