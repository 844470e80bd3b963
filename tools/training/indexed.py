# SPDX-License-Identifier: AGPL-3.0-or-later
"""Pictures listed in an index.tsv: a source group each, and which classes were looked for.

Columns: file, group, exhaustive, view; a set of further categories has `checked_for` besides, the
ids of the only classes for which a picture was looked through. `exhaustive` begins with y, or
with n where some things of a class that is labelled are not.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from edge.config import ConfigError
from tools.training.collection import Item, read_labels
from tools.training.importing import Incoming, Rules, Source

INDEX = "index.tsv"
COLUMNS = ("file", "group", "exhaustive", "view")


def read_indexed(folders: Sequence[Path], rules: Rules, names: Sequence[str]) -> list[Incoming]:
    """Every picture of the folders; one that stands in two of them is joined. `names`: the classes
    of the target. Raises ConfigError for an index that is missing or lacks a column."""
    found: dict[str, Incoming] = {}
    for folder in folders:
        for entry in _folder(folder, rules, names):
            key = _identity(entry.path.stem, rules)
            found[key] = _joined(found[key], entry) if key in found else entry
    return list(found.values())


def _folder(folder: Path, rules: Rules, names: Sequence[str]) -> Iterable[Incoming]:
    path = folder / INDEX
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines(), delimiter="\t"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; it lists the pictures of the set") from None
    for number, row in enumerate(rows, 2):
        missing = [name for name in COLUMNS if not row.get(name)]
        if missing:
            raise ConfigError(f"{path}: line {number}: nothing under {missing[0]!r}")
        yield _entry(folder, row, rules, names)


def _entry(folder: Path, row: dict[str, str], rules: Rules, names: Sequence[str]) -> Incoming:
    path = folder / "images" / row["file"]
    labels, complaints = read_labels(folder / "labels" / f"{path.stem}.txt", len(rules.names))
    source = rules.source_of(path.stem)
    rename = source.rename if source else {}
    boxes = tuple(
        (rename.get(name, name), label) for label in labels for name in (rules.names[label.label],)
    )
    return Incoming(path, "train", boxes, tuple(complaints), _item(path, row, rules, source, names))


def _item(
    path: Path, row: dict[str, str], rules: Rules, source: Source | None, names: Sequence[str]
) -> Item:
    name = source.source if source else "other"
    group = f"{name}/{path.stem if source and source.single else row['group']}"
    split = "val" if any(p.search(f"{row['group']}/{path.stem}") for p in rules.held) else "train"
    origin = source.origin if source else "real"
    return Item(
        path.name, split, group, origin, name, _silent(path.stem, row, rules, source, names)
    )


def _silent(
    stem: str, row: dict[str, str], rules: Rules, source: Source | None, names: Sequence[str]
) -> tuple[str, ...]:
    """Classes of which the absence in this picture says nothing."""
    silent = set(source.unlabelled if source else ())
    if checked := row.get("checked_for"):
        rename = {**rules.rename, **(source.rename if source else {})}
        looked = {rules.names[int(word)] for word in checked.split()}
        silent = set(names) - {rename.get(name, name) for name in looked}
    elif row["exhaustive"].startswith("n") and source:
        silent |= set(source.partial)
    silent = set(source.silent(stem, silent)) if source else silent
    return tuple(sorted(silent & set(names)))


def _identity(stem: str, rules: Rules) -> str:
    found = rules.join.search(stem) if rules.join else None
    return "".join(found.groups()) if found else stem


def _joined(one: Incoming, other: Incoming) -> Incoming:
    """The same photograph of two sets: all boxes, silent only where both are."""
    assert one.item is not None and other.item is not None
    silent = set(one.item.unlabelled) & set(other.item.unlabelled)
    split = "val" if "val" in (one.item.split, other.item.split) else "train"
    item = replace(one.item, unlabelled=tuple(sorted(silent)), split=split)
    fresh = tuple(box for box in other.boxes if box not in one.boxes)
    return replace(one, boxes=one.boxes + fresh, item=item)
