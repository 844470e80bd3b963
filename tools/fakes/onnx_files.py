# SPDX-License-Identifier: AGPL-3.0-or-later
"""Small ONNX files written byte by byte, so that the tests need no ONNX library and no weights.

Field numbers are those of onnx.proto3 (IR version 8, opset 13).
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

STRIDES = (8, 16, 32)


def _varint(value: int) -> bytes:
    out = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes | str) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | 2) + _varint(len(raw)) + raw


def _ints(name: str, values: Sequence[int]) -> bytes:
    """AttributeProto of type INTS (7)."""
    return _bytes(5, _bytes(1, name) + b"".join(_number(8, v) for v in values) + _number(20, 7))


def _int(name: str, value: int) -> bytes:
    """AttributeProto of type INT (2)."""
    return _bytes(5, _bytes(1, name) + _number(3, value) + _number(20, 2))


def _node(kind: str, inputs: Sequence[str], output: str, *attributes: bytes) -> bytes:
    body = b"".join(_bytes(1, name) for name in inputs) + _bytes(2, output) + _bytes(4, kind)
    return _bytes(1, body + b"".join(attributes))


def _constant(name: str, values: np.ndarray[Any, Any]) -> bytes:
    kind = {np.dtype(np.float32): 1, np.dtype(np.int64): 7}[values.dtype]
    dims = b"".join(_number(1, size) for size in values.shape)
    return _bytes(5, dims + _number(2, kind) + _bytes(8, name) + _bytes(9, values.tobytes()))


def _port(field: int, name: str, shape: Sequence[int | str]) -> bytes:
    dims = b"".join(
        _bytes(1, _bytes(2, size) if isinstance(size, str) else _number(1, size)) for size in shape
    )
    tensor = _number(1, 1) + _bytes(2, dims)
    return _bytes(field, _bytes(1, name) + _bytes(2, _bytes(1, tensor)))


def _model(graph: bytes, names: Sequence[str] | None) -> bytes:
    opset = _bytes(8, _bytes(1, "") + _number(2, 13))
    meta = b""
    if names is not None:
        text = repr(dict(enumerate(names)))
        meta = _bytes(14, _bytes(1, "names") + _bytes(2, text))
    return _number(1, 8) + opset + _bytes(7, graph + _bytes(2, "g")) + meta


def grid(height: int, width: int) -> np.ndarray[Any, Any]:
    """cx cy w h of a box of two strides at each anchor point, (4, N)."""
    rows = []
    for stride in STRIDES:
        ys, xs = np.mgrid[: height // stride, : width // stride]
        centre = np.stack([xs.ravel() + 0.5, ys.ravel() + 0.5]) * stride
        rows.append(np.concatenate([centre, np.full_like(centre, 2 * stride)]))
    return np.asarray(np.concatenate(rows, axis=1), np.float32)


def bright(height: int, width: int, names: Sequence[str] | None = None, classes: int = 1) -> bytes:
    """A raw YOLO head whose class 0 scores the brightest pixel below each anchor point."""
    shape = (1, 3, height, width)
    nodes = [_node("ReduceMax", ["images"], "light", _ints("axes", [1]))]
    for stride in STRIDES:
        size = [stride, stride]
        nodes.append(
            _node(
                "MaxPool",
                ["light"],
                f"p{stride}",
                _ints("kernel_shape", size),
                _ints("strides", size),
            )
        )
        nodes.append(_node("Reshape", [f"p{stride}", "flat"], f"f{stride}"))
    nodes.append(_node("Concat", [f"f{s}" for s in STRIDES], "score", _int("axis", 2)))
    parts = ["boxes", "score"] + ["none"] * (classes - 1)
    nodes.append(_node("Concat", parts, "output0", _int("axis", 1)))
    boxes = grid(height, width)[None]
    constants = _constant("boxes", boxes) + _constant("flat", np.array([1, 1, -1], np.int64))
    if classes > 1:
        constants += _constant("none", np.zeros((1, 1, boxes.shape[2]), np.float32))
    ports = _port(11, "images", shape) + _port(12, "output0", (1, 4 + classes, boxes.shape[2]))
    return _model(b"".join(nodes) + constants + ports, names)


def fixed_rows(rows: np.ndarray[Any, Any], names: Sequence[str] | None = None) -> bytes:
    """An end-to-end head (K, 6) that says the same of every picture, of any size."""
    nodes = _node("Identity", ["rows"], "output0")
    constants = _constant("rows", rows.astype(np.float32)[None])
    ports = _port(11, "images", (1, 3, "height", "width"))
    return _model(nodes + constants + ports + _port(12, "output0", (1, *rows.shape)), names)


def write(folder: Path, data: bytes, classes: Sequence[str], **keys: object) -> Path:
    """A model file and its manifest; `keys` override those of the manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "m.onnx").write_bytes(data)
    facts = {
        "file": "m.onnx",
        "sha256": hashlib.sha256(data).hexdigest(),
        "classes": list(classes),
        "input": {"height": 128, "width": 192},
        **keys,
    }
    path = folder / "m.yaml"
    path.write_text(yaml.safe_dump(facts), encoding="utf-8")
    return path


def damaged(data: bytes) -> bytes:
    """The same length with a stretch of the graph overwritten."""
    return data[:40] + struct.pack("<I", 0xDEADBEEF) * 16 + data[104:]


def brightness(side: int) -> bytes:
    """A classifier of two classes: (1, 3, side, side) to probabilities (dark, bright)."""
    weights = np.array([[-40 / 3, 40 / 3]] * 3, np.float32)
    nodes = [
        _node("GlobalAveragePool", ["images"], "mean"),
        _node("Reshape", ["mean", "flat"], "row"),
        _node("MatMul", ["row", "weights"], "product"),
        _node("Add", ["product", "bias"], "sum"),
        _node("Softmax", ["sum"], "probabilities", _int("axis", 1)),
    ]
    constants = [
        _constant("flat", np.array([1, 3], np.int64)),
        _constant("weights", weights),
        _constant("bias", np.array([[20.0, -20.0]], np.float32)),
    ]
    ports = _port(11, "images", (1, 3, side, side)) + _port(12, "probabilities", (1, 2))
    return _model(b"".join(nodes + constants) + ports, None)
