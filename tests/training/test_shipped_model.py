# SPDX-License-Identifier: AGPL-3.0-or-later
"""The shipped model as the box loads it: manifest, hash, classes, size, and that it sees."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from edge.cli import main
from edge.vision.manifest import read_manifest, resolve
from edge.vision.model import load_model
from tools.training.classes import CITY

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "models"
PACK = ROOT / "../shared/data/pack/val/images"
LARGEST_BYTES = 12_000_000


@pytest.mark.parametrize("path", sorted(MODELS.glob("city-*.yaml")), ids=lambda path: path.stem)
def test_manifest_weights_and_size(path):
    manifest = read_manifest(path)
    weights = resolve(path)
    assert manifest.classes == CITY[: len(manifest.classes)]
    assert manifest.licence and manifest.trained_on
    assert weights.path.stat().st_size <= LARGEST_BYTES


def test_verify_proves_both_shipped_forms_on_known_objects(capsys):
    assert main(["model", "verify", "--models", str(MODELS)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    for line in lines:
        assert line.startswith("good  ") and "known boxes found" in line, line


@pytest.mark.parametrize("wrong", ["colours", "scores", "picture", "no picture"])
def test_verify_refuses_a_shipped_model_whose_answers_are_wrong(wrong, tmp_path, capsys):
    folder = tmp_path / "models"
    shutil.copytree(MODELS, folder, ignore=shutil.ignore_patterns("*-int8*", "pictures"))
    path, picture = folder / "city-v1.yaml", folder / "selftest" / "street.jpg"
    fields = yaml.safe_load(path.read_text())
    del fields["variants"]
    if wrong == "colours":
        fields["preprocess"] = {"order": "bgr", "scale": 0.002}
    elif wrong == "scores":
        fields["calibration"]["classes"] = {name: [1.0, -3.0] for name in CITY}
    elif wrong == "picture":
        shutil.copyfile(folder / "selftest" / "spill-day.jpg", picture)
    else:
        picture.unlink()
    path.write_text(yaml.safe_dump(fields, allow_unicode=True))
    assert main(["model", "verify", str(path)]) == 1
    said = capsys.readouterr().out
    assert said.startswith("BAD") and ("street.jpg" if "picture" in wrong else "self-test") in said


def test_an_empty_picture_is_empty():
    model = load_model(MODELS / "city-v1.yaml", provider="cpu", workers=1)
    assert model.names == CITY[: len(model.names)]
    assert not len(model.detect(np.full((720, 1280, 3), 114, np.uint8), min_score=0.35))


@pytest.mark.shared
def test_it_sees_a_refuse_bag():
    if not PACK.is_dir():
        pytest.skip("no ../shared: its pictures are development material")
    model = load_model(MODELS / "city-v1.yaml", provider="cpu", workers=1)
    pictures = sorted(PACK.glob("sg_*.jpg"))[:10]
    seen = 0
    for path in pictures:
        found = model.detect(cv2.imread(str(path)), min_score=0.35)
        seen += "garbage" in {model.names[label] for label in found.labels}
    assert seen >= 8
