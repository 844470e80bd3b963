# SPDX-License-Identifier: AGPL-3.0-or-later
"""Whether the levels that a meter reports together can be of one measurement.

Lmax >= L5 >= L10 >= L50 >= L90 >= L95 >= Lmin, and Leq between Lmin and Lmax: so by definition. A
meter, a logger or a line that breaks this is wrong, whatever its check says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise

# From loud to quiet.
CHAIN = ("max", "l5", "l10", "l50", "l90", "l95", "min")
NAMES: Mapping[str, str] = {
    **dict.fromkeys(("lmx", "lmax", "lamax", "lafmax", "lasmax"), "max"),
    **dict.fromkeys(("lmn", "lmin", "lamin", "lafmin", "lasmin"), "min"),
    **dict.fromkeys(("leq", "laeq", "la"), "mean"),
    **{name: name for name in CHAIN[1:-1]},
}
# A momentary level is not the mean of the period whose extremes stand beside it.
MOMENTARY = ("-Rtd",)
# Half of the last printed digit, twice.
TOLERANCE_DB = 0.1


def role(channel: str) -> tuple[str, str] | None:
    """(which statistic it is, of which part of the day), None for all other channels."""
    if channel.endswith(MOMENTARY):
        return None
    name, _, suffix = channel.partition("-")
    found = NAMES.get(name.lower())
    part = suffix if suffix in ("DayData", "NightData") else ""
    return None if found is None else (found, part)


def disordered(levels: Iterable[tuple[str, float]]) -> set[str]:
    """Channels of one report that cannot stand together; all of a part of the day or none."""
    parts: dict[str, dict[str, tuple[str, float]]] = {}
    for channel, value in levels:
        known = role(channel)
        if known is not None:
            parts.setdefault(known[1], {})[known[0]] = (channel, value)
    return {
        channel
        for part in parts.values()
        if not _in_order({name: value for name, (_, value) in part.items()})
        for channel, _ in part.values()
    }


def _in_order(levels: Mapping[str, float]) -> bool:
    chain = [levels[name] for name in CHAIN if name in levels]
    falling = all(a >= b - TOLERANCE_DB for a, b in pairwise(chain))
    mean = levels.get("mean")
    if mean is None:
        return falling
    low, high = levels.get("min", mean), levels.get("max", mean)
    return falling and low - TOLERANCE_DB <= mean <= high + TOLERANCE_DB
