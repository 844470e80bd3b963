# SPDX-License-Identifier: AGPL-3.0-or-later
"""From a detector's scores to scores that promise the same of every class. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

# Scores are calibrated between these: the odds of 0 and 1 are not finite.
LEAST_SCORE, MOST_SCORE = 1e-4, 1.0 - 1e-4

Floats = NDArray[np.float32]


class ScoreMap:
    """What a score is told as.

    A score is calibrated where boxes reported at 0.35 are right as often whatever their class. The
    map of a class is monotonic, in log odds: slope times the raw score's, plus a shift (Platt
    1999); it comes with the model, fitted on held-apart real pictures. `pairs`: class name to
    (slope, shift); a class without one keeps its scores.

    `rivals`: class name to other classes that the same thing may be instead, and how much each
    speaks against it: a told score is multiplied by (1 - the rival's told score at the same place)
    to this power. An overflowing bin that is as well a bin in order is told less surely.
    """

    def __init__(
        self,
        names: Sequence[str],
        pairs: Mapping[str, tuple[float, float]],
        rivals: Mapping[str, Mapping[str, float]] | None = None,
    ) -> None:
        both = np.array([pairs.get(name, (1.0, 0.0)) for name in names], np.float32)
        self._slope, self._shift = both[:, 0], both[:, 1]
        self._rivals = [
            (names.index(name), names.index(other), power)
            for name, others in (rivals or {}).items()
            for other, power in others.items()
        ]

    def apply(self, scores: Floats, labels: NDArray[np.int32]) -> Floats:
        """Calibrated scores of boxes with these raw scores (n,) and classes (n,); nothing is known
        of what else they might be."""
        odds = _odds(scores) * self._slope[labels] + self._shift[labels]
        return np.asarray(1.0 / (1.0 + np.exp(-odds)), np.float32)

    def table(self, scores: Floats) -> Floats:
        """Told scores of every class at every place, from the raw ones (classes or more, n)."""
        odds = _odds(scores[: len(self._slope)]) * self._slope[:, None] + self._shift[:, None]
        promised = np.asarray(1.0 / (1.0 + np.exp(-odds)), np.float32)
        alone = promised.copy() if self._rivals else promised
        for row, other, power in self._rivals:
            promised[row] *= (1.0 - alone[other]) ** power
        return promised

    def raw_floor(self, score: float) -> float:
        """The least raw score that can come to `score` in any class."""
        odds = (float(_odds(np.array([score], np.float32))[0]) - self._shift) / self._slope
        return float(min(score, (1.0 / (1.0 + np.exp(-odds))).min()))


def _odds(scores: Floats) -> Floats:
    inside = np.clip(scores, LEAST_SCORE, MOST_SCORE)
    return np.asarray(np.log(inside / (1.0 - inside)), np.float32)
