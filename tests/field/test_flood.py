# SPDX-License-Identifier: AGPL-3.0-or-later
"""The short form of `tools/flood`: attackers at every door, and who is served meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.brokers import need_mosquitto
from tools.faultlab import flood


@pytest.mark.broker
@pytest.mark.timeout(420)
def test_a_flood_at_every_door_costs_nobody_else(tmp_path: Path) -> None:
    need_mosquitto()
    told = flood.flood(tmp_path, 10.0)
    assert all(told["tries"].values()), told
    assert flood.wrong(told) == [], told


def test_what_must_hold_can_fail() -> None:
    told = {
        "peak_mb": {"consoled": 1470, "uplinkd": 56},
        "limit_mb": flood.limits_mb(),
        "restarted": ["consoled"],
        "records": 6,
        "released": 5,
        "visits": 100,
        "visits_answered": 90,
        "camera_fps": None,
        "instrument": "silent",
    }
    assert len(flood.wrong(told)) == 6
