# SPDX-License-Identifier: AGPL-3.0-or-later
"""A model file from manifest to detections: right ones, damaged ones, many threads."""

import hashlib
import subprocess
import sys
import threading

import numpy as np
import pytest
import yaml

from edge.config import ConfigError
from edge.vision import session
from edge.vision.inference import SessionRequest
from edge.vision.model import MOST_SHAPES, load_model
from edge.vision.session import open_session
from tools.fakes.onnx_files import bright, damaged, fixed_rows, write

BRIGHT = bright(128, 192, ["lamp", "cart"], classes=2)
CLASSES = ["lamp", "cart"]


@pytest.fixture
def lamp(tmp_path):
    return load_model(write(tmp_path, BRIGHT, CLASSES), workers=2)


def night(height, width, *lamps, side=0.04):
    """A dark picture with white squares centred at fractions."""
    picture = np.zeros((height, width, 3), np.uint8)
    for x, y in lamps:
        half = max(2, round(side * height / 2))
        cx, cy = round(x * width), round(y * height)
        picture[max(0, cy - half) : cy + half, max(0, cx - half) : cx + half] = 255
    return picture


@pytest.mark.parametrize("size", [(1080, 1920), (720, 1280), (333, 501), (900, 300), (4320, 7680)])
def test_boxes_land_where_the_lamp_is(lamp, size):
    found = lamp.detect(night(*size, (0.3, 0.6)), min_score=0.9)
    assert len(found) and found.names == ("lamp", "cart") and set(found.labels.tolist()) == {0}
    centre = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
    scale = min(128 / size[0], 192 / size[1])
    near = np.array([20 / scale / size[1], 20 / scale / size[0]])
    assert (np.abs(centre - (0.3, 0.6)) < near).all()


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((1, 1, 3), np.uint8),
        np.full((9, 7), 200, np.uint8),
        np.zeros((1, 3000, 3), np.uint8),
        np.zeros((50, 50, 4), np.uint8),
    ],
)
def test_odd_pictures_are_taken(lamp, picture):
    found = lamp.detect(picture, min_score=0.5)
    assert ((found.boxes >= 0) & (found.boxes <= 1)).all()


def test_a_region_is_seen_closer_and_told_in_the_whole_picture(lamp):
    picture = night(1080, 1920, (0.30, 0.40), side=0.01)
    found = lamp.detect_in(picture, (0.25, 0.35, 0.35, 0.45), min_score=0.9)
    assert len(found)
    width = found.boxes[:, 2] - found.boxes[:, 0]
    assert (width < 0.05).all() and (found.boxes[:, 0] > 0.25).all()
    assert (found.boxes[:, 2] < 0.35 + 1e-3).all()


@pytest.mark.parametrize("region", [(1.1, 0, 1.2, 1), (0.5, 0.5, 0.5, 0.9), (0.8, 0.2, 0.1, 0.4)])
def test_a_region_outside_sees_nothing(lamp, region):
    assert len(lamp.detect_in(night(100, 100), region)) == 0


def test_tiles_tell_the_place_more_closely_than_the_whole_picture(lamp):
    picture = night(2160, 3840, (0.2, 0.2), (0.8, 0.7), side=0.02)
    whole = lamp.detect(picture, min_score=0.9)
    found = lamp.detect(picture, min_score=0.9, tile=True)
    assert (found.boxes[:, 2] - found.boxes[:, 0]).min() < 0.6 * (
        whole.boxes[:, 2] - whole.boxes[:, 0]
    ).min()
    centre = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
    for x, y in ((0.2, 0.2), (0.8, 0.7)):
        assert (np.abs(centre - (x, y)).max(axis=1) < 0.05).any()


def test_many_threads_get_their_own_answers(lamp):
    places = [(0.1 + 0.1 * index, 0.5) for index in range(8)]
    alone = [lamp.detect(night(360, 640, place), min_score=0.9).boxes for place in places]
    wrong = []

    def ask(index):
        for _ in range(20):
            found = lamp.detect(night(360, 640, places[index]), min_score=0.9)
            if not np.array_equal(found.boxes, alone[index]):
                wrong.append(index)

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


ROWS = np.array([[10, 20, 60, 50, 0.9, 1], [0, 0, 30, 30, 0.2, 0]])


def test_free_sizes_follow_the_picture(tmp_path):
    model = load_model(write(tmp_path, fixed_rows(ROWS), CLASSES))
    assert model.shape_for(night(1080, 1920)) == (128, 192)
    assert model.shape_for(night(1920, 1080)) == (192, 128)
    assert model.shape_for(night(400, 400)) == (192, 192)
    found = model.detect(night(192, 192), min_score=0.5)
    assert found.labels.tolist() == [1]
    assert found.boxes[0] == pytest.approx([10 / 192, 20 / 192, 60 / 192, 50 / 192])


def test_free_sizes_are_not_opened_without_end(tmp_path):
    model = load_model(write(tmp_path, fixed_rows(ROWS), CLASSES))
    for width in range(40, 400, 24):
        model.detect(night(160, width), min_score=0.5)
    assert len(model._opened) <= MOST_SHAPES


def test_a_label_beyond_the_classes_is_no_detection(tmp_path):
    model = load_model(write(tmp_path, fixed_rows(np.array([[1, 2, 30, 40, 0.9, 7]])), CLASSES))
    assert len(model.detect(night(100, 100))) == 0


def spoil(path, **keys):
    facts = yaml.safe_load(path.read_text())
    facts.update(keys)
    path.write_text(yaml.safe_dump({key: value for key, value in facts.items() if value != "-"}))


def sha(data):
    return hashlib.sha256(data).hexdigest()


WRONG = {
    "missing file": (BRIGHT, {"file": "gone.onnx"}, "gone.onnx.*No such file"),
    "wrong hash": (BRIGHT, {"sha256": "0" * 64}, "sha256: m.onnx hashes to"),
    "damaged": (damaged(BRIGHT), {}, "not a usable model"),
    "truncated": (BRIGHT[:300], {}, "not a usable model"),
    "empty": (b"", {}, "not a usable model|not usable"),
    "text": (b"hello " * 50, {}, "not a usable model"),
    "class count": (
        BRIGHT,
        {"classes": ["lamp", "cart", "dog"]},
        "2 classes, the manifest names 3",
    ),
    "class count, no names": (
        bright(128, 192, classes=2),
        {"classes": ["lamp"]},
        "2 classes, .* 1",
    ),
    "classes swapped": (BRIGHT, {"classes": ["cart", "lamp"]}, "class 0 is 'lamp' in the model"),
    "class twice": (BRIGHT, {"classes": ["lamp", "lamp"]}, "'lamp' stands twice"),
    "input size": (BRIGHT, {"input": {"height": 128, "width": 128}}, "input is 128x192"),
    "input not of 32": (BRIGHT, {"input": {"height": 100, "width": 192}}, "input.height = 100"),
    "head": (BRIGHT, {"head": "end2end"}, "head = 'end2end': its outputs are of kind 'raw'"),
    "head unknown": (BRIGHT, {"head": "ssd"}, "head = 'ssd'"),
    "unknown key": (BRIGHT, {"clases": ["lamp"]}, "unknown key 'clases'.*did you mean 'classes'"),
    "no classes": (BRIGHT, {"classes": []}, "classes"),
    "no hash": (BRIGHT, {"sha256": "-"}, "sha256"),
    "path in file": (BRIGHT, {"file": "../m.onnx"}, "file = '../m.onnx'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_models_are_one_clear_line(tmp_path, name):
    data, keys, words = WRONG[name]
    path = write(tmp_path, data, CLASSES)
    spoil(path, **keys)
    with pytest.raises(ConfigError, match=words) as caught:
        load_model(path)
    assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)


def test_a_manifest_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        load_model(tmp_path / "none.yaml")


def test_variants_are_chosen_by_name(tmp_path):
    small = bright(64, 64, CLASSES, classes=2)
    (tmp_path / "small.onnx").write_bytes(small)
    variant = {"file": "small.onnx", "sha256": sha(small), "input": {"height": 64, "width": 64}}
    path = write(tmp_path, BRIGHT, CLASSES, variants={"small": variant})
    assert load_model(path, variant="small").sha256 == sha(small)
    assert load_model(path).sha256 == sha(BRIGHT)
    with pytest.raises(ConfigError, match=r"no 'tiny' \(there are: small\)"):
        load_model(path, variant="tiny")


@pytest.mark.parametrize(
    ("beside", "words"),
    [({}, "beside: m.bin and its SHA-256 are missing"), ({"m.bin": "0" * 64}, "m.bin hashes to")],
)
def test_a_file_that_comes_in_two_is_checked_in_both(tmp_path, beside, words):
    for name in ("m.param", "m.bin"):
        (tmp_path / name).write_bytes(b"x")
    path = write(tmp_path, BRIGHT, CLASSES)
    spoil(path, file="m.param", sha256=sha(b"x"), beside=beside)
    with pytest.raises(ConfigError, match=words):
        load_model(path)


@pytest.mark.parametrize(
    ("provider", "words"),
    [
        ("cuda", "this onnxruntime has no CUDAExecutionProvider"),
        ("tensorrt", "has no Tensorrt"),
        ("ncnn", "no 'ncnn'"),
    ],
)
def test_a_provider_that_is_not_here_is_said(tmp_path, provider, words):
    with pytest.raises(ConfigError, match=words):
        load_model(write(tmp_path, BRIGHT, CLASSES), provider=provider)


@pytest.mark.parametrize(("file", "extra"), [("m.param", "ncnn"), ("m.pt", "train")])
def test_a_missing_extra_is_named(tmp_path, file, extra, monkeypatch):
    monkeypatch.setitem(sys.modules, "ncnn", None)
    monkeypatch.setitem(sys.modules, "torch", None)
    (tmp_path / file).write_bytes(b"x")
    (tmp_path / "m.bin").write_bytes(b"y")
    variant = {"file": file, "sha256": sha(b"x"), "beside": {"m.bin": sha(b"y")}}
    path = write(tmp_path, BRIGHT, CLASSES, variants={"v": variant})
    with pytest.raises(ConfigError, match=rf"pip install 'city-edge\[{extra}\]'"):
        load_model(path, variant="v")


class FakeRuntime:
    """onnxruntime as a board might have it: some providers lie, some crash, one works."""

    class GraphOptimizationLevel:
        ORT_DISABLE_ALL = 0

    def __init__(self, behaviour):
        import onnxruntime

        self._real, self._behaviour = onnxruntime, behaviour
        self.tried = []

    def get_available_providers(self):
        return [session.ONNX_PROVIDERS[key] for key in self._behaviour]

    def SessionOptions(self):  # noqa: N802
        return self._real.SessionOptions()

    def InferenceSession(self, path, options, providers):  # noqa: N802
        name = next(k for k, v in session.ONNX_PROVIDERS.items() if v == providers[0][0])
        self.tried.append(name)
        if self._behaviour[name] == "crash":
            raise RuntimeError("no kernel image is available\nfor this device")
        real = self._real.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return FakeSession(real, providers[0][0], self._behaviour[name])


class FakeSession:
    def __init__(self, real, provider, behaviour):
        self._real, self._provider, self._behaviour = real, provider, behaviour
        self.get_inputs, self.get_outputs = real.get_inputs, real.get_outputs

    def get_providers(self):
        return ["CPUExecutionProvider"] if self._behaviour == "falls back" else [self._provider]

    def run(self, names, feed):
        outputs = self._real.run(names, feed)
        return [one * np.nan for one in outputs] if self._behaviour == "nonsense" else outputs


BOARDS = {
    "all well": ({"cuda": "works", "cpu": "works"}, "cuda", ["cuda"]),
    "crashes": (
        {"cuda": "crash", "tensorrt": "works", "cpu": "works"},
        "cpu",
        ["cuda", "cpu"],
    ),
    "lies": ({"cuda": "falls back", "cpu": "works"}, "cpu", ["cuda", "cpu"]),
    "nonsense": ({"cuda": "nonsense", "cpu": "works"}, "cpu", ["cuda", "cpu"]),
    "engine not built": ({"tensorrt": "works", "cpu": "works"}, "cpu", ["cpu"]),
}


@pytest.mark.parametrize("name", BOARDS)
def test_auto_takes_the_first_provider_that_really_works(tmp_path, name, monkeypatch):
    behaviour, wanted, tried = BOARDS[name]
    write(tmp_path, BRIGHT, CLASSES)
    runtime = FakeRuntime(behaviour)
    monkeypatch.setattr(session, "import_runtime", lambda *_: runtime)
    opened = open_session(SessionRequest(tmp_path / "m.onnx", (128, 192)))
    assert opened.provider == wanted and runtime.tried == tried


def test_a_named_provider_that_fails_is_an_error_not_a_fall_back(tmp_path, monkeypatch):
    write(tmp_path, BRIGHT, CLASSES)
    monkeypatch.setattr(
        session, "import_runtime", lambda *_: FakeRuntime({"cuda": "crash", "cpu": "works"})
    )
    with pytest.raises(ConfigError, match="no kernel image is available for this device"):
        open_session(SessionRequest(tmp_path / "m.onnx", (128, 192), provider="cuda"))


@pytest.mark.parametrize("module", ["edge", "edge.cli", "edge.vision.model", "edge.vision.tracker"])
def test_imports_stay_light(module):
    heavy = ("torch", "ultralytics", "scipy", "onnxruntime", "openvino", "ncnn")
    code = f"import sys, {module}; print([one for one in {heavy} if one in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
