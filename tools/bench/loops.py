# SPDX-License-Identifier: AGPL-3.0-or-later
"""This project's loops, and the floor under all: the inference alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Pictures kept in memory for the loop without decoding.
KEPT = 24


def bare(settings: dict[str, Any]) -> Iterator[int]:
    """`session.run` on one tensor again and again: what no pipeline can be cheaper than."""
    import numpy as np

    from edge.vision.inference import SessionRequest
    from edge.vision.manifest import resolve
    from edge.vision.session import open_session

    weights = resolve(Path(settings["manifest"]), settings.get("variant"))
    shape = tuple(settings["shape"])
    session = open_session(SessionRequest(weights.path, (shape[0], shape[1]), "cpu", 1))
    tensor = np.random.default_rng(0).random((1, 3, *shape), np.float32)
    while True:
        session.run(tensor)
        yield 0


def ours(settings: dict[str, Any]) -> Iterator[int]:
    """Decode, letterbox, infer, decode boxes, NMS, track: every frame of the clip. The process
    keeps its memory as `edge watch` does."""
    from edge.camera.recording import read_file_frames
    from edge.runtime import reuse_memory
    from edge.vision.tracker import Tracker

    reuse_memory()
    model, min_score = _model(settings), settings["min_score"]
    while True:
        tracker = Tracker()
        for frame in read_file_frames(settings["clip"], 1000.0, camera="bench"):
            found = model.detect(frame.image, min_score=min_score)
            if settings.get("track", True):
                tracker.update(found, frame.at)
            yield len(found)


def ours_pictures(settings: dict[str, Any]) -> Iterator[int]:
    """The same without decoding: pictures from memory."""
    from edge.camera.recording import read_file_frames
    from edge.values import Stamp
    from edge.vision.tracker import Tracker

    model, tracker, min_score = _model(settings), Tracker(), settings["min_score"]
    frames = list(
        itertools.islice(read_file_frames(settings["clip"], 1000.0, camera="bench"), KEPT)
    )
    for index, frame in enumerate(itertools.cycle(frames)):
        found = model.detect(frame.image, min_score=min_score)
        if settings.get("track", True):
            tracker.update(found, Stamp(index / 25, index / 25))
        yield len(found)


def _model(settings: dict[str, Any]) -> Any:
    from edge.vision.model import load_model

    # As many workers as cores: one thread for each inference, as in the daemon.
    return load_model(
        Path(settings["manifest"]), provider="cpu", variant=settings.get("variant"), workers=64
    )
