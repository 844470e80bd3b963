# SPDX-License-Identifier: AGPL-3.0-or-later
"""A day of street sound that nothing was tuned on, for the false alarms of the loudspeaker test.

    nice -n 19 tools/python -m tools.bench.other_streets --hours 24 --out out/street-day.jsonl

Made in another way than `made_sound`: drops, pulses and partials laid out one by one, people who
call the same words again and again as people do (never twice alike), rings of bells, reversing
beepers, birds with a song. A row a window; a run that was broken off goes on. The last line counts.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.sensors.loudspeaker import LoopJudgement, LoopWatch
from edge.sensors.repetition import assess

RATE = 8000
WINDOW_S = 120.0
Wave = NDArray[np.float32]
Random = np.random.Generator


def tone(seconds: float, hz: Sequence[float], fade_s: float = 0.01) -> Wave:
    """A tone that goes through the given frequencies, faded at both ends."""
    n = max(2, round(seconds * RATE))
    path = np.interp(np.linspace(0, 1, n), np.linspace(0, 1, len(hz)), hz)
    wave = np.sin(2 * np.pi * np.cumsum(path) / RATE)
    edge = np.minimum(1.0, np.minimum(np.arange(n), np.arange(n)[::-1]) / (fade_s * RATE))
    return np.asarray(wave * edge, np.float32)


def laid(into: Wave, at_s: float, wave: Wave, gain: float) -> None:
    """Add a sound at a second, cut where the window ends."""
    start = round(at_s * RATE)
    part = wave[: max(0, len(into) - start)]
    into[start : start + len(part)] += gain * part


def glide(rng: Random, low: float, high: float, n: int) -> NDArray[np.float64]:
    """From one value to another, both at random."""
    first, last = rng.uniform(low, high, 2)
    return np.asarray(np.linspace(float(first), float(last), n), np.float64)


def syllable(rng: Random, pitch: float) -> Wave:
    """A vowel between two mouths: harmonics under two formants that glide."""
    seconds = float(rng.uniform(0.09, 0.3))
    n = round(seconds * RATE)
    f1 = glide(rng, 250, 850, n)
    f2 = glide(rng, 900, 2600, n)
    hz = (pitch * glide(rng, 0.9, 1.15, n)).astype(np.float32)
    phase = np.asarray(2 * np.pi * np.cumsum(hz, dtype=np.float64) / RATE, np.float32)
    f1, f2 = f1.astype(np.float32), f2.astype(np.float32)
    wave = np.zeros(n, np.float32)
    for k in range(1, int(3400 / pitch)):
        at = np.float32(k) * hz
        level = np.exp(-(((at - f1) / 160) ** 2)) + 0.5 * np.exp(-(((at - f2) / 220) ** 2))
        wave += (level + 0.01) * np.sin(k * phase)
    return np.asarray(wave * np.hanning(n) ** 0.5, np.float32)


def talk(rng: Random, into: Wave, gain: float) -> None:
    """One person: phrases of syllables, pauses between them."""
    pitch, at = float(rng.uniform(90, 260)), float(rng.uniform(0, 4))
    while at < WINDOW_S:
        for _ in range(int(rng.integers(3, 14))):
            wave = syllable(rng, pitch * float(rng.uniform(0.9, 1.1)))
            laid(into, at, wave, gain)
            at += len(wave) / RATE + float(rng.uniform(0.0, 0.08))
        at += float(rng.exponential(1.5))


def crowd(rng: Random) -> Wave:
    """A market: six to fourteen people at once."""
    into = np.zeros(round(WINDOW_S * RATE), np.float32)
    for _ in range(int(rng.integers(6, 15))):
        talk(rng, into, float(rng.uniform(0.2, 1.0)))
    return into


def caller(rng: Random) -> Wave:
    """A hawker without a machine: the same few words for minutes, each time a little otherwise."""
    into, pitch = np.zeros(round(WINDOW_S * RATE), np.float32), float(rng.uniform(120, 240))
    words = [syllable(rng, pitch) for _ in range(int(rng.integers(4, 12)))]
    at, rest = 0.0, float(rng.uniform(1.0, 5.0))
    while at < WINDOW_S:
        for word in words:
            stretch = float(rng.normal(1.0, 0.06))
            n = max(8, round(len(word) * stretch))
            again = np.interp(np.linspace(0, len(word) - 1, n), np.arange(len(word)), word)
            laid(into, at, np.asarray(again, np.float32), float(rng.uniform(0.7, 1.0)))
            at += n / RATE + float(rng.uniform(0.02, 0.1))
        at += rest * float(rng.normal(1.0, 0.15))
    return into


def rain(rng: Random) -> Wave:
    """Drops, one by one, on many surfaces; gusts make them more and fewer."""
    n = round(WINDOW_S * RATE)
    drops = rng.poisson(0.02 * np.interp(np.arange(n), np.linspace(0, n, 40), rng.gamma(2, 1, 40)))
    hits = (drops * rng.normal(0, 1, n)).astype(np.float32)
    ring = np.exp(-np.arange(60) / 12) * np.cos(np.arange(60) * 1.3)
    return np.asarray(np.convolve(hits, ring)[:n], np.float32)


def traffic(rng: Random) -> Wave:
    """Cars that come, pass and go: tyres as noise, engines as falling harmonics."""
    n = round(WINDOW_S * RATE)
    into, t = np.zeros(n), np.arange(n) / RATE
    for _ in range(int(rng.integers(8, 40))):
        when, width = rng.uniform(0, WINDOW_S), rng.uniform(0.8, 4.0)
        near = 1 / (1 + ((t - when) / width) ** 2)
        noise = np.convolve(rng.normal(0, 1, n), np.ones(4) / 4, mode="same")
        hz = rng.uniform(40, 130) * (1.03 - 0.06 / (1 + np.exp(-(t - when) / width)))
        phase = 2 * np.pi * np.cumsum(hz) / RATE
        engine = sum(np.sin(k * phase) / k for k in range(2, 9))
        into += rng.uniform(0.3, 1.0) * near * (noise + 0.4 * engine)
    return np.asarray(into, np.float32)


def bells(rng: Random) -> Wave:
    """Three to eight bells rung in changes, or one that strikes the hour."""
    into = np.zeros(round(WINDOW_S * RATE), np.float32)
    count = int(rng.choice([1, 3, 4, 6, 8]))
    strokes = [struck(rng, float(rng.uniform(280, 900))) for _ in range(count)]
    order, at, step = list(range(count)), 1.0, float(rng.uniform(0.25, 2.0))
    while at < WINDOW_S - 1:
        for one in order:
            laid(into, at, strokes[one], float(rng.uniform(0.8, 1.0)))
            at += step * float(rng.normal(1.0, 0.02))
        if count > 1 and rng.random() < 0.8:
            i = int(rng.integers(count - 1))
            order[i], order[i + 1] = order[i + 1], order[i]
    return into


def struck(rng: Random, hz: float) -> Wave:
    t = np.arange(round(2.5 * RATE)) / RATE
    parts = ((0.5, 0.5, 2.2), (1.0, 1.0, 1.8), (1.19, 0.8, 1.2), (1.5, 0.5, 0.9), (2.0, 0.7, 0.7))
    wave = sum(a * np.exp(-t / d) * np.sin(2 * np.pi * hz * r * t) for r, a, d in parts)
    return np.asarray(wave * rng.uniform(0.9, 1.1), np.float32)


def beeper(rng: Random) -> Wave:
    """A lorry that backs up now and then: on and off about once a second, never 3 s."""
    into, at = np.zeros(round(WINDOW_S * RATE), np.float32), float(rng.uniform(0, 20))
    hz, step = float(rng.uniform(900, 2800)), float(rng.uniform(0.6, 1.4))
    while at < WINDOW_S:
        for _ in range(int(rng.integers(6, 40))):
            laid(into, at, tone(step / 2, (hz, hz)), 1.0)
            at += step
        at += float(rng.uniform(3, 40))
    return into


def birds(rng: Random) -> Wave:
    """Several birds, each with a song of its own that it sings again, not to the hundredth."""
    into = np.zeros(round(WINDOW_S * RATE), np.float32)
    for _ in range(int(rng.integers(2, 7))):
        song = [
            (
                rng.uniform(1500, 3400, int(rng.integers(2, 5))).tolist(),
                float(rng.uniform(0.04, 0.2)),
            )
            for _ in range(int(rng.integers(3, 12)))
        ]
        at, gain = float(rng.uniform(0, 10)), float(rng.uniform(0.2, 1.0))
        while at < WINDOW_S:
            for hz, seconds in song[: int(rng.integers(2, len(song) + 1))]:
                laid(into, at, tone(seconds * float(rng.normal(1, 0.05)), hz), gain)
                at += seconds + float(rng.uniform(0.01, 0.08))
            at += float(rng.uniform(1.5, 9.0))
    return into


SOURCES: dict[str, Callable[[Random], Wave]] = {
    "crowd": crowd,
    "caller": caller,
    "rain": rain,
    "traffic": traffic,
    "bells": bells,
    "beeper": beeper,
    "birds": birds,
}


def window(number: int, seed: int) -> tuple[Wave, list[str]]:
    """One to three sounds at once, as loud as they come; the same for the same number."""
    rng = np.random.default_rng([seed, number])
    names = [str(n) for n in rng.choice(list(SOURCES), int(rng.integers(1, 4)), replace=False)]
    sound = np.zeros(round(WINDOW_S * RATE), np.float32)
    for name in names:
        wave = SOURCES[name](rng)
        sound += wave * float(rng.uniform(0.1, 1.0)) / (float(np.std(wave)) + 1e-9)
    sound += rng.normal(0, 0.02, len(sound)).astype(np.float32)
    return sound / float(np.abs(sound).max()), names


def main(argv: list[str] | None = None) -> int:
    """Judge windows of streets by the other generator; goes on where it ended before."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--seed", type=int, default=20261128)
    parser.add_argument("--out", type=Path, required=True, help="rows of windows; goes on")
    parser.add_argument("--again", action="store_true", help="judge what was called a loop anew")
    args = parser.parse_args(argv)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in args.out.open()] if args.out.exists() else []
    if args.again:
        rows = judged_again(rows, args.seed)
        args.out.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with args.out.open("a", encoding="utf-8") as out:
        for number in range(len(rows), round(args.hours * 3600 / WINDOW_S)):
            sound, names = window(number, args.seed)
            began = time.process_time()
            found = assess(sound, RATE)
            row = {"n": number, "sounds": names, "kind": found.kind}
            row |= {"period_s": round(found.period_s, 3), "score": round(found.score, 2)}
            row |= {"cpu_s": round(time.process_time() - began, 3)}
            out.write(json.dumps(row) + "\n")
            out.flush()
            rows.append(row)
    print(json.dumps(counted(rows)))
    return 0


def judged_again(rows: Sequence[dict[str, object]], seed: int) -> list[dict[str, object]]:
    """After a stricter test: only a window that was called a loop can change."""
    made = []
    for row in rows:
        if row["kind"] == "loop" and "before" not in row:
            found = assess(window(int(str(row["n"])), seed)[0], RATE)
            row = {**row, "kind": found.kind, "before": "loop"}
        made.append(row)
    return made


def counted(rows: Sequence[dict[str, object]]) -> dict[str, object]:
    """False loops, and the cases that the product would make of them."""
    watch = LoopWatch(LoopJudgement())
    cases = 0
    for n, row in enumerate(rows):
        kind, period_s = str(row["kind"]), float(str(row["period_s"]))
        cases += watch.step(kind == "loop", period_s, n * WINDOW_S) == "begin"
    return {
        "street_hours": round(len(rows) * WINDOW_S / 3600, 2),
        "windows": len(rows),
        "false_loops": sum(row["kind"] == "loop" for row in rows),
        "told_as_beat": sum(row["kind"] == "beat" for row in rows),
        "false_cases": cases,
        "cpu_share": round(float(np.mean([float(str(r["cpu_s"])) for r in rows])) / WINDOW_S, 5),
    }


if __name__ == "__main__":
    sys.exit(main())
