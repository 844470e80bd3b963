# SPDX-License-Identifier: AGPL-3.0-or-later
"""Sets with an index: groups, what is held apart, what nobody looked for, a picture in two."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import yaml

from edge.config import ConfigError
from tools.training import dataset
from tools.training.classes import CITY
from tools.training.clipframes import harvest, read_table
from tools.training.collection import read_collection, read_labels
from tools.training.raw_yolo import PAD

RULES = {
    "names": {0: "person", 1: "vendor_stall", 20: "bin", 26: "bicycle", 30: "open_manhole"},
    "held": ["^chile/", "^web/.*7$"],
    "join": "^s(?:n)?(_\\d+)",
    "sources": [
        {"match": "^sn?_", "source": "streets", "partial": ["vendor_stall"], "unlabelled": ["bin"]},
        {
            "match": "^w_",
            "source": "web",
            "single": True,
            "rename": {"bicycle": "kick_scooter"},
            "absent": ["vendor_stall", "muck_truck"],
            "unsure": "w_8",
        },
    ],
}
LOOKED = {"vendor_stall", "muck_truck"}  # for them besides, in "web", but for one picture
ONE = "file\tgroup\texhaustive\tview\n"
TWO = "file\tgroup\texhaustive\tview\tchecked_for\n"


def folder(root, header, rows):
    """rows: (index line, label lines)."""
    (root / "images").mkdir(parents=True)
    (root / "labels").mkdir()
    for line, labels in rows:
        name = line.split("\t")[0]
        cv2.imwrite(str(root / "images" / name), np.full((48, 64, 3), PAD, np.uint8))
        (root / "labels" / name).with_suffix(".txt").write_text("".join(labels))
    (root / "index.tsv").write_text(header + "".join(line + "\n" for line, _ in rows))
    return root


def imported(tmp_path, *folders):
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(RULES))
    words = ["import", "indexed", *map(str, folders), "--rules", str(tmp_path / "rules.yaml")]
    assert dataset.main([*words, "--out", str(tmp_path / "out"), "--strict"]) == 0
    made = read_collection(tmp_path / "out")
    return made, {item.image: item for item in made.items}


@pytest.fixture
def two(tmp_path):
    street = folder(
        tmp_path / "street",
        ONE,
        [
            ("s_1.jpg\tperu\ty\teye", ["1 0.5 0.5 0.2 0.2\n"]),
            ("s_2.jpg\tchile\tn (stalls mostly)\teye", []),
        ],
    )
    city = folder(
        tmp_path / "city",
        TWO,
        [
            ("sn_1.jpg\tperu\tn:26\teye\t20", ["20 0.2 0.2 0.1 0.1\n"]),
            ("w_7.jpg\tweb\ty\teye\t26", ["26 0.5 0.5 0.3 0.3\n"]),
            ("w_8.jpg\tweb\ty\teye\t30", []),
        ],
    )
    return street, city


def test_groups_and_what_is_held_apart(tmp_path, two):
    _, items = imported(tmp_path, *two)
    assert items["s_2.jpg"].split == "val"
    assert items["s_1.jpg"].split == "train"
    assert items["s_1.jpg"].group == "streets/peru"
    assert (items["w_7.jpg"].split, items["w_8.jpg"].split) == ("val", "train")
    assert items["w_7.jpg"].group != items["w_8.jpg"].group, "single photographs are no group"


def test_absence_counts_only_where_somebody_looked(tmp_path, two):
    _, items = imported(tmp_path, *two)
    assert set(items["s_2.jpg"].unlabelled) == {"bin", "vendor_stall"}, "not every stall is there"
    assert "open_manhole" not in items["w_8.jpg"].unlabelled
    assert "person" in items["w_8.jpg"].unlabelled
    assert set(CITY) - set(items["w_7.jpg"].unlabelled) - LOOKED == {"kick_scooter"}


def test_a_photograph_of_two_sets_is_one_with_all_its_boxes(tmp_path, two):
    made, items = imported(tmp_path, *two)
    assert "sn_1.jpg" not in items
    labels, _ = read_labels(made.label(items["s_1.jpg"]), len(CITY))
    assert {CITY[label.label] for label in labels} == {"vendor_stall", "bin"}
    assert "bin" not in items["s_1.jpg"].unlabelled


def test_an_index_that_is_missing_or_torn_is_one_line(tmp_path, two):
    (two[0] / "index.tsv").write_text(ONE + "s_1.jpg\tperu\n")
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(RULES))
    words = ["import", "indexed", str(two[0]), "--rules", str(tmp_path / "rules.yaml")]
    assert dataset.main([*words, "--out", str(tmp_path / "out")]) == 2
    (two[0] / "index.tsv").unlink()
    assert dataset.main([*words, "--out", str(tmp_path / "out")]) == 2


class Fooled:
    """A detector that sees a stall wherever the picture is white."""

    height, width = 64, 64

    def __call__(self, blob):
        raw = np.zeros((1, 4 + len(CITY), 1), np.float32)
        raw[0, :4, 0] = 32, 32, 20, 20
        raw[0, 4 + CITY.index("vendor_stall"), 0] = float(blob.mean() > 0.6)
        return raw


def test_frames_that_fool_a_detector_become_hard_negatives(tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    writer = cv2.VideoWriter(
        str(folder / "quay.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 64)
    )
    for n in range(200):
        writer.write(np.full((64, 64, 3), 240 if 80 <= n < 120 else 20, np.uint8))
    writer.release()
    table = tmp_path / "clips.yaml"
    table.write_text("clips: [{match: quay, source: clips, unlabelled: [grill], most: 3}]\n")
    made = harvest(folder, read_table(table), Fooled(), tmp_path / "out")
    assert 1 <= len(made.items) <= 3
    for item in made.items:
        assert cv2.imread(str(made.image(item))).mean() > 200, "the frames that fool it"
        assert {"grill", "car", "person"} <= set(item.unlabelled), "what passes by has no box"
        assert "vendor_stall" not in item.unlabelled
        assert made.label(item).read_text() == ""
    assert len({item.group for item in made.items}) == 1, "a camera is one group"


def test_a_table_of_clips_without_a_source_is_refused(tmp_path):
    table = tmp_path / "clips.yaml"
    table.write_text("clips: [{match: quay}]\n")
    with pytest.raises(ConfigError, match="source"):
        read_table(table)


def test_what_somebody_looked_for_besides_is_background(tmp_path, two):
    """A container that no index lists as "no stall" may be told as one for ever."""
    _, items = imported(tmp_path, *two)
    assert not LOOKED & set(items["w_7.jpg"].unlabelled)
    assert "grill" in items["w_7.jpg"].unlabelled
    assert set(items["w_8.jpg"].unlabelled) >= LOOKED  # unsure of it
