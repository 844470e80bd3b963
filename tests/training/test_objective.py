# SPDX-License-Identifier: AGPL-3.0-or-later
"""The loss in the trainer's own virtual environment: what a silent class is still taught."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-train/bin/python"

# A lorry stands pasted at the left of a picture whose own lorries nobody labelled.
SCRIPT = """
import json, torch
from ultralytics.nn.tasks import DetectionModel
from ultralytics.cfg import get_cfg
from tools.training.classes import CITY
from tools.training.objective import Batch, Objective, as_float
torch.manual_seed(0)
model = DetectionModel("yolo11n.yaml", nc=len(CITY), verbose=False)
model.args = get_cfg()
lorry, stall = CITY.index("muck_truck"), CITY.index("vendor_stall")
silent = torch.zeros(1, len(CITY), dtype=torch.bool)
silent[0, lorry] = True
batch = Batch(torch.rand(1, 3, 128, 256), torch.zeros(1), torch.full((1,), float(lorry)),
              torch.tensor([[0.25, 0.5, 0.3, 0.6]]), silent)
output = as_float(model.train()(batch.image))
scores = output["scores"].detach().requires_grad_()
loss, _ = Objective(model, CITY, None, 0.0)({**output, "scores": scores}, batch, remember=False)
loss.backward()
fine = scores.grad[0, :, : 16 * 32].reshape(len(CITY), 16, 32)  # stride 8
far = fine[:, :, 20:]
print(json.dumps({"in it": fine[lorry, 8, 8].item(), "far": far[lorry].abs().sum().item(),
                  "other class, far": far[stall].abs().sum().item()}))
"""


def test_what_is_pasted_is_learnt_though_its_class_is_silent_elsewhere():
    if not PYTHON.is_file():
        pytest.skip("no .venv-train: tools/setup train")
    words = [PYTHON, "-c", SCRIPT]
    told = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert told.returncode == 0, told.stderr[-2000:]
    gradient = json.loads(told.stdout.splitlines()[-1])
    assert gradient["in it"] != 0
    assert gradient["far"] == 0
    assert gradient["other class, far"] > 0
