# SPDX-License-Identifier: AGPL-3.0-or-later
"""What do the pictures of a run hold, before hours are spent on it? Counted, and to look at.

Draws the run's own first samples, as tools/train will, and says how many things of each class are
in them, how large, and how many stand where their class is silent: on a picture whose source does
not label the class, so that nothing else of it counts there (`Sample.silent`).

    tools/python -m tools.training.mixture tools/training/runs/short.yaml --sheet out/mixture.jpg
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from edge.config import ConfigError
from edge.values import Image
from tools.training.classes import CITY
from tools.training.collection import Collection, read_collection
from tools.training.cutouts import load_cutouts
from tools.training.progress import progress
from tools.training.samples import Mixer, Sample
from tools.training.settings import Run, read_run, resolve
from tools.training.sheets import gridded, mark
from tools.training.shots import load_shots

CELL = (400, 240)
COLUMNS = 4
SHOWN = 32


@dataclass(slots=True)
class Held:
    """Of one class: pictures it is in, things, those where it is silent, longest sides in px."""

    pictures: int = 0
    silent: int = 0
    sides: list[float] = field(default_factory=list)


def open_mixer(
    run: Run, path: Path, variables: Mapping[str, Path]
) -> tuple[Mixer, list[Collection]]:
    """The samples of a run, and its sets. path: of its YAML, which names folders relative to itself
    or by variable. Raises ConfigError for a set that is missing or has other classes."""
    sets = [read_collection(resolve(mix.set, path, variables)) for mix in run.data]
    for held in sets:
        if held.names != CITY:
            raise ConfigError(f"{held.root}: its classes are not the city's; tools/dataset remap")
    shelves = [(mix, load_shots(held, "train")) for mix, held in zip(run.data, sets, strict=True)]
    cutouts = load_cutouts(resolve(run.cutouts, path, variables)) if run.cutouts else []
    return Mixer(shelves, run.picture, CITY, run.seed, cutouts), sets


def count(samples: Sequence[Sample]) -> dict[str, Held]:
    """What the samples hold, by class, in the order of CITY."""
    held = {name: Held() for name in CITY}
    for sample in samples:
        for label in set(sample.labels.tolist()):
            held[CITY[label]].pictures += 1
        sides = (sample.boxes[:, 2:] - sample.boxes[:, :2]).max(1, initial=0.0)
        for label, side in zip(sample.labels.tolist(), sides.tolist(), strict=True):
            one = held[CITY[label]]
            one.sides.append(side)
            one.silent += bool(sample.silent[label])
    return held


def table(held: Mapping[str, Held], samples: int) -> str:
    """Markdown, a row a class."""
    lines = [
        f"{samples} pictures",
        "",
        "| class | pictures with it | things | where it is silent | median side, px |",
        "|---|---|---|---|---|",
    ]
    for name, one in held.items():
        middle = f"{np.median(one.sides):.0f}" if one.sides else "–"
        lines.append(f"| {name} | {one.pictures} | {len(one.sides)} | {one.silent} | {middle} |")
    return "\n".join(lines)


def sheet(samples: Sequence[Sample]) -> Image:
    """The samples as the model sees them, boxes and names drawn; dark where the row is not full."""
    return gridded([_cell(sample) for sample in samples], COLUMNS)


def _cell(sample: Sample) -> Image:
    image = np.asarray(cv2.resize(sample.image, CELL, interpolation=cv2.INTER_AREA), np.uint8)
    scale = np.array(CELL * 2) / np.array(sample.image.shape[1::-1] * 2)
    for box, label in zip(sample.boxes * scale, sample.labels.tolist(), strict=True):
        mark(image, box, CITY[label])
    return image


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table, draws the sheet; 2 for a wrong file, in one line."""
    parser = argparse.ArgumentParser(prog="tools.training.mixture", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("run", type=Path, help="YAML of a run")
    parser.add_argument("--data", type=Path, default=Path("datasets"), help="$DATA of the YAML")
    parser.add_argument("--pictures", type=int, default=128, help="how many to draw (128)")
    parser.add_argument("--sheet", type=Path, help=f"picture of the first {SHOWN}")
    args = parser.parse_args(arguments)
    try:
        if args.pictures < 1:
            raise ConfigError(f"--pictures {args.pictures}: at least 1")
        run = read_run(args.run)
        mixer, _ = open_mixer(run, args.run, {"DATA": args.data.resolve()})
    except ConfigError as error:
        print(f"tools.training.mixture: {error}", file=sys.stderr)
        return 2
    samples = [mixer.sample(i) for i in progress(range(args.pictures), args.pictures, "draw")]
    print(table(count(samples), len(samples)))
    if args.sheet:
        args.sheet.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(args.sheet), sheet(samples[:SHOWN]))
        print(args.sheet)
    return 0


if __name__ == "__main__":
    sys.exit(main())
