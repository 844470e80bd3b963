# SPDX-License-Identifier: AGPL-3.0-or-later
"""Fits the last rows of classes anew in a shipped .onnx, all else as it is, to samples of a run.

A row of the last layer touches the score of its own class only, and given what the layer below says
the fit is convex: it needs one look at each sample and no GPU, and a class that gains nothing keeps
the row it had. Targets are those of training (task-aligned assignment, Feng et al. 2021, as
ultralytics does it); of the many places where nothing is, a share stands for all. A row is drawn
to what it was (`--pull`), so that few samples move it little.

    VENV=train tools/python -m tools.training.refit models/city-v1.onnx \\
        tools/training/runs/streets-5.yaml --classes bin overflowing_bin --out out/refitted.onnx
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from ultralytics.utils.tal import TaskAlignedAssigner

from edge.config import ConfigError, read_yaml
from edge.runtime import write_atomic
from edge.vision.manifest import file_sha256
from tools.training.classes import CITY, COCO
from tools.training.mixture import open_mixer
from tools.training.progress import progress
from tools.training.ranges import Inside
from tools.training.raw_yolo import blob_of
from tools.training.samples import Mixer, Sample
from tools.training.settings import read_run

STRIDES = (8, 16, 32)
# As in ultralytics' detection loss.
CANDIDATES, ALPHA, BETA = 10, 0.5, 6.0
# A place is kept where some class scores so much, and of the others this share stands for all.
HARD, STANDING = 0.004, 0.03
ROUNDS = 60
WEIGHT, BIAS = "model.23.cv3.{}.2.weight", "model.23.cv3.{}.2.bias"

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Places of samples at one stride: features (n, channels), targets and whether each class is
    judged there (n, classes), how many places each stands for (n,)."""

    features: Floats
    targets: Floats
    judged: Floats
    weights: Floats


class Lookout:
    """The network with what its last layers are given."""

    def __init__(self, model: Any) -> None:
        makers = {node.input[1]: node.input[0] for node in model.graph.node if len(node.input) > 1}
        ports = [makers[WEIGHT.format(branch)] for branch in range(len(STRIDES))]
        self._inside = Inside(model, [*ports, model.graph.output[0].name])
        self._assigner = TaskAlignedAssigner(
            topk=CANDIDATES, num_classes=len(CITY), alpha=ALPHA, beta=BETA
        )

    def look(self, sample: Sample, rng: np.random.Generator) -> list[Places]:
        """The places of a sample that count, by stride."""
        *features, out = (value[0] for _, value in self._inside(blob_of(sample.image)))
        height, width = sample.image.shape[:2]
        targets = self._targets(out, sample, height, width)
        judged = np.where(sample.silent[None], targets > 0, True)
        scores, start, found = out[4:].T, 0, []
        for layer in features:
            rows = layer.reshape(layer.shape[0], -1).T
            part = slice(start, start + len(rows))
            start += len(rows)
            hard = (scores[part] >= HARD).any(1) | (targets[part] > 0).any(1)
            kept = hard | (rng.random(len(rows)) < STANDING)
            weights = np.where(hard[kept], 1.0, 1.0 / STANDING)
            found.append(Places(rows[kept], targets[part][kept], judged[part][kept], weights))
        return found

    def _targets(self, out: Floats, sample: Sample, height: int, width: int) -> Floats:
        """(places, classes): how much each class is wanted at each place."""
        boxes = torch.from_numpy(out[:4].T.copy())
        corners = torch.cat([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], 1)
        cells = [
            (np.mgrid[: height // s, : width // s][::-1].reshape(2, -1).T + 0.5) * s
            for s in STRIDES
        ]
        wanted = self._assigner(
            torch.from_numpy(out[4:].T.copy())[None],
            corners[None],
            torch.from_numpy(np.concatenate(cells)).float(),
            torch.from_numpy(sample.labels)[None, :, None],
            torch.from_numpy(sample.boxes).float()[None],
            torch.ones(1, len(sample.labels), 1),
        )
        return np.asarray(wanted[2][0].numpy(), np.float32)


def collect(lookout: Lookout, mixer: Mixer, count: int) -> list[Places]:
    """All samples' places by stride."""
    rng = np.random.default_rng(3)
    seen = [lookout.look(mixer.sample(n), rng) for n in progress(range(count), count, "look")]
    return [_joined([places[branch] for places in seen]) for branch in range(len(STRIDES))]


def _joined(parts: Sequence[Places]) -> Places:
    names = ("features", "targets", "judged", "weights")
    whole = {
        name: np.concatenate([getattr(part, name) for part in parts]).astype(np.float32)
        for name in names
    }
    return Places(**whole)


def fit_rows(
    places: Sequence[Places], rows: Sequence[tuple[Floats, Floats]], label: int, pull: float
) -> Iterator[tuple[Floats, float]]:
    """(weights, bias) of one class at each stride, from `rows`, those of all classes, (n, channels)
    and (n,)."""
    total = max(sum(float(p.targets[:, label].sum()) for p in places), 1.0)
    for part, (weights, biases) in zip(places, rows, strict=True):
        begin = np.concatenate([weights[label], biases[label : label + 1]])
        yield _fitted(part, begin, label, pull, total)


def _fitted(
    part: Places, begin: Floats, label: int, pull: float, total: float
) -> tuple[Floats, float]:
    """The row of one stride that fits best and stays near `begin`: each weight's change counts by
    the usual size of its feature."""
    design = torch.from_numpy(part.features)
    target = torch.from_numpy(part.targets[:, label])
    weight = torch.from_numpy(part.weights * part.judged[:, label])
    home = torch.from_numpy(begin.astype(np.float32))
    size = torch.cat([design.square().mean(0).sqrt(), torch.ones(1)])
    theta = home.clone().requires_grad_()
    optimiser = torch.optim.LBFGS([theta], max_iter=ROUNDS, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        """Cross entropy over what was judged for this class, and what drawing away costs."""
        optimiser.zero_grad()
        odds = design @ theta[:-1] + theta[-1]
        each = torch.nn.functional.binary_cross_entropy_with_logits(
            odds, target, weight, reduction="sum"
        )
        value = each / total + pull * ((theta - home) * size).square().sum()
        value.backward()
        return value

    optimiser.step(loss)
    end = theta.detach().numpy()
    return end[:-1], float(end[-1])


def refit(model: Any, places: Sequence[Places], names: Sequence[str], pull: float) -> None:
    """Give `model` (a ModelProto) new rows for these classes."""
    from onnx import numpy_helper

    stored = {each.name: each for each in model.graph.initializer}
    ports = [(WEIGHT.format(branch), BIAS.format(branch)) for branch in range(len(STRIDES))]
    arrays = [tuple(numpy_helper.to_array(stored[n]).copy() for n in pair) for pair in ports]
    flat = [(weights[:, :, 0, 0], biases) for weights, biases in arrays]
    for name in names:
        label = CITY.index(name)
        for branch, (row, bias) in enumerate(fit_rows(places, flat, label, pull)):
            arrays[branch][0][label, :, 0, 0], arrays[branch][1][label] = row, bias
    for pair, both in zip(ports, arrays, strict=True):
        for name, array in zip(pair, both, strict=True):
            stored[name].CopyFrom(numpy_helper.from_array(array, name))


# Of a manifest, what is of the scores and the file that it was written for.
OF_THE_SCORES = ("variants", "signature", "selftest", "metrics", "calibration", "good_for")


def write_manifest(source: Path, target: Path, release: int | None) -> None:
    """The manifest of `target` from that of `source`: what its scores are worth is not known yet
    (tools.training.calibration, tools/evaluate --card)."""
    fields = read_yaml(source.with_suffix(".yaml"))
    kept = {key: value for key, value in fields.items() if key not in OF_THE_SCORES}
    kept |= {"file": target.name, "sha256": file_sha256(target)}
    kept |= {"release": release} if release is not None else {}
    text = yaml.safe_dump(kept, sort_keys=False, allow_unicode=True, width=96)
    write_atomic(target.with_suffix(".yaml"), text.encode())


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The model, the run whose samples it is fitted to, the classes."""
    parser = argparse.ArgumentParser(prog="tools.training.refit", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("model", type=Path, help="a shipped .onnx")
    parser.add_argument("run", type=Path, help="YAML of the run whose samples are drawn")
    parser.add_argument("--data", type=Path, default=Path("datasets"), help="$DATA of the YAML")
    parser.add_argument("--classes", nargs="+", help="all of our own where none is named")
    parser.add_argument("--samples", type=int, default=900)
    parser.add_argument("--pull", type=float, default=0.01, help="towards the rows it had")
    parser.add_argument("--out", type=Path, required=True, help=".onnx")
    parser.add_argument("--release", type=int, help="of the manifest beside it, where it is new")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the model with the new rows; 2 for a wrong file, in one line."""
    import onnx

    args = parse(arguments)
    names = args.classes or [name for name in CITY if name not in COCO]
    try:
        for strange in sorted(set(names) - set(CITY)):
            raise ConfigError(f"--classes {strange}: not one of {', '.join(CITY)}")
        for path in (args.model, args.model.with_suffix(".yaml")):
            if not path.is_file():
                raise ConfigError(f"{path}: no such file; tools/export writes both")
        mixer, _ = open_mixer(read_run(args.run), args.run, {"DATA": args.data.resolve()})
    except ConfigError as error:
        print(f"tools.training.refit: {error}", file=sys.stderr)
        return 2
    model = onnx.load(args.model)
    refit(model, collect(Lookout(model), mixer, args.samples), names, args.pull)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(args.out, model.SerializeToString())
    write_manifest(args.model, args.out, args.release)
    print(args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
