# SPDX-License-Identifier: AGPL-3.0-or-later
"""Two or more looks of one fixed place, taught by a few pictures each and told apart.

A place (a bin, a railing, a stretch of wall) is cut out of the picture, its edges and its colours
are taken cell by cell, and the light of the day is undone by the rim round it, which no look
changes: once by the rim's colour (snow, lamps), once by its contrast as well (haze, exposure).
Each look is the mean of its pictures and of made variants of them (light, noise, haze, a pixel of
shift); a cell counts by how well it tells the looks apart. "Cannot tell" is a full answer: too
dark, covered, seen from elsewhere, or unlike everything taught however the light is undone.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.values import Box, Image

# The place as a square of SIDE pixels, with a rim of RIM round it.
SIDE, RIM = 64, 16
WHOLE = SIDE + 2 * RIM
CELLS, BINS = 12, 8
FEATURES = BINS + 3
# Grey levels of 255 below which nothing is seen, and of spread below which all is one haze.
DARK, FLAT = 20.0, 3.5
# At most so far is a look shifted back, pixels of the square; the rim must be as alike as this.
SHIFT_MAX, RIM_LEAST = 5, 0.3
# The nearest look must be likelier than the next by so much (mean log-likelihood ratio, doubled).
MARGIN = 0.4
# One feature of one cell counts at most so much; only the best of them count at all.
CAP, COUNTED = 40.0, 0.75
# How much of a look's spread is its own, and not that of all looks.
OWN_SHARE = 0.9
# How far from every look cells may lie, in their usual distance: what the oddest tenth starts
# with and what the oddest rim cells are on average, both together, by way of undoing the light.
# More, and something stands before the place. A feature counts at most ODD_CAP spreads (squared).
ODD_SHARE, ODD_MOST, ODD_CAP = 0.1, (2.23, 1.9), 20.0
RIM_ODDEST = 0.15
# The rim's contrast in the light to which a picture is brought back, and its limits when fitted.
TONE_MID, TONE_SPREAD, FIT_LEAST, TRIM = 120.0, 30.0, (0.35, 0.03), 2.0
# Colours of a picture so brought back, in units of two of its spreads, at most and at least.
TONE_UNIT, TONE_CLIP = 60.0, (-4.0, 8.0)
# Known things may stand before so much of it.
COVERED_SHARE = 0.18
VARIANTS = 10
CLICKS_LEAST = 3
WAYS = 2
GREY = np.array([0.114, 0.587, 0.299], np.float32)

_AROUND = np.ones((WHOLE, WHOLE), bool)
_AROUND[RIM:-RIM, RIM:-RIM] = False
_RIM_CELLS = _AROUND[:: WHOLE // CELLS, :: WHOLE // CELLS].ravel()

Square = NDArray[np.uint8]
Cells = NDArray[np.float32]
Tone = NDArray[np.float32]
Why = Literal["", "dark", "flat", "moved", "covered", "between"]


@dataclass(frozen=True, slots=True)
class PlaceAnswer:
    """look: which one it is, None where it cannot be told and `why` says why not. margin: how much
    likelier than the next; odd: how far its oddest cells are from all that was taught."""

    look: str | None
    why: Why
    margin: float
    odd: float


def square(image: Image, box: Box) -> Square:
    """The place with its rim, (SIDE + 2 RIM) square, BGR; beyond the picture its edge goes on.

    image: (h, w, 3) uint8; box: fractions of the frame.
    """
    height, width = image.shape[:2]
    x1, y1, x2, y2 = box[0] * width, box[1] * height, box[2] * width, box[3] * height
    scale_x, scale_y = (x2 - x1) / SIDE, (y2 - y1) / SIDE
    matrix = np.array(
        [[scale_x, 0.0, x1 - RIM * scale_x], [0.0, scale_y, y1 - RIM * scale_y]], np.float32
    )
    side = WHOLE
    flags = cv2.INTER_AREA | cv2.WARP_INVERSE_MAP
    if max(scale_x, scale_y) > 1.5:
        blur = (max(1.0, scale_x) / 2.2, max(1.0, scale_y) / 2.2)
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), sigmaX=blur[0], sigmaY=blur[1]))
    cut = cv2.warpAffine(image, matrix, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cut, np.uint8)


def cells_of(cut: Square, tone: Tone) -> Cells:
    """(WAYS, CELLS * CELLS, FEATURES): edges by direction, two colours and lightness, by cell, rim
    and all, for each way of undoing the light. tone: `tone_of` the place."""
    return np.stack([_cells(*_by_colour(cut)), _cells(*_by_contrast(cut, tone))])


def _by_colour(cut: Square) -> tuple[Tone, Tone]:
    """(grey, colours): relative to the rim's own colour."""
    place = cut.astype(np.float32)
    ground = np.median(place[_AROUND], axis=0)
    logs = np.log(place + 8.0) - np.log(ground + 8.0)
    # Lightness against the place's own middle: a shadow over all of it is no other look.
    return place @ GREY, _opponent(logs, centred=True)


def _by_contrast(cut: Square, tone: Tone) -> tuple[Tone, Tone]:
    """(grey, colours): brought back to the light in which the rim is as it was taught."""
    taught, seen = tone[_AROUND], cut[_AROUND].astype(np.float32)
    keep = np.ones(len(taught), bool)
    grey, of = taught.mean(axis=1), seen.mean(axis=1)
    for _ in range(3):
        gain, base = _line(grey[keep], of[keep])
        off = np.abs(of - gain * grey - base)
        keep = off <= TRIM * np.median(off) + 1e-3
    bases = np.median((seen - gain * taught)[keep], axis=0)
    place = np.asarray((cut - bases) / gain, np.float32)
    colours = np.clip(_opponent(place / TONE_UNIT, centred=False), *TONE_CLIP)
    return np.maximum(place @ GREY, 0.0), colours


def _line(x: NDArray[np.float32], y: NDArray[np.float32]) -> tuple[float, float]:
    """(slope, intercept) by least squares; a slope is never far below what the spreads say."""
    mid_x, mid_y = float(x.mean()), float(y.mean())
    slope = float(((x - mid_x) * (y - mid_y)).sum() / (((x - mid_x) ** 2).sum() + 1e-6))
    slope = max(slope, FIT_LEAST[0] * float(y.std()) / (float(x.std()) + 1e-6), FIT_LEAST[1])
    return slope, mid_y - slope * mid_x


def _opponent(place: Tone, *, centred: bool) -> Tone:
    """Two differences of colour and half the lightness."""
    light = place.mean(axis=2)
    if centred:
        light = light - np.median(light)
    pairs = (place[..., 2] - place[..., 1], place[..., 0] - place[..., 1], 0.5 * light)
    return np.asarray(np.stack(pairs, axis=-1), np.float32)


def _cells(grey: Tone, colours: Tone) -> Cells:
    step = WHOLE // CELLS
    by_cell = colours.reshape(CELLS, step, CELLS, step, 3).mean(axis=(1, 3))
    edges = _edges(grey).reshape(CELLS, step, CELLS, step, BINS).sum(axis=(1, 3))
    whole = np.sqrt((edges**2).sum(axis=-1, keepdims=True))
    edges = edges / (whole + 0.25 * float(np.median(whole)) + 1e-3)
    found = np.concatenate([edges, by_cell], axis=-1)
    return np.asarray(found.reshape(CELLS * CELLS, FEATURES), np.float32)


def tone_of(cuts: Sequence[Square]) -> Tone:
    """(WHOLE, WHOLE, 3): the pictures' middle once each is brought to one brightness and contrast
    of its rim; only its rim is used."""
    made = []
    for cut in cuts:
        rim = cut[_AROUND].astype(np.float32)
        grey = rim.mean(axis=1)
        spread = float(np.abs(grey - np.median(grey)).mean()) + 1.0
        made.append((cut - np.median(rim, axis=0)) / spread)
    return np.asarray(TONE_MID + TONE_SPREAD * np.median(np.stack(made), axis=0), np.float32)


def shifted(cut: Square, shift: tuple[int, int]) -> Square:
    """The picture as the camera would show it were it not off by so many pixels."""
    if shift == (0, 0):
        return cut
    back = np.array([[1, 0, -shift[0]], [0, 1, -shift[1]]], np.float32)
    moved = cv2.warpAffine(cut, back, (WHOLE, WHOLE), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8)


def _edges(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """(h, w, BINS): strength of edges by direction, without sign, relative to the light there."""
    soft = cv2.GaussianBlur(grey, (0, 0), 1.0)
    gx, gy = cv2.Sobel(soft, cv2.CV_32F, 1, 0), cv2.Sobel(soft, cv2.CV_32F, 0, 1)
    strength = np.sqrt(gx**2 + gy**2) / (cv2.GaussianBlur(grey, (0, 0), 6.0) + 12.0)
    at = np.mod(np.arctan2(gy, gx), np.pi) / np.pi * BINS
    low = np.floor(at).astype(int) % BINS
    part = (at - np.floor(at)).astype(np.float32)
    out = np.zeros((*grey.shape, BINS), np.float32)
    rows, columns = np.indices(grey.shape)
    out[rows, columns, low] += strength * (1.0 - part)
    out[rows, columns, (low + 1) % BINS] += strength * part
    return out


def _rim_of(cut: Square) -> NDArray[np.float32]:
    """Edges of the rim alone, for where the camera looks."""
    grey = cv2.cvtColor(cut, cv2.COLOR_BGR2GRAY).astype(np.float32)
    strength = np.asarray(_edges(grey).sum(axis=-1))
    strength = np.minimum(strength, np.quantile(strength, 0.95))
    strength[RIM:-RIM, RIM:-RIM] = 0.0
    seen = strength > 0
    # A blank picture has no edge: it says nothing of where the camera looks.
    usual = strength[seen].mean() if seen.any() else 0.0
    return np.asarray(strength - usual * seen, np.float32)


def variants(cut: Square, rng: np.random.Generator) -> list[Square]:
    """The picture in other light: gain, tint, noise, haze, blur, a shadow, a pixel of shift."""
    made = [cut]
    for _ in range(VARIANTS):
        tint = (rng.uniform(0.55, 1.4) * rng.uniform(0.92, 1.08, 3)).astype(np.float32)
        light: NDArray[np.float32] = cut * tint
        if rng.random() < 0.5:
            light = _shaded(light, rng)
        if rng.random() < 0.5:
            haze = rng.uniform(0.1, 0.45)
            light = np.asarray(light * (1 - haze) + 190.0 * haze, np.float32)
        if rng.random() < 0.5:
            soft = cv2.GaussianBlur(light, (0, 0), rng.uniform(0.4, 1.2))
            light = np.asarray(soft, np.float32)
        light = light + rng.normal(0.0, rng.uniform(1.0, 7.0), light.shape).astype(np.float32)
        dx, dy = rng.integers(-1, 2, 2)
        moved = np.roll(light, (int(dy), int(dx)), axis=(0, 1))
        made.append(np.asarray(np.clip(moved, 0, 255), np.uint8))
    return made


def _shaded(light: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """A soft shadow over one side."""
    side = light.shape[0]
    angle, off = rng.uniform(0, 2 * np.pi), rng.uniform(-0.3, 0.3) * side
    y, x = np.mgrid[:side, :side] - side / 2
    over = 1 / (1 + np.exp(-(x * np.cos(angle) + y * np.sin(angle) - off) / 2.0))
    return np.asarray(light * (1 - rng.uniform(0.2, 0.55) * over[..., None]), np.float32)


@dataclass(frozen=True, slots=True)
class LearntCells:
    """The cells of each picture with its variants, by look: what teaching spends its time on."""

    tone: Tone
    rows: Mapping[str, Sequence[Cells]]

    @classmethod
    def of(cls, looks: Mapping[str, Sequence[Square]]) -> LearntCells:
        """Some hundredths of a second for each picture."""
        rng = np.random.default_rng(0)
        tone = tone_of([cut for cuts in looks.values() for cut in cuts])
        rows = {
            name: [np.stack([cells_of(v, tone) for v in variants(cut, rng)]) for cut in cuts]
            for name, cuts in looks.items()
        }
        return cls(tone, rows)

    def without(self, name: str, number: int) -> LearntCells:
        """All but one picture. The light of its rim stays in `tone`, its cells are gone."""
        kept = [rows for n, rows in enumerate(self.rows[name]) if n != number]
        return LearntCells(self.tone, {**self.rows, name: kept})


class TaughtPlace:
    """The looks of one place. Immutable once taught."""

    def __init__(
        self, looks: Mapping[str, Sequence[Square]], known: LearntCells | None = None
    ) -> None:
        """looks: name to cut-outs (`square`); known: their cells where they were taken before.
        Raises ValueError for fewer than two looks, or fewer than CLICKS_LEAST pictures of one."""
        if len(looks) < 2 or min(len(cuts) for cuts in looks.values()) < CLICKS_LEAST:
            raise ValueError(f"two looks or more, of {CLICKS_LEAST} pictures or more each")
        self.names = tuple(looks)
        known = known or LearntCells.of(looks)
        self._tone = known.tone
        cells = [np.concatenate(known.rows[name]) for name in self.names]
        # Everything of a look by [look, way, cell, feature].
        self._means = np.stack([rows.mean(axis=0) for rows in cells])
        own = np.stack([rows.var(axis=0) for rows in cells])
        shared = own.mean(axis=0)
        usual = np.median(shared, axis=(1, 2), keepdims=True)
        # A look that varies (clothes on a line) has a wide spread of its own, a free railing none.
        spread = OWN_SHARE * own + (1.0 - OWN_SHARE) * shared
        self._spread = (0.75 * spread + 0.25 * usual + 1e-4).astype(np.float32)
        apart = np.sqrt(self._apart())
        least = np.quantile(apart, COUNTED, axis=(1, 2), keepdims=True)
        weight = np.maximum(0.0, apart - least)
        self._weight = (weight / weight.sum()).astype(np.float32)
        # What of a cell no look explains, usually: the yardstick of what is odd.
        rest = np.concatenate([self._rest(rows, n) for n, rows in enumerate(cells)])
        self._usual = np.asarray(np.quantile(rest, 0.9, axis=0) + 0.15, np.float32)
        rims = [_rim_of(cut) for cuts in looks.values() for cut in cuts]
        self._rim = np.asarray(np.mean(rims, axis=0), np.float32)

    def _apart(self) -> NDArray[np.float32]:
        """How well each cell's feature tells the looks apart: divergence of their normal curves."""
        total = np.zeros(self._means.shape[1:], np.float32)
        for one, other in itertools.combinations(range(len(self.names)), 2):
            a, b = self._spread[one], self._spread[other]
            step = (self._means[one] - self._means[other]) ** 2
            total += 0.25 * step * (1 / a + 1 / b) + 0.25 * (a / b + b / a - 2.0)
        return total

    def _rest(self, rows: Cells, look: int) -> NDArray[np.float32]:
        """(n, ways, cells): how far each cell lies from a look, in its spread."""
        square_of = (rows - self._means[look]) ** 2 / self._spread[look]
        return np.asarray(np.sqrt(np.minimum(square_of, ODD_CAP).mean(axis=-1)), np.float32)

    def tell(self, cut: Square, *, covered: float = 0.0) -> PlaceAnswer:
        """What the place looks like. covered: share of it that known things stand before."""
        grey = np.asarray(cv2.cvtColor(cut, cv2.COLOR_BGR2GRAY), np.float32)
        place = grey[RIM:-RIM, RIM:-RIM]
        if float(place.mean()) < DARK and float(np.quantile(place, 0.95)) < 2 * DARK:
            return PlaceAnswer(None, "dark", 0.0, 0.0)
        if float(np.asarray(cv2.GaussianBlur(place, (0, 0), 1.5), np.float32).std()) < FLAT:
            return PlaceAnswer(None, "flat", 0.0, 0.0)
        if covered > COVERED_SHARE:
            return PlaceAnswer(None, "covered", 0.0, covered)
        shift = self._shift(cut)
        if shift is None:
            return PlaceAnswer(None, "moved", 0.0, 0.0)
        return self._nearest(cells_of(shifted(cut, shift), self._tone))

    def _nearest(self, cells: Cells) -> PlaceAnswer:
        odd = self._odd(cells)
        square_of = np.minimum((cells - self._means) ** 2 / self._spread, CAP)
        likely = (square_of + np.log(self._spread)) * self._weight
        away = np.asarray(likely.sum(axis=(1, 2, 3)), np.float64)
        first, second = np.argsort(away)[:2]
        margin = float(away[second] - away[first])
        if odd > 1.0:
            return PlaceAnswer(None, "covered", margin, odd)
        if margin < MARGIN:
            return PlaceAnswer(None, "between", margin, odd)
        return PlaceAnswer(self.names[first], "", margin, odd)

    def _odd(self, cells: Cells) -> float:
        """How far this is from everything taught, 1 at most for what is still believed: the way of
        undoing the light that explains it better counts."""
        far = np.stack([self._rest(cells[None], n)[0] for n in range(len(self.names))])
        ways = far.min(axis=0) / self._usual
        tenth = np.sort(ways, axis=1)[:, -1 - round(ODD_SHARE * ways.shape[1])]
        rim = np.sort(ways[:, _RIM_CELLS], axis=1)
        oddest = rim[:, -round(RIM_ODDEST * rim.shape[1]) :].mean(axis=1)
        return float(((tenth + oddest) / ODD_MOST).min())

    def _shift(self, cut: Square) -> tuple[int, int] | None:
        """By how many pixels the camera is off, None where its rim is another place."""
        rim = _rim_of(cut)
        side = rim.shape[0]
        inner = self._rim[SHIFT_MAX : side - SHIFT_MAX, SHIFT_MAX : side - SHIFT_MAX]
        alike = cv2.matchTemplate(rim, np.ascontiguousarray(inner), cv2.TM_CCORR_NORMED)
        _, best, _, (x, y) = cv2.minMaxLoc(alike)
        if best < RIM_LEAST:
            return None
        return x - SHIFT_MAX, y - SHIFT_MAX


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Each taught picture judged by the others: right, wrong and undecided of all."""

    right: int
    wrong: int
    untold: int

    @property
    def accuracy(self) -> float:
        """Of those that were decided."""
        decided = self.right + self.wrong
        return self.right / decided if decided else 0.0

    @property
    def count(self) -> int:
        return self.right + self.wrong + self.untold


def held_out(looks: Mapping[str, Sequence[Square]]) -> HeldOut:
    """Leave one picture out, teach with the rest, ask about it. A look that has only CLICKS_LEAST
    pictures cannot spare one: its pictures count as undecided."""
    right = wrong = untold = 0
    learnt = LearntCells.of(looks)
    for name, cuts in looks.items():
        for n in range(len(cuts)):
            rest = {**looks, name: [c for m, c in enumerate(cuts) if m != n]}
            if len(rest[name]) < CLICKS_LEAST:
                untold += 1
                continue
            answer = TaughtPlace(rest, learnt.without(name, n)).tell(cuts[n])
            right += answer.look == name
            wrong += answer.look not in (name, None)
            untold += answer.look is None
    return HeldOut(right, wrong, untold)
