# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a configuration from afar may not bring: files, programs and options. Pure.

An installer who edits site.yaml may name any file or pipeline; the platform may only repeat what
stands there already. A list of what is allowed, not of what is forbidden: lists of forbidden
arguments have failed others, who forgot one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from edge.values import Json

_NETWORK = re.compile(r"(rtsps?|rtmps?|https?)://[^\s/?#\-][^\s]*|usb:\d{1,2}")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_PORT = re.compile(r"/dev/(tty[A-Za-z0-9]{1,16}|serial/by-(id|path)/[\w.:+-]{1,160})")
_SUSPECT = re.compile(r"^\s*[-/~!&*|<>`$]|\.\.|[\x00-\x08\x0b-\x1f]|file:", re.I)
_TCP = re.compile(r"(tcp|socket)://[^/\s:]+:\d{1,5}")
# Keys whose values must have one certain form.
_FORMS: Mapping[str, re.Pattern[str]] = {
    "source": _NETWORK,
    "record": _NETWORK,
    "model": _NAME,
    "calendar": _NAME,
    "port": re.compile(f"{_PORT.pattern}|{_TCP.pattern}"),
    "map": _NAME,
}


def dangers(wanted: Json, present: Json) -> list[str]:
    """One line for each value that could reach a file, a program or an option; [] for none."""
    known = {(key, text) for key, text, _ in _leaves(present)}
    return [
        f"{path} = {text[:80]!r}: not allowed from afar"
        for key, text, path in _leaves(wanted)
        if (key, text) not in known and not _harmless(key, text)
    ]


def _harmless(key: str, text: str) -> bool:
    form = _FORMS.get(key)
    if form is not None:
        return form.fullmatch(text) is not None and ".." not in text
    return _SUSPECT.search(text) is None or _PORT.fullmatch(text) is not None


def _leaves(data: Json, key: str = "", path: str = "site") -> Iterator[tuple[str, str, str]]:
    """(key, text, path) of every string; a list's items belong to the list's key."""
    if isinstance(data, str):
        yield key, data, path
    elif isinstance(data, Mapping):
        for name, value in data.items():
            yield "(key)", str(name), f"{path}: key"
            yield from _leaves(value, str(name), f"{path}.{name}")
    elif isinstance(data, Sequence):
        for number, value in enumerate(data):
            yield from _leaves(value, key, f"{path}[{number}]")
