# SPDX-License-Identifier: AGPL-3.0-or-later
"""How flights are judged and shown (drone.yaml): read once, strictly."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import msgspec

from edge.config.site import Fraction, Part, Positive, Seconds

Metres = Annotated[float, msgspec.Meta(ge=0.0, le=10_000.0)]
# Datums a map may be drawn in; what is stored is always WGS-84. CGCS2000 (EPSG:4490) and WGS-84
# agree to centimetres, so its coordinates are the same numbers under their own name.
Datum = Literal["WGS-84", "GCJ-02", "CGCS2000"]


class Aircraft(Part, frozen=True, kw_only=True):
    """What the telemetry does not say. `camera` is a row of the camera table; `payload` the
    Cloud API index to follow; `serial` the aircraft (or MAVLink system) where several are heard;
    `utc_offset_h` the zone of the aircraft's clock."""

    name: str | None = None
    camera: str | None = None
    hfov_deg: Annotated[float, msgspec.Meta(gt=1, lt=170)] | None = None
    payload: str | None = None
    serial: str | None = None
    utc_offset_h: Annotated[float, msgspec.Meta(ge=-14, le=14)] = 8.0
    profile: Literal["consumer", "gnss", "rtk", "coarse"] | None = None


class Look(Part, frozen=True, kw_only=True):
    """Which pictures are looked at, and how closely. `object_m`: the shorter side of the smallest
    thing to be found; it sizes the tiles."""

    fps: Annotated[float, msgspec.Meta(gt=0, le=10)] = 2.0
    object_m: Annotated[float, msgspec.Meta(gt=0, le=20)] = 0.8
    min_score: Fraction = 0.3
    everywhere: bool = False


class Judging(Part, frozen=True, kw_only=True):
    """Flight-suited parameters of the rules: a flight passes, it does not stand and wait.

    A finding needs `looks` sightings from camera positions `baseline_m` apart, or, from one
    place, `standing_s` seconds. `reach_m`: how near belongs together (a vendor to a stall).
    """

    looks: Annotated[int, msgspec.Meta(ge=1, le=50)] = 3
    baseline_m: Metres = 5.0
    standing_s: Seconds = 5.0
    reach_m: Metres = 8.0
    merge_m: Annotated[float, msgspec.Meta(gt=0, le=100)] = 4.0
    moving_mps: Positive = 1.5
    soil_share: Fraction = 0.1
    soil_inspected: Fraction = 0.3
    load_soil_share: Fraction = 0.25
    categories: tuple[str, ...] = ()


class Ledger(Part, frozen=True, kw_only=True):
    """What the ledger shows."""

    datum: Datum = "WGS-84"
    timezone: str = "Asia/Shanghai"
    language: Literal["zh", "en"] = "zh"
    overdue_days: Annotated[int, msgspec.Meta(ge=1, le=366)] = 7

    def day(self, wall: float) -> date:
        """The local day of an instant (UTC seconds): permits and pauses are counted in it."""
        return datetime.fromtimestamp(wall, ZoneInfo(self.timezone)).date()


class Live(Part, frozen=True, kw_only=True):
    """The platform's broker with Cloud API messages; only read, nothing is ever published."""

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 1883
    tls: Literal["on", "off"] = "on"
    ca: str | None = None
    username: str | None = None
    password_file: str | None = None
    topics: tuple[str, ...] = ("thing/product/+/osd", "thing/product/+/drc/up")
    video_delay_s: Seconds = 0.5


class Drone(Part, frozen=True, kw_only=True):
    """The whole file."""

    aircraft: Aircraft = Aircraft()
    look: Look = Look()
    judging: Judging = Judging()
    ledger: Ledger = Ledger()
    live: Live = Live()
    model: str | None = None
