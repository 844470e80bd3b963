# SPDX-License-Identifier: AGPL-3.0-or-later
"""Grills, smoke and fire, with people and without."""

from __future__ import annotations

from case import SHORT, Case, found, keeper, play, walker, zone
from stage import parked


def grilling_cases() -> dict[str, Case]:
    rule = [{"category": "outdoor-barbecue", **SHORT}]
    no_fire = [zone("no-grilling", "forbidden", when={"hours": ["11:00-02:00"]})]
    grill = parked("grill", 0.5, 0.78, 8, 130, size=(0.06, 0.08))
    puffs = [(t, 1.0 + 0.25 * ((t // 7) % 3)) for t in range(8, 132, 7)]
    smoke = parked("smoke", 0.5, 0.72, 10, 130, size=(0.1, 0.2), grows=puffs, score=0.5)
    people = [keeper(0, 150, x=0.56), keeper(0, 150, x=0.44)]
    here = [found(8, 130, 0.5, 0.78, "outdoor-barbecue")]
    return {
        "barbecue": Case(
            "grill, smoke and people where it is forbidden",
            rule,
            play([grill, smoke, *people], 170),
            here,
            no_fire,
        ),
        "barbecue-grill-hidden": Case(
            "customers hide the grill, its smoke stays: the same case",
            rule,
            play(
                [
                    parked("grill", 0.5, 0.78, 8, 130, size=(0.06, 0.08), unseen=[(20, 60)]),
                    smoke,
                    *people,
                ],
                170,
            ),
            here,
            no_fire,
        ),
        "barbecue-two-grills": Case(
            "one stand with two grills, side by side: one case",
            rule,
            play([grill, parked("grill", 0.6, 0.77, 20, 130, size=(0.06, 0.08)), *people], 170),
            here,
            no_fire,
        ),
        "barbecue-second-outlasts": Case(
            "the second grill of a stand goes on when the first has left",
            rule,
            play(
                [
                    parked("grill", 0.5, 0.78, 8, 80, size=(0.06, 0.08)),
                    parked("grill", 0.6, 0.77, 20, 150, size=(0.06, 0.08)),
                    *people,
                ],
                190,
            ),
            [
                found(8, 80, 0.5, 0.78, "outdoor-barbecue"),
                found(20, 150, 0.6, 0.77, "outdoor-barbecue"),
            ],
            no_fire,
        ),
        "barbecue-two-stands": Case(
            "two stands across the street: two cases",
            rule,
            play(
                [
                    grill,
                    parked("grill", 0.8, 0.78, 8, 130, size=(0.06, 0.08)),
                    keeper(0, 150, x=0.86),
                    *people,
                ],
                170,
            ),
            [*here, found(8, 130, 0.8, 0.78, "outdoor-barbecue")],
            no_fire,
        ),
        "barbecue-smoke-only": Case(
            "smoke that stays, with people standing by, the grill never seen",
            rule,
            play([smoke, *people], 170),
            [found(10, 130, 0.5, 0.72, "outdoor-barbecue")],
            no_fire,
        ),
        "barbecue-fire": Case(
            "open fire with people standing by",
            rule,
            play([parked("fire", 0.5, 0.78, 8, 130, size=(0.04, 0.06)), *people], 170),
            here,
            no_fire,
        ),
        "barbecue-allowed-hours": Case(
            "grilling in hours in which it is not forbidden",
            rule,
            play([grill, smoke, *people], 150),
            zones=[
                zone("no-grilling", "forbidden", when={"hours": ["22:00-08:00"]}),
            ],
        ),
        "cold-grill": Case(
            "a grill stored at the wall: nobody, no smoke",
            rule,
            play([grill, walker(50)], 150),
            zones=no_fire,
        ),
        "steamer": Case(
            "steam over a breakfast stall with customers: no grill, no flame",
            rule,
            play(
                [
                    parked("vendor_stall", 0.5, 0.78, 0, 150),
                    smoke,
                    *people,
                ],
                150,
            ),
            zones=no_fire,
        ),
        "exhaust": Case(
            "a car idles beside people, its exhaust is taken for smoke",
            rule,
            play(
                [
                    parked("car", 0.4, 0.8, 0, 150, size=(0.2, 0.16)),
                    parked("smoke", 0.52, 0.79, 8, 130, size=(0.06, 0.05), grows=puffs),
                    *people,
                ],
                150,
            ),
            zones=no_fire,
        ),
        "white-wall": Case(
            "a white patch is taken for smoke: it never flutters",
            rule,
            play([parked("smoke", 0.5, 0.72, 0, 150, size=(0.1, 0.2), wobble=0.001), *people], 150),
            zones=no_fire,
        ),
        "manhole-steam": Case(
            "steam from a manhole comes and goes, people only walk past",
            rule,
            play(
                [
                    parked(
                        "smoke",
                        0.5,
                        0.8,
                        0,
                        150,
                        size=(0.08, 0.15),
                        grows=puffs,
                        unseen=[(t, t + 6) for t in range(4, 150, 9)],
                    ),
                    walker(20),
                    walker(60),
                    walker(100),
                ],
                150,
            ),
            zones=no_fire,
        ),
    }
