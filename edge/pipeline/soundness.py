# SPDX-License-Identifier: AGPL-3.0-or-later
"""Which items of a site file are sound: one check for `edge check`, the page and the daemons.

`edge check` and the page refuse a file with the first item that is not sound. A daemon sets that
item aside, reports it as a fault, and works with all others: one mistyped address blinds one
camera.
A wrong zone sets its camera aside, for a rule without its zone would judge more than was asked.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from edge.camera.groundplane import GroundPlane
from edge.config import Camera, ConfigError, Site, convert
from edge.config.load import read_yaml
from edge.config.paths import base_folder
from edge.pipeline.reminder import split_hook
from edge.pipeline.settings import SetAside, Settings, manifest_path, read_settings
from edge.pipeline.taught_looks import looks_of
from edge.rules.check import check_site
from edge.rules.judge import with_file
from edge.rules.rule_settings import settle
from edge.rules.state import TaughtState
from edge.rules.vetting import premises_of
from edge.sensors.check import check_sensors
from edge.vision.manifest import read_manifest, resolve
from edge.vision.traits import read_traits, traits_path

log = logging.getLogger(__name__)

# Keys of the site file that are rows of items.
SENSOR_ROWS = ("sensors", "noise", "fume", "dust", "sound")
ROWS = ("cameras", *SENSOR_ROWS)
# What an item without a sound name is called: its place. As edge.config.site.Name.
_NAME = re.compile(r"^[a-z0-9][a-z0-9_-]{0,31}$")


def load_settings(
    site: str | Path | None,
    device: str | Path | None,
    *,
    model: str | None = None,
    sources: bool = False,
) -> Settings:
    """Read and cross-check. Raises ConfigError: one line with file, key, value, what is allowed.

    model: stands in for the models that the site names. sources: the cameras' own sources are
    asked too, as on the box that is to read them.
    """
    settings = read_settings(site, device)
    where = str(site) if site else "site"
    cameras = settings.site.cameras
    for number, camera in enumerate(cameras):
        _once(camera.id, [c.id for c in cameras[:number]], where)
        check_camera(settings, camera, where, model=model, sources=sources)
    check_sensors(
        settings.site,
        where=where,
        base=base_folder(site, device),
        categories=settings.categories,
        packs=settings.calendar.packs,
        today=settings.dated.day(time.time()),
    )
    return settings


def load_sound(site: str | Path, device: str | Path, *, sources: bool = True) -> Settings:
    """Read and cross-check item by item; what is not sound is in `aside` and nowhere else.

    sources: as for `load_settings`. Raises ConfigError where the file itself cannot be read, or a
    key beside the items is wrong.
    """
    settings, where = read_sound(site, device), str(site)
    cameras, aside = list[Camera](), list(settings.aside)
    for camera in settings.site.cameras:
        if camera.id in [c.id for c in cameras]:
            aside.append(SetAside("camera", camera.id, f"{where}: id {camera.id!r} stands twice"))
            continue
        cameras.append(_sound_camera(settings, camera, where, aside, sources))
    changed = msgspec.structs.replace(settings.site, cameras=tuple(cameras))
    rows = _sound_sensors(changed, settings, where, base_folder(site, device), aside)
    changed = msgspec.structs.replace(changed, **rows)
    return replace(settings, site=changed, aside=tuple(aside))


def read_sound(site: str | Path, device: str | Path) -> Settings:
    """As `read_settings`, with the items that cannot be read in `aside`. Raises ConfigError."""
    return read_settings(site, device, read=read_items)


def _sound_camera(
    settings: Settings, camera: Camera, where: str, aside: list[SetAside], sources: bool
) -> Camera:
    """The camera with its sound rules; switched off, but still a known name, where it is not."""
    try:
        bare = msgspec.structs.replace(camera, rules=())
        check_camera(settings, bare, where, sources=sources)
    except ConfigError as error:
        aside.append(SetAside("camera", camera.id, str(error)))
        return _off(camera.id)
    except Exception as error:
        log.debug("camera %s", camera.id, exc_info=True)
        text = f"{where}: camera {camera.id}: cannot be checked: {type(error).__name__}: {error}"
        aside.append(SetAside("camera", camera.id, " ".join(text.split())))
        return _off(camera.id)
    kept = _sound_rules(settings, camera, where, aside)
    return msgspec.structs.replace(camera, rules=kept)


def _off(name: str) -> Camera:
    return Camera(id=name, source="set aside", enabled=False)


def _once(name: str, before: list[str], where: str) -> None:
    if name in before:
        raise ConfigError(f"{where}: cameras: id {name!r} stands twice")


def read_items(path: Path) -> tuple[Site, tuple[SetAside, ...]]:
    """The file as a whole where it is sound, else item by item."""
    data, where = read_yaml(path), str(path)
    try:
        return convert(data, Site, where), ()
    except ConfigError:
        if not isinstance(data, dict):
            raise
    aside: list[SetAside] = []
    sound = {key: value for key, value in data.items() if key not in ROWS}
    convert(sound, Site, where)
    for key in ROWS:
        rows = data.get(key) or ()
        if not isinstance(rows, list):
            convert({key: rows}, Site, where)
            continue
        kept = [_converted(key, number, row, where, aside) for number, row in enumerate(rows)]
        sound[key] = [row for row in kept if row is not None]
    return convert(sound, Site, where), tuple(aside)


def _converted(key: str, number: int, row: Any, where: str, aside: list[SetAside]) -> Any:
    """The row as far as it is sound: a camera may lose a rule; None where nothing is left."""
    error = _wrong(key, number, row, where)
    if error is None:
        return row
    if key == "cameras" and isinstance(row, dict) and isinstance(row.get("rules"), list):
        without = {k: v for k, v in row.items() if k != "rules"}
        if _wrong(key, number, without, where) is None:
            return {**without, "rules": _rules_that_convert(number, row, without, where, aside)}
    name = _name(row, key, number)
    aside.append(SetAside(_kind(key), name, error))
    return {"id": name, "source": "set aside", "enabled": False} if key == "cameras" else None


def _rules_that_convert(
    number: int, row: dict[str, Any], without: dict[str, Any], where: str, aside: list[SetAside]
) -> list[Any]:
    kept = []
    for place, rule in enumerate(row["rules"]):
        error = _wrong("cameras", number, {**without, "rules": [rule]}, where)
        if error is None:
            kept.append(rule)
            continue
        name = rule.get("category", place) if isinstance(rule, dict) else place
        text = error.replace("rules[0]", f"rules[{place}]")
        aside.append(SetAside("rule", f"{row.get('id')}/{name}", text))
    return kept


def _wrong(key: str, number: int, row: Any, where: str) -> str | None:
    """Why one row cannot be read, with its real place in the file."""
    try:
        convert({key: [row]}, Site, where)
    except ConfigError as error:
        return str(error).replace(f"{key}[0]", f"{key}[{number}]")
    return None


def _kind(key: str) -> str:
    return {"cameras": "camera", "sensors": "sensor"}.get(key, key)


def _name(row: Any, key: str, number: int) -> str:
    named = row.get("id") if isinstance(row, Mapping) else None
    return named if isinstance(named, str) and _NAME.match(named) else f"{_kind(key)}-{number}"


def _sound_rules(
    settings: Settings, camera: Camera, where: str, aside: list[SetAside]
) -> tuple[Any, ...]:
    """The rules of a camera that can be judged."""
    kept = []
    for place, rule in enumerate(camera.rules):
        try:
            check_camera(settings, msgspec.structs.replace(camera, rules=(rule,)), where)
        except ConfigError as error:
            text = str(error).replace("rules[0]", f"rules[{place}]")
            aside.append(SetAside("rule", f"{camera.id}/{rule.category}", text))
        else:
            kept.append(rule)
    return tuple(kept)


def _sound_sensors(
    site: Site, settings: Settings, where: str, base: Path, aside: list[SetAside]
) -> dict[str, tuple[Any, ...]]:
    """Sensors, points and shops that fit together: where not all do, each is tried beside those
    before it."""

    def check(rows: Mapping[str, tuple[Any, ...]]) -> None:
        """Check the sensors of the site with these rows in it. Raises ConfigError."""
        tried = msgspec.structs.replace(site, **rows)
        packs, today = settings.calendar.packs, settings.dated.day(time.time())
        check_sensors(
            tried,
            where=where,
            base=base,
            categories=settings.categories,
            packs=packs,
            today=today,
        )

    return _fitting({key: getattr(site, key) for key in SENSOR_ROWS}, check, aside)


def _fitting(
    rows: Mapping[str, tuple[Any, ...]],
    check: Callable[[Mapping[str, tuple[Any, ...]]], None],
    aside: list[SetAside],
) -> dict[str, tuple[Any, ...]]:
    try:
        check(rows)
        return dict(rows)
    except ConfigError:
        kept: dict[str, tuple[Any, ...]] = dict.fromkeys(SENSOR_ROWS, ())
    for key in SENSOR_ROWS:
        for number, row in enumerate(rows[key]):
            try:
                check({**kept, key: (*kept[key], row)})
            except ConfigError as error:
                text = str(error).replace(f"{key}[{len(kept[key])}]", f"{key}[{number}]")
                aside.append(SetAside(_kind(key), _name(row, key, number), text))
            else:
                kept[key] = (*kept[key], row)
    return kept


def check_camera(
    settings: Settings,
    camera: Camera,
    where: str,
    *,
    model: str | None = None,
    sources: bool = False,
) -> None:
    """Everything that can be known of one camera before it is opened. Raises ConfigError.

    sources: also that its source may be opened: a file must be there and be a video.
    """
    _check_trucks(settings, camera, f"{where}: camera {camera.id}")
    _check_ground(camera, f"{where}: camera {camera.id}")
    if not camera.enabled:
        return
    if sources:
        # Loads FFmpeg's libraries: 30 MB that a daemon without cameras does not carry.
        from edge.camera.opening import check_sources

        check_sources(camera, settings.base, where)
    path = manifest_path(settings, model or camera.model or settings.site.model)
    if sources:
        resolve(path)
    classes = read_manifest(path).classes
    for remark in check_site(settings.site, camera, settings.categories, classes, where):
        log.info("%s", remark)
    _check_traits(settings, camera, path, f"{where}: camera {camera.id}")
    _check_looks(settings, camera, f"{where}: camera {camera.id}")
    for rule in camera.rules:
        hook = rule.set.get("remind", settings.categories[rule.category].set.get("remind"))
        if hook:
            split_hook(str(hook), f"{where}: camera {camera.id}: rule {rule.category}")


def _check_ground(camera: Camera, where: str) -> None:
    if camera.ground is None:
        return
    marks, covers = camera.ground.marks, camera.ground.covers
    if covers and len(covers) < 3:
        raise ConfigError(
            f"{where}: ground.covers: {len(covers)} corners; three or more are wanted"
        )
    for lat, lon in covers:
        if abs(lat) > 90 or abs(lon) > 180:
            raise ConfigError(f"{where}: ground.covers: [{lat}, {lon}] is no [lat, lon]")
    try:
        if marks:
            GroundPlane(marks)
    except ValueError as error:
        raise ConfigError(f"{where}: ground.marks: {error}") from None


def _check_trucks(settings: Settings, camera: Camera, where: str) -> None:
    """What a camera asks of the muck-truck file must be in it."""
    for rule in camera.rules:
        category = settings.categories.get(rule.category)
        if category and with_file(category) and settings.trucks is None:
            raise ConfigError(
                f"{where}: rule {rule.category} asks the muck-truck file; name one: trucks: FILE"
            )
    if camera.premises is None:
        return
    known = premises_of(settings.trucks.trucks) if settings.trucks else set()
    if camera.premises not in known:
        allowed = ", ".join(sorted(known)) or "the muck-truck file names none"
        raise ConfigError(
            f"{where}: premises {camera.premises!r} is no loading or dumping place of the "
            f"muck-truck file (allowed: {allowed})"
        )


def _check_traits(settings: Settings, camera: Camera, detector: Path, where: str) -> None:
    """What a rule asks of the truck classifier must be among what it says; warns if
    the classifier is missing, for such a rule then finds nothing."""
    beside = read_traits(detector)
    for rule in camera.rules:
        category = settings.categories[rule.category]
        trait = str(rule.set.get("trait", category.set.get("trait", "")))
        if not trait or category.with_classes:
            continue
        if beside is None:
            log.warning(
                "%s: rule %s finds nothing: it asks a truck classifier, and %s is not there",
                where,
                rule.category,
                traits_path(detector).name,
            )
        elif trait not in beside.classes:
            raise ConfigError(
                f"{where}: rule {rule.category}: set.trait {trait!r} is nothing that "
                f"{traits_path(detector).name} says (allowed: {', '.join(beside.classes)})"
            )


def _check_looks(settings: Settings, camera: Camera, where: str) -> None:
    """Of the looks of a place one must be an offence, or its rule finds nothing, in silence."""
    for rule in camera.rules:
        category = settings.categories[rule.category]
        if category.kind != "state":
            continue
        offending = settle(camera, rule, category, TaughtState.SETTINGS).words("offending")
        for zone in rule.zones:
            taught = looks_of(settings.looks / camera.id / zone)
            # With one look alone the teaching is under way.
            if len(taught) > 1 and not set(taught) & set(offending):
                raise ConfigError(
                    f"{where}: rule {rule.category}: set.offending [{', '.join(offending)}] is no "
                    f"look that zone {zone} was taught (taught: {', '.join(taught)})"
                )
