# SPDX-License-Identifier: AGPL-3.0-or-later
"""A refusal by msgspec in the words of who wrote the file: key, value, what belongs there.

msgspec speaks of types and regular expressions; an installer knows numbers, texts and an example.
What is allowed is read from the JSON Schema of the struct, so that it stands in one place. Pure.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Any

import msgspec

_AT = re.compile(r"^(?P<what>.*?)(?: - at `\$(?P<path>[^`]*)`)?$", re.DOTALL)
_UNKNOWN = re.compile(r"unknown field `(?P<name>[^`]*)`")
_MISSING = re.compile(r"missing required field `(?P<name>[^`]*)`")
_KIND = re.compile(r"^Expected `(?P<want>[^`]*)`, got `(?P<got>[^`]*)`$")
_BOUND = re.compile(r"^Expected `[^`]*` (?P<sign>[<>]=?) (?P<bound>\S+)$")
_LENGTH = re.compile(
    r"^Expected `(?P<type>[^`]*)` of length (?P<sign>[<>]=)? ?(?P<bound>\d+)(, got \d+)?$"
)
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
_ABSENT = object()

NAMES = {
    "str": "text",
    "float": "a number",
    "int": "a whole number",
    "bool": "true or false",
    "array": "a list",
    "object": "keys with values",
    "null": "nothing",
    "datetime": "a time such as 2026-05-01T08:00:00+08:00",
}
BOUNDS = {"<=": "at most", "<": "less than", ">=": "at least", ">": "more than"}


def explain(message: str, data: Any, kind: type) -> str:
    """A msgspec message as `key = value: what belongs there`, with a guess for a mistyped word.

    data: the plain data that was refused. kind: the struct that it should have been.
    """
    match = _AT.match(message)
    what, path = (match["what"], match["path"] or "") if match else (message, "")
    key = path.lstrip(".") or "(top)"
    schema = _schema_at(kind, path)
    if unknown := _UNKNOWN.search(what):
        known = list(schema.get("properties", {}))
        return f"{key}: unknown key {unknown['name']!r}{_nearest(unknown['name'], known)}"
    value = _value_at(data, path)
    shown = "" if value is _ABSENT or isinstance(value, (dict, list)) else f" = {value!r}"
    return f"{key}{shown}: {_wanted(what, value, schema)}"


def _wanted(what: str, value: Any, schema: dict[str, Any]) -> str:
    if missing := _MISSING.search(what):
        return f"the key {missing['name']!r} is missing"
    if kind := _KIND.match(what):
        wanted = _types(kind["want"].split(" | "))
        return f"must be {wanted}, not {NAMES.get(kind['got'], kind['got'])}"
    if bound := _BOUND.match(what):
        return f"must be {BOUNDS[bound['sign']]} {bound['bound'].removesuffix('.0')}"
    if length := _LENGTH.match(what):
        of = "letters" if length["type"] == "str" else "entries"
        sign = BOUNDS.get(length["sign"] or "", "exactly")
        return f"must have {sign} {length['bound']} {of}"
    if "matching regex" in what and schema.get("examples"):
        return f"must be written like {' or '.join(map(str, schema['examples']))}"
    if what.startswith("Invalid enum value") and schema.get("enum"):
        allowed = [str(word) for word in schema["enum"] if word is not None]
        close = difflib.get_close_matches(str(value), allowed, 1)
        guess = f" (did you mean {close[0]!r}?)" if close else ""
        return f"must be one of {', '.join(allowed)}{guess}"
    return f"{what[:1].lower()}{what[1:]}"


def _types(wanted: Sequence[str]) -> str:
    """Types that a key takes, as words; that it may be absent goes without saying."""
    words = [NAMES.get(word, word) for word in wanted if word != "null"]
    if "a number" in words:
        words = [word for word in words if word != "a whole number"]
    return " or ".join(words)


def _nearest(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    if close:
        return f" (did you mean {close[0]!r}?)"
    return f" (allowed: {', '.join(sorted(known))})" if known else ""


def _value_at(data: Any, path: str) -> Any:
    try:
        for name, index in _STEP.findall(path):
            data = data[name] if name else data[int(index)]
    except (KeyError, IndexError, TypeError, ValueError):
        return _ABSENT
    return data


def _schema_at(kind: type, path: str) -> dict[str, Any]:
    """The JSON Schema of what `path` leads to in the struct; empty where it leads nowhere."""
    _, parts = msgspec.json.schema_components([kind], ref_template="{name}")
    schema = _plain(parts.get(kind.__name__, {}), parts)
    for name, index in _STEP.findall(path):
        inner = schema.get("properties", {}).get(name) if name else _entry(schema, index)
        schema = _plain(inner or {}, parts)
    return schema


def _entry(schema: dict[str, Any], index: str) -> dict[str, Any] | None:
    found: Any = schema.get("additionalProperties" if index == "..." else "items")
    return found if isinstance(found, dict) else None


def _plain(schema: dict[str, Any], parts: dict[str, Any]) -> dict[str, Any]:
    """The one alternative that is not null, and its definition where it is a reference."""
    options = [row for row in schema.get("anyOf", []) if row.get("type") != "null"]
    schema = options[0] if len(options) == 1 else schema
    found: dict[str, Any] = parts.get(schema["$ref"], {}) if "$ref" in schema else schema
    return found
