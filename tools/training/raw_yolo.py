# SPDX-License-Identifier: AGPL-3.0-or-later
"""A raw YOLO head (1, 4 + classes, n) through onnxruntime or ncnn: letterbox in, boxes out.

Deliberately apart from edge.vision: evaluation with a second implementation would notice a fault
of the box's own pre- and post-processing. Boxes are fractions of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.config import ConfigError
from edge.values import Image

PAD = 114  # the grey that YOLO training pads with
NMS_IOU = 0.6
KEEP = 300  # boxes a picture, as in COCO's protocol rounded up


class Network(Protocol):
    """Anything that turns a (1, 3, height, width) float32 picture into a raw head's output."""

    height: int
    width: int

    def __call__(self, blob: NDArray[np.float32]) -> NDArray[np.float32]: ...


class Onnx:
    """onnxruntime on the CPU. Raises ConfigError where the file is no detector with fixed input."""

    def __init__(self, path: Path, *, threads: int = 2) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        if not path.is_file():
            raise ConfigError(f"{path}: no such model")
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except onnxruntime.capi.onnxruntime_pybind11_state.InvalidProtobuf as error:
            raise ConfigError(f"{path}: not an ONNX model ({error})") from None
        (port,) = self._session.get_inputs()
        if not all(isinstance(side, int) for side in port.shape[2:]):
            raise ConfigError(f"{path}: input {port.shape} is not of fixed size")
        self._name, (self.height, self.width) = port.name, port.shape[2:]

    def rows(self) -> int:
        """4 + classes of the head's output."""
        return int(self._session.get_outputs()[0].shape[1])

    def __call__(self, blob: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(self._session.run(None, {self._name: blob})[0])


class Ncnn:
    """The same through ncnn: `folder` holds model.ncnn.param and model.ncnn.bin."""

    def __init__(self, folder: Path, height: int, width: int) -> None:
        import ncnn

        self.height, self.width, self._ncnn = height, width, ncnn
        self._net = ncnn.Net()
        self._net.opt.num_threads = 2
        for loader, name in ((self._net.load_param, "param"), (self._net.load_model, "bin")):
            if loader(str(folder / f"model.ncnn.{name}")):
                raise ConfigError(f"{folder}: model.ncnn.{name} is missing or unreadable")

    def __call__(self, blob: NDArray[np.float32]) -> NDArray[np.float32]:
        with self._net.create_extractor() as extractor:
            extractor.input("in0", self._ncnn.Mat(np.ascontiguousarray(blob[0])).clone())
            _, out = extractor.extract("out0")
        return np.array(out)[None]


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Boxes of one picture: xyxy fractions (n, 4), scores (n,), class indices (n,), best first."""

    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    labels: NDArray[np.int64]


def letterbox(image: Image, height: int, width: int) -> tuple[Image, float, float, float]:
    """(canvas, scale, left, top): the picture scaled to fit and centred on grey."""
    scale = min(height / image.shape[0], width / image.shape[1])
    inner = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    small = cv2.resize(
        image, inner, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    )
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    canvas = np.full((height, width, 3), PAD, np.uint8)
    canvas[top : top + inner[1], left : left + inner[0]] = small
    return canvas, scale, float(left), float(top)


def blob_of(canvas: Image) -> NDArray[np.float32]:
    """(h, w, 3) BGR uint8 to (1, 3, h, w) RGB float32 in 0..1."""
    rgb = canvas[:, :, ::-1].transpose(2, 0, 1)[None]
    return np.ascontiguousarray(rgb, np.float32) / np.float32(255)


def detect(network: Network, image: Image, *, min_score: float) -> Found:
    """Everything in one picture scoring at least `min_score`, after per-class suppression."""
    canvas, scale, left, top = letterbox(image, network.height, network.width)
    raw = network(blob_of(canvas))[0].astype(np.float64)
    found = decode(raw, min_score)
    boxes = (found.boxes - [left, top, left, top]) / scale
    size = np.array([image.shape[1], image.shape[0]] * 2, np.float64)
    return Found(np.clip(boxes / size, 0, 1), found.scores, found.labels)


def decode(raw: NDArray[np.float64], min_score: float) -> Found:
    """Raw (4 + classes, n) output in input pixels to boxes in input pixels; any number of labels
    a place, since average precision is counted class by class."""
    labels, places = np.nonzero(raw[4:] >= min_score)
    scores = raw[4:][labels, places]
    centre, size = raw[:2, places].T, raw[2:4, places].T
    boxes = np.concatenate([centre - size / 2, centre + size / 2], 1)
    order = np.argsort(-scores, kind="stable")[:3000]
    boxes, scores, labels = boxes[order], scores[order], labels[order]
    keep = suppress(boxes, scores, labels, NMS_IOU)[:KEEP]
    return Found(boxes[keep], scores[keep], labels[keep])


def suppress(
    boxes: NDArray[np.float64], scores: NDArray[np.float64], labels: NDArray[np.int64], iou: float
) -> NDArray[np.int64]:
    """Indices that survive non-maximum suppression within each class, best score first."""
    if not len(boxes):
        return np.zeros(0, np.int64)
    tall = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)
    rows = cv2.dnn.NMSBoxesBatched(tall.tolist(), scores.tolist(), labels.tolist(), 0.0, iou)
    kept = np.asarray(rows, np.int64).ravel()
    return np.asarray(kept[np.argsort(-scores[kept], kind="stable")])


def iou_matrix(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of every box of `a` (n, 4) with every one of `b` (m, 4)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    both = np.clip(high - low, 0, None).prod(2)
    area = [np.clip(x[:, 2:] - x[:, :2], 0, None).prod(1) for x in (a, b)]
    return np.asarray(both / np.maximum(area[0][:, None] + area[1][None] - both, 1e-12))
