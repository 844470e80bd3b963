# SPDX-License-Identifier: AGPL-3.0-or-later
"""The second classifier: is a muck truck's load covered, open and empty, or open and loaded?

A linear layer on the pooled features of the detector's own first layers; there are too few judged
trucks for more. Judged honestly by leaving out one source group (a video, a picture) at a time.

    VENV=train tools/python -m tools.training.load runs/streets-2/last.pt \
        --pack ../shared/data/pack --cutouts datasets/cutouts --beside models/city-v1.yaml
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

os.environ.setdefault("YOLO_OFFLINE", "true")

import cv2
import numpy as np
import torch
import yaml
from numpy.random import Generator
from numpy.typing import NDArray
from torch import nn
from ultralytics.nn.tasks import load_checkpoint

from edge.config import ConfigError
from edge.values import Image
from edge.vision.traits import blob, cut, traits_path
from tools.training.collection import read_labels

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


def read_trucks(pack: Path, cutouts: Path | None) -> list[Truck]:
    """Every judged truck that is on this machine."""
    trucks: list[Truck] = []
    for row in csv.DictReader(JUDGED.read_text().splitlines()):
        state = STATES.index(row["state"])
        trucks += _photograph(pack / row["split"], row["picture"], int(row["line"]), state)
    trucks += _sprites(cutouts) if cutouts else []
    if not trucks:
        raise ConfigError(f"{pack}: none of the judged trucks is there")
    return trucks


def _photograph(folder: Path, stem: str, line: int, state: int) -> list[Truck]:
    image = cv2.imread(str(folder / "images" / f"{stem}.jpg"))
    labels, _ = read_labels(folder / "labels" / f"{stem}.txt", 10)
    if image is None or line >= len(labels):
        return []
    group = "_".join(stem.split("_")[:3]) if stem.startswith("hu_") else stem
    return [Truck(cut(np.asarray(image, np.uint8), labels[line].xyxy, MARGIN), state, group, True)]


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

    def __init__(self, checkpoint: Path) -> None:
        super().__init__()
        if not checkpoint.is_file():
            raise ConfigError(f"{checkpoint}: no such checkpoint; make one with tools/train")
        whole = load_checkpoint(str(checkpoint), device="cpu", fuse=True)[0].float().eval()
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


def tell(pairs: Sequence[tuple[int, int]]) -> dict[str, object]:
    """Recall of every state, their mean, accuracy, and what always saying the commonest gives."""
    truth = np.array([pair[0] for pair in pairs])
    right = np.array([pair[0] == pair[1] for pair in pairs])
    recall = {
        name: round(float(right[truth == i].mean()), 3)
        for i, name in enumerate(STATES)
        if (truth == i).any()
    }
    return {
        "trucks": len(pairs),
        "accuracy": round(float(right.mean()), 3),
        "commonest": round(float(np.bincount(truth).max() / len(truth)), 3),
        "balanced": round(float(np.mean(list(recall.values()))), 3),
        "chance_balanced": round(1 / len(recall), 3),
        "recall": recall,
    }


def ship(net: LoadNet, detector: Path, figures: dict[str, object]) -> Path:
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
    parser.add_argument("checkpoint", type=Path, help="the detector whose first layers are used")
    parser.add_argument("--pack", type=Path, default=Path("../shared/data/pack"))
    parser.add_argument("--cutouts", type=Path, help="rendered trucks of tools/scenes sprites")
    parser.add_argument(
        "--beside", type=Path, metavar="MANIFEST", help="write it beside this detector's manifest"
    )
    args = parser.parse_args(arguments)
    try:
        features, trucks = Features(args.checkpoint), read_trucks(args.pack, args.cutouts)
    except ConfigError as error:
        print(f"load: {error}", file=sys.stderr)
        return 2
    seen = describe(features, trucks, np.random.default_rng(1))
    figures = tell(leave_one_group_out(seen, trucks))
    print(figures)
    if args.beside:
        states = torch.tensor([truck.state for truck in trucks])
        linear, mean, scale = fit(seen, states, torch.tensor([float(t.real) for t in trucks]))
        print(ship(LoadNet(features, linear, mean, scale), args.beside, figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
