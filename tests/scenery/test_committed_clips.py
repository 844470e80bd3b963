# SPDX-License-Identifier: AGPL-3.0-or-later
"""The clips in tests/clips are what the scripts of today would tell: no drift between them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import av
import pytest

from tools.scenery import clip_cases, clip_files, clip_flyback, clip_flyover, clip_street
from tools.scenery.flight_plan import Plan
from tools.scenery.labels import CLASSES

CLIPS = Path(__file__).parents[1] / "clips"
SCRIPTS = {"street": clip_street.script, **clip_cases.SCRIPTS}
SCRIPTED = sorted(path.name for path in CLIPS.iterdir() if path.name in SCRIPTS)
ALL = sorted(path.name for path in CLIPS.iterdir() if (path / "tracks.json").exists())


def tracks(name: str) -> list[dict[str, object]]:
    return json.loads((CLIPS / name / "tracks.json").read_text())["frames"]


def shown_s(name: str) -> list[float]:
    with av.open(str(CLIPS / name / f"{name}.mp4")) as container:
        return [float(frame.time) for frame in container.decode(video=0)]


def test_the_demo_clip_is_there() -> None:
    assert "street" in SCRIPTED


@pytest.mark.parametrize("name", ALL)
def test_every_frame_has_its_time_and_its_boxes(name: str) -> None:
    frames = tracks(name)
    assert shown_s(name) == pytest.approx([frame["t_s"] for frame in frames], abs=0.002)
    for frame in frames:
        for row in frame["boxes"]:
            x0, y0, x1, y1 = row["box"]
            assert row["label"] in CLASSES
            assert 0 <= x0 < x1 <= 1280
            assert 0 <= y0 < y1 <= 720


@pytest.mark.parametrize("name", SCRIPTED)
def test_truth_and_site_file_are_those_of_the_script(name: str) -> None:
    script = SCRIPTS[name]()
    truth = json.loads((CLIPS / name / "truth.json").read_text())
    assert truth == clip_files.truth(script, tracks(name))
    assert (CLIPS / name / "site.yaml").read_text() == clip_files.site(script)


@pytest.mark.parametrize("name", SCRIPTED)
def test_things_are_seen_while_their_event_lasts(name: str) -> None:
    for event in SCRIPTS[name]().events:
        seen = [
            any(row["who"] == event.who and row["label"] == event.label for row in frame["boxes"])
            for frame in tracks(name)
            if event.start_s + 0.5 < frame["t_s"] < event.end_s - 0.5
        ]
        assert sum(seen) >= 0.8 * len(seen) > 0


@pytest.mark.parametrize("name", SCRIPTED)
def test_with_perfect_eyes_the_rules_find_every_event_and_nothing_else(name, tmp_path) -> None:
    """The clip's own boxes as detections: what is missed then is the clip's or the rules' fault."""
    case = tmp_path / name
    case.mkdir()
    for file in ("site.yaml", "truth.json"):
        (case / file).write_text((CLIPS / name / file).read_text())
    lines = [
        {
            "recording": 1,
            "camera": name,
            "aspect": 1280 / 720,
            "start_wall": 1767279600.0,
            "fps": 2.0,
            "quality": "recording",
        }
    ]
    for frame in tracks(name):
        boxes = [
            [
                row["track"],
                row["label"],
                row["box"][0] / 1280,
                row["box"][1] / 720,
                row["box"][2] / 1280,
                row["box"][3] / 720,
                0.8,
            ]
            for row in frame["boxes"]
        ]
        lines.append({"t": frame["t_s"], "k": boxes})
    (case / "detections.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    command = [sys.executable, "-m", "edge", "replay", str(case), "--update", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    sums = json.loads(done.stdout.splitlines()[0])
    wanted = sum(event.must for event in SCRIPTS[name]().events)
    assert (sums["tp"], sums["fp"], sums["fn"], sums["duplicates"]) == (wanted, 0, 0, 0), (
        done.stdout
    )


FLIGHTS = [p for p in (clip_flyover.PLAN, clip_flyback.PLAN) if p.name in ALL]


@pytest.mark.parametrize("plan", FLIGHTS, ids=lambda plan: plan.name)
def test_a_flight_sees_its_targets_where_their_ground_points_are(plan: Plan) -> None:
    truth = json.loads((CLIPS / plan.name / "truth.json").read_text())
    frames = {frame["t_s"]: frame for frame in tracks(plan.name)}
    assert truth == clip_files.flight_truth(plan, list(frames.values()))
    _, targets = plan.build()
    for target in targets:
        x0, y0, x1, y1 = target.footprint
        hits = shown = 0
        for t, frame in frames.items():
            box = next((r["box"] for r in frame["boxes"] if r["who"] == target.name), None)
            if box is None:
                continue
            shown += 1
            u, v, _ = plan.pose(t).project([((x0 + x1) / 2, (y0 + y1) / 2, 0.0)])[0]
            hits += box[0] - 25 <= u <= box[2] + 25 and box[1] - 25 <= v <= box[3] + 60
        assert shown >= 5
        assert hits >= 0.8 * shown
