# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a value can be at all: a physical range for every quantity, whatever the protocol.

A value outside it is a placeholder (-9999, 9999.9, 65535) or damage that passed a weak check. It is
flagged and never judged. A map's own `range` says more about one instrument and is asked first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from edge.values import Sample

Range = tuple[float, float]
# Above 194 dB a sound wave in air is clipped by vacuum: peak pressure of one atmosphere.
LEVEL_DB: Range = (0.0, 194.0)
# A gram of dust in a cubic metre is a mine gallery before the explosion, not a street.
MASS_MG: Range = (0.0, 1000.0)
# By unit as the configuration and the protocols write it.
BY_UNIT: Mapping[str, Range] = {
    "dB": LEVEL_DB,
    "dB(A)": LEVEL_DB,
    "mg/m3": MASS_MG,
    "ug/m3": (0.0, 1e6),
    "ng/m3": (0.0, 1e9),
    # Humidity sensors overshoot a little in fog.
    "%": (0.0, 105.0),
    "C": (-90.0, 1000.0),
    # The strongest gust measured is 113 m/s.
    "m/s": (0.0, 120.0),
    "deg": (-180.0, 360.0),
    "kPa": (10.0, 120.0),
    "hPa": (100.0, 1200.0),
    "A": (0.0, 10_000.0),
    "V": (-10_000.0, 100_000.0),
}
# By channel, where a unit says too little: degrees of a place, switches of machines (HJ 212
# SBx-RS: 0 off to 5 blow-back).
BY_CHANNEL: Mapping[str, Range] = {
    "lat": (-90.0, 90.0),
    "lon": (-180.0, 180.0),
    "altitude": (-500.0, 20_000.0),
    "fan": (0.0, 5.0),
    "purifier": (0.0, 5.0),
}
# What makers write for "no value" where the number itself would be possible.
PLACEHOLDERS: Mapping[str, frozenset[float]] = {
    # Silence of exactly 0 dB lies below the self-noise of every meter.
    "dB": frozenset({0.0}),
    "dB(A)": frozenset({0.0}),
    "mg/m3": frozenset({999.9, 999.99, 999.0}),
}


def range_of(channel: str, unit: str) -> Range | None:
    """What this quantity can be; None where neither channel nor unit is known."""
    return BY_CHANNEL.get(channel) or BY_UNIT.get(unit)


def possible(channel: str, value: float, unit: str) -> bool:
    """Whether the value can be a measurement of this quantity. Unknown ones need only be finite."""
    if not math.isfinite(value):
        return False
    if value in PLACEHOLDERS.get(unit, ()):
        return False
    limits = range_of(channel, unit)
    return limits is None or limits[0] <= value <= limits[1]


def usable(sample: Sample) -> bool:
    """Whether a judge may use it: flagged "ok" and possible. The one question every judge asks."""
    return sample.flag == "ok" and possible(sample.channel, sample.value, sample.unit)
