# SPDX-License-Identifier: AGPL-3.0-or-later
"""DJI Cloud API messages: OSD (0.5 Hz) and, where the platform already runs it, DRC. Pure.

Only listens. DRC is the channel of live flight control: nothing here ever enters it.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from edge.drone.telemetry.plausible import checked, origin_of, possible
from edge.drone.telemetry.pose import Pose, Telemetry, grade, only_aircraft, sound_fix

# Keys of the gimbal block are the payload's own index, type_subtype_gimbal.
_PAYLOAD = re.compile(r"^\d+-\d+-\d+$")
# So many messages in a row, each within an hour behind the one before, say that the clock was set.
_HOUR_MS, _BELIEVED = 3_600_000.0, 3
# A live picture that took longer has not been sent by a link that one can fly by.
_LONGEST_DELAY_MS = 60_000.0
_TOPIC = re.compile(r"\bproduct/([^/\s]+)/(osd|drc/up)")
# FPV camera and dock camera: never the payload that inspects.
_NOT_PAYLOADS = ("39-", "165-")


@dataclass(slots=True)
class CloudPoses:
    """Messages of one aircraft in, poses out; keeps what only other messages hold (zoom, take-off
    height).

    `payload` fixes the payload index to follow ("81-0-0"); by default the first that has a gimbal.
    `serial` is the aircraft to follow; without it the first that sends a position is followed, and
    `others` counts the positions of every other one. `origin_ms` is the stamp that times count
    from: the first one, set anew where the sender's clock was set.
    """

    payload: str | None = None
    serial: str | None = None
    origin_ms: float | None = None
    last_ms: float = 0.0
    astray: list[float] = field(default_factory=list)
    takeoff_m: float | None = None
    zoom: float | None = None
    rtk: bool = False
    satellites: int | None = None
    aim: tuple[float, float] | None = None
    delay_ms: float | None = None
    refused: Counter[str] = field(default_factory=Counter)
    gateways: dict[str, str] = field(default_factory=dict)
    others: Counter[str] = field(default_factory=Counter)

    def push(self, message: Any, topic: str = "") -> Pose | None:
        """The pose of one message (a decoded envelope); None where it carries none or is another
        aircraft's. `topic` names who speaks."""
        if not isinstance(message, dict) or not isinstance(message.get("data"), dict):
            self.refused["no Cloud API envelope"] += 1
            return None
        data, method = message["data"], message.get("method")
        if not isinstance(method, (str, type(None))):
            self.refused["no Cloud API envelope"] += 1
            return None
        sender = self._sender(message, topic)
        if self._foreign(sender, data):
            return None
        if method in _SIDE:
            _SIDE[method](self, data)
            return None
        stamp = _number(message.get("timestamp"))
        refusal = self._refusal(data, method, stamp)
        if refusal is not None or stamp is None:
            self.refused[refusal or ""] += 1
            return None
        return self._position(data, stamp)

    def _sender(self, message: dict[str, Any], topic: str) -> str:
        """Serial number of the aircraft that a message is about, "" where nothing says it.

        An OSD topic holds the aircraft's own number, a DRC topic the gateway's (dock, remote
        control); the OSD before says which aircraft flies with that gateway.
        """
        match = _TOPIC.search(topic)
        number, channel = match.groups() if match else ("", "")
        gateway = message.get("gateway")
        gateway = gateway if isinstance(gateway, str) else ""
        if channel == "osd" and "attitude_head" in message["data"]:
            self.gateways.setdefault(gateway or number, number)
            return str(number)
        heard = gateway or (number if channel == "drc/up" else "")
        return self.gateways.get(heard, heard)

    def _foreign(self, sender: str, data: dict[str, Any]) -> bool:
        """Whether this is another aircraft than the one that is followed; the first is."""
        if not sender or sender == self.serial:
            return False
        placed = "latitude" in data and "attitude_head" in data
        if self.serial is None:
            self.serial = sender if placed else None
            return False
        if placed:
            self.others[sender] += 1
            self.refused[f"another aircraft's ({sender})"] += 1
        return True

    def _refusal(self, data: dict[str, Any], method: Any, stamp: float | None) -> str | None:
        if method not in (None, "osd_info_push"):
            return f"other message ({str(method)[:40]})"
        if "latitude" not in data or "attitude_head" not in data:
            return "not an aircraft's message"
        if stamp is None:
            return "message without a timestamp"
        return None if self._in_time(stamp) else "time out of order"

    def _in_time(self, stamp: float) -> bool:
        """Whether a message follows the one before within an hour. A clock that was wrong, or was
        set, is believed once several messages in a row follow each other so."""
        if self.origin_ms is None or _follows(self.last_ms, stamp):
            self.astray.clear()
            return True
        if self.astray and not _follows(self.astray[-1], stamp):
            self.astray.clear()
        self.astray.append(stamp)
        if len(self.astray) < _BELIEVED:
            return False
        self.astray.clear()
        self.origin_ms = None
        return True

    def _position(self, data: dict[str, Any], stamp: float) -> Pose:
        self.last_ms = stamp
        origin = stamp if self.origin_ms is None else self.origin_ms
        self.origin_ms = origin
        gimbal = self._gimbal(data)
        self._learn(data, gimbal)
        return self._pose(data, gimbal, stamp, (stamp - origin) / 1000.0)

    def _gimbal(self, data: dict[str, Any]) -> dict[str, Any]:
        """The payload's block in an OSD message; the message itself in a DRC one."""
        blocks = {
            key: value
            for key, value in data.items()
            if _PAYLOAD.fullmatch(key) and isinstance(value, dict)
        }
        if self.payload in blocks:
            return blocks[self.payload]
        for key, block in sorted(blocks.items()):
            if "gimbal_yaw" in block and not key.startswith(_NOT_PAYLOADS) and not self.payload:
                return block
        return data

    def _learn(self, data: dict[str, Any], gimbal: dict[str, Any]) -> None:
        height = possible("abs_alt_m", _number(data.get("height")))
        elevation = possible("rel_alt_m", _number(data.get("elevation")))
        if height is not None and elevation is not None:
            self.takeoff_m = height - elevation
        state = data.get("position_state")
        if isinstance(state, dict):
            # quality 10 is "RTK fixed" in every aircraft's property list.
            self.rtk = state.get("quality") == 10 and state.get("is_fixed") == 2
            satellites = possible("sats", _number(state.get("gps_number")))
            self.satellites = None if satellites is None else int(satellites)
        self.zoom = _zoom(gimbal) or self.zoom
        self.aim = _laser(gimbal)

    def _pose(self, data: dict[str, Any], gimbal: dict[str, Any], stamp: float, t_s: float) -> Pose:
        lat, lon = _number(data["latitude"]), _number(data.get("longitude"))
        fix = sound_fix(lat, lon)
        height, relative = _number(data.get("height")), _number(data.get("elevation"))
        if relative is None and height is not None and self.takeoff_m is not None:
            relative = height - self.takeoff_m
        yaw, pitch = _number(gimbal.get("gimbal_yaw")), _number(gimbal.get("gimbal_pitch"))
        angles = yaw is not None and pitch is not None
        return Pose(
            t_s=t_s,
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


def _follows(before_ms: float, stamp: float) -> bool:
    return 0.0 <= stamp - before_ms <= _HOUR_MS


def _zoom(block: dict[str, Any]) -> float | None:
    return possible("zoom", _number(block.get("zoom_factor")))


def _delay(block: dict[str, Any]) -> float | None:
    delay_ms = _number(block.get("liveview_delay_time"))
    return delay_ms if delay_ms is not None and 0.0 <= delay_ms <= _LONGEST_DELAY_MS else None


def _laser(block: dict[str, Any]) -> tuple[float, float] | None:
    """Where the laser range-finder hit, which is the picture's centre; state 0 means valid."""
    if block.get("measure_target_error_state") != 0:
        return None
    lat, lon = (_number(block.get(f"measure_target_{name}")) for name in ("latitude", "longitude"))
    return (lat, lon) if lat is not None and lon is not None and sound_fix(lat, lon) else None


def _take_camera(feed: CloudPoses, data: dict[str, Any]) -> None:
    blocks = [data, *(value for value in data.values() if isinstance(value, dict))]
    for block in blocks:
        feed.zoom = _zoom(block) or feed.zoom
        feed.aim = _laser(block) or feed.aim


def _take_delay(feed: CloudPoses, data: dict[str, Any]) -> None:
    entries = data.get("liveview_delay_list")
    blocks = [data, *(entries if isinstance(entries, list) else [])]
    delays = [_delay(block) for block in blocks if isinstance(block, dict)]
    feed.delay_ms = next((delay for delay in reversed(delays) if delay), delays[0])


_SIDE = {"drc_camera_osd_info_push": _take_camera, "delay_info_push": _take_delay}


def parse(text: str, *, payload: str | None = None, serial: str | None = None) -> Telemetry:
    """Poses of captured messages: a JSON array, or lines with an optional topic before each.

    Raises ManyAircraft where several send positions and `serial` does not say which is meant.
    """
    feed, poses, cues = CloudPoses(payload, serial), list[Pose](), 0
    for topic, message in _captured(text):
        cues += 1
        pose = feed.push(message, topic)
        if pose is not None:
            poses.append(pose)
    if serial is None and feed.others:
        main = only_aircraft({feed.serial or "": len(poses), **feed.others})
        return parse(text, payload=payload, serial=main)
    origin = origin_of([pose.utc for pose in poses if pose.utc is not None])
    poses = [replace(pose, t_s=(pose.utc or 0.0) - origin) for pose in poses]
    reasons = feed.refused + Counter("no position" for pose in poses if not pose.has_fix)
    notes = [f"aircraft {feed.serial}"] if feed.serial and poses else []
    if not poses:
        notes.append("no aircraft message in it")
    if serial is not None and not poses and feed.others:
        notes.append(f"none of aircraft {serial}; there are {', '.join(sorted(feed.others))}")
    return checked(Telemetry("dji-cloud", tuple(poses), cues, dict(reasons), tuple(notes)))


def _captured(text: str) -> Iterator[tuple[str, Any]]:
    """(topic, message) of each record; the topic is "" where none was recorded."""
    whole = _json(text)
    if isinstance(whole, list):
        yield from (_payload(message) for message in whole)
    elif whole is not None:
        yield _payload(whole)
    else:
        for line in text.splitlines():
            if line.strip():
                yield _line(line)


def _line(line: str) -> tuple[str, Any]:
    if "{" not in line:
        return "", None
    before, brace, _ = line.partition("{")
    topic, message = _payload(_json(line[len(before) :]) if brace else None)
    return topic or before.strip(), message


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _payload(message: Any) -> tuple[str, Any]:
    """The envelope itself, or the one inside a recorder's {"topic":…, "payload":…}."""
    if isinstance(message, dict) and "payload" in message and "data" not in message:
        inner, topic = message["payload"], message.get("topic")
        return topic if isinstance(topic, str) else "", (
            _json(inner) if isinstance(inner, str) else inner
        )
    return "", message
