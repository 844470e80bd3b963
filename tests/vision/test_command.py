# SPDX-License-Identifier: AGPL-3.0-or-later
"""edge model, as a person and as a machine sees it."""

import json

import pytest

from edge.cli import main
from tools.fakes.onnx_files import bright, write

DATA = bright(128, 192, ["lamp", "cart"], classes=2)


@pytest.fixture
def folder(tmp_path):
    write(tmp_path, DATA, ["lamp", "cart"], licence="CC0-1.0", release=3)
    return tmp_path


def test_list(folder, capsys):
    assert main(["model", "list", "--models", str(folder)]) == 0
    assert "m: release 3, 2 classes, 128x192, CC0-1.0, not signed" in capsys.readouterr().out


def test_verify_good_and_bad(folder, capsys):
    assert main(["model", "verify", "--models", str(folder)]) == 0
    assert capsys.readouterr().out.startswith("good  m: sha256")
    (folder / "m.onnx").write_bytes(DATA[:-1] + b"\x00")
    assert main(["model", "verify", "--models", str(folder), "--json"]) == 1
    row = json.loads(capsys.readouterr().out)
    assert row["ok"] is False and "hashes to" in row["error"]


def test_bench(folder, capsys):
    assert main(["model", "bench", str(folder / "m.yaml"), "--seconds", "0.2", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert row["pictures_per_s"] > 0 and row["input"] == [128, 192] and row["provider"] == "cpu"


def test_an_empty_folder_and_a_bad_picture_are_wrong_input(tmp_path, folder, capsys):
    assert main(["model", "list", "--models", str(tmp_path / "none")]) == 2
    bad = folder / "bad.png"
    bad.write_bytes(b"no picture")
    assert main(["model", "bench", str(folder / "m.yaml"), "--image", str(bad)]) == 2
    assert "not a readable picture" in capsys.readouterr().err


def test_one_bad_manifest_does_not_hide_the_others(folder, capsys):
    (folder / "a.yaml").write_text("file: [")
    assert main(["model", "list", "--models", str(folder)]) == 1
    out = capsys.readouterr().out
    assert "BAD" in out and "m: release 3" in out
