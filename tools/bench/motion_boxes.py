# SPDX-License-Identifier: AGPL-3.0-or-later
"""The usual way of a network recorder, as a script of ours for comparison: every picture of every
camera is decoded, five a second are compared with a running mean, and the detector looks at the
boxes that moved, and at what stands every ten seconds. Same decoder, same model, no rules.

    tools/python -m tools.bench.motion_boxes FOLDER URL [URL ...]
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from edge.camera.libav import Input, open_input, packets_of, turned_bgr
from edge.camera.url import parse_source
from edge.runtime import bound_memory, write_atomic
from edge.values import Box, Image
from edge.vision.model import Model, load_model
from tools.bench.arena import ROOT
from tools.bench.streams import STATUS

FPS, HEIGHT, STANDING_S = 5.0, 180, 10.0
# Grey levels that count as motion, least area of 320 x 180, and how fast the mean follows.
LEVEL, AREA, FOLLOWS = 25, 30, 0.02


class MotionBoxes:
    """One camera."""

    def __init__(self, url: str, model: Model) -> None:
        self._url, self._model = url, model
        self._mean: np.ndarray[Any, Any] | None = None
        self._stood_s = 0.0
        self.looks = self.detected = 0

    def run(self) -> None:
        """Until the stream ends."""
        opened = open_input(parse_source(self._url))
        due_s = 0.0
        for frame in _frames(opened):
            now_s = time.monotonic()
            if now_s >= due_s:
                due_s = max(due_s + 1.0 / FPS, now_s)
                self._look(turned_bgr(frame, None), now_s)

    def _look(self, image: Image, now_s: float) -> None:
        self.looks += 1
        boxes = self._moved(image)
        if not boxes and now_s - self._stood_s < STANDING_S:
            return
        self._stood_s = now_s
        self.detected += 1
        for box in boxes[:4] or [(0.0, 0.0, 1.0, 1.0)]:
            self._model.detect_in(image, box, min_score=0.35)

    def _moved(self, image: Image) -> list[Box]:
        grey = cv2.cvtColor(cv2.resize(image, (320, HEIGHT)), cv2.COLOR_BGR2GRAY)
        soft = cv2.GaussianBlur(grey, (5, 5), 0).astype(np.float32)
        if self._mean is None:
            self._mean = soft.copy()
        mask = (cv2.absdiff(soft, self._mean) > LEVEL).astype(np.uint8)
        cv2.accumulateWeighted(soft, self._mean, FOLLOWS)
        found, _ = cv2.findContours(
            cv2.dilate(mask, np.ones((5, 5), np.uint8)), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
        )
        rects = [cv2.boundingRect(one) for one in found if cv2.contourArea(one) >= AREA]
        return [(x / 320, y / HEIGHT, (x + w) / 320, (y + h) / HEIGHT) for x, y, w, h in rects]


def _frames(opened: Input) -> Any:
    for packet in packets_of(opened):
        try:
            yield from packet.decode()
        except av.error.FFmpegError:
            continue


def main(argv: list[str]) -> int:
    """Runs until it is ended; writes a status file as edge visiond does."""
    bound_memory()
    folder, urls = Path(argv[0]), argv[1:]
    model = load_model(ROOT / "models" / "city-v1.yaml", provider="cpu")
    cameras = {f"c{n}": MotionBoxes(url, model) for n, url in enumerate(urls)}
    for one in cameras.values():
        threading.Thread(target=one.run, daemon=True).start()
    (folder / STATUS).parent.mkdir(parents=True, exist_ok=True)
    while True:
        rows = {
            name: {"looks": c.looks, "detected": c.detected, "decoded": "all", "age_ms": 0.0}
            for name, c in cameras.items()
        }
        write_atomic(folder / STATUS, json.dumps({"cameras": rows}).encode(), durable=False)
        time.sleep(1.0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
