# SPDX-License-Identifier: AGPL-3.0-or-later
"""What each stage costs by itself, in CPU milliseconds: medians over rounds in one process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


def stages(manifest: Path, clip: str, *, rounds: int, frames: int) -> dict[str, float]:
    """Decode, gate, letterbox, inference, boxes, tracker; CPU ms for one picture each."""
    import itertools

    from edge.camera.recording import read_file_frames
    from edge.vision import yolo
    from edge.vision.gate import MotionGate
    from edge.vision.inference import SessionRequest
    from edge.vision.manifest import resolve
    from edge.vision.model import load_model
    from edge.vision.session import open_session
    from edge.vision.tracker import Tracker

    model = load_model(manifest, provider="cpu", workers=64)
    pictures = list(itertools.islice(read_file_frames(clip, 1000.0, camera="bench"), frames))
    images = [frame.image for frame in pictures]
    shape = model.shape_for(images[0])
    weights = resolve(manifest)
    canvas = yolo.Canvas(shape)
    canvas.fill(images[0])
    session = open_session(SessionRequest(weights.path, shape, "cpu", 1))
    outputs = session.run(canvas.tensor)
    head = yolo.detect_head(outputs, len(model.names), shape)

    def read() -> object:
        return yolo.thin(yolo.decode(head, outputs, shape=shape, min_score=0.1), max_iou=0.6)

    seen = [model.detect(image, min_score=0.1) for image in images]
    gate, tracker = MotionGate(), Tracker()
    clock = itertools.count()
    work: dict[str, Callable[[int], object]] = {
        "motion gate": lambda i: gate.look(images[i], next(clock) / 5),
        "letterbox": lambda i: canvas.fill(images[i]),
        "inference": lambda i: session.run(canvas.tensor),
        "boxes and NMS": lambda i: read(),
        "tracker": lambda i: tracker.update(seen[i], pictures[i].at),
    }
    found: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, step in work.items():
            found[name].append(_cpu_ms(step, frames))
    result = {name: statistics.median(times) for name, times in found.items()}
    return {"decode to BGR": _decode_ms(clip, rounds * frames), **result}


def _cpu_ms(step: Callable[[int], object], count: int) -> float:
    start_s = time.process_time()
    for index in range(count):
        step(index)
    return (time.process_time() - start_s) / count * 1000


def _decode_ms(clip: str, frames: int) -> float:
    from edge.camera.recording import read_file_frames

    def again() -> Iterator[Any]:
        while True:
            yield from read_file_frames(clip, 1000.0, camera="bench")

    source = again()
    next(source)
    return _cpu_ms(lambda _: next(source), frames)


def workers_gain(manifest: Path, *, seconds: float) -> float:
    """Pictures a second with two workers on one session over those with one; wall time, so only
    of use on a quiet machine."""
    import numpy as np

    from edge.vision.model import load_model
    from edge.vision.pace import measure

    image = np.full((720, 1280, 3), 114, np.uint8)
    model = load_model(manifest, provider="cpu", workers=64)
    paces = []
    for workers in (1, 2, 1, 2):
        model.workers = workers
        paces.append(measure(model, image, seconds=seconds, progress=lambda _: None))
    one, two = paces[0].pictures_per_s, paces[1].pictures_per_s
    again, both = paces[2].pictures_per_s, paces[3].pictures_per_s
    return (two + both) / (one + again)
