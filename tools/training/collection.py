# SPDX-License-Identifier: AGPL-3.0-or-later
"""A data set on disk: images/, labels/ (YOLO text), names.yaml and index.jsonl, one row a picture.

The index carries what a folder of pictures cannot: the split, the source group that must stay on
one side of it, whether a picture is real, rendered or composed, and which classes of it were
never labelled (so that training does not take their absence for background).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import yaml

from edge.config import ConfigError
from edge.runtime import write_atomic

Origin = Literal["real", "rendered", "composite"]
ORIGINS = ("real", "rendered", "composite")
SPLITS = ("train", "val", "test")
PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


@dataclass(frozen=True, slots=True)
class Item:
    """One picture. `image` is its file name under images/; the label file has the same stem.

    `source` names the set it came from, `group` what must not be divided between splits (a video,
    a flight, a scene seed), `unlabelled` the classes of which the absence says nothing.
    """

    image: str
    split: str
    group: str
    origin: Origin
    source: str
    unlabelled: tuple[str, ...] = ()

    @property
    def stem(self) -> str:
        return Path(self.image).stem

    def named(self, image: str) -> Item:
        return replace(self, image=image)


@dataclass(frozen=True, slots=True)
class Label:
    """One box of a label file: class index and centre x, y, width, height as fractions."""

    label: int
    x: float
    y: float
    w: float
    h: float

    def line(self) -> str:
        return f"{self.label} {self.x:.6f} {self.y:.6f} {self.w:.6f} {self.h:.6f}"

    @property
    def xyxy(self) -> tuple[float, float, float, float]:
        """Corners of the box, fractions of the picture; stored is the middle and the size."""
        return (
            self.x - self.w / 2,
            self.y - self.h / 2,
            self.x + self.w / 2,
            self.y + self.h / 2,
        )

    @staticmethod
    def of_xyxy(label: int, x1: float, y1: float, x2: float, y2: float) -> Label:
        return Label(label, (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1)


@dataclass(frozen=True, slots=True)
class Collection:
    """A data set: where it lies, its class names in order, its pictures."""

    root: Path
    names: tuple[str, ...]
    items: tuple[Item, ...]

    def image(self, item: Item) -> Path:
        return self.root / "images" / item.image

    def label(self, item: Item) -> Path:
        return self.root / "labels" / f"{item.stem}.txt"

    def of(self, *splits: str) -> Collection:
        """The same set with the pictures of these splits only."""
        return replace(self, items=tuple(i for i in self.items if i.split in splits))


def parse_line(line: str, classes: int) -> Label | str:
    """A label, or one line saying what is wrong with it."""
    words = line.split()
    if len(words) < 5:
        return f"{len(words)} numbers instead of 5"
    try:
        index, numbers = int(words[0]), [float(word) for word in words[1:5]]
    except ValueError:
        return f"not numbers: {line[:40]!r}"
    if not 0 <= index < classes:
        return f"class id {index} out of range 0..{classes - 1}"
    label = Label(index, *numbers)
    return _box_trouble(label) or label


def _box_trouble(label: Label) -> str | None:
    if not (label.w > 0 and label.h > 0):
        return f"box without area: {label.w:g} x {label.h:g}"
    slack = 1e-3  # a thousandth: half a pixel of rounding in a 500 px picture
    low, high = min(label.xyxy), max(label.xyxy)
    if not (low >= -slack and high <= 1 + slack):
        return f"box out of range: {' '.join(f'{v:.4f}' for v in label.xyxy)}"
    return None


def read_labels(path: Path, classes: int) -> tuple[list[Label], list[str]]:
    """(labels, complaints) of one file. A missing file is a complaint, an empty one is not."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return [], ["label file is missing"]
    except UnicodeDecodeError:
        return [], ["label file is not text"]
    labels, complaints = [], []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        parsed = parse_line(line, classes)
        if isinstance(parsed, str):
            complaints.append(f"line {number}: {parsed}")
        else:
            labels.append(parsed)
    return labels, complaints


def write_labels(path: Path, labels: list[Label], *, durable: bool = True) -> None:
    text = "".join(label.line() + "\n" for label in labels)
    write_atomic(path, text.encode(), durable=durable)


def read_collection(root: Path) -> Collection:
    """Raises ConfigError naming the file and line where the folder is no data set."""
    try:
        names = yaml.safe_load((root / "names.yaml").read_text())["names"]
        rows = (root / "index.jsonl").read_text().splitlines()
    except (FileNotFoundError, KeyError, TypeError, yaml.YAMLError) as error:
        raise ConfigError(
            f"{root}: not a data set ({error}); make one with tools/dataset import"
        ) from None
    items = [_item(root, number, row) for number, row in enumerate(rows, 1) if row.strip()]
    return Collection(root, tuple(names), tuple(items))


def _item(root: Path, number: int, row: str) -> Item:
    try:
        fields = json.loads(row)
        fields["unlabelled"] = tuple(fields.get("unlabelled", ()))
        return Item(**fields)
    except (ValueError, TypeError, AttributeError) as error:
        raise ConfigError(f"{root / 'index.jsonl'}: line {number}: {error}") from None


def write_collection(collection: Collection) -> None:
    """Writes names and index; pictures and labels are already there."""
    names = yaml.safe_dump({"names": list(collection.names)}, allow_unicode=True)
    rows = (json.dumps(asdict(item), ensure_ascii=False) for item in collection.items)
    write_atomic(collection.root / "names.yaml", names.encode())
    write_atomic(collection.root / "index.jsonl", "".join(r + "\n" for r in rows).encode())
