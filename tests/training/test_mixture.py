# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a run's pictures hold is counted as they are drawn, and a wrong run is one line."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tools.training import mixture
from tools.training.classes import CITY
from tools.training.collection import Collection, Item, Label, write_collection, write_labels
from tools.training.samples import Sample

LORRY, STALL = CITY.index("muck_truck"), CITY.index("vendor_stall")
RUN = "name: tiny\nstart: none.pt\ndata: [{set: $DATA}]\nsteps: 1\nseed: 4\n"
PICTURE = "picture: {height: 96, width: 160, cutouts: 0, plumes: 0, mosaic: 0}\n"


def sample(labels, sides, silent=()):
    boxes = np.array([[10, 10, 10 + side, 15] for side in sides], np.float32).reshape(-1, 4)
    quiet = np.isin(np.arange(len(CITY)), silent)
    image = np.full((96, 160, 3), 90, np.uint8)
    return Sample(image, boxes, np.array(labels, np.int64), quiet)


def test_things_are_counted_by_class_and_where_theirs_is_silent():
    held = mixture.count(
        [sample([LORRY, LORRY], [20, 40], silent=[LORRY]), sample([LORRY], [90]), sample([], [])]
    )
    lorry = held["muck_truck"]
    assert (lorry.pictures, lorry.silent, lorry.sides) == (2, 2, [20.0, 40.0, 90.0])
    assert not held["vendor_stall"].sides
    text = mixture.table(held, 3)
    assert "| muck_truck | 2 | 3 | 2 | 40 |" in text
    assert "| vendor_stall | 0 | 0 | 0 | – |" in text


@pytest.mark.parametrize(("pictures", "rows"), [(0, 1), (1, 1), (4, 1), (5, 2)])
def test_the_sheet_has_full_rows(pictures, rows):
    drawn = mixture.sheet([sample([STALL], [60])] * pictures)
    assert drawn.shape == ((240 * rows, 1600, 3) if pictures else (1, 4, 3))
    assert (drawn == (60, 60, 255)).all(-1).any() == bool(pictures)


@pytest.fixture
def data(tmp_path):
    root = tmp_path / "data"
    for part in ("images", "labels"):
        (root / part).mkdir(parents=True)
    cv2.imwrite(str(root / "images/p.jpg"), np.full((96, 160, 3), 120, np.uint8))
    write_labels(root / "labels/p.txt", [Label.of_xyxy(STALL, 0.2, 0.2, 0.8, 0.9)])
    write_collection(Collection(root, CITY, (Item("p.jpg", "train", "g/0", "real", "g"),)))
    return root


def test_the_command_prints_what_is_there_and_draws_it(data, tmp_path, capsys):
    (tmp_path / "run.yaml").write_text(RUN + PICTURE)
    words = [str(tmp_path / "run.yaml"), "--data", str(data), "--pictures", "6"]
    assert mixture.main([*words, "--sheet", str(tmp_path / "out/sheet.jpg")]) == 0
    row = next(r for r in capsys.readouterr().out.splitlines() if r.startswith("| vendor_stall"))
    assert 1 <= int(row.split("|")[3]) <= 6
    assert cv2.imread(str(tmp_path / "out/sheet.jpg")).shape == (480, 1600, 3)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["none.yaml"], "none.yaml"),
        (["run.yaml", "--data", "nowhere"], "nowhere"),
        (["run.yaml", "--pictures", "0"], "--pictures 0: at least 1"),
    ],
)
def test_a_wrong_run_is_one_line(words, says, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.yaml").write_text(RUN)
    assert mixture.main(words) == 2
    told = capsys.readouterr().err
    assert says in told and told.count("\n") == 1
