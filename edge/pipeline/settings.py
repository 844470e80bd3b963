# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a daemon starts with, read once and cross-checked: site, device, categories, models."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from edge.config import Camera, Category, ConfigError, Device, Site, config_sha256, load
from edge.config.catalogue import Calendar, category_files, load_calendar, load_categories
from edge.config.shipped import shipped
from edge.pipeline.reminder import split_hook
from edge.register import load_register
from edge.release.store import installed
from edge.rules.check import check_site, check_timezone
from edge.rules.judge import with_file
from edge.rules.trucks import Register
from edge.rules.vetting import premises_of
from edge.sensors.check import check_sensors
from edge.vision.manifest import read_manifest
from edge.vision.traits import read_traits, traits_path

log = logging.getLogger(__name__)

DEFAULT_MODEL = "city-v1"


@dataclass(frozen=True, slots=True)
class Settings:
    """The effective configuration. `base` is the folder that relative paths in it start from."""

    site: Site
    device: Device
    categories: dict[str, Category]
    calendar: Calendar
    sha256: str
    base: Path
    trucks: Register | None = None

    @property
    def state(self) -> Path:
        return self._folder(self.device.folders.state)

    @property
    def run(self) -> Path:
        return self._folder(self.device.folders.run)

    @property
    def models(self) -> Path:
        """Releases that came after the program (edge.release.store)."""
        return self.state / "models"

    def _folder(self, name: str) -> Path:
        return Path(name) if Path(name).is_absolute() else self.base / name


def load_settings(
    site: str | Path | None, device: str | Path | None, *, model: str | None = None
) -> Settings:
    """Read and cross-check. Raises ConfigError: one line with file, key, value, what is allowed.

    model: stands in for the models that the site names.
    """
    settings = read_settings(site, device)
    where = str(site) if site else "site"
    _check_cameras(settings, where, model)
    base = Path(site or device or "x").resolve().parent
    check_sensors(settings.site, where=where, base=base, categories=settings.categories)
    return settings


def read_settings(site: str | Path | None, device: str | Path | None) -> Settings:
    """Read, with nothing asked of models and sensors yet. Raises ConfigError."""
    site_path = Path(site) if site else None
    device_path = Path(device) if device else None
    found_site = load(site_path, Site) if site_path else Site()
    found_device = load(device_path, Device) if device_path else Device()
    base = (device_path or site_path or Path("x")).resolve().parent
    site_base = (site_path or device_path or Path("x")).resolve().parent
    where = str(site_path) if site_path else "site"
    check_timezone(found_site.timezone, where)
    return Settings(
        found_site,
        found_device,
        load_categories(category_files(site_base)),
        load_calendar(calendar_files(site_base, found_site, where)),
        config_sha256(found_site, found_device),
        base,
        _trucks(site_base, found_site, where),
    )


def _trucks(base: Path, site: Site, where: str) -> Register | None:
    """The muck-truck file that the site names."""
    if site.trucks is None:
        return None
    path = base / site.trucks
    if not path.is_file():
        raise ConfigError(f"{where}: trucks {site.trucks!r}: no such file in {base}")
    return load_register(path)


def _check_cameras(settings: Settings, where: str, model: str | None) -> None:
    for camera in settings.site.cameras:
        _check_trucks(settings, camera, f"{where}: camera {camera.id}")
        if not camera.enabled:
            continue
        path = manifest_path(settings, model or camera.model or settings.site.model)
        classes = read_manifest(path).classes
        for remark in check_site(settings.site, camera, settings.categories, classes, where):
            log.info("%s", remark)
        _check_traits(settings, camera, path, f"{where}: camera {camera.id}")
        for rule in camera.rules:
            hook = rule.set.get("remind", settings.categories[rule.category].set.get("remind"))
            if hook:
                split_hook(str(hook), f"{where}: camera {camera.id}: rule {rule.category}")


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
    """What a rule asks of the truck classifier must be among what it says; a classifier that is
    not there is told, for such a rule finds nothing."""
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


def calendar_files(base: Path, site: Site, where: str) -> list[Path]:
    """The shipped calendars, and those that the site names."""
    files = sorted(shipped("config/calendar").glob("*.yaml"))
    for name in site.calendar:
        path = base / name
        if not path.is_file():
            raise ConfigError(f"{where}: calendar {name!r}: no such file in {base}")
        files.append(path)
    return files


def model_names(settings: Settings) -> list[str]:
    """The models that the site's enabled cameras use, by the name the site calls them."""
    used = (c.model or settings.site.model for c in settings.site.cameras if c.enabled)
    return sorted({name or DEFAULT_MODEL for name in used})


def manifest_path(settings: Settings, name: str | None) -> Path:
    """The manifest of a model, by name or by the path of its manifest: of the release in force
    where one was installed. Raises ConfigError."""
    wanted = name or DEFAULT_MODEL
    for path in (settings.base / wanted, Path(wanted)):
        if path.suffix == ".yaml" and path.is_file():
            return path
    came = shipped_manifest(settings, wanted)
    found = installed(settings.models, wanted, came) or came
    if found is None:
        raise ConfigError(
            f"model = {wanted!r}: no such model; looked for {wanted}.yaml in "
            f"{settings.device.folders.models} and beside the site file"
        )
    return found


def shipped_manifest(settings: Settings, wanted: str) -> Path | None:
    """The manifest that came with the program, or None."""
    path = Path(settings.device.folders.models) / f"{wanted}.yaml"
    if path.is_file():
        return path
    try:
        return shipped(f"models/{wanted}.yaml")
    except FileNotFoundError:
        return None
