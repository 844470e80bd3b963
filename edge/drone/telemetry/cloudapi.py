# SPDX-License-Identifier: AGPL-3.0-or-later
"""DJI Cloud API messages: OSD (0.5 Hz) and, where the platform already runs it, DRC. Pure.

Only listens. DRC is the channel of live flight control: nothing here ever enters it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from edge.drone.telemetry.pose import Pose, Telemetry, count, grade, sound_fix

# Keys of the gimbal block are the payload's own index, type_subtype_gimbal.
_PAYLOAD = re.compile(r"^\d+-\d+-\d+$")
# FPV camera and dock camera: never the payload that inspects.
_NOT_PAYLOADS = ("39-", "165-")


@dataclass(slots=True)
class Feed:
    """Messages in, poses out; keeps what only other messages tell (zoom, take-off height).

    `payload` fixes the payload index to follow ("81-0-0"); by default the first that has a gimbal.
    """

    payload: str | None = None
    origin_ms: float | None = None
    last_ms: float = 0.0
    takeoff_m: float | None = None
    zoom: float | None = None
    rtk: bool = False
    satellites: int | None = None
    aim: tuple[float, float] | None = None
    delay_ms: float | None = None
    refused: list[str] = field(default_factory=list)

    def push(self, message: Any) -> Pose | None:
        """The pose of one message (a decoded envelope); None where it carries none."""
        if not isinstance(message, dict) or not isinstance(message.get("data"), dict):
            self.refused.append("no Cloud API envelope")
            return None
        data, method = message["data"], message.get("method")
        if method in _SIDE:
            _SIDE[method](self, data)
            return None
        stamp = _number(message.get("timestamp"))
        refusal = self._refusal(data, method, stamp)
        if refusal is not None or stamp is None:
            self.refused.append(refusal or "")
            return None
        return self._position(data, stamp)

    def _refusal(self, data: dict[str, Any], method: Any, stamp: float | None) -> str | None:
        if method not in (None, "osd_info_push"):
            return f"other message ({method})"
        if "latitude" not in data or "attitude_head" not in data:
            return "not an aircraft's message"
        if stamp is None:
            return "message without a timestamp"
        return "older than the one before" if stamp < self.last_ms else None

    def _position(self, data: dict[str, Any], stamp: float) -> Pose:
        self.last_ms = stamp
        self.origin_ms = stamp if self.origin_ms is None else self.origin_ms
        gimbal = self._gimbal(data)
        self._learn(data, gimbal)
        return self._pose(data, gimbal, stamp)

    def _gimbal(self, data: dict[str, Any]) -> dict[str, Any]:
        """The payload's block in an OSD message; the message itself in a DRC one."""
        blocks = {
            key: value
            for key, value in data.items()
            if _PAYLOAD.match(key) and isinstance(value, dict)
        }
        if self.payload in blocks:
            return blocks[self.payload]
        for key, block in sorted(blocks.items()):
            if "gimbal_yaw" in block and not key.startswith(_NOT_PAYLOADS) and not self.payload:
                return block
        return data

    def _learn(self, data: dict[str, Any], gimbal: dict[str, Any]) -> None:
        height, elevation = _number(data.get("height")), _number(data.get("elevation"))
        if height is not None and elevation is not None:
            self.takeoff_m = height - elevation
        state = data.get("position_state")
        if isinstance(state, dict):
            # quality 10 is "RTK fixed" in every aircraft's property list.
            self.rtk = state.get("quality") == 10 and state.get("is_fixed") == 2
            satellites = _number(state.get("gps_number"))
            self.satellites = None if satellites is None else int(satellites)
        self.zoom = _number(gimbal.get("zoom_factor")) or self.zoom
        self.aim = _laser(gimbal)

    def _pose(self, data: dict[str, Any], gimbal: dict[str, Any], stamp: float) -> Pose:
        lat, lon = _number(data["latitude"]), _number(data.get("longitude"))
        fix = sound_fix(lat, lon)
        height, relative = _number(data.get("height")), _number(data.get("elevation"))
        if relative is None and height is not None and self.takeoff_m is not None:
            relative = height - self.takeoff_m
        yaw, pitch = _number(gimbal.get("gimbal_yaw")), _number(gimbal.get("gimbal_pitch"))
        angles = yaw is not None and pitch is not None
        assert self.origin_ms is not None
        return Pose(
            t_s=(stamp - self.origin_ms) / 1000.0,
            source="dji-cloud/drc" if "elevation" not in data else "dji-cloud/osd",
            quality=grade(fix=fix, angles=angles, rtk=self.rtk),
            utc=stamp / 1000.0,
            lat=lat if fix else None,
            lon=lon if fix else None,
            rel_alt_m=relative,
            abs_alt_m=height,
            yaw_deg=yaw,
            pitch_deg=pitch,
            roll_deg=_number(gimbal.get("gimbal_roll")),
            heading_deg=_number(data["attitude_head"]),
            sats=self.satellites,
            speed_mps=_number(data.get("horizontal_speed")),
            zoom=self.zoom,
            aim=self.aim,
            height_source="none" if relative is None else "relative",
        )


def _number(value: Any) -> float | None:
    """A finite JSON number; words, booleans and absent values are None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _laser(block: dict[str, Any]) -> tuple[float, float] | None:
    """Where the laser range-finder hit, which is the picture's centre; state 0 means valid."""
    if block.get("measure_target_error_state") != 0:
        return None
    lat, lon = (_number(block.get(f"measure_target_{name}")) for name in ("latitude", "longitude"))
    return (lat, lon) if lat is not None and lon is not None and sound_fix(lat, lon) else None


def _take_camera(feed: Feed, data: dict[str, Any]) -> None:
    blocks = [data, *(value for value in data.values() if isinstance(value, dict))]
    for block in blocks:
        feed.zoom = _number(block.get("zoom_factor")) or feed.zoom
        feed.aim = _laser(block) or feed.aim


def _take_delay(feed: Feed, data: dict[str, Any]) -> None:
    feed.delay_ms = _number(data.get("liveview_delay_time"))
    for entry in data.get("liveview_delay_list") or []:
        if isinstance(entry, dict):
            feed.delay_ms = _number(entry.get("liveview_delay_time")) or feed.delay_ms


_SIDE = {"drc_camera_osd_info_push": _take_camera, "delay_info_push": _take_delay}


def parse(text: str, *, payload: str | None = None) -> Telemetry:
    """Poses of captured messages: a JSON array, or lines with an optional topic before each."""
    feed, poses, cues = Feed(payload), list[Pose](), 0
    for message in _captured(text):
        cues += 1
        pose = feed.push(message)
        if pose is not None:
            poses.append(pose)
    reasons = feed.refused + ["no position" for pose in poses if not pose.has_fix]
    notes = () if poses else ("no aircraft message in it",)
    return Telemetry("dji-cloud", tuple(poses), cues, count(reasons), notes)


def _captured(text: str) -> Iterator[Any]:
    whole = _json(text)
    if isinstance(whole, list):
        yield from (_payload(message) for message in whole)
    elif whole is not None:
        yield _payload(whole)
    else:
        for line in text.splitlines():
            if line.strip():
                yield _payload(_json(line[line.find("{") :]) if "{" in line else None)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _payload(message: Any) -> Any:
    """The envelope itself, or the one inside a recorder's {"topic":…, "payload":…}."""
    if isinstance(message, dict) and "payload" in message and "data" not in message:
        inner = message["payload"]
        return _json(inner) if isinstance(inner, str) else inner
    return message
