# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the measured ratios must not exceed, one row each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """`key` of the measured figures, what it means, and its limit; `least`: a floor instead."""

    key: str
    what: str
    limit: float
    least: bool = False

    def met(self, value: float) -> bool:
        return value >= self.limit if self.least else value <= self.limit


LIMITS = (
    Limit("pictures / bare", "ours without decoding / bare session.run, same input", 1.05),
    Limit("ours / bare", "ours with decoding / bare session.run, same input", 1.15),
    Limit("ours / ultralytics track", "our default / ultralytics track (ByteTrack), its 640", 0.55),
    Limit("int8 / ultralytics track", "our int8 / ultralytics track (ByteTrack), its 640", 0.42),
    Limit(
        "same / ultralytics track", "ours on the same ONNX / ultralytics track (ByteTrack)", 0.95
    ),
    Limit(
        "same / ultralytics botsort", "ours on the same ONNX / ultralytics track's default", 0.85
    ),
    Limit("same / supervision", "ours on the same ONNX / supervision and trackers", 1.0),
    Limit("peak mb", "peak memory of decode, detect and track, one stream, MB", 240.0),
    Limit("peak / ultralytics track", "peak memory / ultralytics track", 0.55),
    Limit("gate / 640", "motion gate / one 640 inference", 0.02),
    Limit("tracker / trackers 27", "tracker / ByteTrack of `trackers`, 27 boxes", 1.0),
    Limit("tracker / trackers 81", "tracker / ByteTrack of `trackers`, 81 boxes", 1.0),
    Limit("idf1 - trackers", "IDF1 above ByteTrack of `trackers`, mean of crowds", 0.0, least=True),
    Limit("workers 2 / 1", "pictures a second, two workers on one session / one", 1.5, least=True),
    Limit("visiond mb 1", "peak memory of visiond, one stream, MB", 240.0),
    Limit("visiond mb a further", "peak memory of visiond for each further stream, MB", 45.0),
    Limit("visiond mb 8", "peak memory of visiond, 8 streams, MB", 560.0),
    Limit("streams / arithmetic", "streams held / streams by arithmetic", 0.95, least=True),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One limit, the figure that was measured, and whether it keeps it."""

    what: str
    limit: str
    value: float
    met: bool


def judge(figures: Mapping[str, float]) -> list[Verdict]:
    """A verdict for each limit whose figure was measured."""
    return [
        Verdict(
            one.what,
            f"{'>=' if one.least else '<='} {one.limit:g}",
            figures[one.key],
            one.met(figures[one.key]),
        )
        for one in LIMITS
        if one.key in figures
    ]
