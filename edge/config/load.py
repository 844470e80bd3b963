# SPDX-License-Identifier: AGPL-3.0-or-later
"""YAML to frozen structs: once, completely, strictly, with errors that name file, key and value."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from edge.config.explain import explain
from edge.config.yamltext import BadYaml, parse

T = TypeVar("T")


class ConfigError(Exception):
    """One line for a person: file, key, value, what is allowed. Exit code 2."""


def read_yaml(path: Path) -> Any:
    """The file's plain data. Raises ConfigError for unreadable files and bad YAML."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    try:
        return parse(text)
    except BadYaml as error:
        raise ConfigError(f"{path}: {error}") from None


def convert(data: Any, kind: type[T], where: str) -> T:
    """Plain data to a frozen struct. Raises ConfigError naming key, value and what is allowed."""
    try:
        return msgspec.convert(data if data is not None else {}, kind)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {explain(str(error), data, kind)}") from None


def load(path: Path, kind: type[T]) -> T:
    return convert(read_yaml(path), kind, str(path))


def config_sha256(*parts: msgspec.Struct) -> str:
    """Hash of the effective configuration; goes into every violation."""
    return hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()
