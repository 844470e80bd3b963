# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a fleet asks of broker, network and disk, by arithmetic: the table of docs/scale.md.

tools/python -m tools.faultlab.paper 10000 1000000
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import dataclass

from city_platform.golden import golden
from edge.uplink.presence import HEALTH_EVERY_S
from edge.uplink.wire import CHUNK_MAX
from tools.faultlab.fleet import reconnects, storm

DAY_S = 86_400.0
SENSOR_EVERY_S = 60.0
# More draws would not move the share: it is a density times one second.
SIMULATED_MAX = 100_000
OUTAGE_S = 300.0
# Bytes of a mutual TLS 1.3 handshake with ECDSA P-256 (measured once; docs/scale.md).
HANDSHAKE_BYTES = 2_217


@dataclass(frozen=True, slots=True)
class Habits:
    """What one box does. `clip_share` is the part of the clips that the platform asks for."""

    violations_day: float = 50.0
    revisions: int = 3
    pictures: int = 2
    picture_bytes: int = 250_000
    clip_bytes: int = 4_000_000
    clip_share: float = 1.0
    away_share: float = 0.3
    away_h: float = 6.0


def sizes() -> dict[str, int]:
    """Payload bytes of each golden message."""
    return {one.name: len(one.payload) for one in golden()}


def load(devices: int, habits: Habits) -> dict[str, float]:
    """Figures by name; the names carry the units."""
    size, per_s = sizes(), devices * habits.violations_day / DAY_S
    files = habits.pictures + habits.clip_share
    chunks: float = habits.pictures * math.ceil(habits.picture_bytes / CHUNK_MAX)
    chunks += habits.clip_share * math.ceil(habits.clip_bytes / CHUNK_MAX)
    evidence = habits.pictures * habits.picture_bytes + habits.clip_share * habits.clip_bytes
    records = per_s * habits.revisions
    minute = devices / HEALTH_EVERY_S * size["health"]
    minute += devices / SENSOR_EVERY_S * size["sensor-minute"]
    backlog = devices * habits.away_share * habits.violations_day * habits.away_h / 24.0
    peak = storm(reconnects(min(devices, SIMULATED_MAX), OUTAGE_S), min(devices, SIMULATED_MAX))
    return {
        "health msg/s": devices / HEALTH_EVERY_S,
        "sensor msg/s": devices / SENSOR_EVERY_S,
        "violation records/s": records,
        "evidence msg/s": per_s * (chunks + 2 * files),
        "acks down msg/s": records + devices / SENSOR_EVERY_S + per_s * 2 * files,
        "records Mbit/s": (records * size["violation-update"] + minute) * 8 / 1e6,
        "evidence Mbit/s": per_s * evidence * 8 / 1e6,
        "evidence TB/day": per_s * evidence * DAY_S / 1e12,
        "backlog records": backlog * habits.revisions,
        "backlog TB": backlog * evidence / 1e12,
        "storm connects/s": peak["peak_share_s"] * devices,
        "storm TLS Mbit/s": peak["peak_share_s"] * devices * HANDSHAKE_BYTES * 8 / 1e6,
    }


CLIPS = {"all clips": 1.0, "5 % of clips": 0.05}


def table(fleets: list[int]) -> str:
    """Markdown: one column for each fleet and policy."""
    columns = {
        f"{devices:,}, {name}": load(devices, Habits(clip_share=share))
        for devices in fleets
        for name, share in CLIPS.items()
    }
    head = f"| | {' | '.join(columns)} |\n|---|{'---:|' * len(columns)}\n"
    names = next(iter(columns.values()))
    rows = (f"| {n} | {' | '.join(_short(c[n]) for c in columns.values())} |" for n in names)
    return head + "\n".join(rows)


def _short(value: float) -> str:
    """Three digits that count."""
    if value >= 100:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}"


def main() -> int:
    """Prints what so many devices need, by arithmetic."""
    parser = argparse.ArgumentParser(prog="tools.faultlab.paper", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("devices", type=int, nargs="+")
    print(table(parser.parse_args().devices))
    return 0


if __name__ == "__main__":
    sys.exit(main())
