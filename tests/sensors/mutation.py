# SPDX-License-Identifier: AGPL-3.0-or-later
"""Damaged streams: what a decoder says about them must be what stood in the undamaged ones.

    python -m tests.sensors.mutation --frames 1000000

`--frames` is for each language. Each round takes five frames, damages the third (cut, duplicated,
interleaved with the fourth, garbage bytes in it, one byte changed) and feeds the stream in random
pieces. Wrong is a value taken as ok that no original frame holds; lost is an untouched frame, two
or more after the damage, whose values did not come out.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import Callable

from edge.sensors.frames import InstrumentValue, Stream
from edge.sensors.kinds import KINDS, Options
from tests.sensors.frames_of import KINDS_WITH_CHECK, random_frame

Damage = Callable[[bytes, bytes, random.Random], bytes]


def cut(frame: bytes, following: bytes, rng: random.Random) -> bytes:
    start, stop = sorted(rng.randrange(len(frame) + 1) for _ in range(2))
    return frame[:start] + frame[stop:] + following


def duplicate(frame: bytes, following: bytes, rng: random.Random) -> bytes:
    if rng.random() < 0.3:
        return frame + frame + following
    start, stop = sorted(rng.randrange(len(frame) + 1) for _ in range(2))
    return frame[:stop] + frame[start:] + following


def interleave(frame: bytes, following: bytes, rng: random.Random) -> bytes:
    a, b = rng.randrange(len(frame)), rng.randrange(len(following))
    return frame[:a] + following[:b] + frame[a:] + following[b:]


def garbage(frame: bytes, following: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(frame) + 1)
    return frame[:at] + rng.randbytes(rng.randrange(1, 12)) + frame[at:] + following


def flip(frame: bytes, following: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(frame))
    return frame[:at] + bytes([frame[at] ^ rng.randrange(1, 256)]) + frame[at + 1 :] + following


def splice(frame: bytes, following: bytes, rng: random.Random) -> bytes:
    """The end of one frame and the head of the next are lost: may fit together by chance."""
    return frame[: rng.randrange(len(frame))] + following[rng.randrange(len(following)) :]


DAMAGES: tuple[Damage, ...] = (cut, duplicate, interleave, garbage, flip)


def overwrite(frame: bytes, following: bytes, rng: random.Random) -> bytes:
    """Several bytes changed: what short checks cannot catch for sure; measured apart."""
    at, size = rng.randrange(len(frame)), rng.randrange(2, 9)
    return (frame[:at] + rng.randbytes(size) + frame[at + size :])[: len(frame)] + following


def values(kind: str, data: bytes, rng: random.Random | None = None) -> list[tuple[str, object]]:
    """(channel, value) of all readings, the data fed whole or in random pieces."""
    stream = Stream(KINDS[kind](Options()))
    readings: list[InstrumentValue] = []
    at = 0
    while at < len(data):
        size = rng.randrange(1, 400) if rng else len(data)
        readings += stream.feed(data[at : at + size])
        at += size
    readings += stream.feed(b"", final=True)
    # Without its request an answer has no register numbers: judge the value by its place.
    return [(_plain(r.channel), r.value) for r in readings if r.flag == "ok"]


def _plain(channel: str) -> str:
    return "register" if channel.startswith(("0x", "+")) else channel


Known = tuple[bytes, frozenset[tuple[str, object]]]


def pool(kind: str, size: int, rng: random.Random) -> list[Known]:
    """Random valid frames with what is true about each."""
    frames = [random_frame(kind, rng) for _ in range(size)]
    return [(frame, frozenset(values(kind, frame))) for frame in frames]


def round_of(kind: str, known: list[Known], damage: Damage, rng: random.Random) -> tuple[int, int]:
    """(wrong values, untouched frames lost) of one damaged stream."""
    chosen = rng.choices(known, k=6)
    frames = [frame for frame, _ in chosen]
    stream = frames[0] + frames[1] + damage(frames[2], frames[3], rng) + frames[4] + frames[5]
    told = values(kind, stream, rng)
    true = frozenset().union(*(pairs for _, pairs in chosen))
    wrong = sum(pair not in true for pair in told)
    # The frame right after the damage may go with it, no later one.
    lost = sum(not chosen[i][1] <= set(told) for i in (0, 1, 5))
    return wrong, lost


def measure(
    rounds: int,
    seed: int,
    damages: tuple[Damage, ...] = DAMAGES,
    *,
    pool_size: int = 2000,
    kinds: tuple[str, ...] = KINDS_WITH_CHECK,
) -> dict[str, Counter]:
    rng = random.Random(seed)
    found = {kind: Counter() for kind in kinds}
    pools = {kind: pool(kind, min(pool_size, rounds), rng) for kind in kinds}
    for n in range(rounds):
        kind = kinds[n % len(kinds)]
        damage = damages[n // len(kinds) % len(damages)]
        wrong, lost = round_of(kind, pools[kind], damage, rng)
        found[kind].update(streams=1, wrong=wrong, lost=lost)
        if wrong:
            found[kind][f"wrong by {damage.__name__}"] += 1
        if n % 1000 == 0 and sys.stderr.isatty():
            print(f"\r{n}/{rounds}", end="", file=sys.stderr)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=10_000, help="damaged frames a language")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--weak", action="store_true", help="what short checks cannot catch")
    parser.add_argument("--kind", choices=KINDS_WITH_CHECK, action="append", help="all of them")
    args = parser.parse_args()
    damages = (overwrite, splice) if args.weak else DAMAGES
    kinds = tuple(args.kind or KINDS_WITH_CHECK)
    rounds = args.frames * len(kinds)
    for kind, counts in measure(rounds, args.seed, damages, kinds=kinds).items():
        print(json.dumps({"kind": kind, **counts}))


if __name__ == "__main__":
    main()
