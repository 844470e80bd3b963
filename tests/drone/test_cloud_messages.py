# SPDX-License-Identifier: AGPL-3.0-or-later
"""Cloud API messages that say what cannot be."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from edge.drone.posefeed import PoseFeed
from edge.drone.settings import Live
from edge.drone.telemetry import cloudapi
from edge.drone.telemetry.pose import Telemetry
from tests.drone.test_telemetry_hostile import assert_believable
from tests.fake_clock import FakeClock

NOW_MS = 1_777_600_000_000
LASER = {"measure_target_error_state": 0, "measure_target_latitude": 24.5,
         "measure_target_longitude": 118.1}  # fmt: skip
OSD = {
    "timestamp": NOW_MS, "gateway": "dock",
    "data": {
        "latitude": 24.5, "longitude": 118.1, "height": 100.0, "elevation": 60.0,
        "attitude_head": 10.0, "horizontal_speed": 5.0,
        "position_state": {"is_fixed": 2, "quality": 10, "gps_number": 18},
        "81-0-0": {"gimbal_yaw": 10.0, "gimbal_pitch": -60.0, "gimbal_roll": 0.0,
                   "zoom_factor": 2.0, **LASER},
    },
}  # fmt: skip
DRC = {"method": "osd_info_push", "timestamp": NOW_MS,
       "data": {"latitude": 24.5, "longitude": 118.1, "height": 100.0, "attitude_head": 10.0,
                "gimbal_yaw": 10.0, "gimbal_pitch": -60.0}}  # fmt: skip
DELAY = {"method": "delay_info_push", "data": {
    "liveview_delay_time": 400, "liveview_delay_list": [{"liveview_delay_time": 700}]}}  # fmt: skip
CAMERA = {"method": "drc_camera_osd_info_push",
          "data": {"zoom_factor": 3.0, "81-0-0": {"zoom_factor": 4.0, **LASER}}}  # fmt: skip
MESSAGES = {
    "thing/product/SN1/osd": OSD,
    "thing/product/dock/drc/up": DRC,
    "thing/product/dock/drc/up ": DELAY,
    "thing/product/dock/drc/up  ": CAMERA,
}
WRONG: tuple[Any, ...] = (
    None, True, False, 0, -1, 5, 10**400, -(10**400), 1e308, float("nan"), float("inf"), "", "x",
    "9" * 400, [], [5], [[]], [{"liveview_delay_time": []}], {}, {"a": []}, {"zoom_factor": {}},
)  # fmt: skip


def with_wrong(message: dict[str, Any], path: tuple[Any, ...], wrong: Any) -> Any:
    changed = copy.deepcopy(message)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = wrong
    return changed


def places(value: Any) -> list[tuple[Any, ...]]:
    """The way to every value inside a message."""
    if not isinstance(value, dict | list):
        return []
    rows = list(value.items() if isinstance(value, dict) else enumerate(value))
    return [(key,) for key, _ in rows] + [
        (key, *rest) for key, inner in rows for rest in places(inner)
    ]


CASES = [(topic, path) for topic, message in MESSAGES.items() for path in places(message)]


@pytest.mark.parametrize(("topic", "path"), CASES, ids=lambda part: str(part))
def test_a_wrong_value_anywhere_is_refused_and_ends_nothing(topic, path):
    for wrong in WRONG:
        message = with_wrong(MESSAGES[topic], path, wrong)
        feed = PoseFeed(Live(), FakeClock())
        feed.take(json.dumps(OSD).encode(), "thing/product/SN1/osd")
        feed.take(json.dumps(message).encode(), topic)
        feed.take(json.dumps(DRC).encode(), "thing/product/dock/drc/up")
        assert_believable(Telemetry("dji-cloud", tuple(feed.poses), 3))
        assert feed.feed.delay_ms is None or 0 <= feed.feed.delay_ms <= 60_000
        assert feed.feed.zoom is None or 0 < feed.feed.zoom < 1000
        captured = f"{topic} {json.dumps(message)}"
        assert_believable(cloudapi.parse(captured))


def test_the_delay_of_a_picture_is_one_that_can_be():
    feed = cloudapi.CloudPoses()
    for delay, known in ((400, 400.0), (1e300, None), (-5, None), (59_000, 59_000.0)):
        feed.push({"method": "delay_info_push", "data": {"liveview_delay_time": delay}})
        assert feed.delay_ms == known
    feed.push(DELAY)
    assert feed.delay_ms == 700.0
