# SPDX-License-Identifier: AGPL-3.0-or-later
"""Made films and the detector's answers, kept on disk under out/: another policy is then tried on
the same pictures in a fraction of the time. What is kept is known by all that it comes of: the
arguments, the source that makes it, the weights, the picture."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edge.values import Detections, Image
from edge.vision.model import Model
from tools.bench.arena import ROOT

FOLDER = ROOT / "out" / "bench-sleeping"
# What makes a film, and what makes a detection, besides arguments and weights.
FILM_SOURCES = ("tools/bench/live_clips.py", "tools/bench/disturbances.py")
MODEL_SOURCES = ("model", "yolo", "session", "tiling", "inference")


def kept_film(made_of: object, make: Callable[[Path], Path], *sources: str) -> Path:
    """The film made of these arguments (their repr tells them apart), made where it is not kept.
    sources: what makes it besides FILM_SOURCES."""
    path = FOLDER / f"{_digest(repr(made_of).encode(), *map(_source, FILM_SOURCES + sources))}.ts"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        own = path.with_suffix(f".{os.getpid()}")
        make(own).rename(path)
    return path


class KeptAnswers(Model):
    """A model that asks its weights once about each picture."""

    def __init__(self, model: Model) -> None:
        # The opened weights are shared, not opened again.
        self.__dict__.update(model.__dict__)
        FOLDER.mkdir(parents=True, exist_ok=True)
        self._kept = sqlite3.connect(FOLDER / "answers.sqlite", timeout=60.0, isolation_level=None)
        self._kept.execute("PRAGMA journal_mode=WAL")
        self._kept.execute("PRAGMA synchronous=OFF")
        self._kept.execute(
            "CREATE TABLE IF NOT EXISTS answers (picture BLOB PRIMARY KEY, said BLOB, labels BLOB)"
        )
        parts = (_source(f"edge/vision/{name}.py") for name in MODEL_SOURCES)
        self._model_of = _digest(model.sha256.encode(), model.provider.encode(), *parts)

    def detect(self, image: Image, *, min_score: float = 0.25, tile: bool = False) -> Detections:
        """As Model.detect."""
        asked = f"{self._model_of} {image.shape} {min_score} {tile}".encode()
        key = hashlib.blake2b(image.tobytes() + asked, digest_size=16).digest()
        asked_of = "SELECT said, labels FROM answers WHERE picture = ?"
        row = self._kept.execute(asked_of, (key,)).fetchone()
        if row:
            said = np.frombuffer(row[0], np.float32).reshape(-1, 5)
            labels = np.frombuffer(row[1], np.int32)
            return Detections(said[:, :4].copy(), said[:, 4].copy(), labels.copy(), self.names)
        found = super().detect(image, min_score=min_score, tile=tile)
        pairs = np.column_stack([found.boxes, found.scores]).astype(np.float32)
        values = (key, pairs.tobytes(), found.labels.astype(np.int32).tobytes())
        self._kept.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", values)
        return found


def _source(name: str) -> bytes:
    return (ROOT / name).read_bytes()


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()
