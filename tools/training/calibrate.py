# SPDX-License-Identifier: AGPL-3.0-or-later
"""int8 for onnxruntime: QDQ with ranges from real pictures, and what must stay in float.

Naive int8 loses a third of a YOLO's precision because the head mixes box distances of hundreds of
pixels and scores of 0..1 in one tensor with one scale. So the decoding after the last convolutions
stays in float, and so do those last convolutions. The first five layers do too: few channels of
wide range, whose error everything behind them inherits.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.config import ConfigError
from tools.training.collection import read_collection
from tools.training.raw_yolo import blob_of, letterbox

HEAD = "/model.23/"  # yolo11: the Detect layer
# Within the head the two convolution blocks of every branch are quantised, where the time goes; the
# last 1x1 convolutions and everything after them are not.
BRANCHES = ("/cv2.", "/cv3.")
LAST = re.compile(r"/cv[23]\.\d/cv[23]\.\d\.2/")
FIRST = re.compile(r"^/model\.[01234]/")


class Pictures:
    """Calibration reader: letterboxed training pictures, evenly over the sources."""

    def __init__(self, paths: list[Path], name: str, height: int, width: int) -> None:
        self._blobs = self._read(paths, height, width)
        self._name = name

    def _read(self, paths: list[Path], height: int, width: int) -> Iterator[NDArray[np.float32]]:
        for path in paths:
            image = cv2.imread(str(path))
            if image is not None:
                yield blob_of(letterbox(np.asarray(image, np.uint8), height, width)[0])

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        blob = next(self._blobs, None)
        return None if blob is None else {self._name: blob}


def choose(folders: Sequence[Path], count: int) -> list[Path]:
    """`count` training pictures, the sources taken in turn. Photographs with a plume laid over
    them count as real: no photograph of dust is there to calibrate on."""
    shelves: dict[str, list[Path]] = {}
    for collection in map(read_collection, folders):
        for item in sorted(collection.of("train").items, key=lambda item: item.image):
            if item.origin != "rendered":
                shelves.setdefault(item.source, []).append(collection.image(item))
    if not shelves:
        where = ", ".join(map(str, folders))
        raise ConfigError(f"{where}: no real training picture to calibrate on")
    rng = np.random.default_rng(0)
    turns = [rng.permutation(len(paths)) for paths in shelves.values()]
    chosen: list[Path] = []
    for round_ in range(max(len(turn) for turn in turns)):
        for paths, turn in zip(shelves.values(), turns, strict=True):
            if round_ < len(turn) and len(chosen) < count:
                chosen.append(paths[turn[round_]])
    return chosen


def quantise(source: Path, target: Path, folders: Sequence[Path], count: int) -> None:
    """`source` (fp32, fixed size) to `target`: activations uint8, weights int8 a channel."""
    import onnx
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    graph = onnx.load(source).graph
    port = graph.input[0]
    height, width = (side.dim_value for side in port.type.tensor_type.shape.dim[2:])
    reader = Pictures(choose(folders, count), port.name, height, width)
    with tempfile.TemporaryDirectory() as scratch:
        prepared = Path(scratch) / "prepared.onnx"
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(target),
            reader,
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            # One odd picture must not stretch a range for all: ranges are running means.
            extra_options={"CalibMovingAverage": True},
            nodes_to_exclude=sensitive(onnx.load(prepared).graph.node),
        )


def sensitive(nodes: Any) -> list[str]:
    """Names of the nodes that stay in float."""
    return [node.name for node in nodes if FIRST.search(node.name) or _head_end(node.name)]


def _head_end(name: str) -> bool:
    return HEAD in name and bool(
        LAST.search(name) or not any(branch in name for branch in BRANCHES)
    )
