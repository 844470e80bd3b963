# SPDX-License-Identifier: AGPL-3.0-or-later
"""A picture of evidence: whether it is good enough, what is drawn on it, its masked copy. Pure.

Good enough: 真实 清晰 完整 准确 as code, of one picture and of all pictures of a revision (`gate`).

Drawn: the pixels of the scene stay as the camera gave them. The strip is added below, and the ticks
mark the corners of the box from outside, so the subject itself is never painted over.

Masked: a public copy hides heads of people, plates of vehicles and masked zones. The original is
kept apart and never altered; these functions return copies. There is no face model on the box: a
head is the upper part of a person's box, a plate the lower middle of a vehicle's. Both are taken
generously, since hiding too much is the smaller mistake.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone, tzinfo
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.config import Category, Recipe
from edge.geometry import iou
from edge.values import Box, EvidenceFile, Image, Place, Role, Stamp, Track

# Mean grey below which a person sees nothing, and the share of clipped pixels that hides a scene.
DARK_MEAN = 22.0
CLIPPED_SHARE = 0.6
# Below this share of its edges lost to a further blur, a picture was blurred already.
BLUR_RATIO = 0.22
LEAST_WIDTH, LEAST_HEIGHT = 1280, 720
CLOCK_ERROR_MS = 1000.0


@dataclass(frozen=True, slots=True)
class PictureQuality:
    """Numbers about one picture, measured before the strip is added."""

    width: int
    height: int
    mean: float
    clipped_share: float
    sharpness: float

    def failings(self) -> tuple[str, ...]:
        """Words of docs/operations.md for what is wrong with it."""
        checks = (
            ("dark", self.mean < DARK_MEAN),
            ("overexposed", self.clipped_share > CLIPPED_SHARE),
            ("blurred", self.sharpness < BLUR_RATIO),
        )
        return tuple(name for name, bad in checks if bad)


def measure(image: Image) -> PictureQuality:
    """Size, brightness (0 to 255), share of burnt-out pixels and sharpness of a BGR picture.
    Sharpness is taken at 640 px width so that limits hold for every camera."""
    height, width = image.shape[:2]
    scale = min(1.0, 640.0 / width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1 else image
    grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
    return PictureQuality(
        width=width,
        height=height,
        mean=float(grey.mean()),
        clipped_share=float(np.mean(grey >= 254)),
        sharpness=sharpness(grey),
    )


def sharpness(grey: NDArray[Any]) -> float:
    """0 (blurred) .. 1: the share of edge strength that blurring the picture once more takes away.

    After Crete et al., "The blur effect" (SPIE 6492, 2007): independent of contrast and subject.
    """
    soft = cv2.blur(grey.astype(np.float32), (9, 9))
    hard = cv2.blur(grey.astype(np.float32), (3, 3))
    shares = []
    for axis in (0, 1):
        before = np.abs(np.diff(hard, axis=axis))
        after = np.abs(np.diff(soft, axis=axis))
        total = float(before.sum())
        shares.append(float(np.maximum(before - after, 0).sum()) / total if total > 1.0 else 0.0)
    return min(shares)


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture as the gate sees it: what it is, when, and how good.

    box: where the subject stood (fractions of the frame). scene: (x, width, height) in pixels of
    what the camera gave within the file, which also holds the strip.
    """

    role: Role
    at: Stamp
    quality: PictureQuality
    box: Box = (0.0, 0.0, 1.0, 1.0)
    scene: tuple[int, int, int] = (0, 0, 0)


def gate(
    shots: Sequence[Shot],
    files: Sequence[EvidenceFile],
    recipe: Recipe,
    *,
    stay_s: float,
    clip_due: bool,
    native: tuple[int, int] | None = None,
) -> tuple[str, ...]:
    """The checks a package fails, in words; empty means complete.

    stay_s: the allowed stay; the last overview lies at least that far from the first.
    clip_due: the clip had its time; before that its absence is no failing.
    native: (width, height) of the camera, so a small camera is not blamed for its size.
    """
    overviews = sorted((s for s in shots if s.role in ("overview", "after")), key=_mono)
    roles = {f.role for f in files}
    checks = (
        ("pictures", len(overviews) < recipe.overviews),
        ("spacing", len(overviews) > 1 and _span_s(overviews[:2]) < spacing_s(recipe, stay_s)),
        ("stay", stay_s > 0 and _span_s(overviews) < stay_s),
        ("close", recipe.close and "close" not in roles),
        ("before_after", recipe.before_after and not {"before", "after"} <= roles),
        ("plate", recipe.plate and "plate" not in roles),
        ("clip", recipe.clip and clip_due and "clip" not in roles),
        ("clock", any(_clock_bad(s.at) for s in shots)),
        ("resolution", any(_too_small(s.quality, native) for s in overviews)),
    )
    pictures = {word for s in overviews for word in s.quality.failings()}
    return tuple(name for name, bad in checks if bad) + tuple(sorted(pictures))


def spacing_s(recipe: Recipe, stay_s: float) -> float:
    """Least time between the first two pictures; half the allowed stay where that is shorter."""
    return min(recipe.spacing_s, stay_s / 2.0) if stay_s > 0 else recipe.spacing_s


def _mono(shot: Shot) -> float:
    return shot.at.mono


def _span_s(shots: Sequence[Shot]) -> float:
    return shots[-1].at.mono - shots[0].at.mono if len(shots) > 1 else 0.0


def _clock_bad(at: Stamp) -> bool:
    """Unsynchronised or too wrong. A recording's time says itself that it is one: marked."""
    if at.quality == "recording":
        return False
    return at.quality == "unsynced" or at.error_ms > CLOCK_ERROR_MS


def _too_small(quality: PictureQuality, native: tuple[int, int] | None) -> bool:
    """Smaller than asked for although the camera gives more."""
    least_w = min(LEAST_WIDTH, native[0]) if native else LEAST_WIDTH
    least_h = min(LEAST_HEIGHT, native[1]) if native else LEAST_HEIGHT
    return quality.width < least_w or quality.height < least_h


STRIP_SHARE = 0.034
STRIP_MIN_PX = 20
STRIP_WIDTH_PX = 560
TICK_SHARE = 0.25
RED = (40, 40, 230)

# OpenCV 5 carries a face with Chinese glyphs; no font file is needed.
_FACE: Any = cv2.FontFace("uni")

_CLOCK = {
    "ntp": "NTP",
    "gnss": "GNSS",
    "holdover": "守时 holdover",
    "unsynced": "时钟未同步 unsynced",
    "recording": "录像时间 recording",
}


def when_text(at: Stamp, zone: tzinfo = timezone.utc) -> str:
    """Local time to the tenth of a second, its offset, and how far to trust it."""
    local = datetime.fromtimestamp(at.wall, zone)
    offset = local.strftime("%z")
    tenth = local.microsecond // 100_000
    error = f" ±{at.error_ms:.0f} ms" if at.quality in ("ntp", "gnss", "holdover") else ""
    return (
        f"{local:%Y-%m-%d %H:%M:%S}.{tenth} {offset[:3]}:{offset[3:]}  {_CLOCK[at.quality]}{error}"
    )


def where_text(where: Place) -> str:
    """Coordinates with datum and accuracy, and the unit grid, as far as known."""
    parts = []
    if where.lat is not None and where.lon is not None:
        accuracy = f" ±{where.accuracy_m:.0f} m" if where.accuracy_m else ""
        parts.append(f"{where.lat:.5f}, {where.lon:.5f} {where.crs}{accuracy}")
    if where.grid:
        parts.append(f"网格 {where.grid}")
    if where.address:
        parts.append(where.address)
    return "  ".join(parts)


@dataclass(frozen=True, slots=True)
class Caption:
    """The two lines of a camera's strip. who: site, camera and device; zone: the site's time."""

    who: str
    where: Place
    zone: tzinfo
    categories: Mapping[str, Category]

    def lines(self, at: Stamp, category: str) -> list[str]:
        """Who suspects what; when, by which clock, and where."""
        place = where_text(self.where)
        second = when_text(at, self.zone) + (f"  {place}" if place else "")
        suspected = self.categories.get(category)
        if suspected is None:
            return [self.who, second]
        code = next(iter(suspected.codes.values()), "")
        title = f"{suspected.zh} {suspected.en} {code}".strip()
        return [f"{self.who}  疑似 suspected: {title}", second]


def with_strip(image: Image, lines: Sequence[str]) -> Image:
    """The picture with one strip line for each text below it; grows, never covers.

    A narrow close-up is set on a wider canvas, so that the text stays readable beside its pixels.
    """
    height, width = image.shape[:2]
    if width < STRIP_WIDTH_PX:
        beside = (STRIP_WIDTH_PX - width) // 2
        rest = STRIP_WIDTH_PX - width - beside
        image = np.pad(image, ((0, 0), (beside, rest), (0, 0)), constant_values=24)
        width = STRIP_WIDTH_PX
    line_px = max(STRIP_MIN_PX, round(height * STRIP_SHARE))
    strip = np.full((line_px * len(lines), width, 3), 24, np.uint8)
    for row, text in enumerate(lines):
        _fit_text(strip, text, row, line_px)
    return np.concatenate([image, strip])


def _fit_text(strip: Image, text: str, row: int, line_px: int) -> None:
    size = round(line_px * 0.72)
    while size > 8 and _text_px(text, size) > strip.shape[1] - 16:
        size -= 1
    base = (row + 1) * line_px - round(line_px * 0.28)
    cv2.putText(strip, text, (8, base), (235, 235, 235), _FACE, size, 400)


def _text_px(text: str, size: int) -> int:
    box = cv2.getTextSize((0, 0), text, (0, 0), _FACE, size, 400)
    return int(box[2])


def with_ticks(image: Image, box: Box) -> Image:
    """A copy with corner ticks just outside the box (fractions of the frame)."""
    out = image.copy()
    height, width = image.shape[:2]
    thick = max(2, round(height / 360))
    x1, y1 = round(box[0] * width) - thick, round(box[1] * height) - thick
    x2, y2 = round(box[2] * width) + thick, round(box[3] * height) + thick
    arm = max(8, round(min(x2 - x1, y2 - y1) * TICK_SHARE))
    for x, y, dx, dy in ((x1, y1, 1, 1), (x2, y1, -1, 1), (x1, y2, 1, -1), (x2, y2, -1, -1)):
        cv2.line(out, (x, y), (x + dx * arm, y), RED, thick)
        cv2.line(out, (x, y), (x, y + dy * arm), RED, thick)
    return out


def crop(image: Image, box: Box, *, margin: float = 0.25, least_px: int = 96) -> Image:
    """The box with a margin round it, clipped to the picture, at least `least_px` each way."""
    height, width = image.shape[:2]
    cx, cy = (box[0] + box[2]) / 2 * width, (box[1] + box[3]) / 2 * height
    half_w = max((box[2] - box[0]) * width * (0.5 + margin), least_px / 2)
    half_h = max((box[3] - box[1]) * height * (0.5 + margin), least_px / 2)
    x1, x2 = max(0, int(cx - half_w)), min(width, int(cx + half_w) + 1)
    y1, y2 = max(0, int(cy - half_h)), min(height, int(cy + half_h) + 1)
    return image[y1:y2, x1:x2].copy()


PEOPLE = frozenset({"person"})
VEHICLES = frozenset({"car", "truck", "bus", "motorcycle", "muck_truck"})
HEAD_SHARE = 0.28
PLATE_BAND = (0.45, 1.0)
MOSAIC_CELLS = 6
INVOLVED_IOU = 0.5


def blackened(image: Image, polygons: Iterable[Sequence[tuple[float, float]]]) -> Image:
    """A copy with the polygons (fractions) painted black: zones of kind `mask`."""
    out = image.copy()
    height, width = image.shape[:2]
    for polygon in polygons:
        corners = np.array([(x * width, y * height) for x, y in polygon])
        cv2.fillPoly(out, [corners.round().astype(np.int32)], (0, 0, 0))
    return out


def public_copy(image: Image, tracks: Iterable[Track], subject: Box | None) -> Image:
    """A copy fit for a notice or a newspaper: every head and every other vehicle's plate hidden."""
    out = image.copy()
    for track in tracks:
        if track.label in PEOPLE:
            _mosaic(out, head(track.box))
        elif track.label in VEHICLES and not _involved(track.box, subject):
            _mosaic(out, plate(track.box))
    return out


def head(box: Box) -> Box:
    x1, y1, x2, y2 = box
    margin = (x2 - x1) * 0.1
    return (x1 - margin, y1 - margin, x2 + margin, y1 + (y2 - y1) * HEAD_SHARE)


def plate(box: Box) -> Box:
    x1, y1, x2, y2 = box
    top, low = PLATE_BAND
    return (x1, y1 + (y2 - y1) * top, x2, y1 + (y2 - y1) * low)


def _involved(box: Box, subject: Box | None) -> bool:
    return subject is not None and iou(box, subject) >= INVOLVED_IOU


def _mosaic(image: Image, box: Box) -> None:
    """Replace the box by a few flat cells; too few to reconstruct a face or a plate from."""
    height, width = image.shape[:2]
    x1, x2 = max(0, int(box[0] * width)), min(width, int(box[2] * width) + 1)
    y1, y2 = max(0, int(box[1] * height)), min(height, int(box[3] * height) + 1)
    if x2 <= x1 or y2 <= y1:
        return
    part = image[y1:y2, x1:x2]
    cells = (min(MOSAIC_CELLS, x2 - x1), min(MOSAIC_CELLS, y2 - y1))
    small = cv2.resize(part, cells, interpolation=cv2.INTER_AREA)
    image[y1:y2, x1:x2] = cv2.resize(small, (x2 - x1, y2 - y1), interpolation=cv2.INTER_NEAREST)
