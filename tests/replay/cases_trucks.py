# SPDX-License-Identifier: AGPL-3.0-or-later
"""Muck trucks on the road: spillage, loads, and what fell there before."""

from __future__ import annotations

from case import Case, heap, play, truck, walker, zone
from stage import Actor, parked


def truck_cases() -> dict[str, Case]:
    spill = [{"category": "road-spillage"}]
    lane = [zone("lane-1", "lane")]
    near = [("road-spillage", 13, 60, 0.5, 0.83, 0.1)]
    both = [{"category": "uncovered-load"}]
    watch = [zone("road", "watch")]
    return {
        "spill": Case(
            "a truck passes, matter lies on the lane after it",
            spill,
            play([truck(10, 8), heap(14.5, 60)], 100),
            near,
            lane,
            fps=5.0,
        ),
        "spill-id-switch": Case(
            "the truck changes its id on the way and leaves two heaps: one case",
            spill,
            play([truck(10, 8, switches=(12.4, 15.0)), heap(14.5, 60), heap(16, 60, x=0.7)], 100),
            [("road-spillage", 13, 60, 0.5, 0.83, 0.25)],
            lane,
            fps=5.0,
        ),
        "spill-behind-traffic": Case(
            "cars hide the heap again and again",
            spill,
            play(
                [
                    truck(10, 8),
                    heap(14.5, 90, unseen=[(18, 24), (30, 45)]),
                    *[truck(t, 4, "car") for t in (17, 29, 34, 39)],
                ],
                130,
            ),
            [("road-spillage", 13, 90, 0.5, 0.83, 0.1)],
            lane,
            fps=5.0,
        ),
        "old-heap": Case(
            "the heap lay there before the truck came",
            spill,
            play([heap(0, 60), truck(20, 8)], 70),
            zones=lane,
            fps=5.0,
        ),
        "old-heap-lost-and-found": Case(
            "an old heap, unseen for two minutes, is found again after a truck",
            spill,
            play([heap(0, 180, unseen=[(15, 135)]), truck(130, 8)], 200),
            zones=lane,
            fps=2.0,
        ),
        "litter": Case(
            "matter on the lane that no truck brought",
            spill,
            play([heap(20, 60), truck(10, 5, "car"), walker(18)], 80),
            zones=lane,
            fps=5.0,
        ),
        "heap-beside-truck": Case(
            "matter appears far from where the truck went",
            spill,
            play([truck(10, 8), heap(15, 60, y=0.55)], 80),
            zones=lane,
            fps=5.0,
        ),
        "white-parts": Case(
            "parts of the truck itself are taken for matter while it passes",
            spill,
            play(
                [
                    truck(10, 8),
                    Actor("spillage", [(10, 0.2, 0.83), (18, 0.95, 0.83)], size=(0.05, 0.04)),
                ],
                60,
            ),
            zones=lane,
            fps=5.0,
        ),
        "open-load": Case(
            "the classifier sees an open load on a passing truck",
            both,
            play([truck(10, 8, traits=(("open_loaded", 0.85),))], 60),
            [("uncovered-load", 10, 18, 0.4, 0.85, 0.4)],
            watch,
            fps=5.0,
        ),
        "covered-load": Case(
            "covered, but for one doubtful second",
            both,
            play(
                [
                    truck(10, 4, traits=(("open_loaded", 0.2),)),
                    truck(30, 6, traits=(("open_loaded", 0.55),)),
                ],
                60,
            ),
            zones=watch,
            fps=5.0,
        ),
        "open-load-parked": Case(
            "an empty open truck parks: no displacement",
            both,
            play(
                [
                    parked(
                        "muck_truck",
                        0.5,
                        0.85,
                        0,
                        60,
                        size=(0.22, 0.24),
                        traits=(("open_loaded", 0.9),),
                    )
                ],
                60,
            ),
            zones=watch,
            fps=2.0,
        ),
        "open-load-and-spill": Case(
            "one truck, two cases, the second names the first",
            [*both, *spill],
            play([truck(10, 8, traits=(("open_loaded", 0.9),)), heap(14.5, 60)], 100),
            [("uncovered-load", 10, 18, 0.4, 0.85, 0.4), *near],
            [zone("road", "watch"), zone("lane-1", "lane")],
            fps=5.0,
        ),
    }
