# SPDX-License-Identifier: AGPL-3.0-or-later
"""The configuration structs as rows: key, what may stand there, default, unit. Pure introspection.

What a key is for stands in `keys.yaml`, in both languages; `unexplained` compares the two.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from edge.config.catalogue import CalendarFile
from edge.config.category import Categories
from edge.config.device import Device
from edge.config.packs import Pack
from edge.config.site import Site
from edge.drone.settings import Drone
from edge.patterns import whole
from edge.rules import trucks
from edge.sensors import settings as senses
from edge.sensors.maps import Map

Kind = type[msgspec.Struct]
# Each file by the struct of the whole; its parts follow in the order people meet them.
FILES: Mapping[str, Kind] = {
    "site.yaml": Site,
    "device.yaml": Device,
    "categories.yaml": Categories,
    "calendar.yaml": CalendarFile,
    "packs/*.yaml": Pack,
    "sensors/*.yaml": Map,
    "drone.yaml": Drone,
    "trucks.yaml": trucks.Register,
}
# Lists that site.yaml keeps as plain data because edge.sensors owns their shape.
OWNED: Mapping[tuple[Kind, str], tuple[Kind, ...]] = {
    (Site, "sensors"): (senses.Sensor,),
    (Site, "noise"): (senses.NoisePoint,),
    (Site, "fume"): (senses.Shop, senses.Registry),
    (Site, "dust"): (senses.DustPoint,),
    (Site, "sound"): (senses.SoundPoint,),
}
# Patterns as a person says them.
PATTERNS: Mapping[str, str] = {
    whole(r"[a-z0-9][a-z0-9_-]{0,31}"): "id: a-z 0-9 _ -, at most 32",
    whole(r"([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)"): "HH:MM-HH:MM",
    whole(r"(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"): "MM-DD",
    whole(r"\d{4}-\d{2}-\d{2}"): "YYYY-MM-DD",
    whole(r"[0-9]{15}"): "15 digits",
    whole(r"[0-9a-fA-F:.]{2,45}"): "IP address",
    whole(r"\d{2}"): "2 digits",
    whole(r"0[xX][0-9a-fA-F]{1,4}"): "0x0000 to 0xFFFF",
    whole(r"[A-Za-z][A-Za-z0-9_.-]{0,31}"): "channel: letters, digits, _ . -, at most 32",
    whole(r"[0-9A-Za-z]{1,24}"): "1 to 24 letters and digits",
    whole(r"tcp://[^/:\s]{1,253}:\d{1,5}"): "tcp://HOST:PORT",
    r"^https?://": "http(s)://...",
}
# The unit that the end of a key tells.
UNITS: Mapping[str, str] = {
    "_s": "s",
    "_min": "min",
    "_h": "h",
    "_days": "d",
    "_m": "m",
    "_mps": "m/s",
    "_m_s": "m/s",
    "_db": "dB",
    "_mb": "MB",
    "_mg": "mg/m³",
    "_deg": "°",
    "_kbit_s": "kbit/s",
    "_mb_day": "MB a day",
    "_a": "A",
    "fps": "1/s",
    "baud": "baud",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One key as the page shows it."""

    key: str
    value: str
    default: str


def name_of(kind: Kind) -> str:
    """The name of a struct on the page; one for each struct."""
    return kind.__name__


def kinds_by_file() -> dict[str, list[Kind]]:
    """Every struct under the first file that it is part of, parts right after their wholes."""
    seen: set[Kind] = set()
    return {file: list(_with_parts(root, seen)) for file, root in FILES.items()}


def _with_parts(kind: Kind, seen: set[Kind]) -> Iterator[Kind]:
    if kind in seen:
        return
    seen.add(kind)
    yield kind
    hints = typing.get_type_hints(kind, include_extras=True)
    for field in msgspec.structs.fields(kind):
        for part in OWNED.get((kind, field.name), tuple(_structs(hints[field.name]))):
            yield from _with_parts(part, seen)


def _structs(hint: Any) -> Iterator[Kind]:
    """Structs inside a type, however deep: `tuple[Zone, ...]`, `Position | None`."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        yield hint
    for part in get_args(hint):
        yield from _structs(part)


def rows(kind: Kind) -> list[Row]:
    """The keys of a struct, in the order of the code."""
    hints = typing.get_type_hints(kind, include_extras=True)
    return [
        Row(
            field.encode_name,
            _with_unit(field.encode_name, _owned(kind, field.name) or describe(hints[field.name])),
            _default(field),
        )
        for field in msgspec.structs.fields(kind)
    ]


def _owned(kind: Kind, key: str) -> str:
    parts = [_link(part) for part in OWNED.get((kind, key), ())]
    return f"list of {' or '.join(parts)}" if parts else ""


def _link(kind: Kind) -> str:
    name = name_of(kind)
    return f"[{name}](#{name.lower()})"


def _with_unit(key: str, value: str) -> str:
    ends = [end for end in UNITS if key.endswith(end)]
    unit = UNITS[max(ends, key=len)] if ends and not value.startswith("list") else ""
    return f"{value}, {unit}" if unit else value


def describe(hint: Any) -> str:
    """What may stand at a key, in words: type, range, choices. Raises TypeError for a type that
    no configuration struct has had so far."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _bounded(args[0], args[1:])
    if origin is Literal:
        return " ".join(f"`{choice}`" for choice in args)
    if origin in (Union, types.UnionType):
        return _either([part for part in args if part is not type(None)])
    if origin is tuple:
        return _several(args)
    if origin is dict:
        return f"map of {describe(args[0])} to {describe(args[1])}"
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return _link(hint)
    return _PLAIN[hint]


_PLAIN: Mapping[Any, str] = {
    str: "text",
    bool: "`true` `false`",
    int: "whole number",
    float: "number",
    Any: "anything",
}


def _either(parts: list[Any]) -> str:
    if set(parts) >= {float, int, str, bool}:
        return "number, text, true/false or list"
    return " or ".join(dict.fromkeys(describe(part) for part in parts))


def _several(args: tuple[Any, ...]) -> str:
    if len(args) == 2 and args[1] is Ellipsis:
        inner = describe(args[0])
        return f"list of {inner}" if "` `" not in inner else f"list of: {inner}"
    return f"[{', '.join(describe(arg) for arg in args)}]"


def _bounded(kind: Any, metas: tuple[Any, ...]) -> str:
    """A type with the bounds of its `msgspec.Meta`; nested ones tell the inner first."""
    words = describe(kind)
    for meta in metas:
        if meta.pattern is not None:
            words = PATTERNS.get(meta.pattern, f"text like `{meta.pattern}`")
        words = " ".join(filter(None, [words, _range(meta), _length(meta, words)]))
    return words


def _range(meta: msgspec.Meta) -> str:
    low, high = meta.ge, meta.le
    if low is not None and high is not None:
        return f"{low:g} to {high:g}" if high < 1e5 else f"{low:g} to {high:,.0f}"
    bounds = [
        f"{sign} {value:g}"
        for sign, value in ((">", meta.gt), ("≥", low), ("<", meta.lt), ("≤", high))
        if value is not None
    ]
    return ", ".join(bounds)


def _length(meta: msgspec.Meta, words: str) -> str:
    low, high = meta.min_length, meta.max_length
    if low is None and high is None:
        return ""
    unit = "entries" if words.startswith("list") else "characters"
    return f"({low or 0} to {high} {unit})"


def _default(field: Any) -> str:
    if field.required:
        return "**required**"
    value = field.default
    if value is msgspec.NODEFAULT:
        value = field.default_factory()
    if value is None or value in ((), {}, ""):
        return "–"
    if isinstance(value, msgspec.Struct):
        return "its own"
    return f"`{_plain(value)}`"


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.12g}"
    if isinstance(value, tuple):
        return f"[{', '.join(map(_plain, value))}]"
    return str(value)


def unexplained(words: Mapping[str, Any]) -> list[str]:
    """What `keys.yaml` lacks, and what it tells of that is not there: 'Zone.kind: no words'."""
    kinds = [kind for part in kinds_by_file().values() for kind in part]
    known = {name_of(kind): [row.key for row in rows(kind)] for kind in kinds}
    wrong = [f"{name}: no words" for name in known if name not in words]
    wrong += [f"{name}: words, but no such struct" for name in words if name not in known]
    for name in known.keys() & words.keys():
        told = words[name]["keys"]
        wrong += [f"{name}.{key}: no words" for key in known[name] if key not in told]
        wrong += [f"{name}.{key}: words, but no such key" for key in told if key not in known[name]]
    return sorted(wrong)
