# SPDX-License-Identifier: AGPL-3.0-or-later
"""A day of made instruments with a fault every minute: what is found, what is invented.

    python -m tests.sensors.day_of_faults --hours 24

The bytes are real: an HJ 212 station (noise, TSP) and an SDS sensor write frames that the product's
own decoders, binding, screening and judges read, second by second, on a made clock. Every minute
something goes wrong (see FAULTS). The truth is known: works at night, a dusty afternoon. Prints one
line: violations found, missed and invented, values of judges that nobody sent, memory growth.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, field

from edge.sensors.binding import Binding
from edge.sensors.dust import DustJudge
from edge.sensors.frames import Stream
from edge.sensors.hj212 import Hj212Packet, encode, request_number, time_text
from edge.sensors.kinds import KINDS, Options
from edge.sensors.minutes import Minutes
from edge.sensors.noise import NoiseJudge
from edge.sensors.plausible import usable
from edge.sensors.screening import Screening
from edge.sensors.settings import DustPoint, Instrument, NoisePoint, Sensor, SensorSettings
from edge.values import Finding, Sample, Stamp
from tests.sensors.frames_of import MN
from tests.sensors.test_judges import CATEGORIES, LOCAL, wall

START = wall("2026-03-02 06:00")
HOUR = 3600
# (from hour, to hour) after the start: works from 23:00 to 01:30, dust from 14:00 to 15:10.
WORKS = (17.0, 19.5)
DUST = (8.0, 9.17)
# A case must be told at the latest so long after its beginning: two periods, and one lost.
TOLD_WITHIN_S = 3700.0


@dataclass(slots=True)
class World:
    """What is true, and what the station makes of it."""

    rng: random.Random
    backlog: list[bytes] = field(default_factory=list)
    sent: set[float] = field(default_factory=set)

    def level(self, t: int) -> float:
        working = WORKS[0] * HOUR <= t < WORKS[1] * HOUR
        night = not 0 <= (t / HOUR) % 24 < 16
        ground = 64.0 if working else 44.0 if night else 58.0
        return round(ground + self.rng.gauss(0.0, 1.5), 1)

    def dust(self, t: int) -> float:
        dusty = DUST[0] * HOUR <= t < DUST[1] * HOUR
        return round((2.4 if dusty else 0.12) * (1.0 + self.rng.gauss(0.0, 0.05)), 4)

    def frame(self, t: int, level: float, dust: float, flag: str = "N") -> bytes:
        at = START + t
        cp = (
            f"DataTime={time_text(at)};LA-Rtd={level:.1f},LA-Flag={flag};"
            f"a34001-Rtd={dust:.4f},a34001-Flag={flag}"
        )
        return encode(Hj212Packet(request_number(at), "39", "2011", MN, 4, cp))


Fault = Callable[[World, bytes, int], bytes]


def absent(world: World, frame: bytes, t: int) -> bytes:
    return world.frame(t, -9999.0, -9999.0)


def nines(world: World, frame: bytes, t: int) -> bytes:
    return world.frame(t, 9999.9, 9999.9)


def spike(world: World, frame: bytes, t: int) -> bytes:
    """Once in a minute: a value that could be, and is none."""
    return world.frame(t, 150.0, 900.0) if t % 60 == 30 else frame


def zeros(world: World, frame: bytes, t: int) -> bytes:
    return world.frame(t, 0.0, 0.0) if t % 3 == 0 else frame


def calibrating(world: World, frame: bytes, t: int) -> bytes:
    return world.frame(t, 94.0, 5.0, "C")


def silent(world: World, frame: bytes, t: int) -> bytes:
    return b"" if t % 60 < 20 else frame


def garbage(world: World, frame: bytes, t: int) -> bytes:
    at = world.rng.randrange(len(frame))
    return frame[:at] + world.rng.randbytes(5) + frame[at:] if t % 4 == 0 else frame


def cut(world: World, frame: bytes, t: int) -> bytes:
    return frame[: world.rng.randrange(len(frame))] if t % 4 == 0 else frame


def flipped(world: World, frame: bytes, t: int) -> bytes:
    at = world.rng.randrange(len(frame))
    changed = frame[:at] + bytes([frame[at] ^ world.rng.randrange(1, 256)]) + frame[at + 1 :]
    return changed if t % 4 == 0 else frame


def resent(world: World, frame: bytes, t: int) -> bytes:
    return frame * 3


def held_back(world: World, frame: bytes, t: int) -> bytes:
    """The link is away for twenty seconds, then all comes at once."""
    if t % 60 < 20:
        world.backlog.append(frame)
        return b""
    waiting, world.backlog = b"".join(world.backlog), []
    return waiting + frame


def stranger(world: World, frame: bytes, t: int) -> bytes:
    other = Hj212Packet(request_number(START + t), "39", "2011", "370215CG0000000000000099", 4,
                        f"DataTime={time_text(START + t)};LA-Rtd=99.0,LA-Flag=N")  # fmt: skip
    return frame + encode(other) if t % 2 else frame


FAULTS: tuple[Fault, ...] = (
    absent, nines, spike, zeros, calibrating, silent, garbage, cut, flipped, resent, held_back,
    stranger,
)  # fmt: skip


def fault_of(rng: random.Random, minute: int) -> Fault:
    """One a minute. Those that leave no value last a quarter of the minute, as a day has others."""
    return FAULTS[(minute * 7 + rng.randrange(len(FAULTS))) % len(FAULTS)]


class Day:
    """The chain of one box, without its threads and files."""

    def __init__(self, seed: int) -> None:
        self.world, self.rng = World(random.Random(seed)), random.Random(seed + 1)
        station = Sensor(
            id="station", kind="hj212", port="x", mn=MN,
            rename={"LA-Rtd": "LA", "a34001-Rtd": "tsp"}, units={"tsp": "mg/m3"},
        )  # fmt: skip
        settings = SensorSettings({"station": station}, {}, (), (), ())
        self.binding = Binding(station, settings)
        self.stream = Stream(KINDS["hj212"](Options()))
        self.screening, self.minutes = Screening(LOCAL, {}), Minutes()
        self.noise = NoiseJudge(
            NoisePoint(id="west", sensor="station"), CATEGORIES["construction-noise"], LOCAL,
            instrument=Instrument(), every_s=1.0,
        )  # fmt: skip
        point = DustPoint(id="gate", sensor="station", average_min=15, limit=1.0)
        self.dust = DustJudge(point, CATEGORIES["dust-level"], LOCAL, every_s=1.0)
        self.found: list[tuple[int, Finding]] = []
        self.wrong = 0

    def second(self, t: int) -> None:
        now = Stamp(10_000.0 + t, START + t, "ntp", 1.0)
        level, dust = self.world.level(t), self.world.dust(t)
        data = self.world.frame(t, level, dust)
        self.world.sent |= {level, dust}
        fault = fault_of(random.Random(t // 60), t // 60)
        # Faults that leave nothing last 15 s of the minute; the others all of it.
        if fault not in (absent, nines, calibrating) or t % 60 < 15:
            data = fault(self.world, data, t)
        samples = self.binding.samples(self.stream.feed(data), now)
        samples = self.screening.step(samples)
        self.wrong += sum(self._invented(s) for s in samples)
        self.minutes.step(samples, now)
        for judge in (self.noise, self.dust):
            self.found += [(t, finding) for finding in judge.step(samples, now)]

    def _invented(self, sample: Sample) -> bool:
        """A value taken as good that the world did not have. What is possible is not known to be
        false by itself: a spike, and air without dust."""
        known = sample.value in self.world.sent or sample.value in (150.0, 900.0, 0.0)
        return usable(sample) and not known


def told(day: Day) -> dict[str, int]:
    """Found, missed and invented cases of the two that there are."""
    hours = {"noise.over-limit": WORKS, "dust.over-limit": DUST}
    new = [(t, f.rule) for t, f in day.found if f.phase == "new"]
    right = [
        (t, rule)
        for t, rule in new
        if hours[rule][0] * HOUR <= t <= hours[rule][1] * HOUR + TOLD_WITHIN_S
    ]
    found = {rule for _, rule in right}
    ended = sum(f.phase == "end" for _, f in day.found)
    return {
        "found": len(found),
        "missed": len(hours) - len(found),
        "invented": len(new) - len(found),
        "ended": ended,
    }


def run(hours: float, seed: int = 5) -> dict[str, object]:
    """The whole day; memory is compared between its second hour and its end."""
    day = Day(seed)
    tracemalloc.start()
    early = 0
    for t in range(int(hours * HOUR)):
        if len(day.world.sent) > 100_000:
            raise RuntimeError("more values than a day has")
        day.second(t)
        if t == min(2 * HOUR, int(hours * HOUR) // 2):
            early = tracemalloc.get_traced_memory()[0]
    grown = tracemalloc.get_traced_memory()[0] - early
    tracemalloc.stop()
    totals = day.stream.totals
    return {
        "hours": hours,
        **told(day),
        "wrong_values": day.wrong,
        "good_frames": totals.good,
        "bad_frames": totals.bad,
        "repeats": day.binding.repeats,
        "strangers": day.binding.strangers,
        "grown_kb": round(grown / 1024),
        "unknown_periods": sum(t.verdict.result == "unknown" for t in day.noise.told),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--seed", type=int, default=5)
    args = parser.parse_args()
    found = run(args.hours, args.seed)
    print(json.dumps(found))
    return int(bool(found["missed"] or found["invented"] or found["wrong_values"]))


if __name__ == "__main__":
    sys.exit(main())
