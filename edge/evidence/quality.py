# SPDX-License-Identifier: AGPL-3.0-or-later
"""Is a picture, and a package, good enough to act on? 真实 清晰 完整 准确 as code. Pure.

Source of the list: design `violations.md`, gate; domain.md §8 (evidence practice).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.config import Recipe
from edge.values import Box, EvidenceFile, Image, Role, Stamp

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
