# SPDX-License-Identifier: AGPL-3.0-or-later
"""Other people's data sets to ours: YOLO, COCO, VOC, plain folders and a box's reviewed cases."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from edge.config import ConfigError, read_yaml
from tools.training.collection import (
    PICTURES,
    Collection,
    Item,
    Label,
    Origin,
    read_labels,
    write_collection,
    write_labels,
)
from tools.training.progress import progress

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Source:
    """Where pictures whose stem matches come from; see tools/training/pack.yaml."""

    match: re.Pattern[str]
    source: str
    unlabelled: tuple[str, ...] = ()
    origin: Origin = "real"
    # Indexed sets: labelled, but not every one where the index says so; and what it calls them.
    partial: tuple[str, ...] = ()
    single: bool = False  # each photograph is a place of its own
    rename: dict[str, str] = field(default_factory=dict)
    # Classes that somebody looked for besides and did not find, but for `unsure` pictures.
    absent: tuple[str, ...] = ()
    unsure: re.Pattern[str] | None = None

    def silent(self, stem: str, unlabelled: Iterable[str]) -> tuple[str, ...]:
        """Those of the unlabelled classes whose absence in this picture says nothing."""
        looked = () if self.unsure and self.unsure.search(stem) else self.absent
        return tuple(name for name in unlabelled if name not in looked)


@dataclass(frozen=True, slots=True)
class Rules:
    """How to read a foreign set: its class names, those to leave out, its sources.

    Of an indexed set besides: `held`, patterns on GROUP/STEM of what is kept for validation, and
    `join`, whose groups say which photograph it is, where two sets hold the same."""

    names: tuple[str, ...]
    drop: frozenset[str] = frozenset()
    sources: tuple[Source, ...] = ()
    rename: dict[str, str] = field(default_factory=dict)
    held: tuple[re.Pattern[str], ...] = ()
    join: re.Pattern[str] | None = None

    def source_of(self, stem: str) -> Source | None:
        """The first source whose pattern this file name has."""
        return next((rule for rule in self.sources if rule.match.search(stem)), None)

    def place(self, stem: str, split: str) -> Item:
        """An index row for this picture, file name to be filled in."""
        for rule in self.sources:
            found = rule.match.search(stem)
            if found:
                part = found.group(1) if found.groups() else stem
                group = f"{rule.source}/{part}"
                silent = rule.silent(stem, rule.unlabelled)
                return Item("", split, group, rule.origin, rule.source, silent)
        return Item("", split, f"other/{stem}", "real", "other")


def read_rules(path: Path) -> Rules:
    """Raises ConfigError naming file and key."""
    data = read_yaml(path)
    try:
        sources = tuple(
            Source(
                re.compile(row["match"]),
                row["source"],
                tuple(row.get("unlabelled", ())),
                row.get("origin", "real"),
                tuple(row.get("partial", ())),
                bool(row.get("single", False)),
                dict(row.get("rename", {})),
                tuple(row.get("absent", ())),
                re.compile(row["unsure"]) if "unsure" in row else None,
            )
            for row in data.get("sources", ())
        )
        return Rules(
            _names(data["names"]),
            frozenset(data.get("drop", ())),
            sources,
            dict(data.get("rename", {})),
            tuple(re.compile(each) for each in data.get("held", ())),
            re.compile(data["join"]) if "join" in data else None,
        )
    except (KeyError, TypeError, AttributeError, re.error) as error:
        raise ConfigError(f"{path}: {error!r}; see tools/training/pack.yaml for the form") from None


def _names(given: Any) -> tuple[str, ...]:
    """A list, or ids with their names where ids are left out."""
    if not isinstance(given, dict):
        return tuple(given)
    return tuple(str(given.get(index, "")) for index in range(max(given) + 1))


@dataclass(frozen=True, slots=True)
class Incoming:
    """One foreign picture with its boxes in the foreign set's own class names. `item`: its index
    row where the foreign set has one of its own."""

    path: Path
    split: str
    boxes: tuple[tuple[str, Label], ...]
    complaints: tuple[str, ...] = ()
    item: Item | None = None


def read_yolo(
    folder: Path, names: Sequence[str], split: str, *, labels_in: str = "labels"
) -> Iterable[Incoming]:
    """`folder`/images/**/* with `folder`/labels/**/*.txt."""
    for path in pictures(folder / "images"):
        inner = path.relative_to(folder / "images").with_suffix(".txt")
        labels, complaints = read_labels(folder / labels_in / inner, len(names))
        boxes = tuple((names[label.label], label) for label in labels)
        yield Incoming(path, split, boxes, tuple(complaints))


def pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder of pictures")
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES)


def thinned(things: Iterable[T], kind: Callable[[T], Hashable], most: int | None) -> list[T]:
    """At most so many of each kind, in their order, taken evenly through it; all for None."""
    every = list(things)
    if most is None:
        return every
    counts, seen, kept = Counter(map(kind, every)), Counter[Hashable](), []
    for thing in every:
        which = kind(thing)
        turn, whole = seen[which], counts[which]
        share = min(most, whole)
        if (turn + 1) * share // whole > turn * share // whole:
            kept.append(thing)
        seen[which] += 1
    return kept


def store(
    incoming: Iterable[Incoming], rules: Rules, names: Sequence[str], out: Path, *, total: int
) -> tuple[Collection, list[str]]:
    """Copy pictures and write labels in the order of `names`. Resumable: a picture already there
    with the same size is not copied again. Returns the set and every complaint."""
    for part in ("images", "labels"):
        (out / part).mkdir(parents=True, exist_ok=True)
    items, complaints, taken = [], [], dict[str, Path]()
    for entry in progress(incoming, total, "import"):
        name = entry.path.name
        complaints += [f"{entry.path}: {text}" for text in entry.complaints]
        if not entry.path.is_file():
            complaints.append(f"{entry.path}: no such picture, left out")
            continue
        if Path(name).stem in taken:
            complaints.append(f"{entry.path}: duplicate name of {taken[Path(name).stem]}, left out")
            continue
        taken[Path(name).stem] = entry.path
        labels, unknown = _translate(entry.boxes, rules, names)
        complaints += [f"{entry.path}: class {text!r} is not in the target" for text in unknown]
        _copy_once(entry.path, out / "images" / name)
        write_labels(out / "labels" / f"{entry.path.stem}.txt", labels, durable=False)
        items.append(entry.item or rules.place(entry.path.stem, entry.split).named(name))
    collection = Collection(out, tuple(names), tuple(items))
    write_collection(collection)
    return collection, complaints


def _translate(
    boxes: Iterable[tuple[str, Label]], rules: Rules, names: Sequence[str]
) -> tuple[list[Label], list[str]]:
    labels, unknown = [], []
    for foreign, box in boxes:
        name = rules.rename.get(foreign, foreign)
        if name in rules.drop:
            continue
        if name not in names:
            unknown.append(foreign)
            continue
        labels.append(Label(names.index(name), box.x, box.y, box.w, box.h))
    return labels, unknown


def _copy_once(source: Path, target: Path) -> None:
    if target.exists() and target.stat().st_size == source.stat().st_size:
        return
    partial = target.with_name(f".{target.name}.part")
    shutil.copyfile(source, partial)
    partial.replace(target)
