# SPDX-License-Identifier: AGPL-3.0-or-later
"""How well the rule kind `state` tells drawn places apart, in all weathers.

    nice -n 19 tools/python -m tools.bench.places --out out/places.jsonl
    tools/python -m tools.bench.places --short --out out/short.jsonl

Each thing at several places is taught by so many pictures a look, in weathers as they come (snow
never), then asked about others: right, wrong, not told; as many with something in front, some with
the camera moved. `others` are things and people and vans in front on which nothing was tuned. Then
each thing that stays as it is, is watched for so many made hours, a look a minute, each light
lasting a quarter of an hour, one look in ten with somebody in front, and twice a van for forty
minutes: no case may come of it. A row a place or hour; what was broken off goes on. The last line
of the output counts.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from edge.hold import Hold, Sight, Terms
from edge.rules.taught import Square, TaughtPlace, square
from tools.scenery.places import FRONTS, OTHERS, PLACE, THINGS, WEATHERS, View, drawn

CLICKS = ("sun", "overcast", "night", "rain", "sun", "dusk", "overcast", "fog")
LOOK_S, LIGHT_LOOKS, HOUR_LOOKS = 60.0, 15, 60
VAN_MINUTES = (range(9 * 60, 9 * 60 + 40), range(20 * 60, 20 * 60 + 40))
TERMS = Terms(dwell_s=300.0, window_s=300.0, gap_s=90.0, look_s=90.0)
SIGHTS: dict[str, Sight] = {"w": "seen", "-": "hidden", "r": "missed"}
Row = dict[str, object]


def cut(
    thing: str,
    place: int,
    wrong: bool,
    view: View,
    rng: np.random.Generator,
    light: np.random.Generator | None = None,
) -> Square:
    return square(drawn(thing, place, wrong, view, rng, light), PLACE)


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
    """tp, fp, fn, tn; untold, or missed where that was an offence."""
    answer = place.tell(shown)
    if answer.look is None:
        return "missed" if wrong else "untold"
    return ("tp" if wrong else "fp") if answer.look == "wrong" else ("fn" if wrong else "tn")


def looks(thing: str, place: int, clicks: int, seed: int) -> Row:
    """One place, asked in all weathers: in the open, with something in front, camera moved."""
    free, behind, moved = Counter[str](), Counter[str](), Counter[str]()
    rng = np.random.default_rng([seed, place])
    known = taught(thing, place, clicks, rng)
    fronts = ["block"] if thing in THINGS else [name for name in FRONTS if name != "block"]
    for n in range(4 * len(WEATHERS)):
        wrong, weather = bool(n // len(WEATHERS) % 2), WEATHERS[n % len(WEATHERS)]
        free[told(known, cut(thing, place, wrong, View(weather), rng), wrong)] += 1
        share, by = float(rng.uniform(0.3, 1.0)), fronts[n % len(fronts)]
        view = View(weather, covered=share, by=by)
        behind[told(known, cut(thing, place, wrong, view, rng), wrong)] += 1
        if n % 4 == 0:
            view = View(weather, moved=True)
            moved[told(known, cut(thing, place, wrong, view, rng), wrong)] += 1
    return {"free": dict(free), "behind": dict(behind), "moved": dict(moved)}


def hour_of_a_day(thing: str, hour: int, known: TaughtPlace, seed: int) -> str:
    """A letter a look: r as it should be, w wrong, - cannot tell. The place stays as it is."""
    answers = ""
    for n in range(HOUR_LOOKS):
        minute = hour * HOUR_LOOKS + n
        rng = np.random.default_rng([seed, minute])
        light = np.random.default_rng([seed, 1, minute // LIGHT_LOOKS])
        weather = WEATHERS[int(light.integers(len(WEATHERS)))]
        van = any(minute % 1440 in minutes for minutes in VAN_MINUTES)
        covered = 0.6 if van else float(rng.uniform(0.3, 1)) if rng.random() < 0.1 else 0.0
        view = View(weather, covered=covered, by="van" if van else "people")
        front = np.random.default_rng([seed, 2]) if van else rng
        shown = cut(thing, 0, False, view, front, light)
        answers += {"wrong": "w", "right": "r"}.get(known.tell(shown).look or "", "-")
    return answers


def cases(answers: str) -> int:
    """How many cases come of a day of looks."""
    found = 0
    hold: Hold | None = None
    for n, letter in enumerate(answers):
        if hold is None and letter == "w":
            hold = Hold(TERMS, n * LOOK_S)
        if hold is not None:
            hold.step(n * LOOK_S, SIGHTS[letter])
            done = hold.held_for(TERMS.dwell_s)
            found += done
            hold = None if hold.gone or done else hold
    return found


def work(args: argparse.Namespace, done: set[str]) -> Iterator[Row]:
    """The rows that are not there yet, one by one."""
    for things, part in ((THINGS, "looks"), (OTHERS, "others")):
        for thing in things:
            for place in range(args.places):
                name = f"{part} {thing} {place}"
                if name not in done:
                    made = looks(thing, args.first_place + place, args.clicks, args.seed)
                    yield {"name": name, **made}
    for thing in list(THINGS)[: args.days]:
        wanted = [n for n in range(round(args.hours)) if f"day {thing} {n}" not in done]
        known = taught(thing, 0, args.clicks, np.random.default_rng(args.seed)) if wanted else None
        for n in wanted:
            assert known is not None
            yield {"name": f"day {thing} {n}", "looks": hour_of_a_day(thing, n, known, args.seed)}


def counted(rows: Iterable[Row], args: argparse.Namespace) -> Row:
    """The figures of all rows. f1: of looks that were told; f1_all: what is not told is missed."""
    days: dict[str, str] = {}
    found: Row = {"clicks": args.clicks}
    by_part: dict[str, list[Counter[str]]] = {}
    for row in rows:
        part, thing, _ = str(row["name"]).split(" ")
        if part == "day":
            days[thing] = days.get(thing, "") + str(row["looks"])
            continue
        sums = by_part.setdefault(part, [Counter(), Counter(), Counter()])
        for one, key in zip(sums, ("free", "behind", "moved"), strict=True):
            one.update(row[key])  # type: ignore[call-overload]
    for part, (free, behind, moved) in by_part.items():
        before = "" if part == "looks" else f"{part}_"
        found |= {f"{before}{name}": value for name, value in shares(free, behind, moved).items()}
    return found | {
        "hours": sum(map(len, days.values())) * LOOK_S / 3600,
        "cases_of_unchanging_places": sum(map(cases, days.values())),
        "looks_called_wrong": sum(text.count("w") for text in days.values()),
        "looks_of_days_told": round(
            1 - sum(t.count("-") for t in days.values()) / max(1, sum(map(len, days.values()))), 4
        ),
    }


def shares(free: Counter[str], behind: Counter[str], moved: Counter[str]) -> dict[str, object]:
    """F1 of the looks of free places, and how often none was given: free, hidden and moved."""
    twice, off = 2 * free["tp"], free["fp"] + free["fn"]
    return {
        "f1": round(twice / max(1, twice + off), 4),
        "f1_all": round(twice / max(1, twice + off + free["missed"]), 4),
        "told_share": round(1 - _untold(free), 4),
        "looks": dict(free),
        "untold_in_front": round(_untold(behind), 4),
        "untold_moved": round(_untold(moved), 4),
    }


def _untold(found: Counter[str]) -> float:
    return (found["untold"] + found["missed"]) / max(1, found.total())


def main(argv: list[str] | None = None) -> int:
    """Measure the looks of free, hidden and moved places and the cases of a day."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--places", type=int, default=3)
    parser.add_argument("--first-place", type=int, default=0, help="number of the first place")
    parser.add_argument("--clicks", type=int, default=8, help="pictures a look")
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--days", type=int, default=len(THINGS), help="things watched for a day")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--short", action="store_true", help="one place, one day of two hours")
    parser.add_argument("--out", type=Path, required=True, help="rows; a run goes on from them")
    args = parser.parse_args(argv)
    if args.short:
        args.places, args.hours, args.days = 1, 2.0, 1
    args.out.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in args.out.open()] if args.out.exists() else []
    with args.out.open("a", encoding="utf-8") as out:
        for row in work(args, {str(row["name"]) for row in rows}):
            out.write(json.dumps(row) + "\n")
            out.flush()
            rows.append(row)
            print(row["name"], file=sys.stderr, flush=True)
    print(json.dumps(counted(rows, args)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
