# SPDX-License-Identifier: AGPL-3.0-or-later
"""The second classifier: is a muck truck's load covered, open and empty, or open and loaded?

A linear layer on the pooled features of the detector's own first layers; there are too few judged
trucks for more. Judged by leaving out one source at a time: all drone flights of one maker, a
gate camera, a photograph. Shipped only where the offence is told: open and loaded with a recall of
LEAST_RECALL at a precision of LEAST_PRECISION.

    VENV=train tools/python -m tools.training.load models/city-v1.onnx
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("YOLO_OFFLINE", "true")

import cv2
import numpy as np
import torch
import yaml
from numpy.random import Generator
from numpy.typing import NDArray
from torch import nn

from edge.config import ConfigError
from edge.values import Image
from edge.vision.traits import blob, cut, traits_path
from tools.training.collection import read_labels
from tools.training.surgery import Photographs, open_start

OFFENCE = "open_loaded"
LEAST_RECALL, LEAST_PRECISION = 0.6, 0.7
MEASURED = 32  # crops that a shipped file's batch norms are measured on
STATES = ("covered", "open_empty", "open_loaded")
SIDE = 128  # of the crop, px
LAYERS = 7  # of the detector: up to stride 16, 128 channels
MARGIN = 0.12  # of the box, kept round it
VIEWS = 24  # augmented copies of every crop
JUDGED = Path(__file__).with_name("load_states.csv")


@dataclass(frozen=True, slots=True, eq=False)
class Truck:
    """A crop, its state, and the group that must be left out together with it."""

    image: Image
    state: int
    group: str
    real: bool


def read_trucks(pack: Path, field: Path, cutouts: Path | None) -> list[Truck]:
    """Every judged truck that is on this machine, each once: the two lists share some."""
    trucks: dict[tuple[str, int], Truck] = {}
    for row in csv.DictReader(JUDGED.read_text().splitlines()):
        key = row["picture"], int(row["line"])
        for each in _photograph(pack / row["split"], *key, row["state"]):
            trucks[key] = each
    for key, each in _crops(field):
        trucks.setdefault(key, each)
    if not trucks:
        raise ConfigError(f"{pack}, {field}: none of the judged trucks is there")
    return [*trucks.values(), *(_sprites(cutouts) if cutouts else [])]


def _photograph(folder: Path, stem: str, line: int, state: str) -> list[Truck]:
    image = cv2.imread(str(folder / "images" / f"{stem}.jpg"))
    labels, _ = read_labels(folder / "labels" / f"{stem}.txt", 10)
    if image is None or line >= len(labels):
        return []
    crop = cut(np.asarray(image, np.uint8), labels[line].xyxy, MARGIN)
    return [Truck(crop, STATES.index(state), _source(stem), True)]


def _crops(folder: Path) -> list[tuple[tuple[str, int], Truck]]:
    """Trucks that come as crops, with a table of their states."""
    table = folder / "load_state.csv"
    found = []
    for row in csv.DictReader(table.read_text().splitlines()) if table.is_file() else ():
        image = cv2.imread(str(folder / "load_crops" / Path(row["crop"]).name))
        if image is None:
            continue
        picture = Path(row["origin"].split()[-1]).stem
        truck = Truck(
            np.asarray(image, np.uint8), STATES.index(row["state"]), _source(picture), True
        )
        found.append(((picture, int(row["label_line"])), truck))
    return found


def _source(picture: str) -> str:
    """What must be left out together: one maker's flights are of the same few trucks, whatever
    they are called; a gate camera sees one gate; other photographs have a place of their own."""
    if picture.startswith(("hu_", "hm", "hs")):
        return "drone"
    return "gate" if picture.startswith("wg") else picture


def _sprites(folder: Path) -> list[Truck]:
    """Rendered trucks whose load a camera above the bed sees; the renderer wrote its state."""
    found = []
    for path in sorted(folder.glob("*.json")):
        about = json.loads(path.read_text())
        state = next(iter(about.get("states", {}).values()), "")
        rgba = cv2.imread(str(path.with_suffix(".png")), cv2.IMREAD_UNCHANGED)
        if state not in STATES or about["group"].endswith("_eye") or rgba is None:
            continue
        group = path.stem.rpartition("_")[0]
        picture = _on_ground(np.asarray(rgba, np.uint8))
        found.append(Truck(picture, STATES.index(state), group, False))
    return found


def _on_ground(rgba: NDArray[np.uint8]) -> Image:
    alpha = rgba[..., 3:].astype(np.float32) / 255
    ground = np.array([120, 126, 130], np.float32)
    return np.asarray((rgba[..., :3] * alpha + ground * (1 - alpha)).astype(np.uint8))


def vary(image: Image, rng: Generator) -> Image:
    """One augmented copy: turned by quarters, mirrored, cropped, recoloured, reduced."""
    image = np.rot90(image, int(rng.choice([0, 0, 1, 2, 3])))
    if rng.random() < 0.5:
        image = image[:, ::-1]
    height, width = image.shape[:2]
    a, b = (int(rng.uniform(0, 0.08) * side) for side in (height, width))
    c, d = (int(rng.uniform(0, 0.08) * side) for side in (height, width))
    image = image[a : height - c, b : width - d]
    gain = rng.uniform(0.6, 1.35) * (1 + rng.normal(0, 0.06, 3))
    image = np.clip(image * gain, 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        small = int(rng.uniform(20, 90))
        image = np.asarray(
            cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA), np.uint8
        )
    return np.ascontiguousarray(image)


class Features(nn.Module):  # type: ignore[misc]  # torch comes untyped
    """The detector's first layers, pooled over a 2 x 2 grid by mean and over all by maximum."""

    def __init__(self, detector: Path, crops: Sequence[Image]) -> None:
        super().__init__()
        measured = Photographs(crops[:: max(1, len(crops) // MEASURED)], SIDE, SIDE)
        whole = open_start(detector, measured).fuse(verbose=False).eval()
        self.layers = nn.Sequential(*whole.model[:LAYERS])

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        seen = self.layers(image)
        mean = nn.functional.avg_pool2d(seen, SIDE // 32).flatten(1)
        most = seen.amax((2, 3))
        return torch.cat([mean, most], 1)


class LoadNet(nn.Module):  # type: ignore[misc]  # torch comes untyped
    """What is shipped: pictures (n, 3, SIDE, SIDE) RGB 0..1 to probabilities (n, 3)."""

    def __init__(self, features: Features, linear: nn.Linear, mean: torch.Tensor,
                 scale: torch.Tensor) -> None:  # fmt: skip
        super().__init__()
        self.features, self.linear = features, linear
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        seen = (self.features(image) - self.mean) / self.scale
        return self.linear(seen).softmax(1)


def describe(features: Features, trucks: Sequence[Truck], rng: Generator) -> torch.Tensor:
    """(trucks, VIEWS, features); the first view of each is the crop as it is."""
    rows = []
    with torch.no_grad():
        for truck in trucks:
            views = [truck.image, *(vary(truck.image, rng) for _ in range(VIEWS - 1))]
            rows.append(
                features(torch.from_numpy(np.stack([blob(view, (SIDE, SIDE)) for view in views])))
            )
    return torch.stack(rows)


def fit(seen: torch.Tensor, states: torch.Tensor, real: torch.Tensor) -> tuple[
    nn.Linear, torch.Tensor, torch.Tensor
]:  # fmt: skip
    """Multinomial regression, classes evened out, photographs weighing twice a rendering."""
    views = seen.shape[1]
    flat, target = seen.flatten(0, 1), states.repeat_interleave(views)
    mean, scale = flat.mean(0), flat.std(0) + 1e-3
    weight = (1.0 + real).repeat_interleave(views)
    for state in range(len(STATES)):
        mine = target == state
        weight[mine] /= weight[mine].sum().clamp(min=1e-6)
    linear = nn.Linear(flat.shape[1], len(STATES))
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    steps = torch.optim.LBFGS(linear.parameters(), max_iter=60, line_search_fn="strong_wolfe")

    def cost() -> torch.Tensor:
        steps.zero_grad()
        raw = nn.functional.cross_entropy(linear((flat - mean) / scale), target, reduction="none")
        total = (raw * weight).sum() + 3e-2 * linear.weight.square().sum()
        total.backward()
        return total

    steps.step(cost)
    return linear, mean, scale


def leave_one_group_out(seen: torch.Tensor, trucks: Sequence[Truck]) -> list[tuple[int, int]]:
    """(truth, said) of every real truck, by a classifier that saw nothing of its group."""
    states = torch.tensor([truck.state for truck in trucks])
    real = torch.tensor([float(truck.real) for truck in trucks])
    pairs = []
    for group in sorted({truck.group for truck in trucks if truck.real}):
        out = torch.tensor([truck.group == group for truck in trucks])
        linear, mean, scale = fit(seen[~out], states[~out], real[~out])
        with torch.no_grad():
            said = linear((seen[out][:, 0] - mean) / scale).argmax(1)
        pairs += list(zip(states[out].tolist(), said.tolist(), strict=True))
    return pairs


def tell(pairs: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """Trucks, accuracy beside what always saying the commonest gives, and of every state how many
    there are, recall and precision (None where it was never said)."""
    truth, said = np.array(pairs).T
    told: dict[str, Any] = {
        "trucks": len(pairs),
        "accuracy": round(float((truth == said).mean()), 3),
        "commonest": round(float(np.bincount(truth).max() / len(truth)), 3),
    }
    for number, name in enumerate(STATES):
        right = float(((truth == number) & (said == number)).sum())
        of, claims = int((truth == number).sum()), int((said == number).sum())
        told[name] = {
            "trucks": of,
            "recall": round(right / of, 3) if of else None,
            "precision": round(right / claims, 3) if claims else None,
        }
    return told


def good_enough(told: dict[str, Any]) -> bool:
    """Whether the offence is told well enough to be shipped."""
    mine = told[OFFENCE]
    return (mine["recall"] or 0.0) >= LEAST_RECALL and (mine["precision"] or 0.0) >= LEAST_PRECISION


def ship(net: LoadNet, detector: Path, figures: dict[str, Any]) -> Path:
    """The weights and the manifest beside a detector's, where a box looks for them."""
    raw = io.BytesIO()
    torch.onnx.export(
        net.eval(), (torch.zeros(1, 3, SIDE, SIDE),), raw, opset_version=17,
        input_names=["images"], output_names=["probabilities"], dynamo=False,
    )  # fmt: skip
    path = traits_path(detector).with_suffix(".onnx")
    path.write_bytes(raw.getvalue())
    fields = {
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "classes": list(STATES),
        "input": {"height": SIDE, "width": SIDE},
        "head": "classes",
        "margin": MARGIN,
        "licence": "AGPL-3.0-or-later",
        "metrics": {"leave_one_group_out": figures},
        "release": 1,
    }
    path.with_suffix(".yaml").write_text(yaml.safe_dump(fields, sort_keys=False))
    return path


def main(arguments: list[str] | None = None) -> int:
    """How well load states are told apart, each source left out in turn; 2 for a wrong file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("detector", type=Path, help="whose first layers are used: .onnx or .pt")
    parser.add_argument("--pack", type=Path, default=Path("../shared/data/pack"))
    parser.add_argument("--field", type=Path, default=Path("../shared/data/field"))
    parser.add_argument("--cutouts", type=Path, help="rendered trucks of tools/scenes sprites")
    parser.add_argument(
        "--beside", type=Path, metavar="MANIFEST", help="write it beside this detector's manifest"
    )
    args = parser.parse_args(arguments)
    try:
        trucks = read_trucks(args.pack, args.field, args.cutouts)
        features = Features(args.detector, [truck.image for truck in trucks])
        seen = describe(features, trucks, np.random.default_rng(1))
        figures = tell(leave_one_group_out(seen, trucks))
        print(json.dumps(figures))
        if args.beside:
            if not good_enough(figures):
                raise ConfigError(
                    f"{OFFENCE}: recall and precision of {LEAST_RECALL} and {LEAST_PRECISION} are "
                    "asked of what is shipped: nothing was written"
                )
            states = torch.tensor([truck.state for truck in trucks])
            linear, mean, scale = fit(seen, states, torch.tensor([float(t.real) for t in trucks]))
            print(ship(LoadNet(features, linear, mean, scale), args.beside, figures))
    except ConfigError as error:
        print(f"load: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
