# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a network holds inside on pictures: bounds of its tensors for int8, and means by channel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tools.training.pictures import Picture
from tools.training.raw_yolo import blob_of, letterbox

# Pictures darker than this on average (0 to 255) are night.
NIGHT = 60.0
# Pictures that every class, and the night, has at least, where there are so many.
LEAST_EACH = 3
NIGHTS = 8

Blob = NDArray[np.float32]
Means = dict[str, NDArray[np.float64]]


def choose(pictures: Sequence[Picture], count: int) -> list[Picture]:
    """`count` pictures of every class, light and source: some of each class first, then of the
    night, then the sources in turn. The same pictures give the same choice."""
    rng = np.random.default_rng(0)
    mixed = [pictures[index] for index in rng.permutation(len(pictures))]
    kinds = sorted({label.label for one in mixed for label in one.labels})
    chosen: dict[str, Picture] = {}
    for kind in kinds:
        having = (one for one in mixed if any(label.label == kind for label in one.labels))
        _add(chosen, having, LEAST_EACH)
    _add(chosen, (one for one in mixed if _is_night(one)), NIGHTS)
    _add(chosen, _in_turn(mixed), count - len(chosen))
    return list(chosen.values())[:count]


def left_over(pictures: Sequence[Picture], count: int, more: int) -> list[Picture]:
    """`more` of those that `choose` left, the sources in turn."""
    taken = {str(one.path) for one in choose(pictures, count)}
    left = [one for one in pictures if str(one.path) not in taken]
    return [one for one, _ in zip(_in_turn(left), range(more), strict=False)]


def _add(chosen: dict[str, Picture], more: Iterable[Picture], count: int) -> None:
    """Up to `count` that are not chosen yet."""
    for one in more:
        if count <= 0:
            return
        if str(one.path) not in chosen:
            chosen[str(one.path)] = one
            count -= 1


def _in_turn(pictures: Sequence[Picture]) -> Iterator[Picture]:
    shelves: dict[str, list[Picture]] = {}
    for one in pictures:
        shelves.setdefault(one.item.source, []).append(one)
    for turn in range(max(map(len, shelves.values()), default=0)):
        yield from (shelf[turn] for shelf in shelves.values() if turn < len(shelf))


def _is_night(picture: Picture) -> bool:
    small = cv2.imread(str(picture.path), cv2.IMREAD_REDUCED_GRAYSCALE_8)
    return small is not None and float(small.mean()) < NIGHT


def blobs(pictures: Iterable[Picture], height: int, width: int) -> Iterator[Blob]:
    """(1, 3, height, width) float32 in 0..1 of each picture that is readable."""
    for one in pictures:
        image = cv2.imread(str(one.path))
        if image is not None:
            yield blob_of(letterbox(np.asarray(image, np.uint8), height, width)[0])


class Inside:
    """An ONNX network (a ModelProto with one input) that also gives inner tensors, on the CPU."""

    def __init__(self, model: Any, names: Iterable[str]) -> None:
        import onnx
        import onnxruntime

        copied = onnx.ModelProto()
        copied.CopyFrom(model)
        self.names = list(names)
        copied.graph.output.extend(onnx.ValueInfoProto(name=name) for name in self.names)
        options = onnxruntime.SessionOptions()
        # What is fused away cannot be given.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            copied.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self._input = model.graph.input[0].name

    def __call__(self, blob: Blob) -> Iterator[tuple[str, Blob]]:
        yield from zip(self.names, self._session.run(self.names, {self._input: blob}), strict=True)


def extremes(inside: Inside, blobs: Iterable[Blob]) -> dict[str, tuple[float, float]]:
    """name -> (low, high): means over pictures of the least and the largest value, zero inside.
    One odd picture must not stretch a range for all."""
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in inside.names}
    for blob in blobs:
        for name, value in inside(blob):
            seen[name].append((min(0.0, float(value.min())), max(1e-6, float(value.max()))))
    means = {name: np.mean(ends, axis=0) for name, ends in seen.items()}
    return {name: (float(low), float(high)) for name, (low, high) in means.items()}


def channel_means(inside: Inside, blobs: Iterable[Blob]) -> Means:
    """name -> (channels,) means of tensors (1, channels, h, w) over all pictures."""
    sums: Means = {}
    count = 0
    for blob in blobs:
        count += 1
        for name, value in inside(blob):
            mean = np.asarray(value, np.float64).mean((0, 2, 3))
            sums[name] = sums[name] + mean if name in sums else mean
    return {name: total / count for name, total in sums.items()}
