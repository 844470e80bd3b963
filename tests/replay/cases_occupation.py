# SPDX-License-Identifier: AGPL-3.0-or-later
"""Stalls, shops and goods that stay: what is a case, and what only looks like one."""

from __future__ import annotations

from case import LEFT_HALF, NOON, SHORT, Case, found, keeper, play, stall, vendor, walker, zone
from stage import Actor, parked

# Categories that cities count first: class and zone of each.
COUNTED = (
    ("bagged-refuse", "garbage", "watch"),
    ("overflowing-bin", "overflowing_bin", "watch"),
    ("illegal-umbrella", "umbrella", "frontage"),
    ("parked-vehicle", "car", "forbidden"),
    ("parked-bikes", "kick_scooter", "watch"),
    ("posted-bills", "graffiti", "watch"),
    ("burning-waste", "fire", "watch"),
    ("works-on-road", "excavator", "lane"),
    ("open-manhole", "open_manhole", "watch"),
    ("road-flooded", "waterlogging", "watch"),
)


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
            [{"category": "exposed-refuse", **SHORT}],
            play([parked("garbage", 0.4, 0.8, 8, 130, size=(0.1, 0.08)), walker(30)], 200),
            [found(8, 130, 0.4, 0.8, "exposed-refuse")],
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
        **{
            f"counted-{category}": Case(
                f"{label} stands where the category watches; its like passes by",
                [{"category": category, **SHORT}],
                play(
                    [
                        parked(label, 0.4, 0.8, 8, 130, size=(0.1, 0.1)),
                        Actor(label, [(20, 0.1, 0.95), (30, 0.9, 0.95)], size=(0.1, 0.1)),
                    ],
                    200,
                ),
                [found(8, 130, 0.4, 0.8, category)],
                zones=[zone("there", kind, [[0.03, 0.5], [0.97, 0.5], [0.97, 0.88], [0.03, 0.88]])],
            )
            for category, label, kind in COUNTED
        },
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
