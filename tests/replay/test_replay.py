# SPDX-License-Identifier: AGPL-3.0-or-later
"""Every recorded case gives its golden events, and those are what truly happened."""

import json
from pathlib import Path

import pytest
from course import course_of
from generate import CASES, write

from edge.cli import main
from edge.commands.replay import replay

HERE = Path(__file__).resolve().parent
FOLDERS = sorted(path.parent for path in HERE.glob("*/detections.jsonl"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_case(folder):
    outcome = replay(folder)
    assert outcome.diff == []
    assert outcome.scores or not outcome.lines, "a negative case must stay silent"
    assert all(score.fp == score.fn == 0 for score in outcome.scores.values())


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_what_the_judge_does_between_its_findings_and_each_finding_whole(folder):
    written = (folder / "course.jsonl").read_text("utf-8").splitlines()
    assert course_of(folder) == written, "tests/replay/course.py writes it anew"


def test_there_are_enough_cases_of_both_kinds():
    silent = [f for f in FOLDERS if not json.loads((f / "truth.json").read_text())["events"]]
    assert len(FOLDERS) >= 25
    assert len(silent) >= 20


def test_the_recordings_are_what_the_script_writes(tmp_path, monkeypatch):
    monkeypatch.setattr("generate.HERE", tmp_path)
    name = "vendor-gap"
    write(name, CASES[name])
    for file in ("site.yaml", "detections.jsonl", "truth.json"):
        assert (tmp_path / name / file).read_bytes() == (HERE / name / file).read_bytes()


def test_a_changed_judgement_is_shown_as_a_diff(tmp_path, capsys):
    case = tmp_path / "case"
    case.mkdir()
    for file in (HERE / "vendor-gap").iterdir():
        (case / file.name).write_bytes(file.read_bytes())
    site = (case / "site.yaml").read_text()
    (case / "site.yaml").write_text(site.replace("dwell_s: 40", "dwell_s: 60"))
    assert main(["replay", str(case)]) == 1
    shown = capsys.readouterr().out
    assert '-{"id": "case-1", "phase": "new"' in shown
    assert main(["replay", str(case), "--update"]) == 0
    assert main(["replay", str(case), "--json"]) == 0


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"t": 1}', "line 1: expected a header"),
        ("[1]", "line 1: expected an object"),
        ('{"recording": 1}', "line 1"),
        ('{"recording": 1, "camera": "c1", "start_wall": 0}\n{"t": 1, "k": [[1]]}', "line 2"),
        (
            '{"recording": 1, "camera": "c1", "start_wall": 0}\n{"t": 1}\n{"t": 0.5}',
            "line 3: t = 0.5 does not come after 1",
        ),
        ("", "empty"),
    ],
)
def test_a_damaged_recording_is_one_line(tmp_path, capsys, line, says):
    (tmp_path / "site.yaml").write_bytes((HERE / "vendor-gap" / "site.yaml").read_bytes())
    (tmp_path / "detections.jsonl").write_text(line)
    assert main(["replay", str(tmp_path)]) == 2
    assert says in capsys.readouterr().err


def test_bare_detections_go_through_the_tracker(tmp_path):
    """A recording of the detector alone: the same stall, tracked by the product's tracker."""
    lines = (HERE / "vendor-gap" / "detections.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    for row in rows[1:]:
        row["d"] = [k[1:7] for k in row.pop("k")]
    (tmp_path / "detections.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    for file in ("site.yaml", "truth.json"):
        (tmp_path / file).write_bytes((HERE / "vendor-gap" / file).read_bytes())
    scores = replay(tmp_path, update=True).scores
    assert (scores["street-vendor"].tp, scores["street-vendor"].fp) == (1, 0)


# A flight has no site file: its rules are those of the flight.
CLIPS = sorted(
    path
    for path in (HERE.parent / "clips").glob("*/tracks.json")
    if path.with_name("site.yaml").exists()
)


@pytest.mark.parametrize("labels", CLIPS, ids=lambda path: path.parent.name)
def test_the_labels_of_a_rendered_clip_give_its_truth(tmp_path, labels):
    """What the rules alone lose on a clip, its detector being perfect: nothing."""
    clip = json.loads(labels.read_text())
    width, height = clip["size"]
    header = {"recording": 1, "camera": "c1", "start_wall": 0, "aspect": width / height}
    rows = [header]
    for frame in clip["frames"]:
        boxes = [
            [
                b["track"],
                b["label"],
                *(v / s for v, s in zip(b["box"], clip["size"] * 2, strict=True)),
                0.85,
            ]
            for b in frame["boxes"]
        ]
        rows.append({"t": frame["t_s"], "k": boxes})
    (tmp_path / "detections.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    for file in ("site.yaml", "truth.json"):
        (tmp_path / file).write_bytes((labels.parent / file).read_bytes())
    scores = replay(tmp_path, update=True).scores
    assert {name: (score.fp, score.fn) for name, score in scores.items()} == dict.fromkeys(
        scores, (0, 0)
    )
