# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a sensor beside the camera says of what the picture shows: supports, contradicts, absent."""

from __future__ import annotations

from collections.abc import Sequence

from edge.values import Json, Sample

# Multiples of a microgram (or milligram) per cubic metre, as drivers write units.
SCALE = {"ug/m3": 1.0, "µg/m3": 1.0, "µg/m³": 1.0, "ug/m³": 1.0, "mg/m3": 1e3, "mg/m³": 1e3}
CLEAR_SHARE = 0.5


def corroboration(samples: Sequence[Sample], channels: Sequence[str], limit: float) -> Json:
    """The strongest valid reading of these channels against a limit in micrograms per cubic metre.

    "supports" from the limit up, "contradicts" below half of it, "neutral" between. A reading with
    any flag but "ok", or in a unit that is no concentration, does not count: "absent".
    """
    valid = [
        (sample.value * SCALE[sample.unit], sample)
        for sample in samples
        if sample.channel in channels and sample.flag == "ok" and sample.unit in SCALE
    ]
    if not valid:
        return {"says": "absent"}
    value, sample = max(valid, key=lambda pair: pair[0])
    says = "supports" if value >= limit else "contradicts"
    if limit * CLEAR_SHARE <= value < limit:
        says = "neutral"
    return {
        "says": says,
        "sensor": sample.sensor,
        "channel": sample.channel,
        "value": sample.value,
        "unit": sample.unit,
        "limit_ug_m3": limit,
    }
