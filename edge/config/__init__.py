# SPDX-License-Identifier: AGPL-3.0-or-later
"""YAML files as frozen structs: read once, completely, strictly."""

from edge.config.category import Categories, Category, Recipe
from edge.config.device import Device
from edge.config.load import ConfigError, config_sha256, convert, load, read_yaml
from edge.config.site import Camera, Position, Rule, Site, When, Zone

__all__ = [
    "Camera",
    "Categories",
    "Category",
    "ConfigError",
    "Device",
    "Position",
    "Recipe",
    "Rule",
    "Site",
    "When",
    "Zone",
    "config_sha256",
    "convert",
    "load",
    "read_yaml",
]
