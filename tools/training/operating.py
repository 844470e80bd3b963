# SPDX-License-Identifier: AGPL-3.0-or-later
"""At which score is each class at its best, and how far from the one that all are told at?

Rendered things pasted on photographs of the validation split, as a run's YAML says, with another
seed: for a class without a single real picture there is nothing better to find its operating score
by. It says how sure of itself a class is against the others, not how well it does on a street.

    VENV=train tools/python -m tools.training.operating tools/training/runs/streets.yaml RUN.pt
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edge.config import ConfigError
from tools.training.average_precision import THRESHOLDS, Seen, match, operating
from tools.training.classes import CITY
from tools.training.collection import read_collection
from tools.training.cutouts import load_cutouts
from tools.training.raw_yolo import Network, detect
from tools.training.samples import Mixer
from tools.training.settings import Run, read_run, resolve
from tools.training.shots import load_shots
from tools.training.surgery import open_mean
from tools.training.train import Torch

LEAST_SCORE = 0.02
LEAST_TRUTHS = 15
SEED = 77


def composed(network: Network, mixer: Mixer, pictures: int) -> Iterator[Seen]:
    """Each of the first `pictures` samples, looked at by the network."""
    for number in range(pictures):
        sample = mixer.sample(number)
        high, wide = sample.image.shape[:2]
        found = detect(network, sample.image, min_score=LEAST_SCORE)
        truth = sample.boxes / np.array([wide, high] * 2)
        quiet = frozenset(np.flatnonzero(sample.silent).tolist())
        seen = found.boxes, found.scores, found.labels, truth, sample.labels
        yield Seen(*seen, quiet, wide / high)


def held_out(run: Run, path: Path, data: Path) -> Mixer:
    """The run's mixer over the photographs of its first set's validation split."""
    variables = {"DATA": data.resolve()}
    shots = load_shots(read_collection(resolve(run.data[0].set, path, variables)), "val")
    cutouts = load_cutouts(resolve(run.cutouts, path, variables)) if run.cutouts else []
    return Mixer([(run.data[0], shots)], run.picture, CITY, SEED, cutouts)


def main() -> int:
    """Prints a table; 2 for a wrong file, in one line."""
    parser = argparse.ArgumentParser(prog="tools.training.operating", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("run", type=Path, help="YAML of a run: how pictures are composed")
    parser.add_argument("checkpoints", type=Path, nargs="+", help="several: their mean")
    parser.add_argument("--data", type=Path, default=Path("datasets"), help="$DATA of the YAML")
    parser.add_argument("--pictures", type=int, default=300)
    args = parser.parse_args()
    try:
        run = read_run(args.run)
        mixer = held_out(run, args.run, args.data)
        model = open_mean(args.checkpoints).eval()
    except ConfigError as error:
        print(f"tools.training.operating: {error}", file=sys.stderr)
        return 2
    network = Torch(model, run.picture.height, run.picture.width)
    seen = list(composed(network, mixer, args.pictures))
    for label, name in enumerate(CITY):
        parts = [match(one, label, THRESHOLDS) for one in seen]
        told = operating(parts)
        if told is not None and told.truths >= LEAST_TRUTHS:
            print(
                f"{name:13} {told.truths:4} best at {told.score:.2f}: F1 {told.f1:.2f}"
                f" P {told.precision:.2f} R {told.recall:.2f}, lift {told.lift:+.2f}",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
