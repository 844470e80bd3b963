# SPDX-License-Identifier: AGPL-3.0-or-later
"""The second classifier: its manifest, its crop, and a truck's traits on the way to the judge."""

import hashlib

import numpy as np
import pytest
import yaml

from edge.config import Camera, ConfigError, convert
from edge.pipeline.analyzer import Analyzer
from edge.values import Detections, Frame, Judgement, Stamp, Track
from edge.vision.traits import blob, cut, open_traits, read_traits, traits_path
from tools.fakes import onnx_files

AT = Stamp(1.0, 1_700_000_000.0)
CLASSES = ["covered", "open_loaded"]


def write(folder, *, detector="city", **more):
    folder.mkdir(exist_ok=True)
    weights = folder / "load.onnx"
    weights.write_bytes(onnx_files.brightness(32))  # the brighter, the surer "open_loaded"
    body = {
        "file": weights.name,
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "classes": CLASSES,
        "input": {"height": 32, "width": 32},
        **more,
    }
    (folder / f"{detector}-load.yaml").write_text(yaml.safe_dump(body))
    return folder / f"{detector}.yaml"


def half_bright():
    """Dark on the left, bright on the right."""
    image = np.zeros((90, 160, 3), np.uint8)
    image[:, 80:] = 255
    return image


def truck(number, box, **more):
    return Track(number, "muck_truck", box, 0.9, AT, AT, **more)


def test_without_a_manifest_beside_the_detector_there_is_none(tmp_path):
    assert open_traits(tmp_path / "city.yaml") is None
    assert traits_path(tmp_path / "city-v1.yaml").name == "city-v1-load.yaml"


def test_it_says_what_it_sees_in_the_box(tmp_path):
    model = open_traits(write(tmp_path))
    dark = dict(model.of(half_bright(), (0.1, 0.1, 0.35, 0.9)))
    light = dict(model.of(half_bright(), (0.6, 0.1, 0.9, 0.9)))
    assert dark == pytest.approx({"covered": 1.0, "open_loaded": 0.0}, abs=0.02)
    assert light == pytest.approx({"covered": 0.0, "open_loaded": 1.0}, abs=0.02)
    assert model.of(half_bright(), (1.5, 1.5, 1.6, 1.6)) == ()


def test_only_seen_trucks_are_asked_and_no_more_than_a_few(tmp_path):
    model = open_traits(write(tmp_path))
    tracks = [truck(n, (0.1, 0.1, 0.2 + n / 50, 0.9)) for n in range(6)]
    tracks += [truck(7, (0.0, 0.0, 1.0, 1.0), coasted=True)]
    tracks += [Track(8, "car", (0, 0, 1, 1), 0.9, AT, AT)]
    judged = {t.id: bool(t.traits) for t in model.judged(half_bright(), tracks)}
    assert judged == {0: False, 1: False, 2: True, 3: True, 4: True, 5: True, 7: False, 8: False}


def test_the_crop_keeps_a_margin_inside_the_picture():
    assert cut(half_bright(), (0.25, 0.2, 0.5, 0.6), 0.0).shape == (37, 41, 3)
    assert cut(half_bright(), (0.0, 0.0, 1.0, 1.0), 0.5).shape == (90, 160, 3)
    assert blob(half_bright(), (32, 64)).shape == (3, 32, 64)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"sha256": "0" * 64}, "is not that of city-load.yaml"),
        ({"file": "gone.onnx"}, "gone.onnx"),
        ({"classes": ["one", "two", "three"]}, "expected 3 probabilities"),
        ({"head": "raw"}, "head"),
        ({"clases": []}, "clases"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(tmp_path, more, says):
    with pytest.raises(ConfigError, match=says):
        open_traits(write(tmp_path, **more))


class OneTruck:
    names = ("muck_truck",)

    def detect(self, image, *, min_score=0.25, tile=False):
        box = np.array([[0.6, 0.2, 0.9, 0.9]], np.float32)
        return Detections(box, np.array([0.9], np.float32), np.zeros(1, np.int32), self.names)


class Listening:
    busy = searching = faint = brief = False
    need_s, starts = 1.0, {}

    def step(self, scene):
        self.scene = scene
        return Judgement()


def test_traits_reach_the_judge(tmp_path):
    judge = Listening()
    camera = convert({"id": "north", "source": "x.mp4", "gate": False}, Camera, "test")
    analyzer = Analyzer(camera, OneTruck(), judge, traits=open_traits(write(tmp_path)))
    for number in range(3):
        at = Stamp(number * 0.2, 1_700_000_000 + number * 0.2)
        analyzer.analyze(Frame("north", number, at, half_bright()))
    (seen,) = judge.scene.tracks
    assert dict(seen.traits)["open_loaded"] > 0.9


def test_its_manifest_is_read_without_opening_it(tmp_path):
    manifest = read_traits(write(tmp_path, notes="made for a test"))
    assert (manifest.of, manifest.margin) == (("muck_truck",), 0.12)
