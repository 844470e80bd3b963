# SPDX-License-Identifier: AGPL-3.0-or-later
"""Pictures to tensors and raw outputs to boxes, for the YOLO family. Pure; written from the
published tensor layouts, not from anyone's code.

Layouts (nc classes, N anchor points = sum of (height/s)(width/s) for strides s of 8, 16, 32):

raw         (1, 4+nc, N)   cx cy w h in input pixels, then class scores      YOLOv8, YOLO11
objectness  (1, N, 5+nc)   cx cy w h, objectness, class scores               YOLOv5, YOLOv7
yolox       (1, N, 5+nc)   the same before the grid is applied               YOLOX
end2end     (1, K, 6)      x1 y1 x2 y2 score class, no NMS needed            YOLOv10, YOLO26
nms_rows    (n, 7)         picture x1 y1 x2 y2 class score, NMS in the graph
nms         3 or 4 outputs: [count], boxes (1, K, 4), scores (1, K), classes (1, K), NMS in graph,
            in any order: which is which is told by name, type and shape (`nms_order`)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.values import Image

Tensor = NDArray[np.float32]
Outputs = Sequence[NDArray[Any]]


class PromisedScores(Protocol):
    """What a detector's raw scores promise: `edge.vision.model.ScoreMap`."""

    def apply(self, scores: Tensor, labels: NDArray[np.int32]) -> Tensor: ...
    def table(self, scores: Tensor) -> Tensor: ...
    def raw_floor(self, score: float) -> float: ...


Shape = tuple[int, int]
HeadName = Literal["raw", "end2end", "objectness", "yolox", "nms", "nms_rows"]

STRIDES = (8, 16, 32)
# Survivors of the threshold that are worth sorting; more means noise, not a street.
MOST_SURVIVORS = 2000
MOST_BOXES = 500


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a picture lies in the input: its scaled size and its upper left corner, in pixels."""

    width: int
    height: int
    left: int
    top: int

    def to_fractions(self, boxes: Tensor) -> Tensor:
        """x1 y1 x2 y2 in input pixels to fractions of the picture, cut at its border."""
        shift = np.array([self.left, self.top, self.left, self.top], np.float32)
        size = np.array([self.width, self.height, self.width, self.height], np.float32)
        fractions: Tensor = np.clip((boxes - shift) / size, 0.0, 1.0)
        return fractions


def place(picture: Shape, canvas: Shape, *, anchor: Literal["centre", "corner"]) -> Placement:
    """The largest placement of a (height, width) picture in a (height, width) canvas."""
    scale = min(canvas[0] / picture[0], canvas[1] / picture[1])
    height = min(canvas[0], max(1, round(picture[0] * scale)))
    width = min(canvas[1], max(1, round(picture[1] * scale)))
    if anchor == "corner":
        return Placement(width, height, 0, 0)
    return Placement(width, height, (canvas[1] - width) // 2, (canvas[0] - height) // 2)


def as_bgr(image: NDArray[np.uint8]) -> Image:
    """Grey (h, w), (h, w, 1) and BGRA pictures as BGR; a BGR picture is returned as it is.

    Raises ValueError for anything that is no picture.
    """
    channels = 1 if image.ndim == 2 else image.shape[-1]
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or channels not in (1, 3, 4):
        raise ValueError(f"not an 8-bit picture: shape {image.shape}, {image.dtype}")
    if 0 in image.shape:
        raise ValueError(f"an empty picture: shape {image.shape}")
    if channels == 3:
        return image
    code = cv2.COLOR_GRAY2BGR if channels == 1 else cv2.COLOR_BGRA2BGR
    return np.asarray(cv2.cvtColor(image, code), np.uint8)


@dataclass
class Canvas:
    """The buffers of one thread for one input size: fill, run, fill again, allocating nothing.

    resize + split + convert into the planes costs half of blobFromImage and a quarter of plain
    numpy. `fill` returns a view of the same memory each
    time: the caller must be done with the last one.
    """

    shape: Shape
    order: Literal["rgb", "bgr"] = "rgb"
    scale: float = 1 / 255
    pad: int = 114
    anchor: Literal["centre", "corner"] = "centre"
    tensor: Tensor = field(init=False, repr=False)
    _placed: Placement | None = field(init=False, default=None, repr=False)
    _small: Image = field(init=False, repr=False)
    _planes: tuple[Image, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.tensor = np.empty((1, 3, *self.shape), np.float32)

    def fill(self, image: Image) -> Placement:
        """Letterbox a picture of any size into `tensor`; returns where it lies."""
        image = as_bgr(image)
        placement = place((image.shape[0], image.shape[1]), self.shape, anchor=self.anchor)
        if placement != self._placed:
            self._prepare(placement)
        small = self._shrunk(image)
        cv2.split(small, self._planes)
        rows = slice(placement.top, placement.top + placement.height)
        columns = slice(placement.left, placement.left + placement.width)
        for plane, target in zip(self._planes, self._targets(), strict=True):
            # One pass that converts and scales: the tensor is out of the cache after a run, and
            # going over it twice costs a fifth more.
            cv2.addWeighted(
                plane, self.scale, plane, 0.0, 0.0, dst=target[rows, columns], dtype=cv2.CV_32F
            )
        return placement

    def _prepare(self, placement: Placement) -> None:
        self.tensor.fill(self.pad * self.scale)
        self._small = np.empty((placement.height, placement.width, 3), np.uint8)
        self._planes = tuple(
            np.empty((placement.height, placement.width), np.uint8) for _ in range(3)
        )
        self._placed = placement

    def _shrunk(self, image: Image) -> Image:
        if image.shape == self._small.shape:
            return image
        height, width = self._small.shape[:2]
        return np.asarray(cv2.resize(image, (width, height), dst=self._small), np.uint8)

    def _targets(self) -> tuple[Tensor, Tensor, Tensor]:
        """The tensor's planes in the order of a BGR picture's channels."""
        planes = self.tensor[0]
        first, last = (2, 0) if self.order == "rgb" else (0, 2)
        return planes[first], planes[1], planes[last]


@dataclass(frozen=True, slots=True)
class InputBoxes:
    """Boxes in input pixels (n, 4) x1 y1 x2 y2, scores (n,), labels (n,); best first."""

    boxes: Tensor
    scores: Tensor
    labels: NDArray[np.int32]

    def __getitem__(self, which: Any) -> InputBoxes:
        return InputBoxes(self.boxes[which], self.scores[which], self.labels[which])

    def __len__(self) -> int:
        return len(self.scores)


def anchors(shape: Shape) -> int:
    """Anchor points of a (height, width) input."""
    return sum((shape[0] // stride) * (shape[1] // stride) for stride in STRIDES)


# What an output is, by a word in its name, and by what its values can be.
_ROLES = ("count", "boxes", "scores", "labels")
_WORDS = {
    "count": ("num", "count"),
    "boxes": ("box", "bbox"),
    "scores": ("score", "conf"),
    "labels": ("label", "class", "cls"),
}
# Boxes whose numbers are all smaller than this are fractions: no object is one pixel large.
FRACTION_MOST = 1.5


def nms_order(names: Sequence[str], outputs: Outputs) -> tuple[int, ...]:
    """Places of [count], boxes, scores and labels among these outputs of a test inference.

    By name where a name says it, else by type and shape. Raises ValueError naming what was found
    where that leaves a doubt: read in the wrong order, labels would pass for scores.
    """
    if any(name.startswith("detection_boxes") for name in names):
        raise ValueError(
            f"outputs {list(names)} are those of the TensorFlow detection API (y before x, "
            "fractions, labels from 1); export with boxes as x1 y1 x2 y2 in input pixels"
        )
    places: dict[str, int] = {}
    for index, one in enumerate(outputs):
        role = _role(names[index] if index < len(names) else "", one)
        if role is None or role in places or not _can_be(role, one):
            raise ValueError(
                f"cannot tell boxes, scores and labels apart: {_found(names, outputs)}"
            )
        places[role] = index
    if not {"boxes", "scores", "labels"} <= set(places):
        raise ValueError(f"boxes, scores and labels wanted: {_found(names, outputs)}")
    return tuple(places[role] for role in _ROLES if role in places)


def _role(name: str, one: NDArray[Any]) -> str | None:
    said = [role for role in _ROLES if any(word in name.lower() for word in _WORDS[role])]
    if len(said) == 1:
        return said[0]
    if one.ndim >= 2 and one.shape[-1] == 4:
        return "boxes"
    if one.size == 1 and one.dtype.kind in "iu" and one.ndim <= 2:
        return "count"
    return "labels" if one.dtype.kind in "iu" else "scores"


def _can_be(role: str, one: NDArray[Any]) -> bool:
    """Whether the values of the test inference allow it."""
    if role == "boxes":
        return bool(one.shape[-1] == 4)
    if role == "scores":
        return one.dtype.kind == "f" and (
            one.size == 0 or bool(-1.0 <= one.min() <= one.max() <= 1.0)
        )
    whole = one.dtype.kind in "iu" or bool(np.equal(np.mod(one, 1), 0).all())
    return whole and (role != "count" or one.size == 1)


def _found(names: Sequence[str], outputs: Outputs) -> str:
    parts = (
        f"{names[i] if i < len(names) else i} {one.dtype} {tuple(one.shape)}"
        for i, one in enumerate(outputs)
    )
    return ", ".join(parts)


def check_boxes_are_pixels(head: HeadName, outputs: Outputs) -> None:
    """Raises ValueError where the test inference gives boxes as fractions of the input."""
    if head in ("raw", "objectness"):
        table = outputs[0][0]
        rows = table[:4] if head == "raw" and table.shape[0] < table.shape[1] else table[:, :4].T
    elif head == "end2end":
        rows = outputs[0][0][outputs[0][0][:, 4] >= 0.05][:, :4]
    elif head == "nms":
        rows = np.asarray(outputs[-3], np.float32).reshape(-1, 4)
    else:
        return
    largest = float(np.abs(rows).max()) if rows.size else 0.0
    if 0.0 < largest <= FRACTION_MOST:
        raise ValueError(
            f"its boxes are fractions (none above {largest:.2f}), input pixels wanted; "
            "export it without normalised boxes"
        )


def detect_head(outputs: Outputs, classes: int, shape: Shape) -> HeadName:
    """Which layout these outputs of a test inference have. Raises ValueError naming the shapes.

    YOLOX and objectness layouts look alike; the manifest must say `head: yolox` for the former.
    """
    shapes = [tuple(one.shape) for one in outputs]
    if len(shapes) in (3, 4) and any(one[-1:] == (4,) for one in shapes):
        return "nms"
    first = shapes[0]
    if len(first) == 2 and first[1] == 7:
        return "nms_rows"
    if len(first) == 3:
        points = anchors(shape)
        if sorted(first[1:]) == sorted((4 + classes, points)):
            return "raw"
        if first[1:] == (points, 5 + classes):
            return "objectness"
        if first[2] == 6 and first[1] != points:
            return "end2end"
    raise ValueError(_mismatch(shapes, classes, shape))


def _mismatch(shapes: list[tuple[int, ...]], classes: int, shape: Shape) -> str:
    points = anchors(shape)
    if len(shapes) == 2 and len(shapes[1]) == 4:
        return f"outputs {shapes}: a segmentation model (boxes and masks); export the detector"
    for one in shapes:
        if len(one) == 3 and points in one[1:]:
            other = one[1] if one[2] == points else one[2]
            return (
                f"the model gives {other - 4} classes, the manifest names {classes} (one more: "
                "oriented boxes? many more: key points or masks?)"
            )
    return f"outputs {shapes} fit no known head for {classes} classes at {shape[0]}x{shape[1]}"


def decode(
    head: HeadName,
    outputs: Outputs,
    *,
    shape: Shape,
    min_score: float,
    scores: PromisedScores | None = None,
) -> InputBoxes:
    """Boxes of at least `min_score`, before NMS; only survivors are ever decoded. `scores`: what
    the detector's scores are told as; a place is of the class that is told most surely.

    Scores that are not numbers survive nothing. At most MOST_SURVIVORS, the best first.
    """
    floor = scores.raw_floor(min_score) if scores else min_score
    if head == "raw":
        found = _raw(outputs, shape, floor, scores)
    else:
        found = _HEADS[head](outputs, shape, floor)
        if scores:
            found = InputBoxes(found.boxes, scores.apply(found.scores, found.labels), found.labels)
    # Exporters fill unused rows with class -1.
    good = (found.labels >= 0) & (found.scores >= min_score)
    found = found if good.all() else found[good]
    wide = (found.boxes[:, 2] > found.boxes[:, 0]) & (found.boxes[:, 3] > found.boxes[:, 1])
    wide &= np.isfinite(found.boxes).all(axis=1)
    order = np.argsort(-found.scores, kind="stable")
    if not wide.all():
        order = order[wide[order]]
    return found[order[:MOST_SURVIVORS]]


def _corners(boxes: Tensor) -> Tensor:
    """cx cy w h to x1 y1 x2 y2."""
    half = boxes[:, 2:] / 2
    return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)


def _raw(
    outputs: Outputs, shape: Shape, min_score: float, score_map: PromisedScores | None = None
) -> InputBoxes:
    table = outputs[0][0]
    if table.shape[1] != anchors(shape):
        table = table.T
    scores = table[4:]
    # The maximum down 8400 columns costs a tenth of the argmax: ask the class of survivors only.
    survivors = np.flatnonzero(scores.max(axis=0) >= min_score)
    some = scores[:, survivors]
    if score_map is not None:
        some = score_map.table(some)
    labels = some.argmax(axis=0).astype(np.int32)
    best = some[labels, np.arange(len(survivors))]
    return InputBoxes(_corners(table[:4, survivors].T), best, labels)


def _objectness(outputs: Outputs, shape: Shape, min_score: float) -> InputBoxes:
    table = outputs[0][0]
    some = table[table[:, 4] >= min_score]
    labels = some[:, 5:].argmax(axis=1).astype(np.int32)
    scores = some[:, 4] * some[np.arange(len(some)), 5 + labels]
    return InputBoxes(_corners(some[:, :4]), scores, labels)[scores >= min_score]


def _yolox(outputs: Outputs, shape: Shape, min_score: float) -> InputBoxes:
    """YOLOX (Ge et al. 2021) leaves the grid to the reader: (xy + cell) stride, exp(wh) stride."""
    table = outputs[0][0]
    survivors = np.flatnonzero(table[:, 4] >= min_score)
    cells, strides = _grid(shape)
    ready = table[survivors].copy()
    ready[:, :2] = (ready[:, :2] + cells[survivors]) * strides[survivors]
    ready[:, 2:4] = np.exp(np.minimum(ready[:, 2:4], 20.0)) * strides[survivors]
    return _objectness([ready[None]], shape, min_score)


def _grid(shape: Shape) -> tuple[Tensor, Tensor]:
    """Cell (n, 2) and stride (n, 1) of each anchor point, strides ascending, rows first."""
    cells, strides = [], []
    for stride in STRIDES:
        rows, columns = np.mgrid[: shape[0] // stride, : shape[1] // stride]
        cells.append(np.stack([columns.ravel(), rows.ravel()], axis=1))
        strides.append(np.full((rows.size, 1), stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(strides).astype(np.float32)


def _end2end(outputs: Outputs, shape: Shape, min_score: float) -> InputBoxes:
    rows = outputs[0][0]
    rows = rows[rows[:, 4] >= min_score]
    return InputBoxes(rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int32))


def _nms_rows(outputs: Outputs, shape: Shape, min_score: float) -> InputBoxes:
    rows = outputs[0]
    rows = rows[(rows[:, 6] >= min_score) & (rows[:, 0] == 0)]
    return InputBoxes(rows[:, 1:5], rows[:, 6], rows[:, 5].astype(np.int32))


def _nms(outputs: Outputs, shape: Shape, min_score: float) -> InputBoxes:
    """Boxes, scores and classes as outputs of their own, as TensorRT's EfficientNMS gives them."""
    count = int(np.ravel(outputs[0])[0]) if len(outputs) == 4 else None
    boxes, scores, labels = outputs[-3:]
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)[:count]
    scores = np.asarray(scores, np.float32).ravel()[:count]
    labels = np.asarray(labels).ravel()[:count].astype(np.int32)
    return InputBoxes(boxes, scores, labels)[scores >= min_score]


_HEADS: dict[HeadName, Callable[[Outputs, Shape, float], InputBoxes]] = {
    "raw": _raw,
    "objectness": _objectness,
    "yolox": _yolox,
    "end2end": _end2end,
    "nms_rows": _nms_rows,
    "nms": _nms,
}

# Heads whose boxes overlap until somebody thins them.
NEEDS_NMS: frozenset[HeadName] = frozenset({"raw", "objectness", "yolox"})


def thin(found: InputBoxes, *, max_iou: float) -> InputBoxes:
    """Class-aware non-maximum suppression: of boxes of one class that overlap by more than
    `max_iou` only the best stays. At most MOST_BOXES."""
    if len(found) < 2:
        return found
    sizes = found.boxes[:, 2:] - found.boxes[:, :2]
    xywh: Any = np.concatenate([found.boxes[:, :2], sizes], axis=1).astype(np.float64)
    scores: Any = found.scores
    labels: Any = found.labels
    kept = cv2.dnn.NMSBoxesBatched(xywh, scores, labels, 0.0, max_iou)
    return found[np.sort(np.asarray(kept, np.int64).ravel())[:MOST_BOXES]]
