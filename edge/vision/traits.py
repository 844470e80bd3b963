# SPDX-License-Identifier: AGPL-3.0-or-later
"""The second classifier: what a truck looks like now (its load covered, open and empty, open and
loaded), asked of the crop of every truck that the detector sees.

Its manifest `<detector>-load.yaml` lies beside the detector's; without it no truck gets traits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.config import ConfigError, load
from edge.config.device import Provider
from edge.config.site import Part
from edge.geometry import size_of
from edge.values import Box, Image, Track
from edge.vision.inference import SessionRequest
from edge.vision.manifest import ClassName, FileName, InputSize, Sha256
from edge.vision.session import open_session

# Trucks asked about in one picture, the largest first: what it costs is bounded.
MOST = 4
SURE_SUM = 0.02
SUFFIX = "-load"


class TraitManifest(Part, frozen=True, kw_only=True):
    """`classes` in the order of the outputs, which are probabilities; `of`: the detector's labels
    that are asked about; `margin`: share of the box that is kept round it."""

    file: FileName
    sha256: Sha256
    classes: Annotated[tuple[ClassName, ...], msgspec.Meta(min_length=2, max_length=32)]
    input: InputSize
    head: Literal["classes"] = "classes"
    of: tuple[ClassName, ...] = ("muck_truck",)
    margin: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.12
    licence: str = "unknown"
    trained_on: str | tuple[str, ...] = ()
    metrics: dict[str, Any] = {}
    release: Annotated[int, msgspec.Meta(ge=0)] = 0
    notes: str | None = None


def traits_path(detector: Path) -> Path:
    """Where the second classifier of a detector lies, there or not."""
    return detector.with_name(f"{detector.stem}{SUFFIX}.yaml")


def read_traits(detector: Path) -> TraitManifest | None:
    """The manifest beside a detector's, or None. Raises ConfigError where it is wrong."""
    path = traits_path(detector)
    return load(path, TraitManifest) if path.is_file() else None


class TraitModel:
    """The classifier, opened. Safe to call from many threads."""

    def __init__(self, path: Path, manifest: TraitManifest, provider: Provider = "auto") -> None:
        self.manifest = manifest
        weights = path.parent / manifest.file
        _verify(weights, manifest, path)
        shape = (manifest.input.height, manifest.input.width)
        self._session = open_session(SessionRequest(weights, shape, provider))
        shares = self._run(np.zeros((1, 3, *shape), np.float32))
        if shares.shape != (len(manifest.classes),) or abs(float(shares.sum()) - 1) > SURE_SUM:
            raise ConfigError(
                f"{weights}: gives {shares.shape[0]} numbers of sum {shares.sum():.2f}; expected "
                f"{len(manifest.classes)} probabilities, one for each of `classes`"
            )

    def of(self, image: Image, box: Box) -> tuple[tuple[str, float], ...]:
        """(class, probability) of what stands in the box (fractions of the picture)."""
        part = cut(image, box, self.manifest.margin)
        if part.size == 0:
            return ()
        shape = (self.manifest.input.height, self.manifest.input.width)
        shares = self._run(blob(part, shape)[None])
        return tuple(zip(self.manifest.classes, (float(p) for p in shares), strict=True))

    def judged(self, image: Image, tracks: Sequence[Track]) -> tuple[Track, ...]:
        """The tracks, those asked about with their traits; predicted boxes are not asked."""
        asked = [t for t in tracks if t.label in self.manifest.of and not t.coasted]
        aspect = image.shape[1] / image.shape[0]
        asked.sort(key=lambda t: size_of(t.box, aspect), reverse=True)
        shares = {t.id: self.of(image, t.box) for t in asked[:MOST]}
        return tuple(replace(t, traits=shares[t.id]) if shares.get(t.id) else t for t in tracks)

    def _run(self, tensor: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(self._session.run(tensor)[0], np.float32).reshape(-1)


def open_traits(detector: Path, provider: Provider = "auto") -> TraitModel | None:
    """The second classifier beside a detector's manifest, or None where there is none.

    Raises ConfigError where it is there and cannot be used.
    """
    manifest = read_traits(detector)
    return None if manifest is None else TraitModel(traits_path(detector), manifest, provider)


def cut(image: Image, box: Sequence[float], margin: float) -> Image:
    """The box (xyxy fractions) with its margin, clipped to the picture."""
    height, width = image.shape[:2]
    mx, my = (box[2] - box[0]) * margin, (box[3] - box[1]) * margin
    x1, y1 = max(0, int((box[0] - mx) * width)), max(0, int((box[1] - my) * height))
    x2, y2 = int((box[2] + mx) * width) + 1, int((box[3] + my) * height) + 1
    return image[y1:y2, x1:x2]


def blob(image: Image, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Squeezed to `shape` (height, width): (3, height, width) RGB 0..1."""
    small = cv2.resize(image, (shape[1], shape[0]), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(small[:, :, ::-1].transpose(2, 0, 1), np.float32) / np.float32(255)


def _verify(weights: Path, manifest: TraitManifest, path: Path) -> None:
    try:
        digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigError(f"{path}: file {manifest.file!r}: {error.strerror or error}") from None
    if digest != manifest.sha256:
        raise ConfigError(
            f"{weights}: sha256 {digest[:12]}… is not that of {path.name} ({manifest.sha256[:12]}…)"
        )
