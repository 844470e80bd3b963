# SPDX-License-Identifier: AGPL-3.0-or-later
"""Labelled pictures to judge a model on: from a data set of ours, or read in place from a suite
(a YAML list of foreign sets, so that evaluation needs no import step)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.config import ConfigError, read_yaml
from tools.training.collection import Collection, Item, Label, read_labels
from tools.training.importing import Incoming, Rules, read_rules, read_yolo, thinned
from tools.training.indexed import read_indexed


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture on disk, its index row, its boxes in the city's classes."""

    path: Path
    item: Item
    labels: tuple[Label, ...]


def of_collection(collection: Collection, split: str) -> Iterator[Picture]:
    for item in collection.of(split).items:
        labels, _ = read_labels(collection.label(item), len(collection.names))
        yield Picture(collection.image(item), item, tuple(labels))


@dataclass(frozen=True, slots=True)
class Suite:
    """What was found of a suite, and one line for every part that is not there."""

    pictures: tuple[Picture, ...]
    missing: tuple[str, ...]


def read_suite(
    path: Path, roots: dict[str, Path], names: Sequence[str], few: int | None = None
) -> Suite:
    """At most `few` pictures of each source. A set that is not on this machine is listed as
    missing. Raises ConfigError for a bad file."""
    found: list[Picture] = []
    missing: list[str] = []
    try:
        sets = read_yaml(path)["sets"]
        rows = [
            (row["folder"], row["rules"], row["split"], row.get("labels", "labels"))
            for row in sets
            if "folder" in row
        ]
        indexed = [(r["indexed"], r["rules"], r["split"]) for r in sets if "indexed" in r]
    except (KeyError, TypeError) as error:
        raise ConfigError(f"{path}: {error!r}: each of `sets` has folder, rules, split") from None
    for folders, rules, split in indexed:
        places = [_under(where, roots, path) for where in folders]
        missing += [f"{p} is not there: its rows are left out" for p in places if not p.is_dir()]
        read = read_rules(path.parent / rules)
        there = [p for p in places if p.is_dir()]
        held = [e for e in read_indexed(there, read, names) if e.item and e.item.split == split]
        found += _translated(held, read, names)
    for where, rules, split, labels_in in rows:
        folder = _under(where, roots, path)
        if (folder / "images").is_dir():
            entries = read_yolo(
                folder, (read := read_rules(path.parent / rules)).names, split, labels_in=labels_in
            )
            found += _translated(entries, read, names)
        else:
            missing.append(f"{folder} is not there: its rows are left out")
    return Suite(tuple(thinned(found, lambda one: one.item.source, few)), tuple(missing))


def _under(where: str, roots: dict[str, Path], path: Path) -> Path:
    name, _, rest = where.lstrip("$").partition("/")
    if name not in roots:
        raise ConfigError(f"{path}: {where!r}: starts with none of ${', $'.join(roots)}")
    return roots[name] / rest


def _translated(
    entries: Iterable[Incoming], rules: Rules, names: Sequence[str]
) -> Iterator[Picture]:
    for entry in entries:
        place = entry.item or rules.place(entry.path.stem, entry.split)
        item = place.named(entry.path.name)
        labels = tuple(
            Label(names.index(rules.rename.get(foreign, foreign)), box.x, box.y, box.w, box.h)
            for foreign, box in entry.boxes
            if rules.rename.get(foreign, foreign) in names
        )
        yield Picture(entry.path, item, labels)
