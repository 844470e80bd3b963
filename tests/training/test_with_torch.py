# SPDX-License-Identifier: AGPL-3.0-or-later
"""Parts that need torch, in the trainer's own virtual environment: the loss, and tools/export."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-train/bin/python"


def told_by(script):
    """The JSON of a script's last line."""
    if not PYTHON.is_file():
        pytest.skip("no .venv-train: tools/setup train")
    words = [PYTHON, "-c", script]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


# A lorry stands pasted at the left of a picture whose own lorries nobody labelled.
SILENT = """
import json, torch
from ultralytics.nn.tasks import DetectionModel
from ultralytics.cfg import get_cfg
from tools.training.classes import CITY
from tools.training.objective import Batch, Objective, Teachers, as_float
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
loss, _ = Objective(model, CITY, Teachers())({**output, "scores": scores}, batch, remember=False)
loss.backward()
fine = scores.grad[0, :, : 16 * 32].reshape(len(CITY), 16, 32)  # stride 8
far = fine[:, :, 20:]
print(json.dumps({"in it": fine[lorry, 8, 8].item(), "far": far[lorry].abs().sum().item(),
                  "other class, far": far[stall].abs().sum().item()}))
"""


def test_what_is_pasted_is_learnt_though_its_class_is_silent_elsewhere():
    gradient = told_by(SILENT)
    assert gradient["in it"] != 0
    assert gradient["far"] == 0
    assert gradient["other class, far"] > 0


# The same picture, and a teacher whose scores of lorries and stalls stand far from the learner's.
TAUGHT = SILENT.replace(
    "loss, _ = Objective(model, CITY, Teachers())",
    """teacher = DetectionModel("yolo11n.yaml", nc=len(CITY), verbose=False).train()
for branch in teacher.model[-1].cv3:
    torch.nn.init.constant_(branch[-1].bias, -1.0)
loss, _ = Objective(model, CITY, Teachers(city=teacher, city_weight=1.0))""",
).replace("remember=False", "remember=True")


def test_a_teachers_word_stands_where_nobody_labelled_the_class_and_only_there():
    alone, taught = told_by(SILENT), told_by(TAUGHT)
    assert taught["far"] > 0
    for labelled in ("in it", "other class, far"):
        assert taught[labelled] == pytest.approx(alone[labelled], rel=1e-4)


def test_a_teacher_that_is_followed_in_a_class_counts_beside_the_labels_outside_what_is_labelled():
    followed = TAUGHT.replace(
        "weight=1.0", "weight=1.0, city_classes=('vendor_stall', 'muck_truck')"
    )
    taught, beside = told_by(TAUGHT), told_by(followed)
    assert beside["other class, far"] != pytest.approx(taught["other class, far"], rel=0.01)
    assert beside["in it"] == pytest.approx(taught["in it"], rel=1e-4)


ROWS = """
import json, torch
from ultralytics.nn.tasks import DetectionModel
from edge.config import ConfigError
from tools.training.classes import CITY
from tools.training.export import take_rows
def made(seed):
    torch.manual_seed(seed)
    model = DetectionModel("yolo11n.yaml", nc=len(CITY), verbose=False).eval()
    model.names = dict(enumerate(CITY))
    for branch in model.model[-1].cv3:
        torch.nn.init.normal_(branch[-1].bias)
    return model
model, other = made(0), made(1)
image, row = torch.rand(1, 3, 64, 64), CITY.index("bin")
with torch.no_grad():
    before = model(image)[0][0, 4:]
    take_rows(model, other, ["bin"])
    moved = (model(image)[0][0, 4:] - before).abs()
told = {"bin": moved[row].max().item()}
moved[row] = 0
told["others"] = moved.max().item()
try:
    take_rows(model, other, ["kettle"])
except ConfigError as error:
    told["unknown"] = str(error)
print(json.dumps(told))
"""


def test_rows_of_another_checkpoint_move_no_other_class():
    told = told_by(ROWS)
    assert told["bin"] > 1e-3
    assert told["others"] == 0
    assert told["unknown"].startswith("--rows-of kettle: not a class of both; one of person")


LINE = """
import json, torch
from pathlib import Path
from ultralytics.nn.tasks import DetectionModel
from edge.config import ConfigError
from tools.training.learn import rate_at, wake
from tools.training.settings import Run
from tools.training.surgery import mean_of
def made(seed):
    torch.manual_seed(seed)
    return DetectionModel("yolo11n.yaml", nc=3, verbose=False).eval()
paths = [Path("start.pt"), Path("last.pt")]
name = "model.0.conv.weight"
start, last = (made(seed).state_dict()[name] for seed in (0, 1))
mixed = mean_of([made(0), made(1)], paths, 0.25)
told = {"off": (mixed.state_dict()[name] - (0.75 * start + 0.25 * last)).abs().max().item()}
equal = mean_of([made(0), made(1)], paths)
head = mean_of([made(0), made(1)], paths, 0.0, 0.25).state_dict()
last_row = "model.23.cv3.0.2.weight"
both = [made(seed).state_dict()[last_row] for seed in (0, 1)]
told["features moved"] = (head[name] - start).abs().max().item()
told["head off"] = (head[last_row] - 0.75 * both[0] - 0.25 * both[1]).abs().max().item()
told["off equal"] = (equal.state_dict()[name] - (start + last) / 2).abs().max().item()
try:
    mean_of([made(0)], paths[:1], 0.5)
except ConfigError as error:
    told["alone"] = str(error)
run = Run(name="a", start="b", data=(), steps=100, warmup=10, rate=1e-3, rate_end=1e-5)
told["late"] = [rate_at(20, run, 0.0), rate_at(20, run, 1.0)]
wake(mixed, 2, still_norms=True)
told["norms"] = any(m.training for m in mixed.modules() if isinstance(m, torch.nn.BatchNorm2d))
told["head"] = mixed.model[-1].training
print(json.dumps(told))
"""


def test_a_mean_has_the_share_asked_for_and_a_run_by_the_clock_ends_slowly():
    told = told_by(LINE)
    assert told["off"] < 1e-6 and told["off equal"] < 1e-6
    assert told["features moved"] == 0 and told["head off"] < 1e-6
    assert told["alone"] == "start.pt: a share of it in a mean needs another checkpoint"
    early, late = told["late"]
    assert early > 9e-4 and late == pytest.approx(1e-5)
    assert told["head"] and not told["norms"]


RESTORE = """
import json
from pathlib import Path
import numpy as np, onnxruntime, torch
from tools.training.raw_yolo import blob_of
from tools.training.classes import CITY
from tools.training.restoring import restore
from tools.training.surgery import Photographs, open_checkpoint
path = Path("models/city-v1.onnx")
rng = np.random.default_rng(1)
photographs = [np.kron(rng.integers(0, 255, (6, 10, 3)), np.ones((64, 64, 1))).astype(np.uint8)
               for _ in range(16)]
model = restore(path, photographs, height=384, width=640)
blob = blob_of(photographs[3])
session = onnxruntime.InferenceSession(str(path))
file = session.run(None, {session.get_inputs()[0].name: blob})[0]
with torch.no_grad():
    mine = model(torch.from_numpy(blob))[0].numpy()
    first = model.model[0](torch.from_numpy(blob))
    model.model[0].train()
    second = model.model[0](torch.from_numpy(blob))
grown = open_checkpoint([path], CITY + ("water_cart",), Photographs(photographs, 384, 640)).eval()
with torch.no_grad():
    more = grown(torch.from_numpy(blob))[0].numpy()
print(json.dumps({"px": float(np.abs(mine[:, :4] - file[:, :4]).max()),
                  "scores": float(np.abs(mine[:, 4:] - file[:, 4:]).max()),
                  "grown": float(np.abs(more[:, : file.shape[1]] - file).max()),
                  "rows": [file.shape[1], more.shape[1]],
                  "norm": float(second.mean() - first.mean())}))
"""


def test_a_shipped_file_is_trained_on_from_where_it_is():
    told = told_by(RESTORE)
    assert told["px"] < 0.01
    assert told["scores"] < 1e-4
    assert told["grown"] < 0.01, "a class added since leaves the others as they are"
    assert told["rows"][1] > told["rows"][0]
    # Its norms hold the statistics of photographs: in training mode they see what they expect.
    assert abs(told["norm"]) < 0.05


SHARES = """
import json
from ultralytics.nn.tasks import DetectionModel
from tools.training.learn import freeze, groups
model = DetectionModel("yolo11n.yaml", nc=22, verbose=False)
freeze(model, 3)
told = {id(p): group["share"] for group in groups(model, 5e-4, 0.3, 0.0) for p in group["params"]}
print(json.dumps([sorted({str(told.get(id(p))) for p in layer.parameters()})
                  for layer in model.model]))
"""


def test_backbone_and_neck_learn_at_their_share_of_the_rate():
    shares = told_by(SHARES)
    assert all(layer in ([], ["None"]) for layer in shares[:3]), "frozen"
    assert {share for layer in shares[3:11] for share in layer} == {"0.3"}
    assert {share for layer in shares[11:23] for share in layer} == {"0.0"}
    assert shares[23] == ["1.0", "None"], "the kernel of the box distribution is fixed"


BROKEN = """
import json
from pathlib import Path
import numpy as np
from edge.config import ConfigError
from tools.training.restoring import restore
black = [np.zeros((64, 64, 3), np.uint8)] * 16
folder = Path("FOLDER")
(folder / "none.onnx").write_bytes(b"no model at all")
told = []
for path, photographs in ((folder / "missing.onnx", black), (folder / "none.onnx", black),
                          (Path("models/city-v1.onnx"), black[:3])):
    try:
        restore(path, photographs, height=64, width=64)
    except ConfigError as error:
        told.append(str(error))
print(json.dumps(told))
"""


def test_what_is_no_shipped_file_is_refused_in_one_line(tmp_path):
    told = told_by(BROKEN.replace("FOLDER", str(tmp_path)))
    assert len(told) == 3
    assert all("\n" not in line for line in told)
    assert "no such model" in told[0]
    assert "photographs" in told[2]


# Places of two kinds; the class fires on both, and is wanted on the first only.
REFITTED = """
import json, numpy as np, onnx
from onnx import numpy_helper
from tools.training.classes import CITY
from tools.training.refit import BIAS, WEIGHT, Lookout, Places, refit
from tools.training.samples import Sample
model = onnx.load("models/city-v1.onnx")
read = lambda name: next(numpy_helper.to_array(i).copy() for i in model.graph.initializer
                         if i.name == name)
before = [(read(WEIGHT.format(b)), read(BIAS.format(b))) for b in range(3)]
label = CITY.index("bin")
rng, places = np.random.default_rng(0), []
for weights, _ in before:
    wanted = np.arange(200) % 2 == 0
    features = rng.normal(size=(200, weights.shape[1])).astype(np.float32)
    features[:, 0] = np.where(wanted, 3.0, -3.0)
    targets = np.zeros((200, len(CITY)), np.float32)
    targets[wanted, label] = 0.8
    ones = np.ones_like(targets)
    places.append(Places(features, targets, ones, ones[:, 0]))
refit(model, places, ["bin"], 0.001)
after = [(read(WEIGHT.format(b)), read(BIAS.format(b))) for b in range(3)]
told = [1 / (1 + np.exp(-(p.features @ w[label, :, 0, 0] + b[label])))
        for p, (w, b) in zip(places, after)]
others = [i for i in range(len(CITY)) if i != label]
image = np.zeros((384, 640, 3), np.uint8)
box = np.array([[200, 100, 360, 300]], np.float32)
seen = Lookout(model).look(
    Sample(image, box, np.array([label]), np.arange(len(CITY)) == label), rng)
print(json.dumps({
    "wanted": float(np.mean([t[::2].mean() for t in told])),
    "unwanted": float(np.mean([t[1::2].mean() for t in told])),
    "others": all((a[0][others] == b[0][others]).all() and (a[1][others] == b[1][others]).all()
                  for a, b in zip(after, before)),
    "places wanted": int(sum((p.targets[:, label] > 0).sum() for p in seen)),
    "judged elsewhere": int(sum(p.judged[p.targets[:, label] == 0, label].sum() for p in seen)),
    "all places": float(sum(p.weights.sum() for p in seen))}))
"""


@pytest.mark.timeout(400)
def test_a_row_is_fitted_anew_and_no_other_moves():
    told = told_by(REFITTED)
    assert told["wanted"] > 0.6 and told["unwanted"] < 0.2
    assert told["others"]
    assert 1 <= told["places wanted"] <= 10, "as many candidates as in training"
    assert told["judged elsewhere"] == 0, "nobody labelled the class in that picture"
    assert told["all places"] == pytest.approx(5040, rel=0.25)
