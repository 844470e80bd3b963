# SPDX-License-Identifier: AGPL-3.0-or-later
"""Writes the recorded cases: `python tests/replay/generate.py`. Seeds are fixed; nothing is drawn
from the clock, so a second run writes the same bytes. Golden events come from
`edge replay --all --update`, truth from the tables here, by hand.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent))

from stage import Actor, Stage, parked

from edge.rules.recording import header_row, scene_row
from edge.values import Sample, Stamp

HERE = Path(__file__).resolve().parent
GROUND = [[0.03, 0.4], [0.97, 0.4], [0.97, 0.99], [0.03, 0.99]]
LEFT_HALF = [[0.03, 0.4], [0.5, 0.4], [0.5, 0.99], [0.03, 0.99]]
NOON = 1_767_240_000.0  # 2026-01-01 12:00 in Shanghai, a Thursday and a holiday
SHORT = {"dwell_s": 40, "confirm_s": 10}


@dataclass
class Case:
    """One folder. `truth`: (category, start, end, x, y, radius)."""

    about: str
    rules: list[dict]
    stage: Stage
    truth: list[tuple] = field(default_factory=list)
    zones: list[dict] = field(default_factory=lambda: [zone("pavement", "watch")])
    fps: float = 2.0
    categories: list[dict] = field(default_factory=list)


def zone(name: str, kind: str, polygon: list | None = None, **more: object) -> dict:
    return {"id": name, "kind": kind, "polygon": polygon or GROUND, **more}


def vendor(**more: object) -> list[dict]:
    return [{"category": "street-vendor", **SHORT, **more}]


def stall(start: float, end: float, *, x: float = 0.5, y: float = 0.75, **more: object) -> Actor:
    return parked("vendor_stall", x, y, start, end, **more)


def keeper(start: float, end: float, *, x: float = 0.57, y: float = 0.74) -> Actor:
    return parked("person", x, y, start, end, size=(0.04, 0.18))


def walker(start: float, *, seconds: float = 14.0, y: float = 0.82) -> Actor:
    return Actor("person", [(start, 0.05, y), (start + seconds, 0.95, y)], size=(0.06, 0.3))


def truck(start: float, seconds: float, label: str = "muck_truck", **more: object) -> Actor:
    """Drives through from left to right along the lane."""
    way = [(start, 0.12, 0.85), (start + seconds, 0.9, 0.85)]
    return Actor(label, way, size=(0.22, 0.24), **more)


def heap(start: float, end: float, *, x: float = 0.5, y: float = 0.83, **more: object) -> Actor:
    return parked("spillage", x, y, start, end, size=(0.06, 0.03), **{"score": 0.6, **more})


def play(actors: list[Actor], length: float, **more: object) -> Stage:
    return Stage(actors, length, **{"start_wall": NOON, **more})


def found(start: float, end: float, x: float = 0.5, y: float = 0.75, name: str = "street-vendor"):
    return (name, start, end, x, y, 0.06)


def occupation_cases() -> dict[str, Case]:
    on, off = keeper(0, 150), [found(8, 120)]
    return {
        "vendor-stays": Case(
            "a stall with its keeper stays for four minutes and a half: one case, shipped limits",
            [{"category": "street-vendor"}],
            play([stall(8, 280), keeper(8, 280)], 330),
            [found(8, 280)],
            fps=1.0,
        ),
        "vendor-id-switches": Case(
            "the tracker gives the stall six ids",
            vendor(),
            play([stall(8, 120, switches=(15, 22, 31, 44, 60)), on], 160),
            off,
        ),
        "vendor-gap": Case(
            "the detector loses the stall for 20 s",
            vendor(),
            play([stall(8, 120, unseen=[(25, 45)]), on], 160),
            off,
        ),
        "vendor-bus": Case(
            "a bus stands in front of the stall for a minute",
            vendor(),
            play(
                [
                    stall(8, 160, unseen=[(30, 90)]),
                    keeper(0, 160),
                    parked("bus", 0.5, 0.95, 30, 90, size=(0.6, 0.55)),
                ],
                200,
            ),
            [found(8, 160)],
        ),
        "vendor-passers-by": Case(
            "people walk past in front all the time, each hides the stall for two seconds",
            vendor(),
            play(
                [
                    stall(8, 120, unseen=[(t + 6, t + 8) for t in range(12, 112, 12)]),
                    on,
                    *[walker(t) for t in range(12, 112, 12)],
                ],
                160,
            ),
            off,
        ),
        "vendor-moves-on": Case(
            "a cart stops four times, never for as long as it may not",
            vendor(),
            play(
                [
                    Actor(
                        "vendor_stall",
                        [
                            (5, 0.1, 0.7),
                            (40, 0.1, 0.7),
                            (50, 0.35, 0.7),
                            (85, 0.35, 0.7),
                            (95, 0.6, 0.7),
                            (130, 0.6, 0.7),
                            (140, 0.85, 0.7),
                            (172, 0.85, 0.7),
                        ],
                    ),
                    keeper(0, 180),
                ],
                200,
            ),
        ),
        "cart-on-the-move": Case(
            "a cart is pushed slowly through the whole picture",
            vendor(),
            play([Actor("vendor_stall", [(5, 0.08, 0.7), (140, 0.92, 0.72)]), walker(20)], 150),
        ),
        "vendor-abandoned": Case(
            "a cart stands there all day, nobody near it",
            vendor(),
            play([stall(0, 150), walker(40), walker(90)], 150),
        ),
        "vendor-permitted": Case(
            "a stall inside a permitted zone in its hours",
            vendor(),
            play([stall(8, 140, x=0.3), keeper(0, 150, x=0.37)], 150),
            zones=[
                zone("pavement", "watch"),
                zone("market", "permitted", LEFT_HALF, when={"hours": ["06:00-18:00"]}),
            ],
        ),
        "vendor-permit-ends": Case(
            "the morning market closes at 12:01, the stall stays: its clock starts then",
            vendor(),
            play([stall(0, 150, x=0.3), keeper(0, 150, x=0.37)], 180),
            [found(60, 150, 0.3)],
            zones=[
                zone("pavement", "watch"),
                zone("market", "permitted", LEFT_HALF, when={"hours": ["06:00-12:01"]}),
            ],
        ),
        "vendor-forbidden-in-permitted": Case(
            "a school gate lies inside the permitted zone: prohibition wins",
            vendor(),
            play([stall(8, 120), on], 160),
            off,
            zones=[
                zone("pavement", "watch"),
                zone("market", "permitted"),
                zone("school", "forbidden", when={"hours": ["11:00-14:00"]}),
            ],
        ),
        "vendor-row": Case(
            "three stalls side by side are three cases",
            vendor(),
            play(
                [stall(8, 120, x=x) for x in (0.3, 0.42, 0.54)]
                + [keeper(0, 150, x=x + 0.05) for x in (0.3, 0.42, 0.54)],
                160,
            ),
            [found(8, 120, x) for x in (0.3, 0.42, 0.54)],
        ),
        "vendor-replaced": Case(
            "one cart leaves, another that looks otherwise comes at once: two clocks, neither full",
            vendor(),
            play(
                [stall(5, 42, look=(1.0, 0.0, 0.0)), stall(44, 80, look=(0.0, 0.6, 0.8)), on], 120
            ),
        ),
        "vendor-drives-away": Case(
            "a cart drives away, another takes its place a little later",
            vendor(),
            play(
                [
                    Actor(
                        "vendor_stall",
                        [(5, 0.5, 0.75), (40, 0.5, 0.75), (52, 0.93, 0.75), (75, 0.93, 0.75)],
                    ),
                    stall(62, 98),
                    on,
                ],
                130,
            ),
        ),
        "vendor-returns": Case(
            "gone for five minutes, then back at the same place: a second offence",
            vendor(),
            play([stall(8, 90), stall(400, 490), keeper(0, 520)], 530),
            [found(8, 90), found(400, 490)],
            fps=1.0,
        ),
        "vendor-sparse": Case(
            "a picture every two and a half seconds",
            vendor(),
            play([stall(8, 120, unseen=[(40, 60)]), on], 160),
            off,
            fps=0.4,
        ),
        "vendor-doubtful": Case(
            "something is taken for a stall all day, but never surely",
            vendor(),
            play([stall(0, 150, score=0.42), on], 150),
            fps=1.0,
        ),
        "vendor-night": Case(
            "at night the detector is weak and loses the stall a third of the time",
            vendor(),
            play(
                [stall(8, 130, score=0.52, unseen=[(t, t + 1.5) for t in range(10, 130, 5)]), on],
                170,
                start_wall=NOON + 11 * 3600,
            ),
            [found(8, 130)],
        ),
        "vendor-shaking-camera": Case(
            "wind shakes the pole",
            vendor(),
            play([stall(8, 120), on], 160, shake=0.008),
            off,
        ),
        "vendor-clock-step": Case(
            "the wall clock is set back by an hour in the middle of the stay",
            vendor(),
            play([stall(8, 120), on], 160, steps=[(30, -3600.0)]),
            off,
        ),
        "vendor-camera-blind": Case(
            "the stream breaks off for a minute; the stall stands there before and after",
            vendor(),
            play([stall(8, 200), keeper(0, 220)], 240, blind=[(30, 90)]),
            [found(8, 200)],
        ),
        "vendor-detector-gaps": Case(
            "the detector finds nothing at all for 20 s, twice",
            vendor(),
            play([stall(8, 160), keeper(0, 180)], 200, dark=[(20, 40), (60, 80)]),
            [found(8, 160)],
        ),
        "vendor-outside": Case(
            "a stall on private ground, its awning over the pavement but not its feet",
            vendor(),
            play([stall(8, 140, y=0.45, size=(0.14, 0.2)), keeper(0, 150, y=0.44)], 150),
            zones=[
                zone("pavement", "watch", [[0.03, 0.5], [0.97, 0.5], [0.97, 0.99], [0.03, 0.99]])
            ],
        ),
        "shop-spills-out": Case(
            "a shop puts a stand beyond its frontage; street vending keeps out of that ground",
            [{"category": "shop-spill", **SHORT}, *vendor()],
            play([stall(8, 120, x=0.25), keeper(0, 150, x=0.3)], 160),
            [found(8, 120, 0.25, name="shop-spill")],
            zones=[zone("pavement", "watch"), zone("frontage-12", "frontage", LEFT_HALF)],
        ),
        "shop-inside": Case(
            "a stand behind the frontage line",
            [{"category": "shop-spill", **SHORT}],
            play([stall(8, 120, y=0.52), keeper(0, 150)], 160),
            zones=[
                zone(
                    "frontage-12",
                    "frontage",
                    [[0.03, 0.6], [0.97, 0.6], [0.97, 0.99], [0.03, 0.99]],
                )
            ],
        ),
        "goods-piled": Case(
            "a pile of goods on the pavement, nobody near it",
            [{"category": "piled-goods", **SHORT}],
            play([parked("garbage", 0.4, 0.8, 8, 130, size=(0.1, 0.08)), walker(30)], 200),
            [found(8, 130, 0.4, 0.8, "piled-goods")],
        ),
        "parking-on-sidewalk": Case(
            "the category that the readme adds in a few lines: a car on the sidewalk",
            [{"category": "sidewalk-parking", **SHORT}],
            play(
                [
                    parked("car", 0.4, 0.8, 8, 120, size=(0.2, 0.16)),
                    Actor("car", [(20, 0.1, 0.95), (30, 0.9, 0.95)], size=(0.2, 0.16)),
                ],
                160,
            ),
            [found(8, 120, 0.4, 0.8, "sidewalk-parking")],
            zones=[
                zone("sidewalk", "watch", [[0.03, 0.5], [0.97, 0.5], [0.97, 0.88], [0.03, 0.88]])
            ],
            categories=[
                {
                    "id": "sidewalk-parking",
                    "kind": "occupation",
                    "codes": {"gb": "0505"},
                    "zh": "人行道违规停车",
                    "en": "parking on the sidewalk",
                    "classes": ["car"],
                    "dwell_s": 300,
                    "gap_s": 30,
                }
            ],
        ),
        "vendor-reminded-and-gone": Case(
            "reminded by loudspeaker, the vendor leaves: settled on the spot, told as a lead",
            vendor(set={"remind": "speaker", "grace_s": 60}),
            play([stall(8, 90), keeper(0, 90)], 140),
            [found(8, 90)],
        ),
        "vendor-reminded-and-stays": Case(
            "reminded, still there after the grace: reported",
            vendor(set={"remind": "speaker", "grace_s": 30}),
            play([stall(8, 140), keeper(0, 150)], 190),
            [found(8, 140)],
        ),
    }


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


def site_cases() -> dict[str, Case]:
    dumping = [{"category": "dumping"}]
    waste = [zone("waste-land", "watch")]
    stands = [(5, 0.2, 0.85), (12, 0.5, 0.85), (90, 0.5, 0.85), (98, 0.9, 0.85)]
    size = (0.22, 0.24)
    raised = [(0, 1.0), (98, 1.0)]
    gate = [
        zone("site", "site", [[0.03, 0.4], [0.35, 0.4], [0.35, 0.99], [0.03, 0.99]]),
        zone("wash", "wash", [[0.36, 0.4], [0.64, 0.4], [0.64, 0.99], [0.36, 0.99]]),
        zone("gate", "gate", [[0.66, 0.4], [0.98, 0.4], [0.98, 0.99], [0.66, 0.99]]),
    ]
    wash = [{"category": "wash-skipped"}]
    out = [(5, 0.15, 0.85), (25, 0.88, 0.85), (30, 0.88, 0.85)]
    washed = [(5, 0.15, 0.85), (12, 0.5, 0.85), (36, 0.5, 0.85), (46, 0.88, 0.85), (50, 0.88, 0.85)]
    tips = Tipper("muck_truck", stands, size=size, grows=raised, up=(30, 70))
    return {
        "dumping-body-raised": Case(
            "a truck stands and tips its body",
            dumping,
            play([tips], 130),
            [("dumping", 30, 70, 0.5, 0.85, 0.1)],
            waste,
        ),
        "dumping-heap": Case(
            "a heap lies beside a truck that stood there",
            dumping,
            play(
                [
                    Actor("muck_truck", stands, size=size),
                    parked("garbage", 0.66, 0.86, 40, 140, size=(0.08, 0.06)),
                ],
                170,
            ),
            [("dumping", 40, 140, 0.66, 0.86, 0.1)],
            waste,
        ),
        "dumping-approved": Case(
            "tipping where it is approved",
            dumping,
            play([tips], 130),
            zones=[*waste, zone("dump-3", "dump")],
        ),
        "truck-waits": Case(
            "a truck waits and drives on",
            dumping,
            play([Actor("muck_truck", stands, size=size)], 120),
            zones=waste,
        ),
        "old-garbage": Case(
            "garbage that lay there before the truck",
            dumping,
            play(
                [
                    Actor("muck_truck", stands, size=size),
                    parked("garbage", 0.66, 0.86, 0, 120, size=(0.08, 0.06)),
                ],
                120,
            ),
            zones=waste,
        ),
        "wash-skipped": Case(
            "a truck leaves without stopping on the wash",
            wash,
            play([Actor("muck_truck", out, size=size)], 60),
            [("wash-skipped", 5, 30, 0.8, 0.85, 0.2)],
            gate,
            fps=4.0,
        ),
        "wash-used": Case(
            "a truck stands on the wash for 24 s",
            wash,
            play([Actor("muck_truck", washed, size=size, switches=(20,))], 70),
            zones=gate,
            fps=4.0,
        ),
        "wash-driving-in": Case(
            "a truck comes in from the road",
            wash,
            play(
                [
                    Actor(
                        "muck_truck",
                        [(5, 0.9, 0.85), (15, 0.78, 0.85), (30, 0.15, 0.85)],
                        size=size,
                    )
                ],
                60,
            ),
            zones=gate,
            fps=4.0,
        ),
    }


class Tipper(Actor):
    """A truck whose body goes up: the box grows upwards, foot and width stay."""

    def __init__(self, *args: object, up: tuple[float, float], **more: object) -> None:
        super().__init__(*args, **more)  # type: ignore[arg-type]
        self.up = up

    def height(self, t: float) -> float:
        return 1.35 if self.up[0] <= t < self.up[1] else 1.0


CASES = {
    **occupation_cases(),
    **grilling_cases(),
    **dust_cases(),
    **truck_cases(),
    **site_cases(),
}


def write(name: str, case: Case) -> None:
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    site = {
        "name": case.about,
        "cameras": [
            {"id": "c1", "source": "rtsp://camera/1", "zones": case.zones, "rules": case.rules}
        ],
    }
    text = yaml.safe_dump(site, allow_unicode=True, sort_keys=False, default_flow_style=None)
    (folder / "site.yaml").write_text(text, encoding="utf-8")
    if case.categories:
        own = yaml.safe_dump({"categories": case.categories}, allow_unicode=True, sort_keys=False)
        (folder / "categories.yaml").write_text(own, encoding="utf-8")
    _write_truth(folder, name, case)
    rows = [header_row("c1", case.stage.start_wall, case.fps)]
    wall = case.stage.start_wall
    stepped = 0.0
    for scene in case.stage.scenes(case.fps):
        row = scene_row(scene)
        step = round(scene.at.wall - wall - scene.at.mono - stepped, 3)
        if step:
            row["step"] = step
            stepped += step
        rows.append(row)
    lines = (json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows)
    (folder / "detections.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_truth(folder: Path, name: str, case: Case) -> None:
    events = [
        {
            "category": category,
            "start_s": start,
            "end_s": end,
            "place": [x, y],
            "radius": radius,
            "must": True,
        }
        for category, start, end, x, y, radius in case.truth
    ]
    truth = {
        "recording": name,
        "about": case.about,
        "duration_s": case.stage.length_s,
        "events": events,
        "ignore": [],
    }
    text = json.dumps(truth, ensure_ascii=False, indent=1)
    (folder / "truth.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    for case_name, one in CASES.items():
        write(case_name, one)
    print(f"{len(CASES)} cases written")
