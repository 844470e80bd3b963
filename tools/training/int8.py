# SPDX-License-Identifier: AGPL-3.0-or-later
"""tools/int8 MODEL.onnx: the int8 form of a model, beside it, with its manifest.

QDQ for onnxruntime: activations uint8, weights int8 a channel, ranges from real pictures. Naive
int8 loses a third of a YOLO's precision because the head mixes box distances of hundreds of pixels
and scores of 0..1 in one tensor with one scale. So the decoding after the last convolutions stays
in float, and so do those last convolutions; the first five layers, few channels of wide range,
whose error everything behind them inherits; the deep layers, which are small in time and large in
what they lose; and the class branches, whose depthwise convolutions are slower in int8. What
rounding moves on average in a channel is taken out of its bias (Nagel et al., Data-free
quantization through weight equalization and bias correction, 2019; here from real pictures).
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from edge.config import ConfigError, read_yaml
from edge.runtime import write_atomic
from edge.vision.manifest import file_sha256
from tools.training.agreement import compare
from tools.training.classes import CITY
from tools.training.collection import read_collection
from tools.training.pictures import Picture, of_collection, read_suite
from tools.training.ranges import (
    Blob,
    Inside,
    blobs,
    channel_means,
    choose,
    extremes,
    left_over,
)
from tools.training.raw_yolo import Onnx

HERE = Path(__file__).parent
VARIANT = "int8"
# Pictures that ranges are measured on, and others on which the two forms are compared.
COUNT, COMPARED = 192, 28

HEAD = "/model.23/"  # yolo11: the Detect layer
# Within the head the first two convolutions of every box branch are quantised, where the time goes.
BOX_BRANCH = re.compile(r"/cv2\.\d/cv2\.\d\.[01]/")
FLOAT = re.compile(r"^/model\.([0-46-9]|10|13|22)/")
# What has a range of its own; other tensors share that of what they are cut from.
RANGED = ("Conv", "Mul", "Add", "Concat", "MatMul")
# Of a sigmoid all is kept: its mean extremes would cut off what the network is sure of.
WHOLE = ("Sigmoid", "Softmax")
# Upper bounds are so many times the mean of the largest values: the strongest are the objects.
MARGIN = 1.25
SHADOW = " shadow"

EXAMPLE = """example:
  tools/int8 models/city-v1.onnx                        on the training pictures of ../shared
  tools/int8 city-v2.onnx --pictures datasets/mine      on a city's own (tools/dataset)
"""


def quantise(source: Path, target: Path, pictures: Sequence[Picture], count: int) -> None:
    """`source` (fp32, fixed size) to `target`, measured on `count` of the pictures. Raises
    ConfigError where there are none."""
    import onnx
    from onnxruntime.quantization.shape_inference import quant_pre_process

    if not pictures:
        raise ConfigError(f"{source}: no picture to measure its ranges on")
    chosen = choose(pictures, count)
    with tempfile.TemporaryDirectory() as scratch:
        prepared = Path(scratch) / "prepared.onnx"
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        plain = onnx.load(prepared)
        height, width = (s.dim_value for s in plain.graph.input[0].type.tensor_type.shape.dim[2:])
        seen = list(blobs(chosen, height, width))
        ranges = find_ranges(plain, seen)
        rough = Path(scratch) / "rough.onnx"
        _quantise_static(prepared, rough, plain, ranges, seen[0])
        quantised = onnx.load(rough)
    correct_biases(plain, quantised, seen)
    write_atomic(target, quantised.SerializeToString())


def find_ranges(plain: Any, seen: Sequence[Blob]) -> dict[str, tuple[float, float]]:
    """Tensor -> (low, high), for the input and all that is ranged, from what is seen inside."""
    nodes = plain.graph.node
    ranged = [node.output[0] for node in nodes if node.op_type in RANGED]
    found = extremes(Inside(plain, ranged), seen)
    whole = [plain.graph.input[0].name, *(n.output[0] for n in nodes if n.op_type in WHOLE)]
    wide = {name: (low, high * MARGIN) for name, (low, high) in found.items()}
    return {**wide, **dict.fromkeys(whole, (0.0, 1.0))}


class _One:
    """onnxruntime wants a reader, though every range is given: one picture."""

    def __init__(self, name: str, blob: Blob) -> None:
        self._left: Iterator[dict[str, Blob]] = iter([{name: blob}])

    def get_next(self) -> dict[str, Blob] | None:
        return next(self._left, None)


def _quantise_static(
    prepared: Path, target: Path, plain: Any, ranges: dict[str, tuple[float, float]], blob: Blob
) -> None:
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    port = plain.graph.input[0].name
    overrides = {
        name: [{"rmin": np.float32(low), "rmax": np.float32(high)}]
        for name, (low, high) in ranges.items()
    }
    quantize_static(
        str(prepared),
        str(target),
        _One(port, blob),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        calibrate_method=CalibrationMethod.MinMax,
        extra_options={"TensorQuantOverrides": overrides},
        nodes_to_exclude=sensitive(plain.graph.node),
    )


def sensitive(nodes: Any) -> list[str]:
    """Names of the nodes that stay in float."""
    return [node.name for node in nodes if FLOAT.search(node.name) or _of_the_head(node.name)]


def _of_the_head(name: str) -> bool:
    return HEAD in name and not BOX_BRANCH.search(name)


# ---- biases


def correct_biases(plain: Any, quantised: Any, seen: Sequence[Blob]) -> None:
    """Take out of every quantised convolution's bias what the rounding of its input and weights
    adds on average, channel by channel, on these inputs. `quantised` (a ModelProto) is changed.

    Each is measured on the inputs of the float network, so nothing is corrected twice.
    """
    from onnx import numpy_helper

    biases = _quantised_biases(quantised)
    doubled = shadowed(plain, quantised, list(biases))
    outputs = {node.name: node.output[0] for node in plain.graph.node if node.name in biases}
    names = [*outputs.values(), *(name + SHADOW for name in biases)]
    means = channel_means(Inside(doubled, names), seen)
    stored = {each.name: each for each in quantised.graph.initializer}
    for name, (whole, scale) in biases.items():
        step = numpy_helper.to_array(stored[scale])
        shift = np.round((means[outputs[name]] - means[name + SHADOW]) / step)
        moved = (numpy_helper.to_array(stored[whole]) + shift).astype(np.int32)
        stored[whole].CopyFrom(numpy_helper.from_array(moved, whole))


def _makers(graph: Any) -> dict[str, Any]:
    return {output: node for node in graph.node for output in node.output}


def _quantised_biases(quantised: Any) -> dict[str, tuple[str, str]]:
    """Convolution -> names of its int32 bias and of that one's scale."""
    makers = _makers(quantised.graph)
    found = {}
    for node in quantised.graph.node:
        maker = makers.get(node.input[2]) if node.op_type == "Conv" and node.input[2:] else None
        if maker is not None and maker.op_type == "DequantizeLinear":
            found[node.name] = (maker.input[0], maker.input[1])
    return found


def shadowed(plain: Any, quantised: Any, names: Sequence[str]) -> Any:
    """The float network with, beside each of these convolutions, the quantised one on the same
    input; its output is called as the node, plus SHADOW."""
    import onnx

    doubled = onnx.ModelProto()
    doubled.CopyFrom(plain)
    graph, makers = doubled.graph, _makers(quantised.graph)
    stored = {each.name: each for each in quantised.graph.initializer}
    needed: dict[str, None] = {}
    for node in quantised.graph.node:
        if node.name not in names:
            continue
        back, weights, bias = (makers[name] for name in node.input)
        for wanted in (*back.input[1:], *weights.input, *bias.input):
            needed.setdefault(wanted)
        graph.node.extend(_shadow(node, back, weights, bias, makers[back.input[0]].input[0]))
    had = {each.name for each in plain.graph.initializer}
    graph.initializer.extend(stored[name] for name in needed if name not in had)
    return doubled


def _shadow(node: Any, back: Any, weights: Any, bias: Any, source: str) -> Iterator[Any]:
    """QuantizeLinear, three DequantizeLinear and the convolution, of names of their own."""
    import onnx

    stem = node.name + SHADOW
    yield onnx.helper.make_node("QuantizeLinear", [source, *back.input[1:]], [stem + "/q"])
    parts = {"/x": [stem + "/q", *back.input[1:]], "/w": weights.input, "/b": bias.input}
    for part, inputs in parts.items():
        axis = {} if part == "/x" else {"axis": 0}
        yield onnx.helper.make_node("DequantizeLinear", list(inputs), [stem + part], **axis)
    copied = onnx.NodeProto()
    copied.CopyFrom(node)
    copied.name = stem
    copied.input[:] = [stem + part for part in parts]
    copied.output[:] = [stem]
    yield copied


# ---- manifests


def write_manifests(source: Path, target: Path) -> None:
    """The small form's manifest, from the large one's: all but what is of a file; and the form
    as a variant of the large one's, by which a box that tunes itself finds it."""
    manifest = source.with_suffix(".yaml")
    fields, sha256 = read_yaml(manifest), file_sha256(target)
    alone = {k: v for k, v in fields.items() if k not in ("metrics", "variants", "signature")}
    _write(target.with_suffix(".yaml"), {**alone, "file": target.name, "sha256": sha256})
    variants = {**fields.get("variants", {}), VARIANT: {"file": target.name, "sha256": sha256}}
    _write(manifest, {**fields, "variants": variants})


def _write(path: Path, fields: dict[str, Any]) -> None:
    text = yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, width=96)
    write_atomic(path, text.encode())


# ---- the command


def gather(sets: Sequence[Path]) -> list[Picture]:
    """Training pictures of data sets. Photographs with a plume laid over them count as real: few
    of dust are there. Raises ConfigError."""
    found = [p for path in sets for p in of_collection(read_collection(path), "train")]
    return [one for one in found if one.item.origin != "rendered"]


def gather_public(suite: Path, shared: Path) -> list[Picture]:
    """Those of a suite. Raises ConfigError where one of its sets is not on this machine."""
    read = read_suite(suite, {"SHARED": shared}, CITY)
    if read.missing:
        raise ConfigError(f"{read.missing[0]}; name data sets with --pictures")
    return list(read.pictures)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The model, and the pictures its ranges are measured on."""
    parser = argparse.ArgumentParser(
        prog="tools/int8",
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", type=Path, help="fp32 .onnx of tools/export, with its manifest")
    parser.add_argument("--pictures", type=Path, nargs="+", metavar="SET", help="data sets")
    parser.add_argument("--suite", type=Path, default=HERE / "suites" / "calibrate.yaml")
    parser.add_argument("--shared", type=Path, default=Path("../shared"), help="$SHARED of it")
    parser.add_argument("--count", type=int, default=COUNT, help="pictures to measure on")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes MODEL-int8.onnx and manifests; 2 for a wrong file, in one line."""
    args = parse(arguments)
    target = args.model.with_name(f"{args.model.stem}-{VARIANT}.onnx")
    try:
        for path in (args.model, args.model.with_suffix(".yaml")):
            if not path.is_file():
                raise ConfigError(f"{path}: no such file; tools/export writes both")
        sets = args.pictures
        pictures = gather(sets) if sets else gather_public(args.suite, args.shared)
        quantise(args.model, target, pictures, args.count)
        write_manifests(args.model, target)
        print(f"{target}: {said(args.model, target, left_over(pictures, args.count, COMPARED))}")
    except ConfigError as error:
        print(f"tools/int8: {error}", file=sys.stderr)
        return 2
    return 0


def said(source: Path, target: Path, others: Sequence[Picture]) -> str:
    """How the two files compare on pictures that the ranges were not measured on."""
    if not others:
        return "no picture is left to compare the two on"
    large, small = (Onnx(path, threads=1) for path in (source, target))
    seen = list(blobs(others, large.height, large.width))
    return f"{compare(large, small, seen).line()}, {len(seen)} other training pictures"


if __name__ == "__main__":
    sys.exit(main())
