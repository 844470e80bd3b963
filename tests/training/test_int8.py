# SPDX-License-Identifier: AGPL-3.0-or-later
"""int8: what is left in float, which pictures it is measured on, and that the shipped file sees."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from edge.release.selftest import check_boxes, known_picture
from edge.vision.manifest import SelfTest, read_manifest, resolve
from edge.vision.model import load_model
from tests.training.test_with_torch import told_by
from tools.training.agreement import compare
from tools.training.collection import Item, Label
from tools.training.int8 import main, sensitive
from tools.training.pictures import Picture
from tools.training.ranges import LEAST_EACH, NIGHTS, choose, left_over

MODELS = Path(__file__).parents[2] / "models"


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("/model.0/conv/Conv", True),
        ("/model.4/cv1/conv/Conv", True),
        ("/model.5/conv/Conv", False),
        ("/model.8/m.0/cv1/conv/Conv", True),
        ("/model.10/m/m.0/attn/MatMul", True),
        ("/model.13/cv1/conv/Conv", True),
        ("/model.16/cv1/conv/Conv", False),
        ("/model.22/m.0/cv1/conv/Conv", True),
        ("/model.20/conv/Conv", False),
        ("/model.23/cv2.0/cv2.0.0/conv/Conv", False),
        ("/model.23/cv2.1/cv2.1.1/act/Mul", False),
        ("/model.23/cv3.1/cv3.1.1/cv3.1.1.1/conv/Conv", True),
        ("/model.23/cv2.2/cv2.2.2/Conv", True),
        ("/model.23/dfl/conv/Conv", True),
        ("/model.23/Sigmoid", True),
    ],
)
def test_what_loses_much_and_costs_little_stays_in_float(name, kept):
    assert sensitive([SimpleNamespace(name=name)]) == [name] * kept


def picture(folder, name, source, labels=(), light=128):
    path = folder / f"{name}.png"
    cv2.imwrite(str(path), np.full((64, 64, 3), light, np.uint8))
    item = Item(path.name, "train", name, "real", source)
    return Picture(path, item, tuple(Label(label, 0.5, 0.5, 0.1, 0.1) for label in labels))


def test_every_class_light_and_source_is_measured(tmp_path):
    day = [picture(tmp_path, f"d{n}", "road") for n in range(60)]
    night = [picture(tmp_path, f"n{n}", "road", light=20) for n in range(20)]
    rare = [picture(tmp_path, f"r{n}", "road", [7]) for n in range(2)]
    often = [picture(tmp_path, f"o{n}", "road", [1]) for n in range(30)]
    other = [picture(tmp_path, f"x{n}", "square") for n in range(3)]
    chosen = choose([*day, *night, *rare, *often, *other], 40)
    names = [one.path.stem for one in chosen]
    assert len(set(names)) == 40
    assert sum(name[0] == "r" for name in names) == 2
    assert sum(name[0] == "o" for name in names) >= LEAST_EACH
    assert sum(name[0] == "n" for name in names) >= NIGHTS
    assert sum(name[0] == "x" for name in names) == 3
    again = choose([*day, *night, *rare, *often, *other], 40)
    assert [one.path.stem for one in again] == names
    left = [one.path.stem for one in left_over([*day, *night, *rare, *often, *other], 40, 12)]
    assert len(left) == 12
    assert not set(left) & set(names)


def test_two_forms_are_compared_where_the_first_sees_something():
    raw = np.zeros((1, 6, 4), np.float32)
    raw[0, :4] = 10.0
    raw[0, 4, 0] = 0.5
    moved = raw.copy()
    moved[0, 4, 0], moved[0, 0, 0], moved[0, 4, 1] = 1 / (1 + np.exp(-0.2)), 14.0, 0.04
    told = compare(lambda _: raw, lambda _: moved, [np.zeros(1, np.float32)])
    assert told.odds == pytest.approx(0.2, abs=1e-4)
    assert told.shift == pytest.approx(0.2, abs=1e-4)
    assert told.boxes == pytest.approx(0.1)
    with pytest.raises(ValueError, match="sees nothing"):
        compare(lambda _: raw * 0, lambda _: moved, [np.zeros(1, np.float32)])


@pytest.mark.parametrize(
    ("words", "said"),
    [(["NONE/city.onnx"], "no such file"), (["MODEL", "--shared", "NONE"], "--pictures")],
)
def test_what_is_missing_is_named_in_one_line(tmp_path, capsys, words, said):
    (tmp_path / "m.onnx").write_bytes(b"")
    (tmp_path / "m.yaml").write_text("file: m.onnx")
    put = {"MODEL": str(tmp_path / "m.onnx"), "NONE": str(tmp_path / "none")}
    assert main([put.get(word, word.replace("NONE", put["NONE"])) for word in words]) == 2
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1


# A convolution whose weights all round downwards: each channel gives too little.
BIASED = """
import json, numpy as np, onnx
from onnx import TensorProto, helper, numpy_helper
from tools.training.int8 import correct_biases, shadowed, _quantised_biases
from tools.training.ranges import Inside
weights = np.full((2, 3, 1, 1), 0.504 / 127, np.float32); weights[:, 0] = 1.0
bias = np.array([0.25, -0.5], np.float32)
def plain():
    nodes = [helper.make_node("Conv", ["x", "w", "b"], ["y"], name="c", kernel_shape=[1, 1])]
    ports = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, c, 8, 8])
             for n, c in (("x", 3), ("y", 2))]
    stored = [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(bias, "b")]
    return helper.make_model(helper.make_graph(nodes, "g", ports[:1], ports[1:], stored),
                             opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
def small():
    scale, step = np.float32(1 / 255), np.full(2, 1 / 127, np.float32)
    low = np.floor(weights * 127).astype(np.int8)
    whole = np.round(bias / (scale * step)).astype(np.int32)
    stored = {"s": scale, "z": np.uint8(0), "wq": low, "ws": step, "wz": np.zeros(2, np.int8),
              "bq": whole, "bs": scale * step}
    nodes = [helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
             helper.make_node("DequantizeLinear", ["q", "s", "z"], ["xd"]),
             helper.make_node("DequantizeLinear", ["wq", "ws", "wz"], ["wd"], axis=0),
             helper.make_node("DequantizeLinear", ["bq", "bs"], ["bd"], axis=0),
             helper.make_node("Conv", ["xd", "wd", "bd"], ["y"], name="c", kernel_shape=[1, 1])]
    model = plain()
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(nodes)
    for name, value in stored.items():
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    return model
seen = [np.random.default_rng(n).random((1, 3, 8, 8), dtype=np.float32) for n in range(4)]
def off(model):
    def mean(one):
        return np.mean([dict(Inside(one, ["y"])(blob))["y"].mean((0, 2, 3)) for blob in seen], 0)
    return float(np.abs(mean(plain()) - mean(model)).max())
model = small()
before = off(model)
correct_biases(plain(), model, seen)
print(json.dumps([before, off(model)]))
"""


def test_what_rounding_adds_is_taken_out_of_the_bias():
    before, after = told_by(BIASED)
    assert before > 1e-3
    assert after < before / 10


def test_the_shipped_int8_finds_what_the_shipped_model_finds():
    path = MODELS / "city-v1.yaml"
    assert (
        read_manifest(path).variants["int8"].sha256
        == resolve(path.with_stem("city-v1-int8")).sha256
    )
    pictures = sorted((MODELS / "selftest").glob("*.jpg"))
    model = load_model(path, provider="cpu", workers=1)
    known = SelfTest(pictures=tuple(known_picture(model, one) for one in pictures))
    small = load_model(path, provider="cpu", workers=1, variant="int8")
    assert "unknown" in check_boxes(small, known, MODELS / "selftest")
