# SPDX-License-Identifier: AGPL-3.0-or-later
"""tools/export --lift in the trainer's own virtual environment: one class's scores, no other's."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-train/bin/python"

SCRIPT = """
import json, torch
from ultralytics.nn.tasks import DetectionModel
from edge.config import ConfigError
from tools.training.classes import CITY
from tools.training.export import lift
torch.manual_seed(0)
model = DetectionModel("yolo11n.yaml", nc=len(CITY), verbose=False).fuse(verbose=False).eval()
model.names = dict(enumerate(CITY))
for parameter in model.parameters():
    parameter.requires_grad = False
image, row = torch.rand(1, 3, 64, 64), CITY.index("grill")
before = model(image)[0][0, 4:].logit()
lift(model, {"grill": 1.25})
moved = (model(image)[0][0, 4:].logit() - before).abs()
told = {"grill": moved[row].mean().item()}
moved[row] = 0
told["others"] = moved.max().item()
try:
    lift(model, {"kettle": 1.0})
except ConfigError as error:
    told["unknown"] = str(error)
print(json.dumps(told))
"""


def test_a_lift_moves_one_class_by_as_much_as_it_says():
    if not PYTHON.is_file():
        pytest.skip("no .venv-train: tools/setup train")
    words = [PYTHON, "-c", SCRIPT]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["grill"] == pytest.approx(1.25, abs=0.01)
    assert told["others"] < 1e-3
    assert told["unknown"].startswith("--lift kettle: not a class of it; one of person")
