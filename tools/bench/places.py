# SPDX-License-Identifier: AGPL-3.0-or-later
"""How well the rule kind `state` tells drawn places apart, in all weathers.

    nice -n 19 tools/python -m tools.bench.places --places 3 --clicks 8 --hours 24

Each thing at several places is taught by so many pictures a look, in weathers as they come, then
asked about others: right, wrong, not told; as many with something in front, some with the camera
moved. Then an unchanging place is watched for so many made hours, a look every ten seconds: no
case may come of it. One line of JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter

import numpy as np

from edge.hold import Hold, Terms
from edge.rules.taught import Square, TaughtPlace, square
from tools.scenery.places import PLACE, THINGS, WEATHERS, View, drawn

CLICKS = ("sun", "overcast", "night", "rain", "sun", "dusk", "overcast", "fog")
LOOK_S = 10.0
TERMS = Terms(dwell_s=300.0, gap_s=60.0, look_s=30.0)


def cut(thing: str, place: int, wrong: bool, view: View, rng: np.random.Generator) -> Square:
    return square(drawn(thing, place, wrong, view, rng), PLACE)


def taught(thing: str, place: int, clicks: int, rng: np.random.Generator) -> TaughtPlace:
    """By so many pictures a look; snow is never among them."""
    return TaughtPlace(
        {
            name: [
                cut(thing, place, wrong, View(CLICKS[n % len(CLICKS)]), rng) for n in range(clicks)
            ]
            for name, wrong in (("right", False), ("wrong", True))
        }
    )


def told(place: TaughtPlace, shown: Square, wrong: bool) -> str:
    answer = place.tell(shown)
    if answer.look is None:
        return "untold"
    return ("tp" if wrong else "fp") if answer.look == "wrong" else ("fn" if wrong else "tn")


def looks(places: int, clicks: int, seed: int) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """(in the open, with something in front, camera moved) of all things and places."""
    free, behind, moved = Counter[str](), Counter[str](), Counter[str]()
    for thing in THINGS:
        for place in range(places):
            rng = np.random.default_rng([seed, place])
            known = taught(thing, place, clicks, rng)
            for n in range(4 * len(WEATHERS)):
                wrong, weather = bool(n // len(WEATHERS) % 2), WEATHERS[n % len(WEATHERS)]
                free[told(known, cut(thing, place, wrong, View(weather), rng), wrong)] += 1
                view = View(weather, covered=float(rng.uniform(0.3, 1.0)))
                behind[told(known, cut(thing, place, wrong, view, rng), wrong)] += 1
                if n % 4 == 0:
                    view = View(weather, moved=True)
                    moved[told(known, cut(thing, place, wrong, view, rng), wrong)] += 1
    return free, behind, moved


def cases_of_a_day(hours: float, clicks: int, seed: int) -> tuple[int, int]:
    """(cases, looks called wrong) of a bin that stays as it is, in weathers that change."""
    rng = np.random.default_rng(seed)
    known = taught("bin", 0, clicks, rng)
    cases = wrong = 0
    hold: Hold | None = None
    count = round(hours * 3600 / LOOK_S)
    for n in range(count):
        weather = WEATHERS[n * 24 // count % len(WEATHERS)]
        view = View(weather, covered=float(rng.uniform(0.3, 1)) if rng.random() < 0.1 else 0.0)
        answer = known.tell(cut("bin", 0, False, view, rng))
        wrong += answer.look == "wrong"
        if hold is None and answer.look == "wrong":
            hold = Hold(TERMS, n * LOOK_S)
        if hold is not None:
            hold.step(n * LOOK_S, {"wrong": "seen", None: "hidden"}.get(answer.look, "missed"))  # type: ignore[arg-type]
            cases += hold.held_for(TERMS.dwell_s)
            hold = None if hold.gone or hold.held_for(TERMS.dwell_s) else hold
    return cases, wrong


def main(argv: list[str] | None = None) -> int:
    """Measure the looks of free, hidden and moved places and the cases of a day."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--places", type=int, default=3)
    parser.add_argument("--clicks", type=int, default=8, help="pictures a look")
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args(argv)
    free, behind, moved = looks(args.places, args.clicks, args.seed)
    cases, wrong = cases_of_a_day(args.hours, args.clicks, args.seed)
    row = {
        "clicks": args.clicks,
        "f1": round(2 * free["tp"] / max(1, 2 * free["tp"] + free["fp"] + free["fn"]), 4),
        "told_share": round(1 - free["untold"] / max(1, free.total()), 4),
        "looks": dict(free),
        "untold_in_front": round(behind["untold"] / max(1, behind.total()), 4),
        "untold_moved": round(moved["untold"] / max(1, moved.total()), 4),
        "hours": args.hours,
        "cases_of_an_unchanging_place": cases,
        "looks_called_wrong": wrong,
    }
    print(json.dumps(row))
    return 0


if __name__ == "__main__":
    sys.exit(main())
