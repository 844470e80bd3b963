# SPDX-License-Identifier: AGPL-3.0-or-later
"""A shipped ONNX file back into a network that can be trained on.

A checkpoint has batch norms; the file has them folded into its convolutions. Here each
convolution gets its folded weights, and the norm behind it the mean and variance of what the
convolution gives on photographs, with the scale and shift that undo both: the network is
unchanged, and training finds the statistics it expects.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import numpy_helper
from torch import nn
from ultralytics.nn.modules import Conv
from ultralytics.nn.modules.conv import DWConv
from ultralytics.nn.tasks import DetectionModel

from edge.config import ConfigError
from edge.values import Image
from tools.training.raw_yolo import letterbox

ARCHITECTURE = "yolo11n.yaml"
BATCH = 8
LEAST_PICTURES = 16
LEAST_VARIANCE = 1e-8  # of a channel that no photograph moves

Weights = dict[str, torch.Tensor]


def restore(path: Path, photographs: Sequence[Image], *, height: int, width: int) -> DetectionModel:
    """The network of a file that tools/export wrote, float32, in evaluation mode.

    photographs: at least LEAST_PICTURES, BGR uint8, of the kind it will be trained on; they are
    letterboxed to height x width px. Raises ConfigError where the file is missing, is no such
    network, or the photographs are too few.
    """
    if len(photographs) < LEAST_PICTURES:
        raise ConfigError(f"{path}: {len(photographs)} photographs to measure it on; 16 are needed")
    weights, names = _read(path)
    model = DetectionModel(ARCHITECTURE, nc=len(names), verbose=False)
    model.names = dict(enumerate(names))
    _fit_head(model, weights, path)
    unused = set(weights) - set(_fill(model, weights, path))
    if unused:
        raise ConfigError(f"{path}: {sorted(unused)[0]}: no such layer in {ARCHITECTURE}")
    model.eval()
    _measure(model, list(_batches(photographs, height, width)))
    return model


def _read(path: Path) -> tuple[Weights, tuple[str, ...]]:
    """Weights by their layer's name, and the class names."""
    try:
        graph = onnx.load(path)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such model") from None
    except DecodeError as error:
        raise ConfigError(f"{path}: not an ONNX model ({error})") from None
    told = {entry.key: entry.value for entry in graph.metadata_props}
    if "names" not in told:
        raise ConfigError(f"{path}: names no classes; it was not written by tools/export")
    weights = {
        each.name: torch.from_numpy(np.array(numpy_helper.to_array(each)))
        for each in graph.graph.initializer
        if each.name.startswith("model.")
    }
    names = ast.literal_eval(told["names"])
    return weights, tuple(names[index] for index in range(len(names)))


def _fit_head(model: DetectionModel, weights: Weights, path: Path) -> None:
    """The class branch as wide as in the file: it is that of the classes it was born with."""
    head = model.model[-1]
    last = f"model.{len(model.model) - 1}.cv3.0.2.weight"
    if last not in weights:
        raise ConfigError(f"{path}: has no {last}: not a network of {ARCHITECTURE}")
    inner, classes = weights[last].shape[1], weights[last].shape[0]
    outer = [branch[0][0].conv.in_channels for branch in head.cv3]
    head.cv3 = nn.ModuleList(
        nn.Sequential(
            nn.Sequential(DWConv(each, each, 3), Conv(each, inner, 1)),
            nn.Sequential(DWConv(inner, inner, 3), Conv(inner, inner, 1)),
            nn.Conv2d(inner, classes, 1),
        )
        for each in outer
    )


def _fill(model: DetectionModel, weights: Weights, path: Path) -> Iterator[str]:
    """Copy every weight by name; gives the names that were used."""
    for name, module in model.named_modules():
        if isinstance(module, Conv):
            yield _set(module.conv.weight, weights, f"{name}.conv.weight", path)
            module.bn.running_mean.zero_()
            module.bn.running_var.fill_(1.0 - module.bn.eps)
            nn.init.ones_(module.bn.weight)
            yield _set(module.bn.bias, weights, f"{name}.conv.bias", path)
        elif isinstance(module, nn.Conv2d) and f"{name}.weight" in weights:
            yield _set(module.weight, weights, f"{name}.weight", path)
            if module.bias is not None:
                yield _set(module.bias, weights, f"{name}.bias", path)


def _set(into: torch.Tensor, weights: Weights, name: str, path: Path) -> str:
    value = weights.get(name)
    if value is None or value.shape != into.shape:
        have = "missing" if value is None else f"{tuple(value.shape)}"
        raise ConfigError(f"{path}: {name}: {have}, {tuple(into.shape)} is needed")
    with torch.no_grad():
        into.copy_(value)
    return name


def _batches(photographs: Sequence[Image], height: int, width: int) -> Iterator[torch.Tensor]:
    canvases = [letterbox(each, height, width)[0] for each in photographs]
    for first in range(0, len(canvases), BATCH):
        stack = np.stack(canvases[first : first + BATCH])[..., ::-1].copy()
        yield torch.from_numpy(stack).permute(0, 3, 1, 2).float() / 255


@dataclass(slots=True)
class _Moments:
    """Sums over all places of all photographs, channel by channel."""

    count: int
    total: torch.Tensor
    square: torch.Tensor


def _measure(model: DetectionModel, batches: Sequence[torch.Tensor]) -> None:
    """Give every norm the statistics of what comes to it, and undo them by scale and shift."""
    convolutions = [module for module in model.modules() if isinstance(module, Conv)]
    found: dict[nn.Module, _Moments] = {}

    def listen(module: nn.Module, _: object, out: torch.Tensor) -> None:
        wide = out.detach().double()
        one = found.setdefault(module, _Moments(0, torch.zeros(()), torch.zeros(())))
        one.count += wide.shape[0] * wide.shape[2] * wide.shape[3]
        one.total = one.total + wide.sum((0, 2, 3))
        one.square = one.square + (wide**2).sum((0, 2, 3))

    hooks = [each.conv.register_forward_hook(listen) for each in convolutions]
    with torch.inference_mode():
        for batch in batches:
            model(batch)
    for hook in hooks:
        hook.remove()
    for each in convolutions:
        _place(each, found[each.conv])


def _place(module: Conv, seen: _Moments) -> None:
    mean = seen.total / seen.count
    spread = (seen.square / seen.count - mean**2).clamp_min(LEAST_VARIANCE)
    norm = module.bn
    with torch.no_grad():
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(spread)
        norm.weight.copy_((spread + norm.eps).sqrt())
        norm.bias.add_(mean.to(norm.bias.dtype))
