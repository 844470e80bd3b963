# SPDX-License-Identifier: AGPL-3.0-or-later
"""A whole visiond that sees coloured squares as muck trucks and a yellow patch as soil, and whose
plate reader knows each colour's plate: `python -m tests.daemons.truck_box HOME`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import av
import numpy as np

from edge.values import Detections
from edge.vision.plates import TextLine
from tests.daemons import box

NAMES = ("muck_truck", "spillage", "person")
SOIL = (20, 210, 220)
EVERY_PX = 4
# Colour (BGR) of a truck, seconds at which it drives through, what its plate reads as.
TRUCKS = {
    "expired": ((220, 40, 40), (1.0, 4.0), ("鲁B", "12345"), 0.93),
    "stranger": ((40, 210, 40), (6.0, 9.0), ("鲁B99999",), 0.91),
    "permitted": ((200, 40, 210), (11.0, 14.0), ("鲁B·88800",), 0.97),
    "unread": ((40, 40, 230), (16.0, 19.0), ("鲁B99",), 0.55),
}
SOIL_LIES_S = 18.4
LENGTH_S = 26.0

SITE = """\
name: 测试工地
model: square.yaml
trucks: trucks.csv
cameras:
  - id: north
    source: street.mp4
    playback: fast
    fps: 5
    min_score: 0.3
    gate: false
    premises: 7号工地
    clip_before_s: 2
    clip_after_s: 2
    zones:
      - {id: road, kind: lane, polygon: [[0, 0.2], [1, 0.2], [1, 1], [0, 1]]}
    rules:
      - {category: unpermitted-haulage}
      - {category: road-spillage, set: {compare: false}}
"""
REGISTER = """\
plate,company,permit,from_date,to_date,loading
鲁B12345,甲,渣2020-1,2020-01-01,2020-12-31,7号工地
鲁B88800,乙,渣2026-2,2020-01-01,2099-12-31,7号工地
"""


class SquaresModel:
    names, sha256, name, provider = NAMES, "0" * 64, "square", "cpu"
    good_for, workers = {name: {"pole": "validated"} for name in NAMES}, 2

    def detect(self, image, *, min_score=0.25, tile=False):
        found = [(0, colour) for colour, *_ in TRUCKS.values()] + [(1, SOIL)]
        boxes = [(label, _box_of(image, colour)) for label, colour in found]
        seen = [(label, box) for label, box in boxes if box]
        if not seen:
            return Detections.none(NAMES)
        return Detections(
            np.array([box for _, box in seen], np.float32),
            np.full(len(seen), 0.9, np.float32),
            np.array([label for label, _ in seen], np.int32),
            NAMES,
        )


class ColourReader:
    def read(self, image):
        for colour, _, words, score in TRUCKS.values():
            if _box_of(image, colour):
                return tuple(TextLine(word, score) for word in words)
        return ()


def _box_of(image, colour):
    coarse = image[::EVERY_PX, ::EVERY_PX].astype(np.int16)
    hit = np.all(np.abs(coarse - colour) < 40, axis=2)
    if hit.sum() < 12:
        return None
    ys, xs = np.nonzero(hit)
    height, width = hit.shape
    return (xs.min() / width, ys.min() / height, (xs.max() + 1) / width, (ys.max() + 1) / height)


def write_clip(path: Path, fps: int = 5) -> None:
    rng = np.random.default_rng(1)
    street = np.kron(rng.integers(60, 160, (18, 32, 1), np.uint8), np.ones((20, 20, 3), np.uint8))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        stream.gop_size = fps * 2
        for number in range(int(LENGTH_S * fps)):
            t, image = number / fps, street.copy()
            if t >= SOIL_LIES_S:
                image[230:260, 250:330] = SOIL
            for colour, (since, until), *_ in TRUCKS.values():
                if since <= t < until:
                    x = int(20 + 480 * (t - since) / (until - since))
                    image[130:250, x : x + 120] = colour
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())


def make(folder: Path, register: str = REGISTER) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    manifest = box.MANIFEST.replace("[vendor_stall, person]", "[muck_truck, spillage, person]")
    texts = {
        "site.yaml": SITE,
        "device.yaml": box.DEVICE,
        "square.yaml": manifest,
        "trucks.csv": register,
    }
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")
    (folder / "square.onnx").write_bytes(box.WEIGHTS)
    write_clip(folder / "street.mp4")
    return folder


def start(folder: Path) -> subprocess.Popen[bytes]:
    return box.start(folder, "tests.daemons.truck_box")


def main(folder: str) -> int:
    from edge import runtime
    from edge.daemons import visiond
    from edge.pipeline import truck_lookup

    visiond.load_models = lambda settings, unsound: {settings.site.model: SquaresModel()}
    visiond.open_truck_file = lambda settings: truck_lookup.open_truck_file(settings, ColourReader)
    return runtime.run(
        lambda stop, notify: visiond.main(
            stop, notify, site_path=f"{folder}/site.yaml", device_path=f"{folder}/device.yaml"
        )
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
