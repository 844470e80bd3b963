# SPDX-License-Identifier: AGPL-3.0-or-later
"""Data sets into other data sets: split by source group, merge, remap, export to YOLO."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import yaml

from edge.config import ConfigError
from tools.training.collection import (
    Collection,
    Item,
    Label,
    read_labels,
    write_collection,
    write_labels,
)
from tools.training.progress import progress


def split(collection: Collection, *, val: float, test: float, seed: int) -> Collection:
    """Assign whole source groups to splits, near the asked shares of every source.

    The group's place in the order comes from a hash of its name and the seed, so that a grown set
    keeps the groups it had where they were.
    """
    if not (val >= 0 and test >= 0 and val + test < 1):
        raise ConfigError(f"--val {val:g} --test {test:g}: shares of at least 0, together under 1")
    sides: dict[str, str] = {}
    for source in sorted({item.source for item in collection.items}):
        mine = [item for item in collection.items if item.source == source]
        sides |= _assign(mine, {"val": val, "test": test}, seed)
    return replace(
        collection,
        items=tuple(replace(item, split=sides[item.group]) for item in collection.items),
    )


def _assign(items: Sequence[Item], shares: dict[str, float], seed: int) -> dict[str, str]:
    sizes: dict[str, int] = {}
    for item in items:
        sizes[item.group] = sizes.get(item.group, 0) + 1
    order = sorted(sizes, key=lambda group: hashlib.sha256(f"{seed}/{group}".encode()).digest())
    wanted = {side: share * len(items) for side, share in shares.items()}
    sides: dict[str, str] = {}
    for group in order:
        for side in wanted:
            # A group goes where at least half of it still fits: never more than half too much.
            if wanted[side] >= sizes[group] / 2 and side not in sides.get(group, ""):
                wanted[side] -= sizes[group]
                sides[group] = side
                break
        else:
            sides[group] = "train"
    return sides


def merge(sets: Sequence[Collection], out: Path) -> Collection:
    """One set of several with the same classes; equal stems get their set's name in front."""
    names = sets[0].names
    for other in sets[1:]:
        if other.names != names:
            raise ConfigError(f"{other.root}: other classes than {sets[0].root}; remap it first")
    for part in ("images", "labels"):
        (out / part).mkdir(parents=True, exist_ok=True)
    taken: set[str] = set()
    items: list[Item] = []
    pairs = [(held, item) for held in sets for item in held.items]
    for held, item in progress(pairs, len(pairs), "merge"):
        name = item.image
        if Path(name).stem in taken:
            name = f"{held.root.name}_{name}"
        if Path(name).stem in taken:
            raise ConfigError(f"{held.root}: {item.image}: its name stands twice in one set")
        taken.add(Path(name).stem)
        renamed = replace(item, image=name)
        _copy(held.image(item), out / "images" / name)
        _copy(held.label(item), out / "labels" / f"{renamed.stem}.txt")
        items.append(renamed)
    merged = Collection(out, names, tuple(items))
    write_collection(merged)
    return merged


def _copy(source: Path, target: Path) -> None:
    """Once: a merge that was killed goes on."""
    if target.exists() and target.stat().st_size == source.stat().st_size:
        return
    partial = target.with_name(f".{target.name}.part")
    shutil.copyfile(source, partial)
    partial.replace(target)


def remap(
    collection: Collection, names: Sequence[str], rename: dict[str, str], drop: frozenset[str]
) -> Collection:
    """Rewrite labels in place to other classes. Raises ConfigError where a class has no home."""
    homes: dict[int, int | None] = {}
    for index, name in enumerate(collection.names):
        target = rename.get(name, name)
        if name in drop:
            homes[index] = None
        elif target in names:
            homes[index] = names.index(target)
        else:
            raise ConfigError(
                f"{collection.root}: class {name!r} is neither in the target nor dropped"
            )
    items = []
    for item in progress(collection.items, len(collection.items), "remap"):
        labels, _ = read_labels(collection.label(item), len(collection.names))
        moved = [
            replace(label, label=home)
            for label in labels
            if (home := homes[label.label]) is not None
        ]
        write_labels(collection.label(item), moved, durable=False)
        kept = (rename.get(name, name) for name in item.unlabelled if name not in drop)
        items.append(replace(item, unlabelled=tuple(sorted(set(kept) & set(names)))))
    done = replace(collection, names=tuple(names), items=tuple(items))
    write_collection(done)
    return done


def export_yolo(collection: Collection, out: Path) -> Path:
    """images/SPLIT, labels/SPLIT and data.yaml, as other trainers read it."""
    for item in progress(collection.items, len(collection.items), "export"):
        for part, source in (
            ("images", collection.image(item)),
            ("labels", collection.label(item)),
        ):
            folder = out / part / item.split
            folder.mkdir(parents=True, exist_ok=True)
            _copy(source, folder / source.name)
    splits = sorted({item.split for item in collection.items})
    content = {
        "path": ".",
        **{name: f"images/{name}" for name in splits},
        "names": dict(enumerate(collection.names)),
    }
    (out / "data.yaml").write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    return out / "data.yaml"


def boxes_of(collection: Collection, item: Item) -> list[Label]:
    return read_labels(collection.label(item), len(collection.names))[0]
