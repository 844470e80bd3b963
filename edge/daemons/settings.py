"""Everything a daemon starts with, read once and cross-checked: site, device, categories, models."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge.config import Category, ConfigError, Device, Site, config_sha256, load
from edge.config.catalogue import load_categories
from edge.config.shipped import shipped
from edge.rules.check import check_site
from edge.sensors.settings import check_sensors
from edge.vision.manifest import Manifest, read_manifest

DEFAULT_MODEL = "city-v1"


@dataclass(frozen=True, slots=True)
class Settings:
    """The effective configuration. `base` is the folder that relative paths in it start from."""

    site: Site
    device: Device
    categories: dict[str, Category]
    sha256: str
    base: Path

    @property
    def state(self) -> Path:
        return self.base_of_device(self.device.folders.state)

    @property
    def run(self) -> Path:
        return self.base_of_device(self.device.folders.run)

    def base_of_device(self, folder: str) -> Path:
        return Path(folder) if Path(folder).is_absolute() else self.base / folder


def load_settings(
    site: str | Path | None, device: str | Path | None, *, model: str | None = None
) -> Settings:
    """Read and cross-check. Raises ConfigError: one line with file, key, value, what is allowed."""
    site_path = Path(site) if site else None
    device_path = Path(device) if device else None
    found_site = load(site_path, Site) if site_path else Site()
    found_device = load(device_path, Device) if device_path else Device()
    base = (site_path or device_path or Path("x")).resolve().parent
    categories = load_categories(city_files(base))
    settings = Settings(
        found_site, found_device, categories, config_sha256(found_site, found_device), base
    )
    where = str(site_path) if site_path else "site"
    for camera in found_site.cameras:
        manifest = manifest_for(settings, camera.model or model or found_site.model)
        check_site(found_site, camera, categories, manifest.classes, where)
    check_sensors(found_site, where)
    return settings


def city_files(base: Path) -> list[Path]:
    """The shipped categories, then the city's own file beside the site file, which wins."""
    own = base / "categories.yaml"
    return [shipped("config/categories.yaml"), *([own] if own.is_file() else [])]


def manifest_for(settings: Settings, name: str | None) -> Manifest:
    """A model by name or by the path of its manifest."""
    wanted = name or DEFAULT_MODEL
    places = [
        settings.base / wanted,
        Path(wanted),
        Path(settings.device.folders.models) / f"{wanted}.yaml",
    ]
    for path in places:
        if path.suffix == ".yaml" and path.is_file():
            return read_manifest(path)
    try:
        return read_manifest(shipped(f"models/{wanted}.yaml"))
    except FileNotFoundError:
        raise ConfigError(
            f"model = {wanted!r}: no such model; looked for {wanted}.yaml in "
            f"{settings.device.folders.models} and beside the site file"
        ) from None
