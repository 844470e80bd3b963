# SPDX-License-Identifier: AGPL-3.0-or-later
"""The sensor part of a site file read and cross-checked, with errors that name file and key."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from edge.config import Category, ConfigError, Site, convert
from edge.config.dated import Packs
from edge.config.explain import explain
from edge.sensors.hours import night_hours
from edge.sensors.limits import in_force, limit_on
from edge.sensors.maps import Map, load_map
from edge.sensors.settings import (
    DustPoint,
    Forward,
    NoisePoint,
    Registry,
    Sensor,
    SensorSettings,
    Shop,
    SoundPoint,
)

_PASSWORD = re.compile(r"[^;=&\s]{0,16}", re.ASCII)
_FACTOR = re.compile(r"[A-Za-z0-9_]{1,24}")


def check_sensors(
    site: Site,
    *,
    where: str = "site",
    base: Path | None = None,
    categories: Mapping[str, Category] | None = None,
    packs: Packs | None = None,
    today: date | None = None,
) -> SensorSettings:
    """The sensor part of `site`. Raises ConfigError naming file, key, value and what is allowed.

    base: the site file's folder, where maps and registries are looked for; categories: known
    categories, if the rules' own are to be checked; packs, today: by which limits the points are
    checked, where they are known.
    """
    sensors = _converted(site.sensors, Sensor, f"{where}: sensors")
    _unique((sensor.id for sensor in sensors), f"{where}: sensors")
    maps = _maps(sensors, where, base)
    found = SensorSettings(
        {sensor.id: sensor for sensor in sensors},
        maps,
        _converted(site.noise, NoisePoint, f"{where}: noise"),
        tuple(_placed(shop, site) for shop in _shops(site.fume, where, base)),
        _converted(site.dust, DustPoint, f"{where}: dust"),
        _converted(site.sound, SoundPoint, f"{where}: sound"),
    )
    _check_lines(found, where)
    for sensor in sensors:
        if sensor.forward:
            _check_forward(sensor.forward, f"{where}: sensors: {sensor.id}: forward")
    _check_points(found, site, where, categories)
    if packs is not None and today is not None:
        for point in found.noise:
            _check_standard(point, packs, today, f"{where}: noise: {point.id}")
    return found


def _converted(rows: Sequence[Any], kind: type[Any], where: str) -> tuple[Any, ...]:
    return tuple(convert(row, kind, f"{where}[{n}]") for n, row in enumerate(rows))


def _unique(names: Iterable[str], where: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ConfigError(f"{where}: id = {name!r} stands twice")
        seen.add(name)


def _maps(sensors: Sequence[Sensor], where: str, base: Path | None) -> dict[str, Map]:
    maps = {}
    for sensor in sensors:
        here = f"{where}: sensors: {sensor.id}: map"
        if sensor.map is None:
            if sensor.kind in ("modbus", "line"):
                raise ConfigError(f"{here} is missing; kind {sensor.kind} needs one")
            continue
        maps[sensor.id] = load_map(sensor.map, beside=base, where=here)
        if maps[sensor.id].kind != sensor.kind:
            raise ConfigError(f"{here} = {sensor.map!r}: of kind {maps[sensor.id].kind}")
    return maps


def _shops(rows: Sequence[Any], where: str, base: Path | None) -> tuple[Shop, ...]:
    shops: list[Shop] = []
    for n, row in enumerate(rows):
        here = f"{where}: fume[{n}]"
        if isinstance(row, dict) and "registry" in row:
            shops += _registry(convert(row, Registry, here).registry, here, base)
        else:
            shops.append(convert(row, Shop, here))
    _unique((shop.id for shop in shops), f"{where}: fume")
    return tuple(shops)


def _placed(shop: Shop, site: Site) -> Shop:
    """The shop with the site's unit grid where it states none: its limit goes by that."""
    if shop.position.grid or not site.position.grid:
        return shop
    position = msgspec.structs.replace(shop.position, grid=site.position.grid)
    return msgspec.structs.replace(shop, position=position)


def _registry(name: str, where: str, base: Path | None) -> list[Shop]:
    path = Path(name) if Path(name).is_absolute() or base is None else base / name
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except UnicodeDecodeError:
        raise ConfigError(f"{where}: registry: {path}: not UTF-8 text") from None
    except csv.Error as error:
        raise ConfigError(f"{where}: registry: {path}: {error}") from None
    except OSError as error:
        raise ConfigError(f"{where}: registry: {path}: {error.strerror or error}") from None
    return [_shop_of(row, f"{path}: line {n}") for n, row in enumerate(rows, 2)]


def _shop_of(row: dict[str, Any], where: str) -> Shop:
    """A CSV row has texts only: msgspec reads numbers and yes/no out of them."""
    given: dict[str, Any] = {key: text.strip() for key, text in row.items() if key and text}
    if "hours" in given:
        given["hours"] = {"hours": given["hours"].split()}
    try:
        return msgspec.convert(given, Shop, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {explain(str(error), given, Shop)}") from None


def _check_lines(found: SensorSettings, where: str) -> None:
    for port, sensors in found.buses.items():
        here = f"{where}: sensors: port = {port!r}"
        if len({sensor.kind for sensor in sensors}) > 1:
            raise ConfigError(f"{here}: sensors of different kinds cannot share a line")
        if len(sensors) > 1 and sensors[0].kind not in ("modbus", "hj212"):
            raise ConfigError(f"{here}: only modbus and hj212 can be told apart on one line")
        if port.startswith("listen://") and sensors[0].kind != "hj212":
            raise ConfigError(f"{here}: only hj212 stations call in")
        _check_shared_line(found, sensors, here)


def _check_shared_line(found: SensorSettings, sensors: Sequence[Sensor], here: str) -> None:
    settings = {(s.baud, s.parity) for s in sensors if s.baud or s.parity}
    if len(settings) > 1:
        raise ConfigError(f"{here}: baud and parity differ between its sensors")
    if sensors[0].kind == "modbus":
        addresses = [found.address(sensor) for sensor in sensors]
        twice = {a for a in addresses if addresses.count(a) > 1}
        if twice:
            raise ConfigError(f"{here}: address {min(twice)} stands twice")
    elif sensors[0].kind == "hj212" and len(sensors) > 1 and any(s.mn is None for s in sensors):
        raise ConfigError(f"{here}: stations that share a line each need their mn")


def _check_forward(forward: Forward, here: str) -> None:
    """What a pattern does not say: that there is such a port and such a name of a host, and that
    every frame will be one that HJ 212 allows."""
    try:
        parts = urlsplit(forward.to)
        port = parts.port
        (parts.hostname or "").encode("idna")
    except ValueError:
        port = None
    if not port:
        raise ConfigError(f"{here}: to = {forward.to!r}: tcp://host:port, port 1 to 65535")
    if not _PASSWORD.fullmatch(forward.pw):
        raise ConfigError(f"{here}: pw = {forward.pw!r}: at most 16 letters, none of ;=&")
    for channel, factor in forward.channels.items():
        if not _FACTOR.fullmatch(factor):
            text = "a factor of HJ 212, such as LA or a34004"
            raise ConfigError(f"{here}: channels: {channel} = {factor!r}: {text}")


def _check_points(
    found: SensorSettings, site: Site, where: str, categories: Mapping[str, Category] | None
) -> None:
    cameras = {camera.id for camera in site.cameras}
    for point in found.noise:
        here = f"{where}: noise: {point.id}"
        _known(point.sensor, found.sensors, f"{here}: sensor")
        if point.weather:
            _known(point.weather.sensor, found.sensors, f"{here}: weather.sensor")
    for shop in found.shops:
        if shop.sensor:
            _known(shop.sensor, found.sensors, f"{where}: fume: {shop.id}: sensor")
    for dust in found.dust:
        here = f"{where}: dust: {dust.id}"
        _known(dust.sensor, found.sensors, f"{here}: sensor")
        if dust.background_sensor:
            _known(dust.background_sensor, found.sensors, f"{here}: background_sensor")
    _check_names(found, cameras, where, categories)


def _check_standard(point: NoisePoint, packs: Packs, today: date, here: str) -> None:
    """What a point says against the edition in force; without one there is a fault, not an
    error: the box goes on with all that needs no limit."""
    pack, how = in_force(packs, point.standard, today), packs.at("measuring", today, "noise")
    if pack is None or pack.standard is None or how is None:
        return
    if limit_on(packs, point.standard, point.zone_class, today) is None:
        raise ConfigError(f"{here}: zone_class = {point.zone_class!r}: not in {point.standard}")
    if point.background_db is not None and not pack.standard.emission:
        text = f"{point.standard} judges a place as it is: no background is taken off"
        raise ConfigError(f"{here}: background_db = {point.background_db:g}: {text}")
    if night_hours(point.day) != how.number("night_h"):
        text = f"the night has {how.number('night_h'):g} hours (噪声污染防治法 Art. 88)"
        raise ConfigError(f"{here}: day = {point.day!r}: {text}")
    if any(special.banned for special in point.special) and point.night_work_db is None:
        text = "banned work needs night_work_db: from which level on it is work"
        raise ConfigError(f"{here}: special: {text}")


def _check_sound(found: SensorSettings, cameras: set[str], where: str) -> None:
    """Sources and meters that a sound point names are there."""
    meters = {point.id for point in found.noise}
    for point in found.sound:
        kind, _, name = point.source.partition(":")
        if kind == "camera":
            _known(name, cameras, f"{where}: sound: {point.id}: source")
        if point.meter:
            _known(point.meter, meters, f"{where}: sound: {point.id}: meter")


def _check_names(
    found: SensorSettings,
    cameras: set[str],
    where: str,
    categories: Mapping[str, Category] | None,
) -> None:
    """Cameras and categories exist, and no two points share a name: cases are kept by it."""
    _check_sound(found, cameras, where)
    points: list[NoisePoint | Shop | DustPoint | SoundPoint]
    points = [*found.noise, *found.shops, *found.dust, *found.sound]
    for thing in (*found.sensors.values(), *points):
        if thing.camera:
            _known(thing.camera, cameras, f"{where}: {thing.id}: camera")
    if categories is not None:
        judged: list[NoisePoint | DustPoint | SoundPoint]
        judged = [*found.noise, *found.dust, *found.sound]
        for point in judged:
            _known(point.category, categories, f"{where}: {point.id}: category")
    _unique((point.id for point in points), f"{where}: noise, fume, dust and sound")


def _known(name: str, among: Iterable[str], where: str) -> None:
    if name not in among:
        known = ", ".join(sorted(among)) or "none"
        raise ConfigError(f"{where} = {name!r}: unknown (known: {known})")
