# SPDX-License-Identifier: AGPL-3.0-or-later
"""YAML to frozen structs: once, completely, strictly, with errors that name file, key and value."""

from __future__ import annotations

import difflib
import hashlib
import re
from pathlib import Path
from typing import Any, TypeVar

import msgspec

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


_AT = re.compile(r"^(?P<what>.*?)(?: - at `\$(?P<path>[^`]*)`)?$", re.DOTALL)
_UNKNOWN = re.compile(r"unknown field `(?P<name>[^`]*)`")


def explain(message: str, data: Any, kind: type) -> str:
    """A msgspec message as `key = value: what is wrong`, with a guess for a mistyped key."""
    match = _AT.match(message)
    what, path = (match["what"], match["path"] or "") if match else (message, "")
    key = path.lstrip(".") or "(top)"
    unknown = _UNKNOWN.search(what)
    if unknown:
        return f"{key}: unknown key {unknown['name']!r}{_nearest(unknown['name'], path, kind)}"
    value = _value_at(data, path)
    shown = "" if value is _ABSENT or isinstance(value, (dict, list)) else f" = {value!r}"
    return f"{key}{shown}: {what[:1].lower()}{what[1:]}"


_ABSENT = object()
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")


def _value_at(data: Any, path: str) -> Any:
    try:
        for name, index in _STEP.findall(path):
            data = data[name] if name else data[int(index)]
    except (KeyError, IndexError, TypeError, ValueError):
        return _ABSENT
    return data


def _nearest(name: str, path: str, kind: type) -> str:
    names = _field_names(kind, path)
    close = difflib.get_close_matches(name, names, 1)
    if close:
        return f" (did you mean {close[0]!r}?)"
    return f" (allowed: {', '.join(sorted(names))})" if names else ""


def _field_names(kind: type, path: str) -> list[str]:
    """Encoded field names of the struct that `path` leads to, found in its JSON Schema."""
    _, parts = msgspec.json.schema_components([kind], ref_template="{name}")
    schema: Any = parts.get(kind.__name__, {})
    for name, index in _STEP.findall(path):
        schema = schema.get("properties", {}).get(name, {}) if name else schema.get("items", {})
        _ = index
        for option in [schema, *schema.get("anyOf", [])]:
            if "$ref" in option:
                schema = parts.get(option["$ref"], {})
                break
    return list(schema.get("properties", {}))


def config_sha256(*parts: msgspec.Struct) -> str:
    """Hash of the effective configuration; goes into every violation."""
    return hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()
