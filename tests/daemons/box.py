# SPDX-License-Identifier: AGPL-3.0-or-later
"""A whole visiond on a made-up recording with a detector of twelve lines, as a child process.

`python -m tests.daemons.box SITE DEVICE` runs the real daemon; only the model is replaced by one
that sees the magenta square. So what is tested is everything but the network.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import av
import numpy as np

from edge.values import Detections

NAMES = ("vendor_stall", "person")
MAGENTA = (200, 30, 200)

SITE = """\
name: 测试点位
model: square
cameras:
  - id: north
    source: street.mp4
    playback: fast
    fps: 5
    min_score: 0.3
    clip_before_s: 4
    clip_after_s: 3
    zones:
      - {id: pavement, polygon: [[0, 0.2], [1, 0.2], [1, 1], [0, 1]]}
    rules:
      - {category: street-vendor, dwell_s: 8, confirm_s: 0, set: {attended_share: 0.0}}
"""
DEVICE = """\
device: box-1
broker: {host: 127.0.0.1, port: 1, tls: off}
folders: {state: state, run: run}
"""
WEIGHTS = b"a detector of twelve lines"
MANIFEST = f"""\
file: square.onnx
sha256: "{hashlib.sha256(WEIGHTS).hexdigest()}"
classes: [vendor_stall, person]
input: {{height: 384, width: 640}}
"""


class SquareModel:
    """Sees the magenta square as a vendor's stall."""

    names, sha256, name, provider = NAMES, "0" * 64, "square", "cpu"
    good_for, workers = {name: {"pole": "validated"} for name in NAMES}, 2

    def detect(self, image, *, min_score=0.25, tile=False):
        hit = np.all(np.abs(image.astype(np.int16) - MAGENTA) < 60, axis=2)
        if hit.sum() < 50:
            return Detections.none(NAMES)
        ys, xs = np.nonzero(hit)
        height, width = hit.shape
        box = (xs.min() / width, ys.min() / height, (xs.max() + 1) / width, (ys.max() + 1) / height)
        return Detections(
            np.array([box], np.float32), np.array([0.9], np.float32), np.zeros(1, np.int32), NAMES
        )


def write_clip(path: Path, *, seconds: float, stands: tuple[float, float], fps: int = 5) -> None:
    """A textured street on which a square stands from `stands[0]` to `stands[1]` seconds."""
    rng = np.random.default_rng(1)
    street = np.kron(rng.integers(60, 160, (18, 32, 1), np.uint8), np.ones((20, 20, 3), np.uint8))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        stream.gop_size = fps * 2
        for number in range(int(seconds * fps)):
            image = street.copy()
            if stands[0] <= number / fps < stands[1]:
                image[150:250, 260:380] = MAGENTA
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def make(folder: Path, *, seconds: float = 40.0, stands: tuple[float, float] = (4, 30)) -> Path:
    """A home with site, device, manifest and clip."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "site.yaml").write_text(SITE.replace("model: square", "model: square.yaml"), "utf-8")
    (folder / "device.yaml").write_text(DEVICE, "utf-8")
    (folder / "square.yaml").write_text(MANIFEST, "utf-8")
    (folder / "square.onnx").write_bytes(WEIGHTS)
    write_clip(folder / "street.mp4", seconds=seconds, stands=stands)
    return folder


def start(folder: Path, module: str = "tests.daemons.box") -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-m", module, str(folder)]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(argv, stdout=log, stderr=log, cwd=Path(__file__).parents[2])


def main(folder: str) -> int:
    from edge import runtime
    from edge.daemons import visiond

    visiond.load_models = lambda settings, unsound: {settings.site.model: SquareModel()}
    return runtime.run(
        lambda stop, notify: visiond.main(
            stop, notify, site_path=f"{folder}/site.yaml", device_path=f"{folder}/device.yaml"
        )
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
