# SPDX-License-Identifier: AGPL-3.0-or-later
"""A flight's looks in bounded memory: track, footprints, blind parts, what was looked at. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edge.drone import earth
from edge.drone.asflown import AsFlown
from edge.drone.earth import Local
from edge.drone.ground import footprint
from edge.drone.look import KeyFrame, Unplaced
from edge.drone.shifted import LatLon

MOST_TRACK, MOST_FOOTPRINTS = 1200, 60
# Looks come at least once a second; a longer pause was not looked at.
PAUSE_S = 3.0
UNSEEN = "no pictures looked at"
# Detections without a place are one thing while they follow each other this closely.
UNPLACED_GAP_S = 10.0
# More than this was not carried by the wind between two looks: positions jumped.
JUMP_M = 200.0


@dataclass(slots=True)
class Stretch:
    """Seconds of video in which nothing was inspected, and why."""

    start_s: float
    end_s: float
    why: str


@dataclass(slots=True)
class UnplacedGroup:
    """Detections of one class that follow each other, in pictures without a pose."""

    label: str
    first_s: float
    last_s: float
    count: int
    best_s: float
    best: Unplaced
    aircraft: LatLon | None


@dataclass(slots=True)
class Thinned:
    """A list that halves itself when full, so that it spreads over a flight of any length."""

    most: int
    rows: list[Any] = field(default_factory=list)
    every: int = 1
    offered: int = 0

    def offer(self, row: Any) -> None:
        """Keep it if it falls on the step; the step doubles when there is no room left."""
        if self.offered % self.every == 0:
            self.rows.append(row)
            if len(self.rows) > self.most:
                self.rows, self.every = self.rows[::2], self.every * 2
        self.offered += 1


@dataclass(slots=True)
class Summary:
    """Feed looks in order of time."""

    plane: Local
    flown: AsFlown
    looks: int = 0
    tiles: int = 0
    all_tiles: int = 0
    distance_m: float = 0.0
    qualities: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    blind: list[Stretch] = field(default_factory=list)
    unplaced: list[UnplacedGroup] = field(default_factory=list)
    sites_s: Counter[str] = field(default_factory=Counter)
    track: Thinned = field(default_factory=lambda: Thinned(MOST_TRACK))
    footprints: Thinned = field(default_factory=lambda: Thinned(MOST_FOOTPRINTS))
    last_s: float | None = None
    last_place: LatLon | None = None
    highest_m: float = 0.0

    def add(self, look: KeyFrame) -> None:
        """Take one look into the totals: quality, blind time, track, footprints, things without a
        place."""
        self.looks += 1
        self.flown.add(look)
        self.tiles, self.all_tiles = self.tiles + look.tiles, self.all_tiles + look.all_tiles
        self.qualities[look.quality] += 1
        if look.source:
            self.sources[look.source] += 1
        self._mind_blindness(look)
        self._follow(look)
        self._group(look)
        if look.view is not None:
            outline = footprint(look.view, self.plane)
            if len(outline) >= 3:
                self.footprints.offer(np.round(outline, 1).tolist())
            self.highest_m = max(self.highest_m, look.view.h_m)
        self.last_s = look.t_s

    def close(self, duration_s: float) -> None:
        """What the recording promises behind its last look was not looked at: it is cut off, or
        damaged there."""
        if duration_s - (self.last_s or 0.0) > PAUSE_S:
            self._blind(self.last_s or 0.0, duration_s, UNSEEN)

    def _mind_blindness(self, look: KeyFrame) -> None:
        step = 0.0 if self.last_s is None else look.t_s - self.last_s
        for name in look.seen:
            self.sites_s[name] += round(min(step, PAUSE_S) * 10)
        before_s = self.last_s or 0.0
        if look.t_s - before_s > PAUSE_S:
            self._blind(before_s, look.t_s, UNSEEN)
        if look.why is not None:
            start = look.t_s if self.last_s is None else max(self.last_s, look.t_s - PAUSE_S)
            self._blind(start, look.t_s, look.why)

    def _blind(self, start_s: float, end_s: float, why: str) -> None:
        last = self.blind[-1] if self.blind else None
        if last is not None and last.why == why and start_s - last.end_s < PAUSE_S:
            last.end_s = end_s
        else:
            self.blind.append(Stretch(start_s, end_s, why))

    def _follow(self, look: KeyFrame) -> None:
        if look.aircraft is None:
            return
        if self.last_place is not None:
            away = earth.distance_m(self.last_place, look.aircraft)
            self.distance_m += away if away < JUMP_M else 0.0
        self.last_place = look.aircraft
        height = look.view.h_m if look.view else None
        lat, lon = look.aircraft
        self.track.offer([round(lon, 7), round(lat, 7), round(look.t_s, 2), height])

    def _group(self, look: KeyFrame) -> None:
        for one in look.unplaced:
            group = next((g for g in reversed(self.unplaced) if g.label == one.label), None)
            if group is None or look.t_s - group.last_s > UNPLACED_GAP_S:
                self.unplaced.append(
                    UnplacedGroup(one.label, look.t_s, look.t_s, 1, look.t_s, one, look.aircraft)
                )
                continue
            group.last_s, group.count = look.t_s, group.count + 1
            if one.score > group.best.score:
                group.best, group.best_s, group.aircraft = one, look.t_s, look.aircraft
