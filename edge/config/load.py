# SPDX-License-Identifier: AGPL-3.0-or-later
"""YAML to frozen structs: once, completely, strictly, with errors that name file, key and value."""

from __future__ import annotations

import difflib
import hashlib
import re
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

T = TypeVar("T")


class ConfigError(Exception):
    """One line for a person: file, key, value, what is allowed. Exit code 2."""


class _StrictLoader(yaml.SafeLoader):
    """Safe YAML that refuses a key written twice, which plain YAML silently overwrites."""


def _unique_mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node)
        if not isinstance(key, (str, int, float, bool, type(None))):
            raise yaml.YAMLError(f"line {key_node.start_mark.line + 1}: a key must be a word")
        if key in seen:
            raise yaml.YAMLError(f"line {key_node.start_mark.line + 1}: {key!r} stands twice")
        seen.add(key)
    loader.flatten_mapping(node)
    return loader.construct_mapping(node, deep=True)


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique_mapping)
# The words of YAML 1.2: `off` is a word, 22:00 a time of day and 2026-05-01 a date as written,
# where YAML 1.1 makes them False, 1320 and an object.
_StrictLoader.yaml_implicit_resolvers = {}
for _tag, _expr, _first in (
    ("bool", r"^(true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("null", r"^(~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("int", r"^[-+]?(0|[1-9][0-9]*)$", "-+0123456789"),
    ("float", r"^[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)([eE][-+]?[0-9]+)?$", "-+.0123456789"),
    ("merge", r"^<<$", "<"),
):
    _StrictLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(_expr), list(_first)
    )


def read_yaml(path: Path) -> Any:
    """The file's plain data. Raises ConfigError for unreadable files and bad YAML."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506  a SafeLoader subclass
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: {_one_line(error)}") from None


def _one_line(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None)
    if mark is not None and problem:
        return f"line {mark.line + 1}, column {mark.column + 1}: {problem}"
    return " ".join(str(error).split())


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
