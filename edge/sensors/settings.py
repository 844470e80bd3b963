# SPDX-License-Identifier: AGPL-3.0-or-later
"""The sensor part of a site file as frozen structs: instruments, noise, shops, dust."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from edge.config import Position, When
from edge.config.site import Date, HourSpan, Name, Part, Positive, Seconds
from edge.patterns import whole
from edge.sensors.frames import KindName
from edge.sensors.fume_limits import Size
from edge.sensors.hj212 import CrcName
from edge.sensors.limits import Standard, ZoneClass
from edge.sensors.maps import Map, Serial, units

Decibel = Annotated[float, msgspec.Meta(ge=0, le=194)]
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]
# Kinds that talk by themselves at their own pace.
DEFAULT_STALE_S: Mapping[KindName, float] = {"hj212": 120.0, "nmea": 10.0}
DEFAULT_SETTLE_S: Mapping[KindName, float] = {"plantower": 10.0, "sds": 10.0}


class Calibration(Part, frozen=True, kw_only=True):
    """A check with an acoustic calibrator before and after measuring: what the meter read."""

    date: Date
    reference_db: Decibel = 94.0
    before_db: Decibel
    after_db: Decibel | None = None
    calibrator: str = ""


class Instrument(Part, frozen=True, kw_only=True):
    """Metrology. Without class 1 or 2 and a certificate in date, values are indicative."""

    maker: str = ""
    model: str = ""
    serial: str = ""
    accuracy_class: Literal[1, 2] | None = None
    certificate: str = ""
    expires: Date | None = None
    calibration: Calibration | None = None


class Forward(Part, frozen=True, kw_only=True):
    """Send this sensor's minute values on to an environment platform by HJ 212."""

    to: Annotated[
        str,
        msgspec.Meta(
            pattern=whole(r"tcp://[^/:\s]{1,253}:\d{1,5}"), examples=["tcp://platform.example:9001"]
        ),
    ]
    mn: Annotated[
        str, msgspec.Meta(pattern=whole(r"[0-9A-Za-z]{1,24}"), examples=["37028200100001"])
    ]
    st: Annotated[str, msgspec.Meta(pattern=whole(r"\d{2}"), examples=["39"])] = "39"
    # The field PW of every frame; the standard's default, not a secret.
    pw: str = "123456"
    version: Literal["2017", "2025"] = "2017"
    channels: dict[str, str] = {}


class Sensor(Part, frozen=True, kw_only=True):
    """One instrument. Sensors with the same `port` share its line.

    port: /dev/serial/by-id/..., socket://host:port, rfc2217://host:port, or (hj212 only)
    listen://address:port. rename: own channel names for the instrument's; only these are kept
    where `keep_others` is false. stale_s: after so long without a valid value it is unknown.
    settle_s: values so soon after the port was opened are marked calibrating.
    """

    id: Name
    name: str = ""
    kind: KindName
    port: Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
    map: str | None = None
    address: Annotated[int, msgspec.Meta(ge=1, le=247)] | None = None
    baud: Annotated[int, msgspec.Meta(ge=300, le=4_000_000)] | None = None
    parity: Literal["N", "E", "O"] | None = None
    every_s: Positive | None = None
    stale_s: Positive | None = None
    settle_s: Seconds | None = None
    constant_s: Seconds = 3600.0
    mn: str | None = None
    tolerant: bool = False
    crc: CrcName = "hj212"
    answer: bool = True
    units: dict[str, str] = {}
    rename: dict[str, str] = {}
    keep_others: bool = True
    camera: Name | None = None
    position: Position = Position()
    instrument: Instrument = Instrument()
    forward: Forward | None = None


class Permit(Part, frozen=True, kw_only=True):
    """Leave to work at night (噪声污染防治法 Art. 43); must hang at the site."""

    id: str
    when: When
    holder: str = ""


class Special(Part, frozen=True, kw_only=True):
    """A festival or exam period, as the city's notice sets it: limits lowered by `stricter_db`,
    the night's all day, or the work itself banned (then `night_work_db` says what is work)."""

    name: str
    when: When
    stricter_db: Annotated[float, msgspec.Meta(ge=0, le=40)] = 0.0
    as_night: bool = False
    banned: bool = False


class Weather(Part, frozen=True, kw_only=True):
    """Rain, snow or wind above `wind_max_m_s` (by the standard where not given) make levels
    invalid."""

    sensor: Name
    wind: str | None = None
    rain: str | None = None
    wind_max_m_s: Positive | None = None


class NoisePoint(Part, frozen=True, kw_only=True):
    """A place where noise is judged.

    day: hours of the day limit, as the county has set them. background_db: level without the
    source, measured at the same place. frequent: peaks at night come again and again (GB 12348:
    10 dB instead of 15). indoors: limits 10 dB lower. night_work_db: from this level
    on the place counts as at work at night; without a permit that alone is a violation.
    """

    id: Name
    name: str = ""
    sensor: Name
    channel: str = "LA"
    peak_channel: str | None = None
    category: Name = "construction-noise"
    standard: Standard = "GB 12523"
    zone_class: ZoneClass = "site"
    day: HourSpan = "06:00-22:00"
    day_db: Decibel | None = None
    night_db: Decibel | None = None
    night_over_db: Decibel | None = None
    frequent: bool = False
    indoors: bool = False
    window_s: Annotated[float, msgspec.Meta(ge=1, le=86_400)] | None = None
    windows: Annotated[int, msgspec.Meta(ge=1, le=20)] = 2
    clear_windows: Annotated[int, msgspec.Meta(ge=1, le=20)] = 2
    hysteresis_db: Annotated[float, msgspec.Meta(ge=0, le=10)] = 1.0
    background_db: Decibel | None = None
    night_work_db: Decibel | None = None
    permits: tuple[Permit, ...] = ()
    special: tuple[Special, ...] = ()
    weather: Weather | None = None
    camera: Name | None = None
    grid: str | None = None


class Shop(Part, frozen=True, kw_only=True):
    """A catering shop and its fume monitor, if it has one.

    Machines by on/off channels (`fan`, `purifier`) or by current above `*_on_a`. purifier "none":
    known to have none. cleaning_days: how long a cleaning lasts. hours: business hours. limit:
    mg/m³; where it is not given, that of the day, the province and the size by the packs, and the
    case names the standard.
    """

    id: Name
    name: str = ""
    address: str = ""
    sensor: Name | None = None
    fume: str = "fume"
    fan: str = "fan"
    purifier: str = "purifier"
    fan_on_a: Positive | None = None
    purifier_on_a: Positive | None = None
    limit: Positive | None = None
    size: Size = "small"
    basis: str = ""
    hours: When = When()
    purifier_state: Literal["installed", "none", "unknown"] = "installed"
    no_catering: bool = False
    cleaning_days: Positive = 30.0
    not_used_s: Seconds = 300.0
    window_s: Annotated[float, msgspec.Meta(ge=1, le=86_400)] = 600.0
    no_data_s: Seconds = 900.0
    low_mg: Positive = 0.02
    odd_s: Seconds = 3600.0
    usage: Share = 0.95
    camera: Name | None = None
    position: Position = Position()


class Registry(Part, frozen=True, kw_only=True):
    """Shops from a CSV file beside the site file; its columns are the keys of a shop."""

    registry: str


class DustPoint(Part, frozen=True, kw_only=True):
    """A dust rule: pollutant, averaging time, limit, allowed exceedances a day.

    background: sensor and channel of the surroundings, subtracted (limits of the difference kind).
    """

    id: Name
    name: str = ""
    sensor: Name
    channel: str = "tsp"
    average_min: Literal[1, 5, 15, 60, 1440] = 15
    limit: Positive
    unit: Literal["mg/m3", "ug/m3"] = "mg/m3"
    allowed: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 0
    background_sensor: Name | None = None
    background_channel: str | None = None
    category: Name = "dust-level"
    hysteresis: Annotated[float, msgspec.Meta(ge=0, le=0.5)] = 0.1
    basis: str = ""
    camera: Name | None = None


class SoundPoint(Part, frozen=True, kw_only=True):
    """A microphone that listens for a recording played over and over. Off unless `enabled`.

    source: alsa:DEVICE (a USB microphone, as `arecord -L` calls it), camera:ID (the sound track of
    a camera's stream) or an address. keep: what of the sound goes into a case: nothing, a clip in
    which words cannot be understood, or the plain sound. meter: noise point beside it.
    """

    id: Name
    name: str = ""
    source: Annotated[
        str,
        msgspec.Meta(
            pattern=whole(r"(alsa|camera|rtsps?|https?|file):.{1,400}"),
            examples=["alsa:plughw:1,0", "camera:north"],
        ),
    ]
    enabled: bool = False
    category: Name = "repeated-loudspeaker"
    when: When = When()
    windows: Annotated[int, msgspec.Meta(ge=1, le=20)] = 2
    clear_windows: Annotated[int, msgspec.Meta(ge=1, le=20)] = 2
    keep: Literal["none", "unintelligible", "plain"] = "none"
    clip_s: Annotated[float, msgspec.Meta(ge=1, le=60)] = 20.0
    meter: Name | None = None
    camera: Name | None = None
    position: Position = Position()


@dataclass(frozen=True, slots=True)
class SensorSettings:
    """The sensor part of a site, whole and consistent. `maps` by sensor id."""

    sensors: dict[str, Sensor]
    maps: dict[str, Map]
    noise: tuple[NoisePoint, ...]
    shops: tuple[Shop, ...]
    dust: tuple[DustPoint, ...]
    sound: tuple[SoundPoint, ...] = ()

    @property
    def buses(self) -> dict[str, tuple[Sensor, ...]]:
        """Sensors by port, in the order of the file."""
        found: dict[str, list[Sensor]] = {}
        for sensor in self.sensors.values():
            found.setdefault(sensor.port, []).append(sensor)
        return {port: tuple(sensors) for port, sensors in found.items()}

    def line(self, port: str) -> Serial:
        """How the line of a port is set: the first sensor's map, its own words winning."""
        sensor = self.buses[port][0]
        base = self.maps[sensor.id].serial if sensor.id in self.maps else Serial()
        return msgspec.structs.replace(
            base, baud=sensor.baud or base.baud, parity=sensor.parity or base.parity
        )

    def every_s(self, sensor: Sensor) -> float:
        own = self.maps.get(sensor.id)
        return sensor.every_s or (own.every_s if own else 1.0)

    def silent_after_s(self, sensor: Sensor) -> float:
        """When no value means unknown: by the sensor's own word, or by kind and pace."""
        by_pace = 5.0 * self.every_s(sensor)
        return sensor.stale_s or max(by_pace, DEFAULT_STALE_S.get(sensor.kind, 10.0))

    def address(self, sensor: Sensor) -> int:
        """The Modbus address: the sensor's own, or its map's default."""
        return sensor.address or self.maps[sensor.id].address

    def unit(self, sensor_id: str, channel: str) -> str:
        """A channel's unit as far as the configuration says it."""
        sensor, own = self.sensors[sensor_id], self.maps.get(sensor_id)
        return sensor.units.get(channel) or (units(own).get(channel, "") if own else "")
