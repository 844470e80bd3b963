# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the box watches here: cameras, zones and the rules bound to them (site.yaml)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from edge import patterns
from edge.patterns import whole

Name = Annotated[str, msgspec.Meta(pattern=patterns.NAME, examples=["gate-2"])]
Date = Annotated[str, msgspec.Meta(pattern=patterns.DATE, examples=["2026-05-01"])]
GridCode = Annotated[str, msgspec.Meta(pattern=patterns.GRID, examples=["370282001001001"])]
Fraction = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
Seconds = Annotated[float, msgspec.Meta(ge=0.0, le=86_400.0)]
Positive = Annotated[float, msgspec.Meta(gt=0.0)]
HourSpan = Annotated[
    str,
    msgspec.Meta(
        pattern=whole(r"([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)"),
        examples=["06:30-22:00"],
    ),
]
MonthDay = Annotated[
    str,
    msgspec.Meta(pattern=whole(r"(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"), examples=["05-01"]),
]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DayKind = Literal["workday", "weekend", "holiday", "exam"]


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Strict and frozen: an unknown key is an error, not a wish."""


class Position(Part, frozen=True, kw_only=True):
    """Where a camera or sensor stands. Datum WGS-84; `accuracy_m` as surveyed."""

    lat: Annotated[float, msgspec.Meta(ge=-90, le=90)] | None = None
    lon: Annotated[float, msgspec.Meta(ge=-180, le=180)] | None = None
    accuracy_m: Positive = 30.0
    grid: GridCode | None = None
    address: str | None = None


class When(Part, frozen=True, kw_only=True):
    """A time window: all that is given must fit. Hours may run across midnight ("20:00-02:00")."""

    hours: tuple[HourSpan, ...] = ()
    weekdays: tuple[Weekday, ...] = ()
    days: tuple[DayKind, ...] = ()
    season: tuple[MonthDay, MonthDay] | None = None
    from_date: Date | None = None
    to_date: Date | None = None


class Zone(Part, frozen=True, kw_only=True):
    """A polygon on the picture, corners as fractions of the frame.

    watch: judged here; forbidden: judged here, whatever permits say elsewhere; permitted: allowed
    while `when` fits, counted not raised; mask: never looked at, painted out before storing;
    the others are places that single rule kinds ask for.
    """

    id: Name
    kind: Literal[
        "watch",
        "forbidden",
        "permitted",
        "frontage",
        "lane",
        "site",
        "gate",
        "wash",
        "dump",
        "mask",
    ] = "watch"
    name: str | None = None
    polygon: Annotated[tuple[tuple[float, float], ...], msgspec.Meta(min_length=3, max_length=200)]
    when: When = When()
    categories: tuple[str, ...] = ()
    permit: str | None = None
    grid: GridCode | None = None


class Rule(Part, frozen=True, kw_only=True):
    """One category watched by one camera. What is not given comes from categories.yaml.

    `set` overrides the rule kind's own parameters by name; the kind checks them.
    """

    category: Name
    zones: tuple[Name, ...] = ()
    when: When = When()
    dwell_s: Seconds | None = None
    seen_share: Fraction | None = None
    confirm_s: Seconds | None = None
    realarm_s: Seconds | None = None
    min_score: Fraction | None = None
    set: dict[str, float | int | str | bool | tuple[str, ...]] = {}


class GroundMark(Part, frozen=True, kw_only=True):
    """A point of the picture whose place on the ground is known. Datum WGS-84."""

    at: tuple[Fraction, Fraction]
    lat: Annotated[float, msgspec.Meta(ge=-90, le=90)]
    lon: Annotated[float, msgspec.Meta(ge=-180, le=180)]


class CameraGround(Part, frozen=True, kw_only=True):
    """Which ground a camera sees, so that a tip with a place finds its camera.

    marks: four or more points of the picture with their places; covers: the ground as drawn on a
    map, corners (lat, lon). With both, a place must lie in `covers` and is found by the marks.
    """

    marks: Annotated[tuple[GroundMark, ...], msgspec.Meta(max_length=100)] = ()
    covers: Annotated[tuple[tuple[float, float], ...], msgspec.Meta(max_length=200)] = ()


class Camera(Part, frozen=True, kw_only=True):
    """One source. `source` is the stream to analyse, `record` the one kept for clips if better.

    Sources: rtsp(s)://, rtmp(s)://, http(s)://, a file, a folder of images, usb:N, or
    pipeline:NAME (see edge.camera.pipelines) with its argument in `pipeline_arg`.
    playback is for recordings: as fast as it can be judged, in its own time, or for ever.
    """

    id: Name
    name: str | None = None
    source: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
    record: str | None = None
    pipeline_arg: str | None = None
    playback: Literal["fast", "realtime", "loop"] = "realtime"
    fps: Annotated[float, msgspec.Meta(gt=0, le=30)] = 5.0
    model: str | None = None
    min_score: Fraction = 0.35
    tile: bool = False
    gate: bool = True
    # auto: key pictures only while nothing moves, where the stream is fit for it.
    decode: Literal["auto", "whole"] = "auto"
    # auto: a live camera is looked at `fps` times a second at most, and as seldom as its rules
    # allow while things move; need: a recording too; fixed: always `fps`.
    rate: Literal["auto", "need", "fixed"] = "auto"
    clip_before_s: Annotated[float, msgspec.Meta(ge=0, le=60)] = 10.0
    clip_after_s: Annotated[float, msgspec.Meta(ge=0, le=60)] = 10.0
    position: Position = Position()
    ground: CameraGround | None = None
    zones: tuple[Zone, ...] = ()
    rules: tuple[Rule, ...] = ()
    sensors: tuple[Name, ...] = ()
    # The loading or dumping place of the muck-truck file that this camera stands at.
    premises: str | None = None
    enabled: bool = True


class Site(Part, frozen=True, kw_only=True):
    """The whole file."""

    name: str = "site"
    name_en: str | None = None
    timezone: str = "Asia/Shanghai"
    language: Literal["zh", "en"] = "zh"
    calendar: tuple[str, ...] = ()
    # The hours of a working day, for deadlines that count working hours.
    office_hours: tuple[HourSpan, ...] = ("08:30-12:00", "14:00-17:30")
    # Work reports that are made and published by themselves.
    reports: tuple[Literal["week", "month"], ...] = ()
    position: Position = Position()
    model: str | None = None
    # The muck-truck file, YAML or CSV, beside the site file. Named: the plates of trucks are read.
    trucks: str | None = None
    cameras: tuple[Camera, ...] = ()
    # Parsed by edge.sensors.settings, which owns their shape.
    sensors: tuple[dict[str, Any], ...] = ()
    noise: tuple[dict[str, Any], ...] = ()
    fume: tuple[dict[str, Any], ...] = ()
    dust: tuple[dict[str, Any], ...] = ()
    sound: tuple[dict[str, Any], ...] = ()
