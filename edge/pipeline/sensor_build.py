# SPDX-License-Identifier: AGPL-3.0-or-later
"""The parts of sensord, put together from the site file. Nothing runs yet."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from edge.camera.opening import addresses
from edge.clock import Clock
from edge.config import Position, Site, When
from edge.pipeline.sensor_evidence import Subject
from edge.pipeline.settings import Settings
from edge.rules.zones import LocalMoment, when_fits
from edge.runtime import Stop
from edge.sensors.binding import Binding
from edge.sensors.bus import Bus
from edge.sensors.check import check_sensors
from edge.sensors.dust import DustJudge
from edge.sensors.frames import Stream
from edge.sensors.fume import FumeJudge
from edge.sensors.hours import LocalTime
from edge.sensors.kinds import KINDS, Options
from edge.sensors.ledgers import Ledgers
from edge.sensors.listener import Listener
from edge.sensors.loudspeaker import LoudspeakerJudge
from edge.sensors.microphone import Microphone
from edge.sensors.modbus_bus import ModbusBus, Slave
from edge.sensors.noise import NoiseJudge
from edge.sensors.port import Port
from edge.sensors.sender import Hj212Sender
from edge.sensors.settings import DustPoint, NoisePoint, Sensor, SensorSettings, SoundPoint
from edge.sensors.sound import WINDOW_S
from edge.sensors.stream_bus import StreamBus
from edge.values import Place, Stamp

# A camera's word on smoke is believed for so long.
SMOKE_FRESH_S = 15.0
SMOKE_LABELS = frozenset({"smoke", "fire", "grill"})
TAIL_BYTES = 8192


class Smoke:
    """Whether visiond sees cooking smoke: read from the track history that it writes."""

    def __init__(self, run: Path) -> None:
        self._folder = run / "tracks"

    def seen(self, camera: str | None, now: Stamp) -> bool:
        """Whether the camera saw smoke or fire just now, by visiond's track history. Unreadable or
        old history is "not seen": a sense that is away adds nothing."""
        if camera is None:
            return False
        try:
            with (self._folder / f"{camera}.jsonl").open("rb") as file:
                size = file.seek(0, 2)
                file.seek(max(0, size - TAIL_BYTES))
                last = file.read().splitlines()[-1]
            row = json.loads(last)
            fresh = abs(now.wall - float(row["wall"])) <= SMOKE_FRESH_S
            return fresh and any(t.get("label") in SMOKE_LABELS for t in row["tracks"])
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return False


@dataclass(frozen=True, slots=True)
class SensorParts:
    """All of it. `fast` judges see every tick, shops every few seconds."""

    sensors: SensorSettings
    lines: tuple[Bus, ...]
    senders: tuple[Hj212Sender, ...]
    fast: tuple[NoiseJudge | DustJudge, ...]
    shops: tuple[FumeJudge, ...]
    subjects: tuple[Subject, ...]
    ledgers: Ledgers
    smoke: Smoke
    microphones: tuple[Microphone, ...]
    loudspeakers: dict[str, LoudspeakerJudge]


def build(settings: Settings, base: Path, clock: Clock, stop: Stop) -> SensorParts:
    """Raises ConfigError for a sensor part that does not fit together."""
    sensors = check_sensors(
        settings.site,
        base=base,
        categories=settings.categories,
        packs=settings.calendar.packs,
        today=settings.dated.day(clock.now().wall),
    )
    local = LocalTime(settings.site.timezone, _fits(settings), settings.calendar.packs)
    return SensorParts(
        sensors=sensors,
        lines=tuple(_line(port, sensors, clock, stop) for port in sensors.buses),
        senders=tuple(
            Hj212Sender(sensor.id, sensor.forward, clock, stop)
            for sensor in sensors.sensors.values()
            if sensor.forward
        ),
        fast=(*_noise(settings, sensors, local), *_dust(settings, sensors, local)),
        shops=_shops(settings, sensors, local),
        subjects=_subjects(settings.site, sensors),
        ledgers=Ledgers(settings.state),
        smoke=Smoke(settings.run),
        microphones=tuple(
            Microphone(point.id, sound_address(settings, base, point), clock, stop)
            for point in sensors.sound
            if point.enabled
        ),
        loudspeakers={
            point.id: LoudspeakerJudge(
                point, settings.categories[point.category], local, window_s=WINDOW_S
            )
            for point in sensors.sound
            if point.enabled
        },
    )


def _fits(settings: Settings) -> Callable[[When, datetime], bool]:
    return lambda when, at: when_fits(when, LocalMoment(at, settings.calendar))


def _line(port: str, sensors: SensorSettings, clock: Clock, stop: Stop) -> Bus:
    group, line = sensors.buses[port], sensors.line(port)
    bindings = [Binding(sensor, sensors) for sensor in group]
    first = group[0]
    if first.kind == "modbus":
        slaves = [
            Slave(
                binding,
                sensors.address(binding.sensor),
                sensors.every_s(binding.sensor),
                sensors.maps[binding.sensor.id].registers,
            )
            for binding in bindings
        ]
        return ModbusBus(Port(port, line), slaves, clock, stop, line)
    if port.startswith("listen://"):
        return Listener(port, bindings, clock, stop, stream=_stream(first, sensors))
    own = sensors.maps.get(first.id)
    texts = [(own.start, own.stop, own.ask) if own else ("", "", "")][0]
    start, ending, ask = (text.encode(own.encoding if own else "ascii") for text in texts)
    return StreamBus(
        Port(port, line),
        bindings,
        clock,
        stop,
        stream=_stream(first, sensors),
        start=start,
        ending=ending,
        ask=ask,
        every_s=sensors.every_s(first),
    )


def _stream(sensor: Sensor, sensors: SensorSettings) -> Callable[[], Stream]:
    options = Options(sensors.maps.get(sensor.id), sensor.tolerant, sensor.crc, sensor.units)
    return lambda: Stream(KINDS[sensor.kind](options))


def _noise(settings: Settings, sensors: SensorSettings, local: LocalTime) -> tuple[NoiseJudge, ...]:
    return tuple(
        NoiseJudge(
            point,
            settings.categories[point.category],
            local,
            instrument=sensors.sensors[point.sensor].instrument,
            every_s=sensors.every_s(sensors.sensors[point.sensor]),
        )
        for point in sensors.noise
    )


def _dust(settings: Settings, sensors: SensorSettings, local: LocalTime) -> tuple[DustJudge, ...]:
    return tuple(
        DustJudge(
            point,
            settings.categories[point.category],
            local,
            every_s=sensors.every_s(sensors.sensors[point.sensor]),
        )
        for point in sensors.dust
    )


def _shops(settings: Settings, sensors: SensorSettings, local: LocalTime) -> tuple[FumeJudge, ...]:
    judges = []
    for shop in sensors.shops:
        sensor = sensors.sensors[shop.sensor] if shop.sensor else None
        judges.append(
            FumeJudge(
                shop,
                settings.categories,
                local,
                stale_s=sensors.silent_after_s(sensor) if sensor else 30.0,
                every_s=sensors.every_s(sensor) if sensor else 60.0,
            )
        )
    return tuple(judges)


def _subjects(site: Site, sensors: SensorSettings) -> tuple[Subject, ...]:
    found = []
    for noise in sensors.noise:
        beside = (noise.weather.sensor if noise.weather else None,)
        found.append(_point_subject(site, sensors, noise, beside))
    found += [_point_subject(site, sensors, d, (d.background_sensor,)) for d in sensors.dust]
    for sound in sensors.sound:
        where = _place(site, sound.position)
        found.append(Subject(sound.id, sound.name, (), sound.camera, where))
    for shop in sensors.shops:
        own = sensors.sensors[shop.sensor] if shop.sensor else None
        position = shop.position if shop.position.lat is not None or own is None else own.position
        camera = shop.camera or (own.camera if own else None)
        where = _place(site, position, shop.address)
        found.append(Subject(shop.id, shop.name, (own.id,) if own else (), camera, where))
    return tuple(found)


def sound_address(settings: Settings, base: Path, point: SoundPoint) -> str:
    """Where the sound comes from; a camera's is its own stream, with its password."""
    kind, _, name = point.source.partition(":")
    if kind == "camera":
        camera = next(c for c in settings.site.cameras if c.id == name)
        found = addresses(camera, base).source
        return f"file:{found.target}" if found.kind == "file" else found.target
    if kind == "file":
        return f"file:{base / name}"
    return point.source


def _point_subject(
    site: Site,
    sensors: SensorSettings,
    point: NoisePoint | DustPoint,
    beside: tuple[str | None, ...],
) -> Subject:
    """`beside`: other sensors whose samples belong to the case."""
    sensor = sensors.sensors[point.sensor]
    names = (point.sensor, *(name for name in beside if name))
    where = _place(site, sensor.position)
    return Subject(point.id, point.name, names, point.camera or sensor.camera, where)


def _place(site: Site, position: Position, address: str = "") -> Place:
    """The instrument's or shop's own position, or the site's."""
    own = position if position.lat is not None else site.position
    return Place(
        lat=own.lat,
        lon=own.lon,
        accuracy_m=own.accuracy_m if own.lat is not None else None,
        grid=position.grid or site.position.grid,
        address=address or position.address or site.position.address,
    )
