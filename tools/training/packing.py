# SPDX-License-Identifier: AGPL-3.0-or-later
"""Data sets in one file for another machine: pictures no larger than training looks at them, as
good as a given weight allows, with labels, index and cut-outs. Only what is trained on travels:
what a run is judged on stays here, where tools/evaluate has the originals.

    tools/dataset pack datasets --out out/datasets.tar        then, there: tar xf datasets.tar
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from edge.config import ConfigError
from tools.training.collection import Collection, Item, read_collection
from tools.training.shots import LONG_SIDE

# Longest side, px, and quality of WebP; below the last it is not worth training on.
GRADES = ((LONG_SIDE, 85), (LONG_SIDE, 70), (LONG_SIDE, 55), (640, 55), (640, 42), (640, 32))
SAMPLED = 48  # pictures of a set that its weight is foretold from
TAR_BLOCK = 512
MIB = 1 << 20

Grade = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Packed:
    """What a file holds: its bytes, pictures, their longest side and the quality they were kept
    at."""

    size: int
    pictures: int
    side: int
    quality: int


def pack(folder: Path, out: Path, *, most_mib: float) -> Packed:
    """All data sets below `folder`, and its cut-outs, into the tar file `out`.

    Raises ConfigError where there is none, or no quality is small enough.
    """
    found = sorted(folder.glob("*/index.jsonl"))
    sets = [read_collection(path.parent).of("train") for path in found]
    if not any(one.items for one in sets):
        raise ConfigError(f"{folder}: no data set to train on; make one with tools/dataset import")
    fixed = sorted(path for path in (folder / "cutouts").glob("*") if path.is_file())
    room = most_mib * MIB - sum(path.stat().st_size + 2 * TAR_BLOCK for path in fixed)
    grade = _grade(sets, room)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_suffix(".part")
    with tarfile.open(partial, "w") as tar:
        for one in sets:
            for name, data in _entries(one, grade):
                _add(tar, f"datasets/{one.root.name}/{name}", data)
        for path in fixed:
            _add(tar, f"datasets/cutouts/{path.name}", path.read_bytes())
    size = partial.stat().st_size
    if size > most_mib * MIB:
        partial.unlink()
        raise ConfigError(f"{out}: {size / MIB:.1f} MiB come of it, over {most_mib:g}: --most")
    partial.replace(out)
    return Packed(size, sum(len(one.items) for one in sets), *grade)


def _grade(sets: Sequence[Collection], room: float) -> Grade:
    """The best at which all pictures should fit, from a sample of each set."""
    for grade in GRADES:
        if sum(_weight(one, grade) for one in sets) <= 0.97 * room:
            return grade
    raise ConfigError(f"{room / MIB:.1f} MiB for pictures are too few even at {GRADES[-1]}: --most")


def _weight(one: Collection, grade: Grade) -> float:
    sample = one.items[:: max(1, len(one.items) // SAMPLED)]
    sizes = [len(_picture(one, item, grade)) + 4 * TAR_BLOCK for item in sample]
    return float(np.mean(sizes)) * len(one.items) if sizes else 0.0


def _entries(one: Collection, grade: Grade) -> Iterator[tuple[str, bytes]]:
    """(name inside the set, content): pictures become .webp, so the index names them anew."""
    rows = []
    for item in one.items:
        named = replace(item, image=f"{item.stem}.webp")
        rows.append(json.dumps(asdict(named), ensure_ascii=False) + "\n")
        yield f"images/{named.image}", _picture(one, item, grade)
        yield f"labels/{item.stem}.txt", one.label(item).read_bytes()
    yield "names.yaml", (one.root / "names.yaml").read_bytes()
    yield "index.jsonl", "".join(rows).encode()


def _picture(one: Collection, item: Item, grade: Grade) -> bytes:
    """Raises ConfigError where a picture cannot be read: a set is checked before it travels."""
    image = cv2.imread(str(one.image(item)))
    if image is None:
        raise ConfigError(f"{one.image(item)}: unreadable; see tools/dataset check {one.root}")
    scale = min(1.0, grade[0] / max(image.shape[:2]))
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".webp", small, [cv2.IMWRITE_WEBP_QUALITY, grade[1]])
    return data.tobytes()


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    tar.addfile(entry, io.BytesIO(data))
