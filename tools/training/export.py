# SPDX-License-Identifier: AGPL-3.0-or-later
"""tools/export CHECKPOINT...: the shipped forms of a model, each with its manifest.

fp32 ONNX of fixed size with the raw YOLO head; int8 (tools/int8, which also makes it of a file that
was shipped); NCNN; and the command that makes a TensorRT engine on a Jetson.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import hashlib
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("YOLO_OFFLINE", "true")

import torch
import yaml
from ultralytics.nn.tasks import DetectionModel

from edge.config import ConfigError
from tools.training.int8 import COUNT, gather, quantise, write_manifests
from tools.training.surgery import open_mean

LICENCE = "AGPL-3.0-or-later"
OPSET = 17  # onnxruntime 1.19, TensorRT 10 and OpenVINO read it
SIZES = {"384x640": (384, 640), "640x640": (640, 640), "256x448": (256, 448)}

EXAMPLE = """example:
  tools/export runs/streets-3/last.pt --out models --name city-v1
  tools/export runs/streets-3/last.pt --name city-v1 --int8 datasets/pack datasets/streets
  tools/export runs/streets-3/last.pt --out models --name city-v1 --size 640x640 --ncnn
  tools/export start.pt last.pt --share 0.2 --head-share 0.7 --rows-of start.pt grill
On a Jetson, in the folder of the ONNX (the engine is bound to that board and TensorRT):
  trtexec --onnx=city-v1.onnx --saveEngine=city-v1.engine --fp16 --memPoolSize=workspace:1024
"""


def open_average(
    paths: Sequence[Path],
    rows: Sequence[tuple[Path, Sequence[str]]] = (),
    share: float | None = None,
    head_share: float | None = None,
) -> DetectionModel:
    """The mean of the checkpoints' weights as it is shipped (open_mean): float32, fused, one raw
    output; with the rows of some classes from other checkpoints (take_rows)."""
    model = open_mean(paths, share, head_share)
    for path, names in rows:
        take_rows(model, open_mean([path]), names)
    model = model.fuse(verbose=False).eval()
    head = model.model[-1]
    head.export, head.format, head.dynamic = True, "onnx", False
    for parameter in model.parameters():
        parameter.requires_grad = False
    return model


def take_rows(
    model: DetectionModel, other: DetectionModel, names: Sequence[str], share: float = 1.0
) -> None:
    """Give classes the rows of the last layer that another checkpoint of the same run has for
    them (share 1), or a mean. All else stays as it is: no score of another class moves.

    Raises ConfigError for a class that either model lacks.
    """
    rows, theirs = ({n: row for row, n in each.names.items()} for each in (model, other))
    for name in names:
        if name not in rows or name not in theirs:
            raise ConfigError(f"--rows-of {name}: not a class of both; one of {', '.join(rows)}")
        for mine, its in zip(model.model[-1].cv3, other.model[-1].cv3, strict=True):
            for part in ("weight", "bias"):
                old = getattr(mine[-1], part).data
                new = getattr(its[-1], part).data[theirs[name]]
                old[rows[name]] = (1.0 - share) * old[rows[name]] + share * new


def write_onnx(model: DetectionModel, path: Path, height: int, width: int) -> None:
    """(1, 3, height, width) in, (1, 4 + classes, n) out, simplified, without a date in it."""
    import onnx
    import onnxslim

    blank = torch.zeros(1, 3, height, width)
    copied = copy.deepcopy(model)
    copied(blank)  # anchors of this size
    raw = io.BytesIO()
    torch.onnx.export(
        copied,
        (blank,),
        raw,
        opset_version=OPSET,
        input_names=["images"],
        output_names=["output0"],
        dynamo=False,
    )
    slim = onnxslim.slim(onnx.load_from_string(raw.getvalue()))
    # The text of a dict with whole numbers as keys, as ultralytics writes it and edge.vision reads.
    slim.metadata_props.add(key="names", value=str(dict(model.names)))
    _save(path, slim.SerializeToString())


def write_ncnn(model: DetectionModel, folder: Path, height: int, width: int) -> None:
    """model.ncnn.param and model.ncnn.bin by pnnx, which must be installed."""
    from ultralytics import YOLO

    folder.mkdir(parents=True, exist_ok=True)
    whole = YOLO("yolo11n.yaml")
    whole.model = model
    with contextlib.redirect_stdout(sys.stderr):
        made = Path(whole.export(format="ncnn", imgsz=(height, width)))
    for name in ("model.ncnn.param", "model.ncnn.bin"):
        (made / name).replace(folder / name)


def _save(path: Path, data: bytes) -> None:
    partial = path.with_suffix(".part")
    partial.write_bytes(data)
    partial.replace(path)


def manifest(path: Path, names: Sequence[str], size: tuple[int, int], **more: Any) -> Path:
    """`<name>.yaml` beside the weights. The signature is put there by who publishes them."""
    fields = {
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "classes": list(names),
        "input": {"height": size[0], "width": size[1]},
        "head": "raw",
        "licence": LICENCE,
        **more,
    }
    target = path.with_suffix(".yaml")
    text = yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, width=96)
    _save(target, text.encode())
    return target


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Checkpoints, input size, and the forms wanted beside fp32."""
    parser = argparse.ArgumentParser(
        prog="tools/export",
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("checkpoints", type=Path, nargs="+", help="of one run; several: their mean")
    parser.add_argument("--out", type=Path, default=Path("models"))
    parser.add_argument("--name", default="city-v1")
    parser.add_argument("--size", choices=SIZES, default="384x640", help="height x width, px")
    parser.add_argument(
        "--int8",
        type=Path,
        nargs="+",
        metavar="SET",
        help="also int8, calibrated on the train split of these data sets",
    )
    parser.add_argument(
        "--rows-of",
        nargs="+",
        action="append",
        default=[],
        metavar=("CHECKPOINT", "CLASS"),
        help="classes that get their last row from a checkpoint of the run; may be given again",
    )
    parser.add_argument("--share", type=float, help="of the last checkpoint in the mean, 0 to 1")
    parser.add_argument(
        "--head-share", type=float, help="the share of the last in the head, where it is another"
    )
    parser.add_argument("--pictures", type=int, default=COUNT, help="how many to calibrate on")
    parser.add_argument("--ncnn", action="store_true", help="also NCNN (needs pnnx)")
    parser.add_argument(
        "--release", type=int, default=1, help="a box takes only a higher number than it has"
    )
    parser.add_argument("--sources", type=Path, help="YAML list: what it was trained on")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Writes model and manifest; 2 for a wrong file, in one line."""
    args = parse(arguments)
    try:
        rows = [(Path(checkpoint), names) for checkpoint, *names in args.rows_of]
        model = open_average(args.checkpoints, rows, args.share, args.head_share)
        names = [model.names[i] for i in range(len(model.names))]
        size = SIZES[args.size]
        suffix = "" if args.size == "384x640" else f"-{args.size}"
        args.out.mkdir(parents=True, exist_ok=True)
        trained = yaml.safe_load(args.sources.read_text()) if args.sources else []
        told = {"release": args.release, "trained_on": trained}
        plain = args.out / f"{args.name}{suffix}.onnx"
        write_onnx(model, plain, *size)
        print(manifest(plain, names, size, **told))
        if args.int8:
            small = args.out / f"{args.name}{suffix}-int8.onnx"
            quantise(plain, small, gather(args.int8), args.pictures)
            write_manifests(plain, small)
            print(small.with_suffix(".yaml"))
        if args.ncnn:
            write_ncnn(model, args.out / f"{args.name}{suffix}-ncnn", *size)
    except ConfigError as error:
        print(f"tools/export: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
