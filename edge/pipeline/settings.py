# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a daemon starts with, read once and cross-checked: site, device, categories, models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from edge.config import Category, ConfigError, Device, Site, config_sha256, load
from edge.config.catalogue import calendar_files, category_files, load_calendar, load_categories
from edge.config.dated import Calendar, DatedFacts
from edge.config.paths import BoxFiles, BoxPaths, base_folder
from edge.register import load_register
from edge.release.packs import box_packs
from edge.release.store import DEFAULT_MODEL, find_manifest
from edge.rules.check import check_timezone
from edge.rules.trucks import Register


@dataclass(frozen=True, slots=True)
class SetAside:
    """An item of the site file that is not sound, and the one line that says why.

    kind: camera, rule, sensor, noise, fume or dust; of a rule, `id` is camera/category.
    """

    kind: str
    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Settings(BoxPaths):
    """The effective configuration. `base` is the folder that relative paths in it start from;
    `aside` is what the site file says besides and what is not sound."""

    site: Site
    device: Device
    categories: dict[str, Category]
    calendar: Calendar
    sha256: str
    base: Path
    trucks: Register | None = None
    aside: tuple[SetAside, ...] = ()

    @property
    def dated(self) -> DatedFacts:
        """The packs and the calendar, asked by the time of an event."""
        return DatedFacts(self.calendar.packs, self.calendar, ZoneInfo(self.site.timezone))

    @property
    def looks(self) -> Path:
        """What places were taught to look like (edge.pipeline.taught_looks)."""
        return self.state / "looks"

    @property
    def models(self) -> Path:
        """Releases that came after the program (edge.release.store)."""
        return self.state / "models"


def read_settings(
    site: str | Path | None,
    device: str | Path | None,
    *,
    read: Callable[[Path], tuple[Site, tuple[SetAside, ...]]] | None = None,
) -> Settings:
    """Read, with nothing asked of models and sensors yet. Raises ConfigError.

    read: how the site file is read where not as a whole (edge.pipeline.soundness).
    """
    site_path = Path(site) if site else None
    device_path = Path(device) if device else None
    found_site, aside = Site(), tuple[SetAside, ...]()
    if site_path:
        found_site, aside = read(site_path) if read else (load(site_path, Site), ())
    found_device = load(device_path, Device) if device_path else Device()
    base, site_base = base_folder(device_path, site_path), base_folder(site_path, device_path)
    where = str(site_path) if site_path else "site"
    check_timezone(found_site.timezone, where)
    packs = box_packs(BoxFiles(found_device, base, base / "site.yaml", device_path), found_site)
    return Settings(
        found_site,
        found_device,
        load_categories(category_files(site_base)),
        load_calendar(calendar_files(site_base, found_site, where), packs),
        config_sha256(found_site, found_device),
        base,
        _trucks(site_base, found_site, where),
        aside,
    )


def _trucks(base: Path, site: Site, where: str) -> Register | None:
    """The muck-truck file that the site names."""
    if site.trucks is None:
        return None
    path = base / site.trucks
    if not path.is_file():
        raise ConfigError(f"{where}: trucks {site.trucks!r}: no such file in {base}")
    return load_register(path)


def model_names(settings: Settings) -> list[str]:
    """The models that the site's enabled cameras use, by the name the site calls them."""
    used = (c.model or settings.site.model for c in settings.site.cameras if c.enabled)
    return sorted({name or DEFAULT_MODEL for name in used})


def manifest_path(settings: Settings, name: str | None) -> Path:
    """The manifest of a model, by name or by the path of its manifest: of the release in force
    where one was installed. Raises ConfigError."""
    return find_manifest(settings, name or DEFAULT_MODEL)
