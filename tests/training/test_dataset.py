# SPDX-License-Identifier: AGPL-3.0-or-later
"""Importing, checking, splitting, merging: bad data is listed, never skipped in silence."""

from __future__ import annotations

import json
import tarfile

import cv2
import numpy as np
import pytest

from edge.config import ConfigError
from tools.training import checking, dataset, shaping
from tools.training.collection import (
    Collection,
    Item,
    Label,
    parse_line,
    read_collection,
    read_labels,
    write_collection,
    write_labels,
)
from tools.training.importing import thinned

NAMES = ("person", "vendor_stall")


def scene(seed, size=(240, 320)):
    """A picture with content that another seed does not share."""
    rng = np.random.default_rng(seed)
    grid = rng.integers(0, 255, (7, 9, 3), dtype=np.uint8)
    return cv2.resize(grid, size[::-1], interpolation=cv2.INTER_CUBIC)


def make(root, rows):
    """rows: (name, split, group, image, labels)."""
    for part in ("images", "labels"):
        (root / part).mkdir(parents=True, exist_ok=True)
    items = []
    for name, split, group, image, labels in rows:
        cv2.imwrite(str(root / "images" / name), image)
        item = Item(name, split, group, "real", "street")
        write_labels(root / "labels" / f"{item.stem}.txt", labels, durable=False)
        items.append(item)
    made = Collection(root, NAMES, tuple(items))
    write_collection(made)
    return made


BOX = Label(1, 0.5, 0.5, 0.2, 0.2)


@pytest.fixture
def small(tmp_path):
    rows = [
        (f"p{i}.jpg", "train" if i < 6 else "val", f"street/{i}", scene(i), [BOX]) for i in range(8)
    ]
    return make(tmp_path / "set", rows)


def kinds(faults):
    return {(fault.kind, fault.where) for fault in faults}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("0 0.5 0.5 0.1 0.1", None),
        ("0 0.5 0.5 0.1 0.1 0.9", None),
        ("0 0.5 0.5 0.1", "4 numbers"),
        ("2 0.5 0.5 0.1 0.1", "class id 2 out of range 0..1"),
        ("-1 0.5 0.5 0.1 0.1", "class id -1"),
        ("0 0.95 0.5 0.2 0.1", "out of range"),
        ("0 0.5 0.5 0 0.1", "without area"),
        ("0 nan 0.5 0.1 0.1", "out of range"),
        ("a 0.5 0.5 0.1 0.1", "not numbers"),
        ("0 0,5 0.5 0.1 0.1", "not numbers"),
    ],
)
def test_label_lines(line, says):
    parsed = parse_line(line, 2)
    assert (says in parsed) if says else isinstance(parsed, Label)


def test_a_clean_set_has_no_fault(small):
    assert checking.check(small) == []


def test_every_kind_of_damage_is_named(small):
    root = small.root
    data = (root / "images/p0.jpg").read_bytes()
    (root / "images/p0.jpg").write_bytes(data[: len(data) // 2])
    (root / "images/p1.jpg").write_bytes(b"no picture")
    (root / "images/p2.jpg").unlink()
    (root / "labels/p3.txt").write_text("7 0.5 0.5 0.1 0.1\n")
    (root / "labels/p4.txt").write_text("")
    (root / "labels/p5.txt").unlink()
    (root / "labels/stray.txt").write_text("")
    cv2.imwrite(str(root / "images/stray.png"), scene(99))
    found = kinds(checking.check(small))
    assert found >= {
        ("corrupt picture", "p0.jpg"),
        ("corrupt picture", "p1.jpg"),
        ("missing picture", "p2.jpg"),
        ("bad label", "p3.jpg"),
        ("empty label", "p4.jpg"),
        ("missing label", "p5.jpg"),
        ("not in index", "stray.png"),
        ("not in index", "stray.txt"),
    }
    assert dataset.main(["check", str(root)]) == 1


def test_index_faults(small):
    twice = Item("p0.png", "train", "street/0", "real", "street")
    lost = Item("p1.jpg", "holdout", "street/7", "painted", "street", ("cat",))  # type: ignore[arg-type]
    faulty = Collection(small.root, NAMES, (*small.items, twice, lost))
    found = [fault.kind for fault in checking.check(faulty)]
    assert "duplicate name" in found
    assert found.count("bad index") == 2
    assert "divided group" in found


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image,
        lambda image: cv2.resize(image, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA),
        lambda image: cv2.GaussianBlur(image, (0, 0), 1.5),
        lambda image: cv2.convertScaleAbs(image, alpha=0.8, beta=12),
        lambda image: cv2.imdecode(cv2.imencode(".jpg", image, [1, 30])[1], 1),
    ],
)
def test_the_same_scene_in_two_splits_is_refused(small, change):
    cv2.imwrite(str(small.root / "images/p7.jpg"), change(scene(0)))
    leaks = [fault for fault in checking.check(small) if fault.kind == "leakage"]
    assert [fault.where for fault in leaks] == ["p0.jpg"]
    assert leaks[0].fatal


def test_flat_pictures_are_no_evidence_of_leakage(small):
    for name in ("p0.jpg", "p7.jpg"):
        cv2.imwrite(str(small.root / "images" / name), np.full((120, 160, 3), 90, np.uint8))
    assert not [fault for fault in checking.check(small) if fault.kind == "leakage"]


def test_class_drift(tmp_path):
    other = Label(0, 0.5, 0.5, 0.2, 0.2)
    rows = [("a.jpg", "train", "g/a", scene(1), [BOX]), ("b.jpg", "val", "g/b", scene(2), [other])]
    found = kinds(checking.check(make(tmp_path, rows)))
    assert found == {("class drift", "person"), ("class drift", "vendor_stall")}


def test_split_keeps_groups_whole_and_is_stable(tmp_path):
    items = tuple(
        Item(f"p{i}.jpg", "train", f"video/{i // 5}", "real", "video") for i in range(200)
    )
    first = shaping.split(Collection(tmp_path, NAMES, items), val=0.2, test=0.1, seed=1)
    sides = {}
    for item in first.items:
        assert sides.setdefault(item.group, item.split) == item.split
    counts = {name: len(first.of(name).items) for name in ("train", "val", "test")}
    assert counts == {"train": 140, "val": 40, "test": 20}
    assert shaping.split(first, val=0.2, test=0.1, seed=1) == first
    assert shaping.split(first, val=0.2, test=0.1, seed=2) != first


def test_split_refuses_shares_that_leave_nothing(tmp_path):
    with pytest.raises(ConfigError, match="together under 1"):
        shaping.split(Collection(tmp_path, NAMES, ()), val=0.6, test=0.5, seed=0)


def test_merge_renames_equal_stems_and_refuses_other_classes(small, tmp_path):
    other = make(tmp_path / "second", [("p0.jpg", "val", "x/0", scene(50), [])])
    merged = shaping.merge([small, other], tmp_path / "all")
    assert {"p0.jpg", "second_p0.jpg"} <= {item.image for item in merged.items}
    assert read_collection(tmp_path / "all") == merged
    assert (tmp_path / "all/labels/second_p0.txt").read_text() == ""
    strange = Collection(other.root, ("cat",), other.items)
    with pytest.raises(ConfigError, match="other classes"):
        shaping.merge([small, strange], tmp_path / "no")


def test_remap_moves_drops_and_refuses(small):
    with pytest.raises(ConfigError, match="'person' is neither"):
        shaping.remap(small, ("stall",), {"vendor_stall": "stall"}, frozenset())
    done = shaping.remap(small, ("stall",), {"vendor_stall": "stall"}, frozenset({"person"}))
    labels, complaints = read_labels(done.label(done.items[0]), 1)
    assert (labels[0].label, complaints) == (0, [])
    assert read_collection(small.root).names == ("stall",)


def run(*words):
    return dataset.main([str(word) for word in words])


def test_import_yolo_lists_what_it_cannot_take(tmp_path, capsys):
    folder = tmp_path / "train"
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True)
    for stem in ("a", "b"):
        cv2.imwrite(str(folder / "images" / f"{stem}.jpg"), scene(ord(stem)))
    cv2.imwrite(str(folder / "images/a.png"), scene(3))
    (folder / "labels/a.txt").write_text("0 0.5 0.5 0.2 0.2\n9 0.5 0.5 0.2 0.2\n")
    rules = tmp_path / "rules.yaml"
    rules.write_text("names: [vendor_stall, unicorn]\nsources: [{match: '^(a)', source: set}]\n")
    assert run("import", "yolo", folder, "--rules", rules, "--out", tmp_path / "out") == 0
    said = capsys.readouterr().err
    assert "class id 9 out of range" in said
    assert "label file is missing" in said
    assert "duplicate name" in said
    made = read_collection(tmp_path / "out")
    assert [(i.image, i.split, i.source) for i in made.items] == [
        ("a.jpg", "train", "set"), ("b.jpg", "train", "other"),
    ]  # fmt: skip
    again = run("import", "yolo", folder, "--rules", rules, "--out", tmp_path / "out", "--strict")
    assert again == 1


def test_import_coco(tmp_path, capsys):
    cv2.imwrite(str(tmp_path / "a.jpg"), scene(1))
    rows = {
        "images": [
            {"id": 1, "file_name": "a.jpg", "width": 160, "height": 120},
            {"id": 2, "file_name": "gone.jpg", "width": 160, "height": 120},
        ],
        "categories": [{"id": 7, "name": "person"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 7, "bbox": [16, 12, 32, 24], "iscrowd": 0},
            {"id": 2, "image_id": 1, "category_id": 7, "bbox": [0, 0, 9, 9], "iscrowd": 1},
            {"id": 3, "image_id": 1, "category_id": 8, "bbox": [0, 0, 9, 9]},
        ],
    }
    (tmp_path / "instances.json").write_text(json.dumps(rows))
    out = tmp_path / "out"
    words = ("import", "coco", tmp_path / "instances.json", "--images", tmp_path, "--out", out)
    assert run(*words) == 0
    said = capsys.readouterr().err
    for text in ("crowd region", "annotation 3", "picture is missing"):
        assert text in said
    made = read_collection(out)
    labels, _ = read_labels(made.label(made.items[0]), len(made.names))
    assert labels == [Label(0, 0.2, 0.2, 0.2, 0.2)]


def test_import_voc(tmp_path, capsys):
    cv2.imwrite(str(tmp_path / "a.jpg"), scene(1))
    (tmp_path / "a.xml").write_text(
        "<annotation><size><width>160</width><height>120</height></size><object><name>person</name>"
        "<bndbox><xmin>16</xmin><ymin>12</ymin><xmax>48</xmax><ymax>36</ymax></bndbox></object>"
        "<object><name>person</name><bndbox><xmin>?</xmin></bndbox></object></annotation>"
    )
    (tmp_path / "b.xml").write_text("<annotation>")
    assert run("import", "voc", tmp_path, "--out", tmp_path / "out") == 0
    said = capsys.readouterr().err
    assert "a.xml" in said
    assert "b.xml" in said
    made = read_collection(tmp_path / "out")
    labels, _ = read_labels(made.label(made.items[0]), len(made.names))
    assert len(labels) == 1
    assert labels[0].xyxy == pytest.approx((0.1, 0.1, 0.3, 0.3))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("import", "tfrecord", "x", "--out", "y"), "write one of yolo, coco, voc, box"),
        (("check", "/nonexistent"), "not a data set"),
        (("remap", "/nonexistent", "--rename", "a"), "write OLD=NEW"),
        (("import", "yolo", "/nonexistent", "--out", "y"), "no such folder"),
    ],
)
def test_wrong_words_give_one_line_and_exit_2(words, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(*words) == 2
    said = capsys.readouterr().err.strip()
    assert says in said
    assert "\n" not in said


def test_stats_and_export(small, tmp_path, capsys):
    assert run("stats", small.root, "--sheet", tmp_path / "sheet.jpg") == 0
    assert "| vendor_stall | 6 | 2 |" in capsys.readouterr().out
    assert cv2.imread(str(tmp_path / "sheet.jpg")) is not None
    assert run("export", small.root, "--out", tmp_path / "yolo") == 0
    assert (tmp_path / "yolo/images/val/p7.jpg").is_file()
    assert "images/train" in (tmp_path / "yolo/data.yaml").read_text()


def test_import_from_a_box(tmp_path, capsys):
    samples, harvest = tmp_path / "learning/samples", tmp_path / "harvest/gate"
    rows = {
        samples / "v-1": {"label": "vendor_stall", "verdict": "confirmed"},
        samples / "v-2": {"category": "street-vendor", "verdict": "rejected"},
        samples / "v-3": {"category": "construction-dust", "verdict": "confirmed"},
        samples / "v-4": {"label": "vendor_stall", "verdict": "confirmed"},
        harvest / "1800000000000-near_limit-grill": {"label": "grill"},
    }
    for number, (path, row) in enumerate(rows.items()):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.name != "v-4":
            cv2.imwrite(f"{path}.jpg", scene(number))
        path.with_suffix(".json").write_text(json.dumps({**row, "box": [0.2, 0.2, 0.6, 0.8]}))
    rules = dataset.Path(dataset.__file__).parent / "box.yaml"
    out = tmp_path / "out"
    words = ["import", "--from-box", tmp_path, "--rules", rules, "--out", out]
    assert run(*words) == 0
    assert "v-4.jpg: picture is missing" in capsys.readouterr().err
    made = read_collection(out)
    labels = {
        item.image: [made.names[x.label] for x in read_labels(made.label(item), 16)[0]]
        for item in made.items
    }
    assert labels == {"v-1.jpg": ["vendor_stall"], "v-2.jpg": [], "v-3.jpg": ["dust"]}
    assert {item.group for item in made.items} == {f"box_verdicts/v-{n}" for n in (1, 2, 3)}
    assert run(*words[:-1], tmp_path / "all", "--unjudged") == 0
    assert len(read_collection(tmp_path / "all").items) == 4


def two_splits(root):
    rows = [
        (f"p{i}.png", "val" if i > 3 else "train", f"s/{i}", scene(i, (900, 1200)), [BOX])
        for i in range(6)
    ]
    return make(root, rows)


def test_sets_travel_in_one_file_that_trains_the_same(tmp_path):
    folder = tmp_path / "datasets"
    made = two_splits(folder / "pack")
    (folder / "cutouts").mkdir()
    (folder / "cutouts" / "a.png").write_bytes(b"sprite")
    out = tmp_path / "out" / "sets.tar"
    assert dataset.main(["pack", str(folder), "--out", str(out)]) == 0
    with tarfile.open(out) as tar:
        tar.extractall(tmp_path / "there")  # `filter` came with 3.11.4, Debian 12 has 3.11.2
    there = tmp_path / "there" / "datasets"
    read = read_collection(there / "pack")
    assert {item.stem for item in read.items} == {i.stem for i in made.of("train").items}
    for item in read.items:
        assert read.label(item).read_bytes() == made.label(item).read_bytes()
        assert max(cv2.imread(str(read.image(item))).shape) <= 768
    assert (there / "cutouts" / "a.png").read_bytes() == b"sprite"


def test_what_does_not_fit_is_refused(tmp_path, capsys):
    two_splits(tmp_path / "datasets" / "pack")
    out = tmp_path / "sets.tar"
    words = ["pack", str(tmp_path / "datasets"), "--out", str(out), "--most", "0.001"]
    assert dataset.main(words) == 2
    assert dataset.main(["pack", str(tmp_path / "none"), "--out", str(out)]) == 2
    assert not out.exists()
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_few_of_each_kind_are_taken_evenly_through_a_set():
    things = [("a", n) for n in range(10)] + [("b", n) for n in range(2)]
    kept = thinned(things, lambda one: one[0], 4)
    assert [n for kind, n in kept if kind == "b"] == [0, 1]
    mine = [n for kind, n in kept if kind == "a"]
    assert len(mine) == 4 and max(np.diff(mine)) <= 3 and mine[-1] == 9
    assert thinned(things, lambda one: one[0], None) == things


@pytest.mark.parametrize("word", ["0", "-3", "few", "1.5", "²"])
def test_a_count_is_a_whole_number_from_one_on(word, tmp_path, capsys):
    words = ["import", "yolo", str(tmp_path), "--out", str(tmp_path / "o"), "--few", word]
    with pytest.raises(SystemExit) as ended:
        dataset.main(words)
    assert ended.value.code == 2 and "whole number" in capsys.readouterr().err


def test_an_import_of_few_takes_some_of_every_source(small, tmp_path, capsys):
    rules = tmp_path / "rules.yaml"
    rules.write_text("names: [garbage]\nsources: [{match: '^a', source: a}]\n")
    for part in ("images", "labels"):
        (tmp_path / "mine/train" / part).mkdir(parents=True)
    for name in ("a1", "a2", "a3", "b1"):
        cv2.imwrite(str(tmp_path / f"mine/train/images/{name}.jpg"), np.zeros((9, 9, 3), np.uint8))
    words = ["import", "yolo", str(tmp_path / "mine/train"), "--rules", str(rules)]
    assert dataset.main([*words, "--out", str(tmp_path / "out"), "--few", "1"]) == 0
    made = sorted(path.stem for path in (tmp_path / "out/images").iterdir())
    assert len(made) == 2 and made[-1] == "b1"
