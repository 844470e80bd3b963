# SPDX-License-Identifier: AGPL-3.0-or-later
"""The model manifest `models/<name>.yaml`: what a weights file is, and the proof that it is it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from edge import patterns
from edge.config import ConfigError, load
from edge.patterns import whole

Sha256 = Annotated[str, msgspec.Meta(pattern=patterns.SHA256)]
# 60 letters of any script stay below the 255 bytes of a file system.
FileName = Annotated[str, msgspec.Meta(pattern=whole(r"[^/\\\x00-\x1f]{1,60}"))]
ClassName = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Side = Annotated[int, msgspec.Meta(ge=32, le=4096, multiple_of=32)]
Slope = Annotated[float, msgspec.Meta(ge=0.2, le=5.0)]
Shift = Annotated[float, msgspec.Meta(ge=-6.0, le=6.0)]
Power = Annotated[float, msgspec.Meta(gt=0.0, le=10.0)]
# The views that cameras have of the ground, and how far a model is to be trusted with a class.
View = Literal["eye", "pole", "drone", "top"]
Trust = Literal["validated", "weak", "unproven"]
Head = Literal["auto", "raw", "end2end", "objectness", "yolox", "nms", "nms_rows"]


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Strict and frozen: an unknown key is an error, not a wish."""


class InputSize(_Part, frozen=True, kw_only=True):
    """Size of the input tensor in pixels.

    A model with free height and width takes its long side from here and follows the picture.
    """

    height: Side
    width: Side


class Preprocess(_Part, frozen=True, kw_only=True):
    """How a picture becomes numbers: `value * scale`, colours in `order`, borders of `pad`.

    anchor: where the picture lies in the input; the YOLO family centres it, YOLOX does not.
    """

    order: Literal["rgb", "bgr"] = "rgb"
    scale: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1 / 255
    pad: Annotated[int, msgspec.Meta(ge=0, le=255)] = 114
    anchor: Literal["centre", "corner"] = "centre"


class Variant(_Part, frozen=True, kw_only=True):
    """The same classes in another file: int8, another input size, another runtime's format."""

    file: FileName
    sha256: Sha256
    input: InputSize | None = None
    head: Head | None = None
    preprocess: Preprocess | None = None
    metrics: dict[str, Any] = {}
    notes: str | None = None
    # Files that `file` cannot do without, such as NCNN's .bin: name -> SHA-256.
    beside: dict[FileName, Sha256] = {}


class KnownBox(_Part, frozen=True, kw_only=True):
    """What the publisher's model found; `box` is x1 y1 x2 y2 in fractions of the picture."""

    label: ClassName
    score: Annotated[float, msgspec.Meta(ge=0, le=1)]
    box: tuple[float, float, float, float]


class KnownPicture(_Part, frozen=True, kw_only=True):
    """A stored picture and what must be found on it."""

    file: FileName
    sha256: Sha256
    boxes: tuple[KnownBox, ...]


class SelfTest(_Part, frozen=True, kw_only=True):
    """What a box asks of the file before it uses it: known boxes on stored pictures, and one
    inference no slower than this many times the model in force, measured side by side."""

    pictures: Annotated[tuple[KnownPicture, ...], msgspec.Meta(min_length=1, max_length=32)]
    slower_at_most: Annotated[float, msgspec.Meta(ge=1, le=10)] = 1.25


class CalibrationMap(_Part, frozen=True, kw_only=True):
    """What makes scores promise the same of every class (edge.vision.model): class to
    (slope, shift) in log odds; `rivals`: class to the classes that speak against it, and how much.
    `version`: of this form; `on`: the pictures it was fitted on."""

    version: Literal[1]
    classes: dict[ClassName, tuple[Slope, Shift]]
    rivals: dict[ClassName, dict[ClassName, Power]] = {}
    on: str = ""


class Manifest(_Part, frozen=True, kw_only=True):
    """The whole file. `classes` in the order of the model's outputs.

    `signature` is the publisher's, over the file without this key; checked where models arrive.
    """

    file: FileName
    sha256: Sha256
    classes: Annotated[tuple[ClassName, ...], msgspec.Meta(min_length=1, max_length=1000)]
    input: InputSize
    head: Head = "auto"
    licence: str = "unknown"
    trained_on: str | tuple[str, ...] = ()
    metrics: dict[str, Any] = {}
    release: Annotated[int, msgspec.Meta(ge=0)] = 0
    signature: str | None = None
    name: str | None = None
    notes: str | None = None
    preprocess: Preprocess = Preprocess()
    variants: dict[str, Variant] = {}
    beside: dict[FileName, Sha256] = {}
    selftest: SelfTest | None = None
    calibration: CalibrationMap | None = None
    # Class, view: what figures on real pictures allow to say. A view that is missing is unproven;
    # without the whole key nothing is claimed and nothing is held back.
    good_for: dict[ClassName, dict[View, Trust]] = {}


@dataclass(frozen=True, slots=True)
class Weights:
    """One loadable file with everything needed to feed it and read it. `path` is verified."""

    name: str
    path: Path
    sha256: str
    classes: tuple[str, ...]
    height: int
    width: int
    head: Head
    preprocess: Preprocess
    calibration: CalibrationMap | None = None
    good_for: Mapping[str, Mapping[View, Trust]] = field(default_factory=dict)


def read_manifest(path: Path) -> Manifest:
    """Raises ConfigError in one line for a missing file, an unknown key or a bad value."""
    manifest = load(path, Manifest)
    twice = sorted({name for name in manifest.classes if manifest.classes.count(name) > 1})
    if twice:
        raise ConfigError(f"{path}: classes: {twice[0]!r} stands twice")
    given = manifest.calibration
    for key, named in (
        ("calibration.classes", given.classes if given else ()),
        ("calibration.rivals", {*given.rivals, *chain(*given.rivals.values())} if given else ()),
        ("good_for", manifest.good_for),
    ):
        strange = sorted(set(named) - set(manifest.classes))
        if strange:
            raise ConfigError(f"{path}: {key}: {strange[0]!r} is not one of its classes")
    return manifest


def resolve(path: Path, variant: str | None = None) -> Weights:
    """The verified weights of a manifest, or of one of its variants.

    Raises ConfigError where the manifest is wrong, the variant unknown, a file missing, or the
    bytes are not those that the manifest names.
    """
    manifest = read_manifest(path)
    part = _variant(path, manifest, variant) if variant else None
    chosen = part or manifest
    weights = Path(chosen.file).with_suffix(".bin").name
    if chosen.file.endswith(".param") and weights not in chosen.beside:
        raise ConfigError(f"{path}: beside: {weights} and its SHA-256 are missing")
    for file, sha256 in {chosen.file: chosen.sha256, **chosen.beside}.items():
        check_sha256(path, path.parent / file, sha256)
    size = chosen.input or manifest.input
    return Weights(
        name=(manifest.name or path.stem) + (f"/{variant}" if variant else ""),
        path=path.parent / chosen.file,
        sha256=chosen.sha256,
        classes=manifest.classes,
        height=size.height,
        width=size.width,
        head=chosen.head or manifest.head,
        preprocess=chosen.preprocess or manifest.preprocess,
        calibration=manifest.calibration,
        good_for=manifest.good_for,
    )


def _variant(path: Path, manifest: Manifest, name: str) -> Variant:
    try:
        return manifest.variants[name]
    except KeyError:
        known = ", ".join(sorted(manifest.variants)) or "none"
        raise ConfigError(f"{path}: variants: no {name!r} (there are: {known})") from None


def check_sha256(manifest: Path, file: Path, sha256: str) -> None:
    """Raises ConfigError where `file` is missing or its bytes do not hash to `sha256`."""
    try:
        found = file_sha256(file)
    except OSError as error:
        raise ConfigError(f"{manifest}: file = {file.name!r}: {error.strerror or error}") from None
    if found != sha256:
        raise ConfigError(
            f"{manifest}: sha256: {file.name} hashes to {found[:12]}…, the manifest says "
            f"{sha256[:12]}…; the file is damaged or another one, copy the model again"
        )


def file_sha256(file: Path) -> str:
    """SHA-256 in hex, read in pieces."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def input_shape(weights: Weights, aspect: float, *, stride: int = 32) -> tuple[int, int]:
    """(height, width) for pictures of this aspect (width / height) where the model lets us choose.

    The long side is the manifest's; the short side is the least multiple of the stride that holds
    the picture: 16:9 at 640 gives 384 x 640, which costs 0.61 of 640 x 640 with the same boxes.
    """
    longest = max(weights.height, weights.width)
    shortest = longest * min(aspect, 1 / aspect)
    side = max(stride, min(longest, math.ceil(shortest / stride - 1e-6) * stride))
    return (side, longest) if aspect >= 1 else (longest, side)
