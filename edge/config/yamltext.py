# SPDX-License-Identifier: AGPL-3.0-or-later
"""YAML in one dialect, read and written by the words of YAML 1.2 (edge.config.yamledit edits).

`off` is a word, 22:00 a time of day, 2026-05-01 a date as written and 08 a name, where YAML 1.1
makes them False, 1320, an object and an error.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

_STR = "tag:yaml.org,2002:str"
_WORDS = (
    ("bool", r"^(true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("null", r"^(~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("int", r"^[-+]?(0|[1-9][0-9]*)$", "-+0123456789"),
    (
        "float",
        r"^[-+]?([0-9]+\.[0-9]*|\.[0-9]+|(0|[1-9][0-9]*)(?=[eE]))([eE][-+]?[0-9]+)?$",
        "-+.0123456789",
    ),
    ("merge", r"^<<$", "<"),
)


class BadYaml(ValueError):
    """Text that is no YAML of ours: one line with its place and what is wrong."""


class _Loader(yaml.SafeLoader):
    """Refuses a key written twice, which plain YAML silently overwrites."""

    yaml_implicit_resolvers: dict[Any, Any] = {}

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Raises ConstructorError for a word that is not what its tag says too: PyYAML lets out
        whatever its own reading of it comes to."""
        try:
            return super().construct_object(node, deep)
        except (LookupError, AttributeError, TypeError, ValueError, ArithmeticError):
            said, what = str(node.value)[:40], node.tag.rpartition(":")[2]
            raise yaml.constructor.ConstructorError(
                None, None, f"{said!r} is no {what}", node.start_mark
            ) from None


class _Dumper(yaml.SafeDumper):
    pass


def _unique_mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
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


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique_mapping)
for _word, _expr, _first in _WORDS:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_word}", re.compile(_expr), list(_first))
# First character -> rules of which one may apply to a bare word.
WORDS: dict[Any, Any] = _Loader.yaml_implicit_resolvers
_OURS, _OF_1_1 = _Loader(""), yaml.SafeLoader("")


def _taken_for(loader: yaml.SafeLoader, text: str) -> str:
    return str(loader.resolve(yaml.ScalarNode, text, (True, False)))  # type: ignore[no-untyped-call]


def must_quote(text: str) -> bool:
    """Whether our reader, or one by YAML 1.1, would take the bare text for something else."""
    return _taken_for(_OURS, text) != _STR or _taken_for(_OF_1_1, text) != _STR


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar(
        _STR, text, style="'" if must_quote(text) else None
    ),
)


def parse(text: str) -> Any:
    """Plain data. Raises BadYaml."""
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506  a SafeLoader subclass
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadYaml(_one_line(error)) from None


def compose(text: str) -> yaml.Node | None:
    """The nodes, which know their lines; None for an empty text. Raises BadYaml."""
    try:
        return yaml.compose(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadYaml(_one_line(error)) from None


def _one_line(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None)
    if mark is not None and problem:
        return f"line {mark.line + 1}, column {mark.column + 1}: {problem}"
    return " ".join(str(error).split())


def dump(data: Any) -> str:
    """Plain data as text that reads back as exactly this data."""
    return yaml.dump(data, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=1000)
