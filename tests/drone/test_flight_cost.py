# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a 4K flight costs beside the bare inference of its tiles, and that memory stays bounded.

Slow: `pytest -m slow tests/drone/test_flight_cost.py -s` prints the figures of docs/drone.md.
"""

from __future__ import annotations

import resource
import time
import tracemalloc
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from edge.camera.recording import read_file_frames
from edge.drone.eye import Setup
from edge.drone.flightpath import FlightPath
from edge.drone.journal import Journal
from edge.drone.look import KeyFrame
from edge.drone.mosaic import Mosaic, extent_of
from edge.drone.settings import Look as LookSettings
from edge.drone.survey import Survey
from edge.drone.telemetry.pose import Pose
from tests.drone.flyover import PLANE

SHARED = Path(__file__).resolve().parents[3] / "shared"
WEIGHTS = SHARED / "data" / "weights" / "yolo11n_coco_deq.onnx"
SECONDS, FPS, SIZE = 12, 5, (3840, 2160)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.shared,
    pytest.mark.skipif(not WEIGHTS.is_file(), reason=f"{WEIGHTS} is not here"),
    pytest.mark.timeout(1800),
]


def film(path: Path) -> None:
    rng = np.random.default_rng(1)
    ground = cv2.resize(rng.integers(0, 255, (300, 500, 3), np.uint8), (5200, 3000))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "28", "preset": "ultrafast"}
        for number in range(SECONDS * FPS):
            piece = ground[number * 8 :][: SIZE[1], : SIZE[0]]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(piece.copy(), format="bgr24")))
        container.mux(stream.encode())


def path_of(seconds: float) -> FlightPath:
    poses = []
    for number in range(int(seconds * 10) + 10):
        lat, lon = PLANE.degrees(0.0, 8.0 * number / 10)
        poses.append(
            Pose(number / 10, "test", "full", lat=lat, lon=lon, rel_alt_m=100.0, yaw_deg=0.0,
                 pitch_deg=-70.0, focal35_mm=24.0)
        )  # fmt: skip
    return FlightPath(poses)


def model_of(tmp_path: Path):
    import ast
    import hashlib

    import onnxruntime
    import yaml

    from edge.vision.model import load_model

    (tmp_path / WEIGHTS.name).symlink_to(WEIGHTS)
    names = onnxruntime.InferenceSession(str(WEIGHTS)).get_modelmeta().custom_metadata_map["names"]
    manifest = tmp_path / "coco.yaml"
    digest = hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    classes = [name.replace(" ", "_") for name in ast.literal_eval(names).values()]
    manifest.write_text(
        yaml.safe_dump({"file": WEIGHTS.name, "sha256": digest, "classes": classes,
                        "input": {"height": 640, "width": 640}})
    )  # fmt: skip
    return load_model(manifest)


def test_a_4k_flight_costs_at_most_twice_its_bare_inference(tmp_path):
    film(tmp_path / "4k.mp4")
    model = model_of(tmp_path)
    path = path_of(SECONDS)
    points = np.array([PLANE.metres(p.lat, p.lon) for p in path.poses])
    survey = Survey(path, Setup(*SIZE), PLANE, [], model, LookSettings(fps=1.0),
                    mosaic=Mosaic(extent_of(points, 160.0, []), PLANE))  # fmt: skip
    journal = Journal(tmp_path / "work", "cost")
    began = time.process_time()
    survey.run(read_file_frames(str(tmp_path / "4k.mp4"), 1.0), journal)
    whole_s = time.process_time() - began
    tiles = sum(look.tiles for look in journal.looks())
    picture = np.zeros((2160, 3840, 3), np.uint8)
    began = time.process_time()
    for _ in range(tiles):
        model.detect_in(picture, (0.0, 0.0, 640 / 3840, 640 / 2160), min_score=0.3)
    bare_s = time.process_time() - began
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"\n{journal.count} looks, {tiles} tiles: {whole_s:.1f} s of CPU, bare inference "
        f"{bare_s:.1f} s, ratio {whole_s / bare_s:.2f}; {whole_s / journal.count * 600 / 60:.0f} "
        f"CPU minutes for 600 looks; peak {peak_mb:.0f} MiB"
    )
    assert whole_s <= 2.0 * bare_s


class Nothing:
    """A detector that sees nothing, so that only the flight's own memory grows."""

    names, sha256, workers = ("person",), "0" * 64, 1

    def shape_for(self, image):
        return (640, 640)

    def detect_in(self, image, region, *, min_score):
        from edge.values import Detections

        return Detections.none(self.names)


def test_memory_does_not_grow_with_the_flight(tmp_path):
    from edge.values import Frame, Stamp

    image = np.random.default_rng(1).integers(0, 255, (540, 960, 3), np.uint8)
    path = path_of(700)
    survey = Survey(path, Setup(960, 540), PLANE, [], Nothing(), LookSettings())
    journal = Journal(tmp_path / "work", "memory")

    def frames(first: int, last: int):
        for second in range(first, last):
            yield Frame("x", second, Stamp(float(second), 1e9 + second, "recording"), image)

    survey.run(frames(0, 60), journal)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    journal.resumed = False
    survey.run(frames(60, 600), journal)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert journal.count >= 590
    assert after - before < 2_000_000
    assert isinstance(next(journal.looks()), KeyFrame)
