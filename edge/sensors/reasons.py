# SPDX-License-Identifier: AGPL-3.0-or-later
"""Why a value is not judged, in words for people. A sample carries the short name (`why`)."""

from __future__ import annotations

from collections.abc import Mapping

# name -> (Chinese, English)
REASONS: Mapping[str, tuple[str, str]] = {
    "range": ("超出该量可能的范围", "outside what this quantity can be"),
    "order": (
        "统计声级顺序颠倒（最大值低于等效值等）",
        "levels out of order: Lmax below Leq, or L90 above L10",
    ),
    "minmax": ("均值不在最小值与最大值之间", "the mean lies outside minimum and maximum"),
    "jump": ("与前后读数不符，可能是通信误码", "fits neither neighbour: damage of the line"),
    "torn": ("前一帧受损，本帧未经证实", "came right after damaged bytes"),
    "late": ("补传数据，时间已过久", "of the past: too old to judge now"),
    "settling": ("刚开机，读数未稳定", "just switched on"),
    "constant": ("数值长时间不变", "has not moved for too long"),
    "stepped": ("数值成段保持不变后跳变", "holds still for minutes, then jumps"),
    "clipped": ("数值顶到同一上限", "runs into a ceiling"),
    "drift_neighbours": ("与相邻仪器逐日偏离", "drifts away from its neighbours"),
    "drift_nights": ("夜间本底逐夜漂移", "its own quiet of the night drifts"),
    "clock": ("定位时间不可信", "a date that cannot be"),
}


def words(why: str) -> tuple[str, str]:
    """Chinese and English; the name itself where it has no words."""
    return REASONS.get(why, (why, why))


def text(why: str) -> str:
    """Both languages in one line."""
    return " · ".join(dict.fromkeys(words(why)))
