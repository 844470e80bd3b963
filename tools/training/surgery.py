# SPDX-License-Identifier: AGPL-3.0-or-later
"""A checkpoint with our head: rows of shared classes are copied, new ones get a relative's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from ultralytics.cfg import get_cfg
from ultralytics.nn.tasks import DetectionModel, load_checkpoint

from edge.config import ConfigError
from edge.values import Image
from tools.training.classes import COCO, RELATIVE
from tools.training.restoring import restore

# A relative's row fires on the relative: start the new class a little less sure of itself.
RELATIVE_BIAS = -1.0
COCO_CLASSES = 80


@dataclass(frozen=True, slots=True)
class Photographs:
    """What a shipped file's batch norms are measured on, and the input size, px."""

    images: Sequence[Image]
    height: int
    width: int


def open_mean(
    paths: Sequence[Path], share: float | None = None, head_share: float | None = None
) -> DetectionModel:
    """The mean of the checkpoints' weights, float32; `share`: of the last of them, the others
    dividing the rest, instead of an equal one; `head_share`: another for the head, which follows
    the data faster than the features. Raises ConfigError where one is missing or of another
    architecture."""
    return mean_of([_load(path) for path in paths], paths, share, head_share)


def _load(path: Path) -> DetectionModel:
    if not path.is_file():
        raise ConfigError(f"{path}: no such checkpoint; make one with tools/train")
    return load_checkpoint(str(path), device="cpu")[0].float()


def mean_of(
    models: Sequence[DetectionModel],
    paths: Sequence[Path],
    share: float | None = None,
    head_share: float | None = None,
) -> DetectionModel:
    """The mean of their weights (open_mean). Raises ConfigError naming a path."""
    if share is not None and len(models) < 2:
        raise ConfigError(f"{paths[-1]}: a share of it in a mean needs another checkpoint")
    states = [model.state_dict() for model in models]
    if any(state.keys() != states[0].keys() for state in states):
        raise ConfigError(f"{paths[-1]}: another architecture than {paths[0]}")
    last = 1 / len(states) if share is None else share
    head = f"model.{len(models[0].model) - 1}."
    mean = {
        name: _weighed(
            [state[name] for state in states],
            head_share if head_share is not None and name.startswith(head) else last,
        )
        for name in states[0]
    }
    models[0].load_state_dict(mean)
    return models[0]


def _weighed(values: Sequence[torch.Tensor], last: float) -> torch.Tensor:
    """Their mean: `last` of the last, the others dividing the rest."""
    shares = [*((1 - last) / (len(values) - 1) for _ in values[1:]), last]
    terms = [share * value.float() for share, value in zip(shares, values, strict=True)]
    return torch.stack(terms).sum(0).to(values[0].dtype)


def open_start(path: Path, photographs: Photographs) -> DetectionModel:
    """A checkpoint, or a shipped .onnx measured on photographs. Raises ConfigError."""
    if path.suffix != ".onnx":
        return _load(path)
    return restore(path, photographs.images, height=photographs.height, width=photographs.width)


def open_checkpoint(
    paths: Sequence[Path], names: tuple[str, ...], photographs: Photographs
) -> DetectionModel:
    """A float32 model with our classes, in training mode; of several starts their mean.
    Raises ConfigError where it cannot be."""
    model, path = mean_of([open_start(each, photographs) for each in paths], paths), paths[-1]
    model.args = get_cfg()
    have = tuple(model.names[i] for i in range(len(model.names)))
    if have != names:
        if len(have) != COCO_CLASSES and have != names[: len(have)]:
            raise ConfigError(f"{path}: {len(have)} classes; ours or the 80 of COCO are needed")
        rows = COCO if len(have) == COCO_CLASSES else {name: i for i, name in enumerate(have)}
        give_head(model, names, rows)
    return model.train()


def give_head(model: DetectionModel, names: tuple[str, ...], have: Mapping[str, int]) -> None:
    """Replace the last layer of the class branch at every stride; the rest keeps its shape.
    have: the row of each class that the old layer knows."""
    head = model.model[-1]
    for branch, stride in zip(head.cv3, head.stride.tolist(), strict=True):
        branch[-1] = _new_rows(branch[-1], names, stride, have)
    head.nc = len(names)
    head.no = head.nc + 4 * head.reg_max
    model.names = dict(enumerate(names))
    model.yaml["nc"] = model.nc = len(names)


def _new_rows(
    old: nn.Conv2d, names: tuple[str, ...], stride: float, have: Mapping[str, int]
) -> nn.Conv2d:
    new = nn.Conv2d(old.in_channels, len(names), 1)
    # As rare at the start as an object is among all anchors of a 640 px picture (RetinaNet prior).
    prior = math.log(5 / len(names) / (640 / stride) ** 2)
    with torch.no_grad():
        nn.init.normal_(new.weight, std=0.01)
        new.bias.fill_(prior)
        for row, name in enumerate(names):
            source = have.get(name, have.get(RELATIVE.get(name, "")))
            if source is None:
                continue
            new.weight[row] = old.weight[source]
            new.bias[row] = old.bias[source] + (0.0 if name in have else RELATIVE_BIAS)
    return new
