# SPDX-License-Identifier: AGPL-3.0-or-later
"""Forms over rows of the site file: a table of fields, what each shows, what a sent form changes.

Whether a value is sound is decided by the check that the daemons start with; here text that is no
number stays text, so that the check can name it. Pure.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from edge.config import Camera, Site
from edge.sensors.settings import Sensor

FieldKind = Literal["text", "source", "number", "date", "check", "choice", "list"]
Row = dict[str, Any]

# A password is never shown again; what stands in its place means "as it was".
HIDDEN = "•••"
_LOGIN = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://[^:/@\s]*):(.+)@([^@]*)$")


@dataclass(frozen=True, slots=True)
class FormField:
    """One key of a row: where it stands, how it is asked. `step`, `least`, `most` for numbers."""

    path: tuple[str, ...]
    kind: FieldKind = "text"
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()
    more: bool = False

    @property
    def name(self) -> str:
        """Its name in the form, and `field_` before it the key of its label."""
        return "_".join(self.path)


POSITION = (
    FormField(("position", "lat"), "number", -90, 90),
    FormField(("position", "lon"), "number", -180, 180),
    FormField(("position", "accuracy_m"), "number", 0.1, 10_000, more=True),
    FormField(("position", "address")),
    FormField(("position", "grid"), more=True),
)
CAMERA_FIELDS: tuple[FormField, ...] = (
    FormField(("name",)),
    FormField(("source",), "source"),
    FormField(("enabled",), "check"),
    FormField(("record",), "source", more=True),
    FormField(("fps",), "number", 0.1, 30, more=True),
    FormField(("min_score",), "number", 0, 1, more=True),
    FormField(("tile",), "check", more=True),
    FormField(("gate",), "check", more=True),
    FormField(("clip_before_s",), "number", 0, 60, more=True),
    FormField(("clip_after_s",), "number", 0, 60, more=True),
    FormField(("playback",), "choice", choices=("fast", "realtime", "loop"), more=True),
    FormField(("sensors",), "list", more=True),
    FormField(("premises",), more=True),
    FormField(("model",), more=True),
    FormField(("pipeline_arg",), more=True),
    *POSITION,
)
SITE_FIELDS: tuple[FormField, ...] = (
    FormField(("name",)),
    FormField(("name_en",)),
    *POSITION,
    FormField(("timezone",), more=True),
    FormField(("office_hours",), "list", more=True),
    FormField(("model",), more=True),
    FormField(("trucks",), more=True),
)
INSTRUMENT = (
    FormField(("instrument", "maker"), more=True),
    FormField(("instrument", "model"), more=True),
    FormField(("instrument", "serial"), more=True),
    FormField(("instrument", "accuracy_class"), "number", 1, 2, more=True),
    FormField(("instrument", "certificate"), more=True),
    FormField(("instrument", "expires"), "date", more=True),
    FormField(("instrument", "calibration", "date"), "date", more=True),
    FormField(("instrument", "calibration", "reference_db"), "number", 0, 194, more=True),
    FormField(("instrument", "calibration", "before_db"), "number", 0, 194, more=True),
    FormField(("instrument", "calibration", "after_db"), "number", 0, 194, more=True),
)
# `type` stands for `kind` and `map`, `judged_as` for a place where it is judged: see
# edge.console.editing. Their choices, and those of `camera`, are the box's.
SENSOR_FIELDS: tuple[FormField, ...] = (
    FormField(("name",)),
    FormField(("type",), "choice"),
    FormField(("port",)),
    FormField(("address",), "number", 1, 247),
    FormField(("judged_as",), "choice"),
    FormField(("mn",), more=True),
    FormField(("baud",), "number", 300, 4_000_000, more=True),
    FormField(("parity",), "choice", choices=("", "N", "E", "O"), more=True),
    FormField(("every_s",), "number", 0.1, 3600, more=True),
    FormField(("stale_s",), "number", 0.1, 86_400, more=True),
    FormField(("tolerant",), "check", more=True),
    FormField(("camera",), "choice", more=True),
    *INSTRUMENT,
)
CAMERA_DEFAULTS: Camera = Camera(id="x", source="x")
SITE_DEFAULTS: Site = Site()
SENSOR_DEFAULTS: Sensor = Sensor(id="x", kind="modbus", port="x")
# What a row must have: no default is shown for it, and emptied it stays as it was.
REQUIRED = frozenset({("source",), ("port",), ("type",)})


def shown(row: Row, fields: Sequence[FormField], defaults: object) -> dict[str, str]:
    """Each field as the form holds it: what the row says, else what counts without it."""
    return {field.name: _shown(field, row, defaults) for field in fields}


def _shown(field: FormField, row: Row, defaults: object) -> str:
    value = _at(row, field.path)
    if value is None:
        value = _default(defaults, field.path)
        if field.path in REQUIRED:
            value = None
    if value is None:
        return ""
    if field.kind == "check":
        return "on" if value else ""
    if field.kind == "list":
        return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    if field.kind == "source":
        return _LOGIN.sub(rf"\1:{HIDDEN}@\3", str(value))
    return (
        f"{value:g}"
        if isinstance(value, float) and abs(value) >= 1e-4 and _short(value)
        else str(value)
    )


def _short(value: float) -> bool:
    return float(f"{value:g}") == value


def _default(defaults: object, path: tuple[str, ...]) -> Any:
    for key in path:
        defaults = getattr(defaults, key, None)
    return defaults


def _at(row: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    found: Any = row
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def changed(
    row: Row, form: Mapping[str, str], fields: Sequence[FormField], defaults: object
) -> tuple[Row, list[str]]:
    """The row as a sent form wants it, and the names of the fields that differ. What a field shows
    already stays as it is written; what is emptied is left out."""
    before, result, names = shown(row, fields, defaults), dict(row), []
    for field in fields:
        said = form.get(field.name, "").strip()
        if said == before[field.name] or (field.path in REQUIRED and not said):
            continue
        result = _put(result, field.path, _value(field, said, _at(row, field.path)))
        names.append(field.name)
    return result, names


def _value(field: FormField, said: str, old: Any) -> Any:
    if field.kind == "check":
        return said == "on"
    if not said:
        return None
    if field.kind == "number":
        return _number(said)
    if field.kind == "list":
        return [word for word in re.split(r"[,，、\s]+", said) if word]
    if field.kind == "source":
        return with_password(said, old)
    return said


def _number(said: str) -> float | int | str:
    try:
        number = float(said)
    except ValueError:
        return said
    return int(number) if number.is_integer() and abs(number) < 1e9 else number


def with_password(said: str, old: Any) -> str:
    """The address with the password that was hidden, where it still is."""
    new, was = _LOGIN.match(said), _LOGIN.match(str(old or ""))
    if new is None or was is None or new[2] != HIDDEN:
        return said
    return f"{new[1]}:{was[2]}@{new[3]}"


def _put(row: Row, path: tuple[str, ...], value: Any) -> Row:
    key, rest = path[0], path[1:]
    if rest:
        inner = row.get(key)
        value = _put(dict(inner) if isinstance(inner, Mapping) else {}, rest, value) or None
    without = {k: v for k, v in row.items() if k != key}
    if value is None:
        return without
    return {**row, key: value}


def fingerprint(row: Row) -> str:
    """What a row was when a form of it was made."""
    text = json.dumps(row, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
