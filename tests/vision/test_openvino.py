# SPDX-License-Identifier: AGPL-3.0-or-later
"""OpenVINO for real, on the shipped model and the self-test pictures: the same boxes as fp32."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = "openvino==2026.4.1"
# In a child, for the package may lie in a folder of its own.
SCRIPT = """
import json, sys, threading
from pathlib import Path
import cv2, numpy as np
from edge.config import ConfigError
from edge.release.selftest import check_boxes, known_picture
from edge.release.tuning import RunnableForm, measured_apart
from edge.vision.manifest import SelfTest
from edge.vision.model import load_model
path, pictures = Path("models/city-v1.yaml"), sorted(Path("models/selftest").glob("*.jpg"))
plain = load_model(path, provider="cpu", workers=1)
known = SelfTest(pictures=tuple(known_picture(plain, one) for one in pictures))
told = {}
for variant in (None, "int8"):
    model = load_model(path, provider="openvino", workers=2, variant=variant)
    told[variant or "fp32"] = [model.provider, check_boxes(model, known, pictures[0].parent)]
image, seen = cv2.imread(str(pictures[-1])), []
callers = [threading.Thread(target=lambda: seen.append(model.detect(image))) for _ in range(4)]
[one.start() for one in callers], [one.join() for one in callers]
told["threads"] = [np.array_equal(one.boxes, seen[0].boxes) and len(one) for one in seen]
rows = measured_apart(path, RunnableForm("openvino", None), [1], None, 0.5)
told["measured"] = [rows[0].ok, rows[0].said, rows[0].times]
Path(sys.argv[1]).joinpath("bad.onnx").write_bytes(b"x" * 100)
from edge.vision.inference import SessionRequest
from edge.vision.session import open_session
try:
    open_session(SessionRequest(Path(sys.argv[1]) / "bad.onnx", (384, 640), "openvino"))
except ConfigError as error:
    told["bad"] = str(error)
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """A folder with the package, put there by pip where .venv lacks it; "" where it does not."""
    if importlib.util.find_spec("openvino"):
        return ""
    folder = tmp_path_factory.mktemp("openvino")
    words = ["-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), PACKAGE]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=170)
    if done.returncode:
        pytest.skip(f"{PACKAGE} cannot be had here: {done.stderr.strip()[-200:]}")
    return str(folder)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_openvino_sees_what_fp32_sees(elsewhere, tmp_path):
    paths = os.pathsep.join(filter(None, [elsewhere, str(ROOT)]))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])
    for form in ("fp32", "int8"):
        assert told[form][0] == "openvino"
        assert told[form][1].startswith("9 of 9 known boxes found, 0 of")
    assert len(set(told["threads"])) == 1 and told["threads"][0] > 0
    ok, said, times = told["measured"]
    assert ok and times > 0, said
    assert "bad.onnx: not a usable model" in told["bad"]


def test_without_the_package_it_is_named(monkeypatch):
    from edge.config import ConfigError
    from edge.vision.model import load_model

    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ConfigError, match=r"pip install 'city-edge\[openvino\]'"):
        load_model(ROOT / "models/city-v1.yaml", provider="openvino", workers=1)
