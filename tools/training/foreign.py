# SPDX-License-Identifier: AGPL-3.0-or-later
"""COCO, VOC and a box's reviewed cases, read as Incoming pictures."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from edge.config import ConfigError
from edge.learning.labels import CropLabel, read_labels, worded
from tools.training.collection import Label
from tools.training.importing import Incoming, pictures


def read_coco(annotations: Path, images: Path, split: str) -> Iterator[Incoming]:
    """One COCO instances file. Crowd regions are no single objects and are left out, aloud."""
    try:
        data = json.loads(annotations.read_bytes())
        names = {row["id"]: str(row["name"]) for row in data["categories"]}
        files = {row["id"]: row for row in data["images"]}
        rows = data["annotations"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{annotations}: not a COCO instances file ({error!r})") from None
    boxes: dict[Any, list[dict[str, Any]]] = {}
    for row in rows:
        boxes.setdefault(row.get("image_id"), []).append(row)
    for key, file in sorted(files.items(), key=lambda pair: str(pair[1].get("file_name"))):
        found, complaints = _coco_boxes(boxes.get(key, []), names, file)
        path = images / str(file.get("file_name"))
        if not path.is_file():
            complaints.append("picture is missing")
        yield Incoming(path, split, tuple(found), tuple(complaints))


def _coco_boxes(
    rows: Iterable[dict[str, Any]], names: dict[Any, str], file: dict[str, Any]
) -> tuple[list[tuple[str, Label]], list[str]]:
    found, complaints = [], []
    for row in rows:
        try:
            x, y, w, h = (float(side) for side in row["bbox"])
            width, height = float(file["width"]), float(file["height"])
            name = names[row["category_id"]]
            box = Label(0, (x + w / 2) / width, (y + h / 2) / height, w / width, h / height)
        except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
            complaints.append(f"annotation {row.get('id')}: {error!r}")
            continue
        if row.get("iscrowd"):
            complaints.append(f"annotation {row.get('id')}: a crowd region, left out")
        else:
            found.append((name, box))
    return found, complaints


def read_voc(folder: Path, images: Path, split: str) -> Iterator[Incoming]:
    """A folder of Pascal VOC XML files; pictures by their stem."""
    by_stem = {path.stem: path for path in pictures(images)}
    files = sorted(folder.glob("*.xml"))
    if not files:
        raise ConfigError(f"{folder}: no VOC .xml file in it")
    for path in files:
        found, complaints = _voc_boxes(path)
        picture = by_stem.get(path.stem, images / f"{path.stem}.jpg")
        if path.stem not in by_stem:
            complaints.append("picture is missing")
        yield Incoming(picture, split, tuple(found), tuple(complaints))


def _voc_boxes(path: Path) -> tuple[list[tuple[str, Label]], list[str]]:
    try:
        # A labeller's own files; entities are not expanded by this parser beyond the built-in ones.
        root = ElementTree.parse(path).getroot()  # noqa: S314
        width, height = (float(root.findtext(f"size/{side}", "")) for side in ("width", "height"))
    except (ElementTree.ParseError, ValueError) as error:
        return [], [f"{path.name}: {error}"]
    found, complaints = [], []
    for thing in root.iter("object"):
        try:
            x1, y1, x2, y2 = (
                float(thing.findtext(f"bndbox/{side}", ""))
                for side in ("xmin", "ymin", "xmax", "ymax")
            )
            box = Label.of_xyxy(0, x1 / width, y1 / height, x2 / width, y2 / height)
        except (ValueError, ZeroDivisionError) as error:
            complaints.append(f"{path.name}: {error}")
            continue
        found.append((thing.findtext("name", ""), box))
    return found, complaints


def read_box(state: Path, *, unjudged: bool) -> Iterator[Incoming]:
    """What a box learnt: confirmed close-ups with their box, rejected ones as negatives; with
    `unjudged` also the harvest: what was said of it on the page counts, other boxes are proposals
    that somebody must look at."""
    samples = sorted((state / "learning" / "samples").glob("*.json"))
    harvest = sorted((state / "harvest").glob("*/*.json")) if unjudged else []
    if not samples and not harvest:
        raise ConfigError(
            f"{state}: no learning/samples or harvest in it; is it a box's state folder?"
        )
    labels = read_labels(state)
    for path in [*samples, *harvest]:
        yield _box_sample(path, labels.get(f"{path.parent.name}/{path.stem}"))


def _box_sample(path: Path, said: CropLabel | None) -> Incoming:
    picture, split = path.with_suffix(".jpg"), "train"
    try:
        row = worded(json.loads(path.read_bytes()), said)
        label = Label.of_xyxy(0, *(float(side) for side in row["box"]))
        name, verdict = str(row.get("label") or row.get("category", "")), row.get("verdict")
    except (OSError, ValueError, KeyError, TypeError) as error:
        return Incoming(picture, split, (), (f"{path.name}: {error!r}",))
    if not picture.is_file():
        return Incoming(picture, split, (), ("picture is missing",))
    return Incoming(picture, split, () if verdict == "rejected" else ((name, label),))
