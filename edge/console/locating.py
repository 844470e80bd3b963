# SPDX-License-Identifier: AGPL-3.0-or-later
"""Where in the site file an error is, and what the commonest ones mean in the reader's language.

The one line of a ConfigError names its place as a line (YAML), as a path (`cameras[0].fps`) or in
words (`camera north: zone gate: rules[1]`); each is found again in the text. Pure.
"""

from __future__ import annotations

import re

import yaml

from edge.config.yamltext import BadYaml, compose

_LINE = re.compile(r"\bline (\d+), column \d+")
_PATH = re.compile(r"(?:^|[:\s])([a-z_]+(?:\[\d+\])?(?:\.[a-z_]+(?:\[\d+\])?)*)(?= = |: )")
_STEP = re.compile(r"([a-z_]+)|\[(\d+)\]")
_CAMERA = re.compile(r"\bcamera ([a-z0-9_-]+)")
_ZONE = re.compile(r"\bzone ([a-z0-9_-]+)")
_UNKNOWN = re.compile(r"unknown key '([^']+)'")

# What an error says -> a key of edge.console.texts.
MEANINGS: tuple[tuple[str, str], ...] = (
    ("polygon crosses itself", "error_crosses"),
    ("polygon has no area", "error_no_area"),
    ("stands twice", "error_twice"),
    ("is not a zone here", "error_no_such_zone"),
    ("needs a zone of kind", "error_needs_zone"),
    ("which the model lacks", "error_model_lacks"),
    ("unknown key", "error_unknown_key"),
    ("must be written like 06:30-22:00", "error_hours"),
    ("must be written like gate-2", "error_id"),
    ("must be written like", "error_form"),
    ("not a name of the IANA list", "error_timezone"),
    ("must be a number", "error_number"),
    ("must be a whole number", "error_number"),
    ("must be true or false", "error_true_false"),
    ("must be one of", "error_one_of"),
    ("must be at most", "error_range"),
    ("must be at least", "error_range"),
    ("must be more than", "error_range"),
    ("must be less than", "error_range"),
    ("is missing", "error_missing"),
    ("neither a file nor a folder", "error_no_file"),
    ("line ", "error_yaml"),
)


def meaning(error: str) -> str:
    """A key of the texts that says in the reader's language what is wrong and what to do; of a rare
    error only that the line beside it says what."""
    return next((key for mark, key in MEANINGS if mark.lower() in error.lower()), "error_other")


def line_of(text: str, error: str) -> int | None:
    """The line (from 1) that the error is about; None where it names no place."""
    if match := _LINE.search(error):
        return int(match[1])
    try:
        root = compose(text)
    except BadYaml:
        return None
    if root is None:
        return None
    node = _named(root, error)
    for match in _PATH.finditer(error):
        found = _walk(node, match[1]) or _walk(root, match[1])
        if found is not None:
            node = found
    if (unknown := _UNKNOWN.search(error)) and (key := _key(node, unknown[1])):
        node = key
    return None if node is root else node.start_mark.line + 1


def _named(root: yaml.Node, error: str) -> yaml.Node:
    """The camera, and in it the zone, that the words name."""
    node = root
    for words, key in ((_CAMERA, "cameras"), (_ZONE, "zones")):
        match, rows = words.search(error), _child(node, key)
        if match and isinstance(rows, yaml.SequenceNode):
            node = next((row for row in rows.value if _id(row) == match[1]), node)
    return node


def _id(row: yaml.Node) -> str | None:
    found = _child(row, "id")
    return found.value if isinstance(found, yaml.ScalarNode) else None


def _walk(node: yaml.Node, path: str) -> yaml.Node | None:
    found: yaml.Node | None = node
    for name, index in _STEP.findall(path):
        if name:
            found = _child(found, name)
        elif isinstance(found, yaml.SequenceNode) and int(index) < len(found.value):
            found = found.value[int(index)]
        else:
            return None
    return found


def _child(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)


def _key(node: yaml.Node, key: str) -> yaml.Node | None:
    """The node of a key itself, here or below."""
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == key:
                return name  # type: ignore[no-any-return]  # types-PyYAML leaves `value` untyped
            if (found := _key(value, key)) is not None:
                return found
    if isinstance(node, yaml.SequenceNode):
        return next((f for row in node.value if (f := _key(row, key)) is not None), None)
    return None
