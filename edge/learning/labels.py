# SPDX-License-Identifier: AGPL-3.0-or-later
"""People's words on the crops that a box kept for them: was it that thing, was it not, where is it.

`<state>/labels/labels.jsonl` (sole writer: edge-consoled) has a row for each word; the latest of a
crop counts. The crops stay as visiond wrote them.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from edge import journal
from edge.values import Box

log = logging.getLogger(__name__)

# A look that contradicts the track's other looks teaches more than one near the limit.
ORDER = {"disagreement": 0, "near_limit": 1}

Answer = Literal["accept", "not_this", "draw"]
ANSWERS: tuple[Answer, ...] = get_args(Answer)
# So many a day are asked of a person, and crops of so many days are looked through.
DAILY = 20
RECENT_S = 7 * 86_400.0
LEAST_SIDE = 0.01  # of the crop: a smaller box was a slip of the finger


@dataclass(frozen=True, slots=True)
class KeptCrop:
    """One crop on the box: its row, when, why, how far the score is from the middle, of what."""

    path: Path
    camera: str
    at_s: float
    why: str
    doubt: float
    label: str = ""
    box: tuple[float, ...] = ()

    @property
    def rank(self) -> tuple[int, float, float]:
        return ORDER.get(self.why, len(ORDER)), self.doubt, -self.at_s

    @property
    def key(self) -> str:
        """What it is called wherever people speak of it: camera and name of the file."""
        return f"{self.camera}/{self.path.stem}"


@dataclass(frozen=True, slots=True)
class CropLabel:
    """One word. crop: "CAMERA/NAME"; box: fractions of the crop, drawn by hand, for "draw"; by: the
    account; at_s: UTC seconds."""

    crop: str
    answer: Answer
    by: str
    at_s: float
    box: Box | None = None


def keep_label(state: Path, label: CropLabel) -> None:
    """Durable once it returns. Raises OSError."""
    journal.append(state / "labels" / "labels.jsonl", [asdict(label)])


def read_labels(state: Path) -> dict[str, CropLabel]:
    """The latest word on each crop; rows that are none are left out. Raises OSError."""
    rows, _ = journal.read(state / "labels" / "labels.jsonl")
    read = (_label(row) for row in rows)
    return {label.crop: label for label in read if label is not None}


def _label(row: Mapping[str, Any]) -> CropLabel | None:
    try:
        box = drawn(row["box"]) if row["answer"] == "draw" else None
        if row["answer"] not in ANSWERS or (row["answer"] == "draw" and box is None):
            return None
        return CropLabel(str(row["crop"]), row["answer"], str(row["by"]), float(row["at_s"]), box)
    except (KeyError, TypeError, ValueError):
        return None


def drawn(sides: Sequence[float]) -> Box | None:
    """Two corners in any order as a box inside the crop; None where they are no box."""
    if len(sides) != 4 or not all(math.isfinite(float(side)) for side in sides):
        return None
    a, b, c, d = (min(1.0, max(0.0, float(side))) for side in sides)
    box = (min(a, c), min(b, d), max(a, c), max(b, d))
    return box if min(box[2] - box[0], box[3] - box[1]) >= LEAST_SIDE else None


def waiting(state: Path, labels: Mapping[str, CropLabel], *, now_s: float) -> list[KeptCrop]:
    """The crops of the last days that nobody has spoken of, the most telling first."""
    kept, _ = read_kept(state / "harvest", since_s=now_s - RECENT_S)
    return sorted((one for one in kept if one.key not in labels), key=lambda one: one.rank)


def worded(row: dict[str, Any], label: CropLabel | None) -> dict[str, Any]:
    """A crop's row with what was said of it, as tools/dataset reads it."""
    if label is None:
        return row
    labelled = {**row, "verdict": "rejected" if label.answer == "not_this" else "confirmed"}
    return {**labelled, "box": list(label.box)} if label.box else labelled


def read_kept(folder: Path, *, since_s: float) -> tuple[list[KeptCrop], int]:
    """(crops kept since then, rows that could not be read) of all cameras."""
    read = [_read(path) for path in sorted(folder.glob("*/*.json"))]
    kept = [one for one in read if one is not None and one.at_s >= since_s]
    return kept, read.count(None)


def _read(path: Path) -> KeptCrop | None:
    try:
        row = json.loads(path.read_bytes())
        doubt, label = abs(float(row["score"]) - 0.35), str(row["label"])
        box = tuple(float(side) for side in row["box"])
        at_s, why = float(row["at_s"]), str(row["why"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("%s: %s; left out", path, error)
        return None
    if len(box) != 4 or not path.with_suffix(".jpg").is_file():
        return None
    return KeptCrop(path, path.parent.name, at_s, why, doubt, label, box)
