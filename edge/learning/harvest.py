# SPDX-License-Identifier: AGPL-3.0-or-later
"""Which frames are worth a labeller's time, and how many the disk and people's privacy allow. Pure.

Worth it: detections just under or over the limit, where a label teaches most; frames where two
looks at one thing disagree (tracker's vote against detector, far look against close-up). A kept
frame is a crop round the thing; people inside it who are not the subject lose their faces.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from edge.geometry import iou
from edge.learning.retention import KEEP_DAYS
from edge.values import Box, Detections, Image, Track

Why = Literal["near_limit", "disagreement", "confirmed", "rejected"]

BELOW, ABOVE = 0.15, 0.05  # of the limit: how near is near
SAME_PLACE_IOU = 0.5
MARGIN = 0.6  # of the box's longer side, kept round it
HEAD_SHARE = 0.3  # of a person's box, from the top
BLOCKS = 6  # a head is left with this many blocks across


@dataclass(frozen=True, slots=True)
class HarvestCandidate:
    """Something worth keeping: what, where (fractions of the frame), how sure the detector was."""

    why: Why
    label: str
    box: Box
    score: float


@dataclass(frozen=True, slots=True)
class Budget:
    """What one camera may keep. An unjudged picture is deleted after `keep_days`."""

    per_hour: int = 2
    per_day: int = 12
    megabytes: float = 200.0
    keep_days: float = KEEP_DAYS


def near_limit(found: Detections, limits: dict[str, float]) -> list[HarvestCandidate]:
    """Detections of watched classes near their limit. `limits`: least score by class name."""
    wishes = []
    for box, score, label in zip(found.boxes, found.scores, found.labels, strict=True):
        name = found.names[int(label)]
        limit = limits.get(name)
        if limit is not None and limit - BELOW <= score < limit + ABOVE:
            wishes.append(HarvestCandidate("near_limit", name, _box(box), float(score)))
    return wishes


def disagreement(
    found: Detections, tracks: Sequence[Track], limits: dict[str, float]
) -> list[HarvestCandidate]:
    """Where this frame's detector says another class than the track it belongs to."""
    wishes = []
    for track in tracks:
        if track.coasted or track.label not in limits:
            continue
        best = _strongest_at(found, track.box)
        if best is not None and found.names[int(found.labels[best])] != track.label:
            score = float(found.scores[best])
            wishes.append(HarvestCandidate("disagreement", track.label, track.box, score))
    return wishes


def _strongest_at(found: Detections, box: Box) -> int | None:
    same = [i for i, other in enumerate(found.boxes) if iou(_box(other), box) >= SAME_PLACE_IOU]
    return max(same, key=lambda i: float(found.scores[i]), default=None)


def allowed(budget: Budget, kept_at_s: Iterable[float], held_bytes: int, *, now_s: float) -> bool:
    """May one more be kept now? `kept_at_s`: when this camera's earlier ones were kept, UTC."""
    ages = [now_s - at for at in kept_at_s]
    hour, day = sum(a < 3600 for a in ages), sum(a < 86_400 for a in ages)
    room = held_bytes < budget.megabytes * 1e6
    return hour < budget.per_hour and day < budget.per_day and room


def crop(image: Image, box: Box, others: Sequence[Box] = ()) -> tuple[Image, Box]:
    """(a copy round the box with a margin, the box as fractions of the copy).

    `others`: people who are not the subject; their heads become blocks. The frame is not changed.
    """
    height, width = image.shape[:2]
    x1, y1, x2, y2 = _pixels(box, width, height)
    margin = round(MARGIN * max(x2 - x1, y2 - y1))
    left, top = max(0, x1 - margin), max(0, y1 - margin)
    right, bottom = min(width, x2 + margin), min(height, y2 + margin)
    part = image[top:bottom, left:right].copy()
    for other in others:
        a, b, c, d = _pixels(other, width, height)
        _blocks(part, (a - left, b - top, c - left, b - top + round(HEAD_SHARE * (d - b))))
    w, h = right - left, bottom - top
    return part, ((x1 - left) / w, (y1 - top) / h, (x2 - left) / w, (y2 - top) / h)


def _blocks(image: Image, box: tuple[int, int, int, int]) -> None:
    """Replace a rectangle by BLOCKS x BLOCKS flat squares, in place."""
    x1, y1 = max(0, box[0]), max(0, box[1])
    x2, y2 = min(image.shape[1], box[2]), min(image.shape[0], box[3])
    if x2 <= x1 or y2 <= y1:
        return
    part = image[y1:y2, x1:x2]
    rows = np.linspace(0, y2 - y1, min(BLOCKS, y2 - y1) + 1).astype(int)
    columns = np.linspace(0, x2 - x1, min(BLOCKS, x2 - x1) + 1).astype(int)
    for top, bottom in itertools.pairwise(rows):
        for left, right in itertools.pairwise(columns):
            cell = part[top:bottom, left:right]
            cell[:] = cell.reshape(-1, 3).mean(0).astype(np.uint8)


def _pixels(box: Box, width: int, height: int) -> tuple[int, int, int, int]:
    """Fractions to whole pixels, at least one pixel large and inside the frame."""
    x1, y1 = min(int(box[0] * width), width - 1), min(int(box[1] * height), height - 1)
    x1, y1 = max(0, x1), max(0, y1)
    x2, y2 = round(box[2] * width), round(box[3] * height)
    return x1, y1, min(max(x2, x1 + 1), width), min(max(y2, y1 + 1), height)


def _box(sides: Iterable[float]) -> Box:
    x1, y1, x2, y2 = (float(side) for side in sides)
    return (x1, y1, x2, y2)
