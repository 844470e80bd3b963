# SPDX-License-Identifier: AGPL-3.0-or-later
"""Which track stands at which place: matching, twice-seen things, and new places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edge.geometry import iou, size_of, within
from edge.hold import Hold, Terms
from edge.rules.spot import Spot
from edge.rules.stamps import at_mono
from edge.rules.view import SceneView
from edge.rules.zones import ZoneVerdict
from edge.values import Track

DUPLICATE = 0.7
DUPLICATE_IOU = 0.5


def assign(
    view: SceneView, spots: Sequence[Spot], tracks: list[Track]
) -> tuple[dict[int, Track], list[Track]]:
    """(index of a place -> its track, tracks left over): best fit first; a track known at its
    place stays there."""
    placed: dict[int, Track] = {}
    rest = []
    by_id = {s.track.id: i for i, s in enumerate(spots) if s.track is not None}
    for track in tracks:
        i = by_id.get(track.id)
        if i is not None and i not in placed and spots[i].fits(track, view.aspect) >= 0.0:
            placed[i] = track
        else:
            rest.append(track)
    if len(placed) < len(spots) and rest:
        rest = _fit_best(view, spots, placed, rest)
    return placed, rest


def _fit_best(
    view: SceneView, spots: Sequence[Spot], placed: dict[int, Track], rest: list[Track]
) -> list[Track]:
    still = [track for track in rest if not view.moving(track)]
    pairs = [
        (fit, i, track)
        for i, spot in enumerate(spots)
        if i not in placed
        for track in still
        if track.box[0] < spot.home[2]
        and spot.home[0] < track.box[2]
        and (fit := spot.fits(track, view.aspect)) >= 0.0
    ]
    used: set[int] = set()
    for _, i, track in sorted(pairs, key=lambda pair: -pair[0]):
        if i not in placed and track.id not in used:
            placed[i] = track
            used.add(track.id)
    return [track for track in rest if track.id not in used]


def duplicate(spots: Sequence[Spot], track: Track, placed: Mapping[int, Track]) -> bool:
    """A second box on a thing that already has its place: an umbrella over its stall."""
    for i, other in placed.items():
        home = spots[i].home
        if within(track.box, other.box) >= DUPLICATE or within(home, track.box) >= DUPLICATE:
            return True
        if iou(track.box, other.box) >= DUPLICATE_IOU:
            return True
    return False


def new_spot(view: SceneView, name: str, terms: Terms, track: Track, verdict: ZoneVerdict) -> Spot:
    """A place for a track that stands, its clock running since the track came to a stand.

    name: what the key starts with, unique to camera and category.
    """
    course = view.motion.course(track)
    size = size_of(track.box, view.aspect)
    since = course.stood_since(0.5 * size, view.aspect) if course else view.mono
    began = at_mono(since, view.now)
    hold = Hold(terms, since)
    hold.step(view.mono, "seen")
    x, y = track.foot
    spot = Spot(
        key=f"{name}/{x * 1000:.0f}-{y * 1000:.0f}/{began.wall:.3f}",
        label=track.label,
        anchor=track.foot,
        home=track.box,
        size=size,
        began=began,
        hold=hold,
        seen=view.now,
        box=track.box,
        track=track,
        verdict=verdict,
        score=track.score,
        look=track.look,
    )
    spot.tally("seen", view.mono - since)
    return spot
