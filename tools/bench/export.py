# SPDX-License-Identifier: AGPL-3.0-or-later
"""An ONNX file of any input size, and its manifest, from weights that ultralytics trains.

VENV=train tools/python -m tools.bench.export WEIGHTS.pt FOLDER
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
from pathlib import Path

import yaml


def main() -> None:
    """Two ONNX files of one checkpoint: free input size, and fixed 640 x 640 as peers use it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--opset", type=int, default=17)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    for name, how in (("", {"dynamic": True}), ("-640", {"dynamic": False})):
        print(_export(args.weights, args.folder, args.opset, name, how))


def _export(weights: Path, folder: Path, opset: int, ending: str, how: dict[str, bool]) -> Path:
    """One file and its manifest: free sides, or the fixed 640 x 640 that peers use."""
    os.environ["YOLO_AUTOINSTALL"] = "0"
    from ultralytics import YOLO

    copy = folder / weights.name
    shutil.copyfile(weights, copy)
    model = YOLO(copy)
    made = Path(model.export(format="onnx", imgsz=640, opset=opset, simplify=False, **how))
    file = folder / f"{weights.stem}{ending}.onnx"
    made.rename(file)
    copy.unlink()
    facts = {
        "file": file.name,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "classes": [model.names[index] for index in sorted(model.names)],
        "input": {"height": 384 if how["dynamic"] else 640, "width": 640},
        "head": "raw",
        "licence": "AGPL-3.0",
    }
    manifest = file.with_suffix(".yaml")
    manifest.write_text(yaml.safe_dump(facts, sort_keys=False, allow_unicode=True))
    return manifest


if __name__ == "__main__":
    main()
