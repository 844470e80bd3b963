# SPDX-License-Identifier: AGPL-3.0-or-later
"""Clouds over sites, and the exhaust, fog and walls that are taken for them."""

from __future__ import annotations

from case import LEFT_HALF, NOON, Case, play, zone
from stage import Actor, parked

from edge.values import Sample, Stamp


def pm10(at: float, value: float) -> tuple[Sample, ...]:
    return (Sample("dust-1", "pm10", value, "ug/m3", "ok", Stamp(at, NOON + at, "recording")),)


def dust_cases() -> dict[str, Case]:
    rule = [{"category": "construction-dust", "dwell_s": 30, "confirm_s": 5}]
    site = [zone("site-7", "site")]
    grows = [(5, 0.6), (25, 1.2), (45, 1.5), (65, 1.1), (95, 1.6)]
    way = [(5, 0.45, 0.75), (95, 0.6, 0.72)]
    cloud = Actor("dust", way, size=(0.2, 0.2), grows=grows, score=0.5)
    here = [("construction-dust", 5, 95, 0.5, 0.74, 0.15)]
    still = parked("dust", 0.5, 0.75, 0, 120, size=(0.2, 0.15), wobble=0.002)
    return {
        "dust": Case(
            "a cloud grows and drifts over the site", rule, play([cloud], 140), here, site
        ),
        "dust-flickers": Case(
            "clouds are seen 70 % of the time, under changing ids",
            rule,
            play(
                [
                    Actor(
                        "dust",
                        way,
                        size=(0.2, 0.2),
                        grows=grows,
                        unseen=[(t, t + 2.7) for t in range(8, 95, 9)],
                    )
                ],
                140,
            ),
            here,
            site,
        ),
        "dust-with-sensor": Case(
            "a haze that hardly changes, but the sensor at the site supports it",
            rule,
            play(
                [parked("dust", 0.5, 0.75, 5, 95, size=(0.2, 0.15), wobble=0.002)],
                140,
                samples=lambda t: pm10(t, 480.0),
            ),
            [("construction-dust", 5, 95, 0.5, 0.75, 0.15)],
            site,
            fps=1.0,
        ),
        "sand-heap": Case(
            "a sand heap is taken for dust: it never moves",
            rule,
            play([still], 120),
            zones=site,
            fps=1.0,
        ),
        "dust-exhaust": Case(
            "an excavator idles, its exhaust is taken for dust",
            rule,
            play(
                [
                    parked("excavator", 0.4, 0.8, 0, 120, size=(0.2, 0.2)),
                    parked(
                        "dust",
                        0.52,
                        0.7,
                        5,
                        110,
                        size=(0.07, 0.08),
                        grows=[(t, 1.0 + 0.3 * (t % 2)) for t in range(5, 110, 5)],
                    ),
                ],
                120,
            ),
            zones=site,
            fps=1.0,
        ),
        "fog": Case(
            "fog over the whole picture",
            rule,
            play(
                [parked("dust", 0.5, 0.98, 0, 120, size=(0.95, 0.9), grows=[(0, 1.0), (120, 0.9)])],
                120,
            ),
            zones=site,
            fps=1.0,
        ),
        "dust-outside": Case(
            "a sweeper raises dust on the road beside the site",
            rule,
            play(
                [Actor("dust", [(5, 0.7, 0.8), (95, 0.8, 0.8)], size=(0.15, 0.15), grows=grows)],
                120,
            ),
            zones=[zone("site-7", "site", LEFT_HALF)],
            fps=1.0,
        ),
        "dust-puff": Case(
            "one load is tipped, the dust is gone after 20 s",
            rule,
            play(
                [Actor("dust", [(5, 0.45, 0.75), (25, 0.5, 0.7)], size=(0.2, 0.2), grows=grows)], 80
            ),
            zones=site,
        ),
    }
