# SPDX-License-Identifier: AGPL-3.0-or-later
"""Cloud API messages that say what cannot be, and clocks that are set while the aircraft is up."""

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


def osd(utc: float, number: int) -> bytes:
    data = {**OSD["data"], "latitude": 24.5 + number * 1e-5}
    return json.dumps({"timestamp": round(utc * 1000), "data": data}).encode()


UP = 1_777_600_000.0


@pytest.mark.parametrize(
    "before", [1_577_836_805.0, UP - 90_000.0, UP + 90_000.0, 4.0e9, 5.0], ids=str
)
def test_one_message_before_the_clock_was_set_blinds_nothing(before):
    feed = PoseFeed(Live(), FakeClock())
    feed.take(osd(before, 0))
    for number in range(1, 10):
        feed.take(osd(UP + 2 * number, number))
    # Two are doubted, and the third says that the clock was set.
    assert [pose.utc for pose in feed.poses] == [UP + 2 * number for number in range(3, 10)]
    assert feed.poses[0].t_s == 0.0


@pytest.mark.parametrize("back_s", [10.0, 600.0, 3000.0, 7200.0])
def test_a_clock_that_was_set_back_is_believed(back_s):
    feed = PoseFeed(Live(), FakeClock())
    for number in range(20):
        feed.take(osd(UP + 2 * number, number))
    for number in range(20, 26):
        feed.take(osd(UP + 2 * number - back_s, number))
    assert [pose.utc for pose in feed.poses] == [UP + 2 * n - back_s for n in range(22, 26)]


def test_late_messages_among_others_set_no_clock():
    feed = PoseFeed(Live(), FakeClock())
    for number in range(20):
        feed.take(osd(UP + 2 * number, number))
        feed.take(osd(UP + 2 * number - 30.0, number))
    assert [pose.utc for pose in feed.poses] == [UP + 2 * number for number in range(20)]


def test_times_that_contradict_each_other_set_no_clock():
    feed = PoseFeed(Live(), FakeClock())
    for number in range(5):
        feed.take(osd(UP + 2 * number, number))
    for at in (UP - 100.0, UP - 200.0, UP - 300.0, UP + 9000.0, UP - 9000.0):
        feed.take(osd(at, 5))
    assert len(feed.poses) == 5
