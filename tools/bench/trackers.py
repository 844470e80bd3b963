# SPDX-License-Identifier: AGPL-3.0-or-later
"""Trackers under one shape, for comparison: given boxes of a picture, ids and boxes come back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tools.bench.crowds import Instant

Given = tuple[NDArray[np.int64], NDArray[np.float32]]
Update = Callable[[Instant], Given]

NAMES: Sequence[str] = tuple(str(index) for index in range(80))


def ours(fps: float) -> Update:
    """The tracker of this project with its defaults; it needs no frame rate."""
    from edge.values import Detections, Stamp
    from edge.vision.tracker import Tracker

    tracker = Tracker()

    def update(instant: Instant) -> Given:
        """One instant through the product's tracker: ids (n,) and boxes (n, 4)."""
        found = Detections(instant.boxes, instant.scores, instant.labels, tuple(NAMES))
        tracks = tracker.update(found, Stamp(instant.at_s, instant.at_s))
        seen = [track for track in tracks if not track.coasted]
        return (
            np.array([track.id for track in seen], np.int64),
            np.array([track.box for track in seen], np.float32).reshape(-1, 4),
        )

    return update


def roboflow(fps: float, **settings: Any) -> Update:
    """ByteTrack of the package `trackers` (VENV=bench). `settings` override its own."""
    import supervision as sv
    from trackers import ByteTrackTracker

    tracker = ByteTrackTracker(frame_rate=fps, **settings)
    size = np.array([1920, 1080] * 2, np.float32)

    def update(instant: Instant) -> Given:
        """One instant through the other tracker: ids (n,) and boxes (n, 4)."""
        found = sv.Detections(
            xyxy=instant.boxes * size, confidence=instant.scores, class_id=instant.labels
        )
        out = tracker.update(found)
        known = np.asarray(out.tracker_id) >= 0
        return np.asarray(out.tracker_id)[known].astype(np.int64), out.xyxy[known] / size

    return update


def roboflow_tuned(fps: float) -> Update:
    """The same with thresholds for a detector whose scores mean what ours mean."""
    return roboflow(fps, track_activation_threshold=0.35, high_conf_det_threshold=0.35)


TRACKERS: dict[str, Callable[[float], Update]] = {
    "ours": ours,
    "trackers-bytetrack": roboflow,
    "trackers-bytetrack-tuned": roboflow_tuned,
}
