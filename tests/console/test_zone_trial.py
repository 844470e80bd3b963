# SPDX-License-Identifier: AGPL-3.0-or-later
"""The trial of zones raises what the judge raises: the same clip, once live, once from its rows."""

import json
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from edge.config import ConfigError, Site, convert, load
from edge.config.catalogue import calendar_files, category_files, load_calendar, load_categories
from edge.config.dated import Packs
from edge.config.yamltext import dump
from edge.daemons.zone_trial import last_hour, recorded, run_trial, scenes, trial
from edge.pipeline.analyzer import Analysis
from edge.pipeline.preview import Preview
from edge.rules.judge import Judge
from edge.values import Frame, Judgement, Scene, Stamp, Track

CLIP = Path(__file__).parents[1] / "clips" / "street"
CATEGORIES = load_categories(category_files(CLIP))


def site_of(**rule):
    camera = load(CLIP / "site.yaml", Site).cameras[0]
    zones = [{"id": "pavement", "polygon": [list(p) for p in camera.zones[0].polygon]}]
    row = {"category": "street-vendor", "zones": ["pavement"], "dwell_s": 12, **rule}
    return {"cameras": [{"id": "street", "source": "street.mp4", "zones": zones, "rules": [row]}]}


def filmed():
    """The clip's tracks as looks, four a second: what was seen last holds until the next."""
    body = json.loads((CLIP / "tracks.json").read_text())
    width, height = body["size"]
    began, frames = {}, body["frames"]
    for step in range(int(frames[-1]["t_s"] * 4) + 1):
        at = Stamp(step / 4.0, 1.78e9 + step / 4.0, "ntp", 1.0)
        frame = [f for f in frames if f["t_s"] <= at.mono][-1]
        tracks = tuple(
            Track(
                id=box["track"],
                label=box["label"],
                box=tuple(v / s for v, s in zip(box["box"], (width, height) * 2, strict=True)),
                score=0.9,
                first=began.setdefault(box["track"], at),
                seen=at,
            )
            for box in frame["boxes"]
        )
        yield at, tracks


def calendar(site):
    return load_calendar(calendar_files(CLIP, site, "x"), Packs())


def judged(site, looks):
    """The number of violations of the judge itself."""
    judge = Judge(
        site.cameras[0],
        categories=CATEGORIES,
        calendar=calendar(site),
        timezone=ZoneInfo(site.timezone),
    )
    found = [f for at, tracks in looks for f in judge.step(Scene("street", at, tracks)).findings]
    return [f.category for f in found if f.phase == "new"]


def written(run, site, looks):
    """The rows as the camera's own daemon writes them."""
    preview = Preview(run, site.cameras[0])
    picture = np.zeros((9, 16, 3), np.uint8)
    for number, (at, tracks) in enumerate(looks):
        preview.show(Analysis(Frame("street", number, at, picture), tracks, Judgement(()), True))


@pytest.mark.parametrize("rule", [{"dwell_s": 12}, {"dwell_s": 30}, {"dwell_s": 180}])
def test_the_trial_agrees_with_the_judge(tmp_path, rule):
    site = convert(site_of(**rule), Site, "x")
    looks = list(filmed())
    written(tmp_path, site, looks)
    raised = judged(site, looks)
    found = trial(site, "street", recorded(tmp_path, "street"), CATEGORIES, calendar(site))
    assert [r["category"] for r in found.raised] == raised
    assert bool(raised) == (rule["dwell_s"] < 100)
    assert 90 < found.seconds <= 105


def test_a_recording_seen_again_counts_once(tmp_path):
    site = convert(site_of(), Site, "x")
    for _ in range(2):
        written(tmp_path, site, filmed())
    found = trial(site, "street", recorded(tmp_path, "street"), CATEGORIES, calendar(site))
    assert len(found.raised) == len(judged(site, filmed()))


def test_in_a_process_of_its_own_and_with_its_refusals(tmp_path):
    written(tmp_path, convert(site_of(), Site, "x"), filmed())
    answer = run_trial(dump(site_of()), "street", tmp_path, CLIP)
    assert len(answer["raised"]) >= 1
    with pytest.raises(ConfigError, match="not in the site file"):
        run_trial(dump(site_of()), "../../etc/passwd", tmp_path, CLIP)


def test_what_needs_pictures_is_said():
    site = convert(site_of(category="road-spillage"), Site, "x")
    assert trial(site, "street", [], CATEGORIES, calendar(site)).untried == ("road-spillage",)


def row(mono, tracks=()):
    return {"mono": mono, "wall": mono, "tracks": list(tracks)}


def test_an_hour_is_kept_and_an_empty_place_is_filled_in():
    rows = [row(0.0), row(100.0), row(3650.0)]
    assert [r["mono"] for r in last_hour(rows)] == [100.0, 3650.0]
    box = {"id": 1, "label": "x", "score": 0.5, "box": [0, 0, 1, 1]}
    times = [s.at.mono for s in scenes("c", [row(0.0, [box]), row(1.0), row(4.0, [box]), row(9.0)])]
    assert times == [0.0, 1.0, 2.0, 3.0, 4.0, 9.0]


def test_torn_and_foreign_lines_are_left_out(tmp_path):
    (tmp_path / "tracks").mkdir()
    (tmp_path / "tracks/c.jsonl").write_text('{"mono": 1\n[]\n{"a": 1}\n' + json.dumps(row(1.0)))
    assert [r["mono"] for r in recorded(tmp_path, "c")] == [1.0]
