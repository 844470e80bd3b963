# SPDX-License-Identifier: AGPL-3.0-or-later
"""A COCO checkpoint with our head: rows of shared classes are copied, new ones get a relative's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn
from ultralytics.cfg import get_cfg
from ultralytics.nn.tasks import DetectionModel, load_checkpoint

from edge.config import ConfigError
from tools.training.classes import COCO, RELATIVE

# A relative's row fires on the relative: start the new class a little less sure of itself.
RELATIVE_BIAS = -1.0


def open_mean(paths: Sequence[Path]) -> DetectionModel:
    """The mean of the checkpoints' weights, float32. Raises ConfigError where one is missing or of
    another architecture."""
    for path in paths:
        if not path.is_file():
            raise ConfigError(f"{path}: no such checkpoint; make one with tools/train")
    models = [load_checkpoint(str(path), device="cpu")[0].float() for path in paths]
    states = [model.state_dict() for model in models]
    if any(state.keys() != states[0].keys() for state in states):
        raise ConfigError(f"{paths[-1]}: another architecture than {paths[0]}")
    mean = {
        name: torch.stack([state[name].float() for state in states]).mean(0).to(value.dtype)
        for name, value in states[0].items()
    }
    models[0].load_state_dict(mean)
    return models[0]


def open_checkpoint(paths: Sequence[Path], names: tuple[str, ...]) -> DetectionModel:
    """A float32 model with our classes, in training mode; of several checkpoints their mean.
    Raises ConfigError where it cannot be."""
    model, path = open_mean(paths), paths[-1]
    model.args = get_cfg()
    have = tuple(model.names[i] for i in range(len(model.names)))
    if have != names:
        if len(have) != 80:
            raise ConfigError(f"{path}: {len(have)} classes; ours or the 80 of COCO are needed")
        give_head(model, names)
    return model.train()


def give_head(model: DetectionModel, names: tuple[str, ...]) -> None:
    """Replace the last layer of the class branch at every stride; the rest keeps its shape."""
    head = model.model[-1]
    for branch, stride in zip(head.cv3, head.stride.tolist(), strict=True):
        branch[-1] = _new_rows(branch[-1], names, stride)
    head.nc = len(names)
    head.no = head.nc + 4 * head.reg_max
    model.names = dict(enumerate(names))
    model.yaml["nc"] = model.nc = len(names)


def _new_rows(old: nn.Conv2d, names: tuple[str, ...], stride: float) -> nn.Conv2d:
    new = nn.Conv2d(old.in_channels, len(names), 1)
    # As rare at the start as an object is among all anchors of a 640 px picture (RetinaNet prior).
    prior = math.log(5 / len(names) / (640 / stride) ** 2)
    with torch.no_grad():
        nn.init.normal_(new.weight, std=0.01)
        new.bias.fill_(prior)
        for row, name in enumerate(names):
            source = COCO.get(name, COCO.get(RELATIVE.get(name, ""), None))
            if source is None:
                continue
            new.weight[row] = old.weight[source]
            new.bias[row] = old.bias[source] + (0.0 if name in COCO else RELATIVE_BIAS)
    return new
