# SPDX-License-Identifier: AGPL-3.0-or-later
"""A detector as the rest of the box sees it: pictures in, Detections out, from any thread."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.config import ConfigError
from edge.config.device import Provider
from edge.geometry import iou_matrix
from edge.values import Box, Detections, Image
from edge.vision import yolo
from edge.vision.inference import Session, SessionRequest, Shape, cores
from edge.vision.manifest import Weights, input_shape, resolve
from edge.vision.session import open_session, read_facts
from edge.vision.tiling import Piece, merge, tiles

# Boxes of one class overlapping by more are one object; street vendors stand close together.
MAX_IOU = 0.6
# Free-sized models are opened once per picture aspect; a camera turned on its side is the second.
MOST_SHAPES = 3
MOST_WORKERS = 4
# Scores are calibrated between these: the odds of 0 and 1 are not finite.
LEAST_SCORE, MOST_SCORE = 1e-4, 1.0 - 1e-4
# A box is doubted by a rival that overlaps it by so much and is told surer than it less so much.
SAME_THING, NEARLY = 0.5, 0.1

Floats = NDArray[np.float32]


class ScoreMap:
    """What a score is told as.

    A score is calibrated where boxes reported at 0.35 are right as often whatever their class. The
    map of a class is monotonic, in log odds: slope times the raw score's, plus a shift (Platt
    1999); it comes with the model, fitted on held-apart real pictures. `pairs`: class name to
    (slope, shift); a class without one keeps its scores.

    `rivals`: class name to other classes that the same thing may be instead, and how much each
    speaks against it: its raw score is multiplied by (1 - the rival's told score at the same place)
    to this power before it is mapped. What is as well a bin in order is an overflowing one less
    surely.
    """

    def __init__(
        self,
        names: Sequence[str],
        pairs: Mapping[str, tuple[float, float]],
        rivals: Mapping[str, Mapping[str, float]] | None = None,
    ) -> None:
        both = np.array([pairs.get(name, (1.0, 0.0)) for name in names], np.float32)
        self._slope, self._shift = both[:, 0], both[:, 1]
        self._rivals = [
            (names.index(name), names.index(other), power)
            for name, others in (rivals or {}).items()
            for other, power in others.items()
        ]
        # By score, of the few that are asked for: every look asks for one of them.
        self._floors: dict[float, float] = {}

    def apply(self, scores: Floats, labels: NDArray[np.int32]) -> Floats:
        """Calibrated scores of boxes with these raw scores (n,) and classes (n,); nothing is known
        of what else they might be."""
        odds = _odds(scores) * self._slope[labels] + self._shift[labels]
        return np.asarray(1.0 / (1.0 + np.exp(-odds)), np.float32)

    def table(self, scores: Floats) -> Floats:
        """Told scores of every class at every place, from the raw ones (classes or more, n)."""
        scores = scores[: len(self._slope)]
        promised = self._promised(scores, slice(None))
        if not self._rivals:
            return promised
        left, doubted = scores.copy(), sorted({row for row, _, _ in self._rivals})
        for row, other, power in self._rivals:
            left[row] *= (1.0 - promised[other]) ** power
        promised[doubted] = self._promised(left[doubted], doubted)
        return promised

    def _promised(self, scores: Floats, rows: slice | list[int]) -> Floats:
        odds = _odds(scores) * self._slope[rows, None] + self._shift[rows, None]
        return np.asarray(1.0 / (1.0 + np.exp(-odds)), np.float32)

    def undoubted(
        self, boxes: Floats, scores: Floats, labels: NDArray[np.int32]
    ) -> NDArray[np.bool_]:
        """(n,) of boxes (n, 4) with told scores, best first: those that no rival's box lies on with
        nearly their score. Places side by side see one thing, and not each sees what it is."""
        kept = np.ones(len(labels), np.bool_)
        for row, other, _ in self._rivals:
            mine, theirs = (np.flatnonzero(labels == label) for label in (row, other))
            if len(mine) and len(theirs):
                same = iou_matrix(boxes[mine], boxes[theirs]) >= SAME_THING
                surer = scores[theirs][None, :] > scores[mine][:, None] - NEARLY
                kept[mine[(same & surer).any(1)]] = False
        return kept

    def raw_floor(self, score: float) -> float:
        """The least raw score that can come to `score` in any class."""
        if score not in self._floors:
            odds = (float(_odds(np.array([score], np.float32))[0]) - self._shift) / self._slope
            least = float(min(score, (1.0 / (1.0 + np.exp(-odds))).min()))
            self._floors = {**self._floors, score: least}
        return self._floors[score]


def _odds(scores: Floats) -> Floats:
    inside = np.clip(scores, LEAST_SCORE, MOST_SCORE)
    return np.asarray(np.log(inside / (1.0 - inside)), np.float32)


@dataclass(frozen=True, slots=True)
class _Opened:
    """A session of one input size and how its outputs are read."""

    session: Session
    head: yolo.HeadName
    order: tuple[int, ...] | None = None

    def run(self, tensor: yolo.Tensor) -> yolo.Outputs:
        """The outputs in the order in which the head is read."""
        outputs = self.session.run(tensor)
        return outputs if self.order is None else [outputs[index] for index in self.order]


class Model:
    """One set of weights, opened. `detect` and `detect_in` are safe to call from many threads.

    `workers` is how many threads may usefully call at once: on a CPU each inference runs on one
    core, so N callers beside each other use N cores (1.56-1.85 x of one caller on two cores, where
    one caller with two threads reaches 1.16-1.42 x).
    """

    def __init__(
        self, weights: Weights, *, provider: Provider, workers: int, threads: int, cache: Path
    ) -> None:
        self.name, self.sha256, self.names = weights.name, weights.sha256, weights.classes
        self.workers = workers
        self._weights, self._provider = weights, provider
        self.good_for = weights.good_for
        given = weights.calibration
        names = weights.classes
        self._scores = ScoreMap(names, given.classes, given.rivals) if given else None
        self._threads, self._cache = threads, cache
        facts = read_facts(weights.path)
        _check_names(weights, facts.classes)
        self._fixed = _fixed(weights, facts.shape)
        self._opened: dict[Shape, _Opened] = {}
        self._opening = threading.Lock()
        self._own = threading.local()
        self._open(self._fixed or (weights.height, weights.width))

    @property
    def provider(self) -> str:
        """What runs the inference: cpu, cuda, tensorrt, openvino or ncnn."""
        return next(iter(self._opened.values())).session.provider

    def shape_for(self, image: Image) -> Shape:
        """(height, width) of the input that a picture of this aspect is shown to."""
        return self._shape(image.shape[1] / image.shape[0])

    def detect(self, image: Image, *, min_score: float = 0.25, tile: bool = False) -> Detections:
        """What is in the picture, best first, after class-aware NMS.

        tile: look also at overlapping pieces of a picture larger than the input, for small objects
        in drone and 4K pictures; one inference for each piece, 9 for 720p, up to 24.
        """
        picture = yolo.as_bgr(image)
        if not tile:
            return self._as_detections(self._look(picture, min_score))
        height, width = picture.shape[:2]
        regions = tiles((height, width), self.shape_for(picture))
        pieces = [self._piece(picture, region, min_score) for region in regions]
        boxes, scores, labels = merge(pieces)
        return Detections(boxes, scores, labels, self.names)

    def detect_in(self, image: Image, region: Box, *, min_score: float = 0.25) -> Detections:
        """What is in one region (fractions) of the picture, at up to native resolution.

        Boxes are fractions of the whole picture. A region outside the picture sees nothing.
        """
        picture = yolo.as_bgr(image)
        piece = self._piece(picture, region, min_score)
        return Detections(piece.boxes, piece.scores, piece.labels, self.names)

    def _piece(self, picture: Image, region: Box, min_score: float) -> Piece:
        height, width = picture.shape[:2]
        x1, y1 = max(0, int(region[0] * width)), max(0, int(region[1] * height))
        x2, y2 = min(width, round(region[2] * width)), min(height, round(region[3] * height))
        if x2 <= x1 or y2 <= y1:
            nothing = Detections.none(self.names)
            return Piece(region, nothing.boxes, nothing.scores, nothing.labels)
        found = self._look(picture[y1:y2, x1:x2], min_score)
        size = np.array([x2 - x1, y2 - y1] * 2, np.float32)
        shift = np.array([x1, y1] * 2, np.float32)
        whole = np.array([width, height] * 2, np.float32)
        boxes = np.clip((found.boxes * size + shift) / whole, 0.0, 1.0).astype(np.float32)
        exact = (x1 / width, y1 / height, x2 / width, y2 / height)
        return Piece(exact, boxes, found.scores, found.labels)

    def _look(self, picture: Image, min_score: float) -> yolo.InputBoxes:
        """One inference; boxes as fractions of `picture`."""
        shape = self._shape(picture.shape[1] / picture.shape[0])
        opened = self._opened.get(shape) or self._open(shape)
        canvas = self._canvas(shape)
        placement = canvas.fill(picture)
        outputs = opened.run(canvas.tensor)
        found = yolo.decode(
            opened.head, outputs, shape=shape, min_score=min_score, scores=self._scores
        )
        if len(found) and found.labels.max() >= len(self.names):
            found = found[found.labels < len(self.names)]
        if opened.head in yolo.NEEDS_NMS:
            found = yolo.thin(found, max_iou=MAX_IOU)
        if self._scores:
            found = found[self._scores.undoubted(found.boxes, found.scores, found.labels)]
        boxes = placement.to_fractions(found.boxes)
        inside = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        seen = yolo.InputBoxes(boxes, found.scores, found.labels)
        return seen if inside.all() else seen[inside]

    def _as_detections(self, found: yolo.InputBoxes) -> Detections:
        return Detections(
            np.ascontiguousarray(found.boxes, np.float32),
            np.ascontiguousarray(found.scores, np.float32),
            np.ascontiguousarray(found.labels, np.int32),
            self.names,
        )

    def _shape(self, aspect: float) -> Shape:
        if self._fixed is not None:
            return self._fixed
        wanted = input_shape(self._weights, aspect)
        if wanted in self._opened or len(self._opened) < MOST_SHAPES:
            return wanted
        return min(self._opened, key=lambda shape: abs(np.log(shape[1] / shape[0] / aspect)))

    def _canvas(self, shape: Shape) -> yolo.Canvas:
        """This thread's buffers: 2.9 MB for 384 x 640."""
        canvases: dict[Shape, yolo.Canvas] = self._own.__dict__.setdefault("canvases", {})
        if shape not in canvases:
            how = self._weights.preprocess
            canvases[shape] = yolo.Canvas(shape, how.order, how.scale, how.pad, how.anchor)
        return canvases[shape]

    def _open(self, shape: Shape) -> _Opened:
        with self._opening:
            if shape not in self._opened:
                wish = SessionRequest(
                    self._weights.path,
                    shape,
                    self._provider,
                    self._threads,
                    self._cache,
                    self.workers,
                )
                session = open_session(wish)
                self._opened = {**self._opened, shape: self._read(session)}
            return self._opened[shape]

    def _read(self, session: Session) -> _Opened:
        """How its outputs are read, from a test inference; a manifest that names a head must be
        right about it."""
        outputs = session.run(np.zeros_like(self._canvas(session.shape).tensor))
        try:
            seen = yolo.detect_head(outputs, len(self.names), session.shape)
            order = yolo.nms_order(session.outputs, outputs) if seen == "nms" else None
            opened = _Opened(session, self._agreed(seen), order)
            ordered = outputs if order is None else [outputs[index] for index in order]
            yolo.check_boxes_are_pixels(opened.head, ordered)
        except ValueError as error:
            raise ConfigError(f"{self._weights.path}: {error}") from None
        return opened

    def _agreed(self, seen: yolo.HeadName) -> yolo.HeadName:
        said = self._weights.head
        if said in ("auto", seen):
            return seen
        if said == "yolox" and seen == "objectness":
            return "yolox"
        raise ConfigError(
            f"{self._weights.path}: head = {said!r}: its outputs are of kind {seen!r}"
        )


def load_model(
    manifest: Path,
    *,
    provider: Provider = "auto",
    workers: int = 0,
    variant: str | None = None,
) -> Model:
    """Open the model of a manifest, checked against its hash, classes, input and head.

    workers: threads that will call at once; 0 means one for each core, at most MOST_WORKERS. The
    cores are shared out among them. Raises ConfigError in one line for anything that does not fit.
    """
    weights = resolve(manifest, variant or _variant_for(provider))
    # The callers are the parallelism; OpenCV's own pool for a 1 ms resize only gets in their way.
    cv2.setNumThreads(1)
    callers = workers or min(cores(), MOST_WORKERS)
    threads = max(1, cores() // callers)
    cache = manifest.parent / f".{weights.path.stem}-{weights.sha256[:12]}"
    return Model(weights, provider=provider, workers=callers, threads=threads, cache=cache)


def _variant_for(provider: Provider) -> str | None:
    """NCNN reads files of its own; a manifest that has them calls the variant `ncnn`."""
    return "ncnn" if provider == "ncnn" else None


def _fixed(weights: Weights, shape: tuple[int | None, int | None]) -> Shape | None:
    """The file's own input size, or None where both sides are free. They must agree."""
    height, width = shape
    if height is None and width is None:
        return None if weights.path.suffix == ".onnx" else (weights.height, weights.width)
    said = (weights.height, weights.width)
    real = (height or said[0], width or said[1])
    if real != said:
        raise ConfigError(
            f"{weights.path}: its input is {real[0]}x{real[1]}, "
            f"the manifest says input: {said[0]}x{said[1]}"
        )
    return real


def _check_names(weights: Weights, found: tuple[str, ...] | None) -> None:
    """The file's own class names, where it has some, must agree with the manifest in number, and
    in order where they are the same words; a renamed class is the manifest's good right."""
    said = weights.classes
    if found is None or found == said:
        return
    if len(found) != len(said):
        raise ConfigError(
            f"{weights.path}: the model has {len(found)} classes, the manifest names {len(said)}"
        )
    for index, (one, other) in enumerate(zip(said, found, strict=True)):
        if one != other and other in said:
            raise ConfigError(
                f"{weights.path}: class {index} is {other!r} in the model, {one!r} in the manifest"
            )
