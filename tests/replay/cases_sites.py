# SPDX-License-Identifier: AGPL-3.0-or-later
"""Gates, wheel washes and dumping."""

from __future__ import annotations

from case import Case, play, zone
from stage import Actor, parked


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
