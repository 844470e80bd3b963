# SPDX-License-Identifier: AGPL-3.0-or-later
"""Edits a person's YAML and keeps their comments, quotes and order. Imported where one edits only:
ruamel.yaml costs 55 ms and 3 MB.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError
from ruamel.yaml.resolver import VersionedResolver
from ruamel.yaml.scalarstring import SingleQuotedScalarString

from edge.config.yamltext import WORDS, BadYaml, dump, must_quote, parse

# Rows of a list are the same row where this key says the same.
NAMES = ("id", "category")
_FIRST_LIST = re.compile(
    r"^( *)[^\s#-][^\n]*:[ \t]*(?:#[^\n]*)?\n(?:[ \t]*(?:#[^\n]*)?\n)*( *)- ", re.M
)


class _Resolver(VersionedResolver):
    """Takes words for what our reader takes them for."""

    versioned_resolver = property(lambda self: WORDS)


def edited(text: str, data: Mapping[str, Any]) -> str:
    """The text changed so that it reads as `data`. What is equal stays as it is written."""
    editor = YAML()
    editor.Resolver = _Resolver
    editor.preserve_quotes, editor.width = True, 1000
    inward = _inward(text)
    editor.indent(mapping=2, sequence=2 + inward, offset=inward)
    try:
        tree = editor.load(text)
    except (YAMLError, ValueError, RecursionError):
        return dump(dict(data))
    out = io.StringIO()
    editor.dump(_merged(tree, data), out)
    try:
        whole = parse(out.getvalue()) == data
    except BadYaml:
        whole = False
    # An anchor, say, that two places share: the data counts, its dress does not.
    return out.getvalue() if whole else dump(dict(data))


def _inward(text: str) -> int:
    """By how many columns the lists of a text stand inside the key that they belong to."""
    found = _FIRST_LIST.search(text)
    return max(0, len(found[2]) - len(found[1])) if found else 0


def _merged(old: Any, new: Any) -> Any:
    if isinstance(old, CommentedMap) and isinstance(new, Mapping):
        for key in [key for key in old if key not in new]:
            del old[key]
        for key, value in new.items():
            old[key] = _merged(old[key], value) if key in old else _fresh(value)
        return old
    if isinstance(old, CommentedSeq) and isinstance(new, list):
        return _merged_rows(old, new)
    return old if old == new and isinstance(old, bool) == isinstance(new, bool) else _fresh(new)


def _merged_rows(old: CommentedSeq, new: list[Any]) -> CommentedSeq:
    if old == new:
        return old
    kept = [_name(row) for row in new]
    for index in reversed(range(len(old))):
        if _name(old[index]) is None or _name(old[index]) not in kept:
            del old[index]
    known = {_name(row): row for row in old}
    for index, row in enumerate(new):
        found = known.get(_name(row)) if _name(row) is not None else None
        value = _fresh(row) if found is None else _merged(found, row)
        if index < len(old):
            old[index] = value
        else:
            old.append(value)
    return old


def _name(row: Any) -> str | None:
    if not isinstance(row, Mapping):
        return None
    return next((f"{key} {row[key]}" for key in NAMES if key in row), None)


def _fresh(value: Any) -> Any:
    """New data, words in quotes where a bare one would be read as something else."""
    if isinstance(value, str):
        return SingleQuotedScalarString(value) if must_quote(value) else value
    if isinstance(value, Mapping):
        return CommentedMap({key: _fresh(item) for key, item in value.items()})
    if isinstance(value, list):
        rows = CommentedSeq([_fresh(item) for item in value])
        if not any(isinstance(item, Mapping) for item in value):
            rows.fa.set_flow_style()
        return rows
    return value
