# SPDX-License-Identifier: AGPL-3.0-or-later
"""What is wrong with a data set: every fault listed, none repaired in silence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tools.training.collection import (
    ORIGINS,
    SPLITS,
    Collection,
    Item,
    Label,
    read_labels,
)
from tools.training.progress import progress

HASH_SIDE = 16  # of the perceptual hash: 256 bits
NEAR_BITS = 26  # of 256: two pictures nearer than this are one scene (measured, docs/retraining.md)
FLAT_BITS = 8  # a hash with fewer ones or zeros is a picture without content: no evidence
DRIFT = 0.25  # a class's share of the boxes may differ this much between train and val

# Faults that make training or its figures wrong: `check` fails on them. Others are told only.
FATAL = frozenset(
    {
        "missing picture", "missing label", "corrupt picture", "bad label", "duplicate name",
        "bad index", "leakage", "divided group",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong: what kind, with which picture (or set), and the detail."""

    kind: str
    where: str
    detail: str

    @property
    def fatal(self) -> bool:
        return self.kind in FATAL


def check(collection: Collection) -> list[Fault]:
    """Every fault of a data set."""
    faults = [*_index_faults(collection), *_stray_files(collection)]
    hashes: dict[str, NDArray[np.bool_]] = {}
    labels: dict[str, list[Label]] = {}
    for item in progress(collection.items, len(collection.items), "check"):
        faults += _picture_faults(collection, item, hashes)
        found, complaints = read_labels(collection.label(item), len(collection.names))
        labels[item.image] = found
        faults += [Fault(_label_kind(text), item.image, text) for text in complaints]
        if not found and not complaints:
            faults.append(Fault("empty label", item.image, "no box: a negative, or forgotten?"))
    faults += _drift(collection, labels)
    faults += list(leakage(collection, hashes))
    return faults


def _label_kind(complaint: str) -> str:
    return "missing label" if complaint == "label file is missing" else "bad label"


def _index_faults(collection: Collection) -> Iterator[Fault]:
    for name, count in Counter(item.stem for item in collection.items).items():
        if count > 1:
            yield Fault("duplicate name", name, f"{count} pictures share this stem and label file")
    splits: dict[str, set[str]] = {}
    for item in collection.items:
        splits.setdefault(item.group, set()).add(item.split)
        if item.split not in SPLITS or item.origin not in ORIGINS:
            yield Fault("bad index", item.image, f"split {item.split!r}, origin {item.origin!r}")
        strange = sorted(set(item.unlabelled) - set(collection.names))
        if strange:
            yield Fault(
                "bad index", item.image, f"unlabelled classes unknown: {', '.join(strange)}"
            )
    for group, found in sorted(splits.items()):
        if len(found) > 1:
            yield Fault("divided group", group, f"in {' and '.join(sorted(found))}")


def _stray_files(collection: Collection) -> Iterator[Fault]:
    """Files that no row of the index mentions: forgotten, or left over."""
    known = {item.image for item in collection.items}
    stems = {item.stem for item in collection.items}
    for path in sorted((collection.root / "images").glob("*")):
        if path.name not in known:
            yield Fault("not in index", path.name, "picture is used by nobody")
    for path in sorted((collection.root / "labels").glob("*.txt")):
        if path.stem not in stems:
            yield Fault("not in index", path.name, "label has no picture")


def _picture_faults(
    collection: Collection, item: Item, hashes: dict[str, NDArray[np.bool_]]
) -> Iterator[Fault]:
    path = collection.image(item)
    if not path.is_file():
        yield Fault("missing picture", item.image, "no such file")
        return
    trouble = truncated(path)
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if image is None or trouble:
        yield Fault("corrupt picture", item.image, trouble or "does not decode")
    if image is not None:
        hashes[item.image] = fingerprint(np.asarray(image, np.uint8))


def truncated(path: Path) -> str | None:
    """A JPEG that ends early still decodes, grey below the tear: its end marker is asked for."""
    data = path.read_bytes()
    if not data:
        return "empty file"
    if data[:2] == b"\xff\xd8" and b"\xff\xd9" not in data[-4096:]:
        return "JPEG ends before its end marker"
    if data[:8] == b"\x89PNG\r\n\x1a\n" and b"IEND" not in data[-64:]:
        return "PNG ends before its end chunk"
    return None


def fingerprint(grey: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Perceptual hash of 256 bits: the signs of the lowest cosine frequencies of a small copy
    (Zauner 2010, pHash); withstands scaling, recompression and light changes."""
    small = cv2.resize(grey, (64, 64), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = np.asarray(cv2.dct(small)[:HASH_SIDE, :HASH_SIDE].ravel()[1:], np.float32)
    bits = low > np.median(low)
    return np.append(bits, False)


def leakage(collection: Collection, hashes: dict[str, NDArray[np.bool_]]) -> Iterator[Fault]:
    """Pictures of different splits that show the same, mirrored copies included by their own
    hash being near too."""
    items = [item for item in collection.items if _says_something(hashes.get(item.image))]
    if not items:
        return
    bits = np.stack([hashes[item.image] for item in items])
    splits = np.array([item.split for item in items])
    for split in sorted(set(splits)):
        mine, others = np.flatnonzero(splits == split), np.flatnonzero(splits > split)
        if not len(others):
            continue
        apart = _distances(bits[mine], bits[others])
        for a, b in np.argwhere(apart <= NEAR_BITS):
            one, other = items[mine[a]], items[others[b]]
            yield Fault(
                "leakage",
                one.image,
                f"{one.split} shows what {other.image} of {other.split} shows "
                f"({int(apart[a, b])} of 256 bits apart)",
            )


def _distances(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Hamming distances (n, m) by two matrix products."""
    x, y = a.astype(np.float32), b.astype(np.float32)
    return np.rint(x @ (1 - y).T + (1 - x) @ y.T).astype(np.int64)


def _says_something(bits: NDArray[np.bool_] | None) -> bool:
    return bits is not None and FLAT_BITS < int(bits.sum()) < len(bits) - FLAT_BITS


def _drift(collection: Collection, labels: dict[str, list[Label]]) -> Iterator[Fault]:
    """Classes that one split has and the other has not, or in very different shares."""
    counts: dict[str, Counter[int]] = {split: Counter() for split in ("train", "val")}
    for item in collection.items:
        if item.split in counts:
            counts[item.split].update(label.label for label in labels.get(item.image, ()))
    totals = {split: sum(count.values()) for split, count in counts.items()}
    if not all(totals.values()):
        return
    for label, name in enumerate(collection.names):
        shares = [counts[split][label] / totals[split] for split in ("train", "val")]
        if min(shares) == 0 < max(shares):
            where = "train" if shares[0] else "val"
            yield Fault("class drift", name, f"only in {where}")
        elif abs(shares[0] - shares[1]) > DRIFT:
            yield Fault("class drift", name, f"{shares[0]:.0%} of train, {shares[1]:.0%} of val")


def summary(faults: Sequence[Fault]) -> str:
    """One line a kind."""
    counts = Counter(fault.kind for fault in faults)
    if not counts:
        return "no fault found"
    return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
