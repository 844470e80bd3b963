# SPDX-License-Identifier: AGPL-3.0-or-later
"""One YAML per training run, read strictly; the run folder keeps a copy of what was used."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec

from edge.config import ConfigError, convert, read_yaml

Positive = Annotated[float, msgspec.Meta(gt=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Count = Annotated[int, msgspec.Meta(ge=1)]


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a run's YAML: a key it does not know is an error."""


class Mix(Part, frozen=True):
    """One data set in the mix. `share`: how often a sample is drawn from it, relative to the
    others; `weights`: how much oftener a source of it is drawn than its number of pictures says."""

    set: str
    share: Positive = 1.0
    weights: dict[str, Positive] = {}


class Picture(Part, frozen=True):
    """How a training picture is made. `mosaic`: share made of several pictures; `plumes`: share of
    real pictures that get a plume or flame laid over them, `cutouts`: that get rendered things; the
    `_kinds` say how often each of them, relative to the others (0.5 for kinds not named); `wear`:
    share of cut-outs whose colour, grain and rim are changed; `clad`, `harmony`, `soft`: of these,
    the share that get a photograph for a paint, take on the colours of what they lie on, lose
    sharpness; `close`: share of those seen from the ground that fill the picture; `hidden`: share
    that get something in front; `decoys`: share replaced by an outline filled with another
    photograph, nothing; `terraces`: share of those seen from above replaced by rows of equal
    parasols, no stall; `rows`: share of the others replaced by parked two-wheelers;
    `smoking`: share of pasted grills with smoke over them; `crop`: largest enlargement."""

    height: Annotated[int, msgspec.Meta(ge=32, multiple_of=32)] = 384
    width: Annotated[int, msgspec.Meta(ge=32, multiple_of=32)] = 640
    mosaic: Share = 0.5
    cutouts: Share = 0.35
    plumes: Share = 0.3
    plume_kinds: dict[str, Positive] = msgspec.field(
        default_factory=lambda: {"dust": 1.0, "smoke": 1.0, "cloud": 0.4, "fire": 0.8}
    )
    cutout_kinds: dict[str, Positive] = msgspec.field(
        default_factory=lambda: {
            "stall": 5.0,
            "grill": 2.5,
            "truck": 2.0,
            "spillage": 2.5,
            "real_truck": 3.0,
            "real_stall": 2.0,
        }
    )
    wear: Share = 0.7
    close: Share = 0.25
    clad: Share = 0.0
    harmony: Share = 0.0
    soft: Share = 0.0
    hidden: Share = 0.0
    terraces: Share = 0.0
    decoys: Share = 0.0
    rows: Share = 0.0
    smoking: Share = 0.0
    crop: Positive = 1.8
    colour: Share = 0.6
    worsen: Share = 0.4


class Run(Part, frozen=True):
    """A whole run. `start`: a .pt checkpoint with 80 COCO classes (the head is remapped) or with
    ours, or a shipped .onnx (a class added since gets its row); the mean of several. `steps` are
    batches; `patience` counts validations without a better score before stopping early; `freeze`:
    how many of the first layers stay as they are; `still_norms`: batch statistics stay those of
    the start, so that what is learnt lies on a line with it and a mean of both is a network;
    `backbone_rate`, `neck_rate`: the share of the rate at which they learn, 0 holds them;
    `keep_weight`: how much counts what COCO taught; `teacher`: a shipped .onnx whose scores stand
    where nobody labelled a class, `teacher_weight` how much they count, and `teacher_classes` in
    which they count beside the labels as well, outside what is labelled."""

    name: str
    start: str | tuple[str, ...]
    data: tuple[Mix, ...]
    cutouts: str | None = None
    seed: int = 1
    steps: Count = 3000
    batch: Count = 16
    rate: Positive = 1e-3
    rate_end: Positive = 2e-5
    warmup: int = 150
    decay: float = 5e-4
    freeze: int = 3
    still_norms: bool = False
    backbone_rate: Share = 1.0
    neck_rate: Share = 1.0
    keep_weight: float = 0.0
    teacher: str | None = None
    teacher_weight: float = 0.0
    teacher_classes: tuple[str, ...] = ()
    picture: Picture = Picture()
    validate_every: Count = 500
    patience: Count = 6
    checkpoint_s: Positive = 120.0
    threads: Count = 2


def at_least_one(word: str) -> int:
    """A count of a command line. Raises argparse.ArgumentTypeError."""
    if not word.isascii() or not word.isdigit() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word!r}: a whole number from 1 on")
    return int(word)


def read_run(path: Path) -> Run:
    """Raises ConfigError naming file and key."""
    return convert(read_yaml(path), Run, str(path))


def resolve(where: str, base: Path, variables: Mapping[str, Path]) -> Path:
    """A path of a run file: `$SHARED/`, `$DATA/` are replaced, others are relative to the file."""
    for name, value in variables.items():
        if where.startswith(f"${name}"):
            return value / where[len(name) + 1 :].lstrip("/")
    path = Path(where)
    if "$" in where:
        raise ConfigError(
            f"{base}: {where!r}: only {', '.join('$' + v for v in variables)} are known"
        )
    return path if path.is_absolute() else base.parent / path
