# SPDX-License-Identifier: AGPL-3.0-or-later
"""Where a box keeps its files. Folders that are not absolute start at the device file's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge.config.device import Device
from edge.config.load import load

# Of an installed box.
SITE_FILE, DEVICE_FILE = "/etc/edge/site.yaml", "/etc/edge/device.yaml"


class BoxPaths:
    """For whatever knows the device's settings and the folder that relative paths start from."""

    __slots__ = ()
    device: Device
    base: Path

    @property
    def state(self) -> Path:
        """What must survive a power cut."""
        return self.base / self.device.folders.state

    @property
    def run(self) -> Path:
        """What need not: tmpfs."""
        return self.base / self.device.folders.run

    @property
    def program(self) -> Path:
        """The two slots of the software."""
        return self.base / self.device.folders.program

    @property
    def update(self) -> Path:
        """How far an update of the software is; edge-updaterd alone writes it."""
        return self.base / self.device.folders.update

    @property
    def outbox(self) -> Path:
        return self.state / "outbox.db"

    @property
    def evidence(self) -> Path:
        return self.state / "evidence"

    @property
    def keys(self) -> Path:
        return self.state / "keys"


@dataclass(frozen=True, slots=True)
class BoxFiles(BoxPaths):
    """The paths of one box, and its two files."""

    device: Device
    base: Path
    site_file: Path
    device_file: Path | None


def box_files(device: Device, site: str | Path | None, device_file: str | Path | None) -> BoxFiles:
    """Absolute paths of a box whose device file was read already."""
    base = base_folder(device_file, site)
    own = Path(device_file).resolve() if device_file else None
    return BoxFiles(device, base, Path(site or base / "site.yaml").resolve(), own)


def base_folder(*files: str | Path | None) -> Path:
    """The folder of the first file that is given; the current one without any."""
    return Path(next((file for file in files if file), "x")).resolve().parent


def read_box(device_file: str | Path | None) -> BoxFiles:
    """By a device file, or an installed box's defaults without one. Raises ConfigError."""
    device = load(Path(device_file), Device) if device_file else Device()
    return box_files(device, None, device_file)


def usual(given: str | None, path: str) -> str | None:
    """What was given, or else the file of an installed box where there is one."""
    return given or (path if Path(path).exists() else None)
