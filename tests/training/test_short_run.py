# SPDX-License-Identifier: AGPL-3.0-or-later
"""The training loop itself, in its own virtual environment: a run, killed, goes on and ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from tools.training.classes import CITY
from tools.training.collection import (
    Collection,
    Item,
    Label,
    write_collection,
    write_labels,
)

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-train/bin/python"
WEIGHTS = ROOT / "../shared/data/weights/yolo11n_coco_deq.pt"

pytestmark = [pytest.mark.slow, pytest.mark.shared, pytest.mark.timeout(600)]

RUN = """
name: tiny
start: $SHARED/data/weights/yolo11n_coco_deq.pt
data: [{set: $DATA}]
steps: 30
batch: 2
warmup: 2
keep_weight: 0.5
validate_every: 30
checkpoint_s: 1
threads: 1
backbone_rate: 0.2
picture: {height: 96, width: 160, cutouts: 0.0}
"""


@pytest.fixture
def trainer(tmp_path):
    if not PYTHON.is_file():
        pytest.skip("no .venv-train: tools/setup train")
    if not WEIGHTS.is_file():
        pytest.skip("no ../shared: the COCO weights to start from are there")
    _pictures(tmp_path / "data")
    (tmp_path / "tiny.yaml").write_text(RUN)
    words = [PYTHON, "-m", "tools.training.train", tmp_path / "tiny.yaml"]
    words += ["--data", tmp_path / "data", "--shared", ROOT / "../shared"]
    words += ["--out", tmp_path / "runs"]
    return lambda: subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def _pictures(root):
    for part in ("images", "labels"):
        (root / part).mkdir(parents=True)
    rng, items = np.random.default_rng(0), []
    for number in range(8):
        image = rng.integers(0, 255, (96, 160, 3), dtype=np.uint8)
        cv2.rectangle(image, (40, 30), (90, 80), (0, 0, 200), -1)
        split = "val" if number > 5 else "train"
        item = Item(f"p{number}.jpg", split, f"g/{number}", "real", "g")
        cv2.imwrite(str(root / "images" / item.image), image)
        box = Label.of_xyxy(CITY.index("garbage"), 0.25, 0.31, 0.56, 0.83)
        write_labels(root / "labels" / f"{item.stem}.txt", [box])
        items.append(item)
    write_collection(Collection(root, CITY, tuple(items)))


def test_a_killed_run_goes_on(trainer, tmp_path):
    folder = tmp_path / "runs/tiny"
    first = trainer()
    deadline = time.monotonic() + 240
    while not (folder / "resume.pt").is_file() and first.poll() is None:
        assert time.monotonic() < deadline, "no checkpoint was written"
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    second = trainer()
    said, _ = second.communicate(timeout=300)
    assert second.returncode == 0, said
    assert "going on at step" in said
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == 30
    assert {"best.pt", "last.pt", "resume.pt", "run.yaml"} <= {p.name for p in folder.iterdir()}
