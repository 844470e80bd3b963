# SPDX-License-Identifier: AGPL-3.0-or-later
"""What comes to a sleeping camera's street, against the same film decoded whole: the cases that the
judge opens, and what is followed.

    tools/python -m tools.bench.arrivals --fps 12 --count 100 --kinds crossing,stall,spill,smoke
    tools/python -m tools.bench.arrivals --fps 12 --count 24 --under headlights --seeds 1

crossing: a truck drives through the picture, and no case is asked of it; the others are those of
tools.bench.visits. The detector is not sure of everything in the dark, so whichever looks it is
given decide by chance what it sees. How much that is says a third run (--chance), decoded whole
like the first and looked at 4.9 times a second instead of 5: what it loses, no sleep has lost.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edge.config import Category, convert
from edge.geometry import iou_matrix
from edge.values import Box
from edge.vision.model import Model, load_model
from tools.bench.disturbances import SIZE, disturbed_clip
from tools.bench.film_cache import KeptAnswers, kept_film
from tools.bench.live_clips import Arrival, Coding, Street
from tools.bench.rows import DEFAULT, Row, tell
from tools.bench.sleeping import FIRST_S, FPS, VENDORS, WARM_S, Look, Night, film, watch
from tools.bench.visits import VISITS, Comer, VisitKind, visited, visits

# Seconds from one crossing to the next.
CROSSING_APART_S = 40.0
# So long after a visit begins it is in the picture: the truck of a spill drives in from below it.
SHOWS_S = {"spill": 1.0}
# A case of a visit is told at the latest so long after it has gone.
TOLD_S = 6.0
# Looks a second of the run that is like the one decoded whole but for the pictures looked at.
OTHER_FPS = 4.9
WAYS = {"whole": ("whole", FPS), "other": ("whole", OTHER_FPS), "asleep": ("auto", FPS)}


@dataclass(frozen=True, slots=True)
class Film:
    """What comes in it, where each is by its time, and who judges it. path: the film."""

    path: Path
    those: tuple[Comer, ...]
    box: Callable[[int, float], Box | None]
    rules: dict[str, Any]
    categories: tuple[Category, ...]


def crossings(count: int, seed: int, apart_s: float) -> tuple[Arrival, ...]:
    """Small and large, slow and quick, never at the same place between key pictures."""
    times = (WARM_S + apart_s * n + 0.37 * ((n * 7 + 5 * seed) % 13) for n in range(count))
    kinds = itertools.cycle(itertools.product((0.12, 0.2, 0.3), (3.0, 6.0)))
    return tuple(Arrival(t, for_s, share) for t, (share, for_s) in zip(times, kinds, strict=False))


def crossing_film(
    count: int, coding: Coding, seed: int, under: str, apart_s: float = CROSSING_APART_S
) -> Film:
    """Trucks that cross, under a disturbance."""
    those = crossings(count, seed, apart_s)
    seconds = those[-1].at_s + 10.0

    def make(path: Path) -> Path:
        return film(disturbed_clip(under, seconds, coding, those, seed=seed), path)

    path = kept_film(("crossing", those, coding, seed, under), make)
    return Film(path, those, Street(SIZE, those, noise=0.0).box, VENDORS, ())


def visit_film(kind: VisitKind, count: int, coding: Coding, seed: int, under: str) -> Film:
    """Visits of one kind, under a disturbance."""
    those = visits(kind, count, seed, kind.first_s)
    passing = tuple(Arrival(at_s, 4.0, 0.3) for at_s in kind.passing_s)
    seconds = those[-1].at_s + kind.for_s + 10.0
    coding = replace(coding, key_s=kind.key_s) if kind.key_s else coding

    def make(path: Path) -> Path:
        put = visited(kind, those)
        return film(disturbed_clip(under, seconds, coding, passing, seed=seed, put=put), path)

    def box(number: int, at_s: float) -> Box | None:
        one = those[number]
        there = one.at_s <= at_s < one.at_s + one.for_s
        return kind.box(at_s, one, SIZE) if there else None

    path = kept_film((kind.name, those, coding, seed, under), make, "tools/bench/visits.py")
    rules = {"zones": [kind.zone], "rules": [{**kind.rule, "zones": [kind.zone["id"]]}]}
    own = (convert(kind.category, Category, "bench"),) if kind.category else ()
    return Film(path, those, box, rules, own)


def followed(night: Night, seen: Film, number: int) -> list[Look]:
    """The looks in which that one was followed where it really was."""
    found = []
    for look in looks_at(night, seen.those[number]):
        box = seen.box(number, look.at_s - FIRST_S)
        boxes = [track.box for track in look.tracks if not track.coasted]
        if box and boxes and iou_matrix(np.array([box]), np.array(boxes)).max() >= 0.3:
            found.append(look)
    return found


def looks_at(night: Night, one: Comer) -> list[Look]:
    """The looks at pictures that show it."""
    return [k for k in night.looks if one.at_s <= k.at_s - FIRST_S < one.at_s + one.for_s]


def cases(night: Night, one: Comer) -> int:
    """Cases that were opened because of it."""
    ends_s = one.at_s + one.for_s + TOLD_S
    looks = (k for k in night.looks if one.at_s <= k.at_s - FIRST_S < ends_s)
    return sum(len(look.cases) for look in looks)


def woken(night: Night, one: Comer) -> bool:
    """Whether all was decoded at some time while it was there."""
    begins_s, ends_s = one.at_s + FIRST_S, one.at_s + one.for_s + FIRST_S
    return any(a < ends_s and b > begins_s for a, b in night.awake)


def late_s(night: Night, shown_s: float) -> float:
    """From the first picture that shows it to when such a picture was looked at first."""
    given = [k.given_s for k in night.looks if k.at_s - FIRST_S >= shown_s + 0.1]
    return min(given) - FIRST_S - shown_s if given else math.inf


def compared(
    kind: str, seen: Film, model: Model, under: str, seed: int, *, chance: bool = False
) -> Row:
    """What was followed, and which cases opened, each way.

    lost: followed decoded whole and not asleep; cases_lost: the same of cases. unseen: of these,
    how many the sleeping camera gave the detector no picture of. by_chance, cases_by_chance: what
    the other run decoded whole lost of the first. gained: lost, the other way round. late: from
    the first picture that shows it to the first look at such a picture.
    """
    nights = {
        name: watch(
            seen.path, model, decode=decode, rules=seen.rules, categories=seen.categories, fps=fps
        )
        for name, (decode, fps) in WAYS.items()
        if chance or name != "other"
    }
    asleep, numbers = nights["asleep"], range(len(seen.those))
    follows = {w: [len(followed(night, seen, n)) for n in numbers] for w, night in nights.items()}
    opens = {w: [cases(night, one) for one in seen.those] for w, night in nights.items()}
    late = sorted(late_s(asleep, one.at_s + SHOWS_S.get(kind, 0.0)) for one in seen.those)
    lost, cases_lost = _lost(follows, "asleep"), _lost(opens, "asleep")
    given = [sum(k.detected for k in looks_at(asleep, one)) for one in seen.those]
    return {
        "arrivals": len(seen.those),
        "kind": kind,
        "under": under,
        "seed": seed,
        "cases_whole": sum(map(bool, opens["whole"])),
        "cases_asleep": sum(map(bool, opens["asleep"])),
        "cases_lost": len(cases_lost),
        "cases_by_chance": len(_lost(opens, "other")) if chance else None,
        "cases_gained": len(_lost(opens, "whole", "asleep")),
        "followed_whole": sum(map(bool, follows["whole"])),
        "followed_asleep": sum(map(bool, follows["asleep"])),
        "lost": len(lost),
        "by_chance": len(_lost(follows, "other")) if chance else None,
        "gained": len(_lost(follows, "whole", "asleep")),
        "unseen": sum(not given[n] for n in {*lost, *cases_lost}),
        "never_seen": sum(not one for one in given),
        "woken": sum(woken(asleep, one) for one in seen.those),
        "first_look_p95_s": round(late[int(0.95 * (len(late) - 1))], 2),
        "awake": round(asleep.awake_share(WARM_S), 3),
        "wakes_for_nothing": asleep.for_nothing,
        "watched": asleep.why,
        "lost_which": [_told(seen.those[n]) for n in sorted({*lost, *cases_lost})],
        "looks_followed": [[*each] for each in zip(*follows.values(), strict=True)],
    }


def _lost(counts: dict[str, list[int]], by: str, than: str = "whole") -> list[int]:
    pairs = enumerate(zip(counts[than], counts[by], strict=True))
    return [n for n, (there, here) in pairs if there and not here]


def _told(one: Comer) -> str:
    how = f"{one.share:g} high" if isinstance(one, Arrival) else f"place {one.place}"
    return f"{how}, {one.for_s:g} s, at {one.at_s:.1f}"


def _measured(asked: argparse.Namespace) -> Iterator[Row]:
    coding = Coding(asked.codec, asked.key, asked.b_pictures, fps=asked.fps)
    model = KeptAnswers(load_model(DEFAULT, provider="cpu", workers=1))
    seeds, kinds = map(int, asked.seeds.split(",")), asked.kinds.split(",")
    for seed, under, name in itertools.product(seeds, asked.under.split(","), kinds):
        kind = VISITS.get(name)
        if kind is None:
            seen = crossing_film(asked.count, coding, seed, under, asked.apart)
        else:
            seen = visit_film(kind, asked.count, coding, seed, under)
        yield compared(name, seen, model, under, seed, chance=asked.chance)


def main(words: Sequence[str] | None = None) -> int:
    """A line for each film; 1 where a case was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--count", type=int, default=24, help="arrivals in each film")
    parser.add_argument("--kinds", default="crossing", help=f"crossing, {', '.join(VISITS)}")
    parser.add_argument("--under", default="nothing", help="disturbances, with commas")
    parser.add_argument("--seeds", default="1", help="films of each; film 0 is for tuning")
    parser.add_argument("--key", type=float, default=2.0, help="s between key pictures")
    parser.add_argument("--codec", default="h264")
    parser.add_argument("--fps", type=int, default=25)
    parser.add_argument("--b-pictures", type=int, default=0)
    parser.add_argument("--apart", type=float, default=CROSSING_APART_S, help="s, of crossings")
    parser.add_argument("--chance", action="store_true", help="a third run, see above")
    parser.add_argument("--out", type=Path, help="write the lines there too")
    asked = parser.parse_args(words)
    rows = tell(_measured(asked), asked.out)
    return 1 if any(row["cases_lost"] for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
