# SPDX-License-Identifier: AGPL-3.0-or-later
"""What edge-consoled starts with, and the check of a draft in a process apart.

The whole cross-check loads the rules, and with them OpenCV: 35 MB that the page would keep.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from edge.config import Category, ConfigError, Device, Site, load
from edge.config.catalogue import category_files, load_categories, shipped_packs
from edge.config.dated import coded
from edge.config.paths import BoxPaths, base_folder
from edge.daemons.apart import python_apart

log = logging.getLogger(__name__)

CHECK_S = 90.0


@dataclass(frozen=True, slots=True)
class PageSettings(BoxPaths):
    """The part of the configuration that the page needs. `base` is where relative paths start."""

    device: Device
    categories: dict[str, Category]
    base: Path


def load_page_settings(site_path: Path, device_path: Path) -> PageSettings:
    """Raises ConfigError for the device file; a broken site or city file is mended on the page."""
    device = load(device_path, Device)
    try:
        categories = load_categories(category_files(base_folder(site_path)))
    except ConfigError as error:
        log.warning("%s; the page shows the shipped categories", error)
        categories = load_categories(category_files(Path("/nonexistent")))
    today = datetime.now(timezone.utc).date()
    shown = coded(categories, shipped_packs(), today)
    return PageSettings(device, shown, base_folder(device_path))


def check_draft(draft: Path, device_path: Path) -> None:
    """What the daemons check before they start with it: `edge check`. Raises ConfigError."""
    load(draft, Site)
    words = ["check", "--site", str(draft), "--device", str(device_path)]
    done = python_apart(["edge", *words], f"{draft}: the check", limit_s=CHECK_S)
    if done.returncode:
        last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise ConfigError(last.removeprefix("edge check: "))
