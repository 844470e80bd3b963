# SPDX-License-Identifier: AGPL-3.0-or-later
"""Writes the recorded cases: `python tests/replay/generate.py`. Seeds are fixed; nothing is drawn
from the clock, so a second run writes the same bytes. Golden events come from
`edge replay --all --update`, truth from the tables here, by hand.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent))
from case import Case
from cases_dust import dust_cases
from cases_grilling import grilling_cases
from cases_occupation import occupation_cases
from cases_sites import site_cases
from cases_trucks import truck_cases

from edge.values import Json, Scene, Track

HERE = Path(__file__).resolve().parent

CASES = {
    **occupation_cases(),
    **grilling_cases(),
    **dust_cases(),
    **truck_cases(),
    **site_cases(),
}


def header_row(camera: str, start_wall: float, fps: float, *, quality: str = "recording") -> Json:
    """The first line of a recording: camera, aspect, start in wall s and pictures a second."""
    return {
        "recording": 1,
        "camera": camera,
        "aspect": round(16 / 9, 6),
        "start_wall": start_wall,
        "fps": fps,
        "quality": quality,
    }


def scene_row(scene: Scene) -> Json:
    """One line of a recording; coordinates to a ten-thousandth of the frame."""
    row: dict[str, Json] = {"t": round(scene.at.mono, 3), "k": [_row(t) for t in scene.tracks]}
    if scene.samples:
        row["s"] = [[s.sensor, s.channel, s.value, s.unit, s.flag] for s in scene.samples]
    return row


def _row(track: Track) -> Json:
    more: dict[str, Json] = {}
    if track.look:
        more["look"] = list(track.look)
    if track.traits:
        more["traits"] = dict(track.traits)
    if track.coasted:
        more["coasted"] = True
    row = [track.id, track.label, *(round(v, 4) for v in track.box), round(track.score, 3)]
    return [*row, more] if more else row


def write(name: str, case: Case) -> None:
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    site = {
        "name": case.about,
        "cameras": [
            {"id": "c1", "source": "rtsp://camera/1", "zones": case.zones, "rules": case.rules}
        ],
    }
    text = yaml.safe_dump(site, allow_unicode=True, sort_keys=False, default_flow_style=None)
    (folder / "site.yaml").write_text(text, encoding="utf-8")
    if case.categories:
        own = yaml.safe_dump({"categories": case.categories}, allow_unicode=True, sort_keys=False)
        (folder / "categories.yaml").write_text(own, encoding="utf-8")
    _write_truth(folder, name, case)
    rows = [header_row("c1", case.stage.start_wall, case.fps)]
    wall = case.stage.start_wall
    stepped = 0.0
    for scene in case.stage.scenes(case.fps):
        row = scene_row(scene)
        step = round(scene.at.wall - wall - scene.at.mono - stepped, 3)
        if step:
            row["step"] = step
            stepped += step
        rows.append(row)
    lines = (json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows)
    (folder / "detections.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_truth(folder: Path, name: str, case: Case) -> None:
    events = [
        {
            "category": category,
            "start_s": start,
            "end_s": end,
            "place": [x, y],
            "radius": radius,
            "must": True,
        }
        for category, start, end, x, y, radius in case.truth
    ]
    truth = {
        "recording": name,
        "about": case.about,
        "duration_s": case.stage.length_s,
        "events": events,
        "ignore": [],
    }
    text = json.dumps(truth, ensure_ascii=False, indent=1)
    (folder / "truth.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    for case_name, one in CASES.items():
        write(case_name, one)
    print(f"{len(CASES)} cases written")
