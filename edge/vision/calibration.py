# SPDX-License-Identifier: AGPL-3.0-or-later
"""From a detector's scores to scores that promise the same of every class.

A score is calibrated where boxes told at 0.35 are right as often whatever their class. The map of a
class is monotonic, in log odds: slope times the raw score's, plus a shift (Platt 1999); it comes
with the model, fitted on held-apart real pictures (tools.training.calibration).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

LEAST, MOST = 1e-4, 1.0 - 1e-4

Floats = NDArray[np.float32]


class ScoreMap:
    """The maps of all classes of a model. `pairs`: class name to (slope, shift); a class without
    one keeps its scores."""

    def __init__(self, names: Sequence[str], pairs: Mapping[str, tuple[float, float]]) -> None:
        both = np.array([pairs.get(name, (1.0, 0.0)) for name in names], np.float32)
        self._slope, self._shift = both[:, 0], both[:, 1]

    def apply(self, scores: Floats, labels: NDArray[np.int32]) -> Floats:
        """Calibrated scores of boxes with these raw scores (n,) and classes (n,)."""
        odds = _odds(scores) * self._slope[labels] + self._shift[labels]
        return np.asarray(1.0 / (1.0 + np.exp(-odds)), np.float32)

    def raw_floor(self, score: float) -> float:
        """The least raw score that can come to `score` in any class."""
        odds = (float(_odds(np.array([score], np.float32))[0]) - self._shift) / self._slope
        return float(min(score, (1.0 / (1.0 + np.exp(-odds))).min()))


def _odds(scores: Floats) -> Floats:
    inside = np.clip(scores, LEAST, MOST)
    return np.asarray(np.log(inside / (1.0 - inside)), np.float32)
