# SPDX-License-Identifier: AGPL-3.0-or-later
"""A meter that lies is found, and a quiet night that is true is left alone."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from edge.sensors import reasons
from edge.sensors.screening import Screening
from edge.values import Sample, Stamp
from tests.sensors.test_judges import LOCAL, wall

EVENING = wall("2026-03-01 19:00")


def street(rng: random.Random, t: float) -> float:
    """A street in tenths of a decibel: a ground that breathes, and cars."""
    car = rng.random() < 0.05
    return round(52.0 + rng.gauss(0.0, 1.2) + (rng.uniform(8, 18) if car else 0.0), 1)


def quiet(rng: random.Random, t: float) -> float:
    """A night near the floor of the meter, 30.0 dB: mostly the floor, now and then a tenth."""
    return max(30.0, round(30.0 + rng.gauss(-0.12, 0.1), 1))


def hum(rng: random.Random, t: float) -> float:
    """A transformer: steady to a tenth all night."""
    return round(41.0 + rng.choice((-0.1, 0.0, 0.0, 0.1)), 1)


def compressor(rng: random.Random, t: float) -> float:
    """Two levels, each with the spread of a real machine."""
    return round((62.0 if t % 1200 < 500 else 44.0) + rng.gauss(0.0, 0.35), 1)


def whole(rng: random.Random, t: float) -> float:
    """A meter that says whole decibels only."""
    return round(street(rng, t))


def stuck(rng: random.Random, t: float) -> float:
    return street(rng, t) if t < 1800 else 47.3


def covered(rng: random.Random, t: float) -> float:
    """Something is held over the microphone: a value lower than it has ever said."""
    return street(rng, t) if t < 1800 else 33.1


def replayed(rng: random.Random, t: float) -> float:
    """An old reading for eight minutes, then another."""
    return random.Random(int(t // 480)).choice((48.2, 51.7, 55.9, 60.4)) + 0.1 * (t // 480 % 3)


def ceiling(rng: random.Random, t: float) -> float:
    return min(street(rng, t) + 3.0, 62.4)


def told(signal: Callable[[random.Random, float], float], hours: float, *, unit: str = "dB"):
    """Names of the reasons, in the order in which they came up; '' where values were believed."""
    rng, screening = random.Random(7), Screening(LOCAL, {})
    found: list[str] = []
    for t in range(int(hours * 3600)):
        at = Stamp(1000.0 + t, EVENING + t, "ntp", 1.0)
        (sample,) = screening.step([Sample("m", "LA", signal(rng, float(t)), unit, "ok", at)])
        assert (sample.flag == "suspect") == bool(sample.why)
        if not found or sample.why != found[-1]:
            found.append(sample.why)
    return found


@pytest.mark.parametrize("signal", [street, quiet, hum, compressor, whole])
def test_true_signals_are_believed(signal):
    assert told(signal, 3.0) == [""]


@pytest.mark.parametrize(
    ("signal", "sign"),
    [(stuck, "constant"), (covered, "constant"), (replayed, "stepped"), (ceiling, "clipped")],
)
def test_made_faults_are_found_and_told_in_words(signal, sign):
    found = told(signal, 3.0)
    assert sign in found
    assert all(reasons.words(sign))


def test_a_fault_that_is_over_is_believed_again():
    def healed(rng, t):
        return stuck(rng, t) if t < 7200 else street(rng, t)

    assert told(healed, 3.0) == ["", "constant", ""]


class Nights:
    """Meters of one site, night after night, a value every ten seconds from one to five."""

    def __init__(self, *meters: str) -> None:
        self.screening, self.meters = Screening(LOCAL, {}), meters
        self.rng = random.Random(3)

    def go(self, nights: int, level: Callable[[str, int], float], *, spread: float = 2.5):
        for night in range(nights):
            weather = self.rng.gauss(0.0, spread)
            start = wall("2026-03-01 00:50") + 86_400.0 * night
            for n in range(1640):
                at = Stamp(start + 10.0 * n, start + 10.0 * n, "ntp", 1.0)
                self.screening.step([self._sample(m, night, level, weather, at)
                                     for m in self.meters])  # fmt: skip
        return self.screening.suspects()

    def _sample(self, meter, night, level, weather, at) -> Sample:
        value = level(meter, night) + weather + self.rng.gauss(0.0, 1.0)
        return Sample(meter, "LA", round(value, 1), "dB", "ok", at)


def test_a_meter_that_drifts_from_its_own_nights_is_found():
    found = Nights("a").go(12, lambda _, night: 40.0 + 0.8 * night, spread=0.6)
    assert found["a"][1] == "drift_nights"


def test_nights_of_all_weathers_are_no_drift():
    assert Nights("a").go(20, lambda _, night: 40.0) == {}
    season = Nights("a", "b").go(14, lambda _, night: 40.0 + 0.25 * night, spread=1.5)
    assert season == {}


def test_of_two_that_part_the_one_that_walks_is_found():
    nights = Nights("true", "false")
    found = nights.go(12, lambda m, night: 40.0 - (0.45 * night if m == "false" else 0.0))
    assert {name: sign for name, (_, sign, _) in found.items()} == {"false": "drift_neighbours"}
    again = Screening(LOCAL, {})
    again.restore(nights.screening.snapshot())
    assert again.snapshot() == nights.screening.snapshot()
    nights.screening.forget("false")
    assert nights.screening.suspects() == {}
