# SPDX-License-Identifier: AGPL-3.0-or-later
"""The hard-negative reel: an hour of scene time, small files, nothing in it that is violated."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import av
import numpy as np
import pytest

from tools.documents.clips import line, names
from tools.scenery import clip_files, clip_reel, clip_weather
from tools.scenery.clip_weather import LINEAR, MOST_LIGHT, SHOWN, View
from tools.scenery.clips import Script

REEL = Path(__file__).parents[1] / "reel"
FILMED = sorted(path.name for path in REEL.iterdir())
VIOLATIONS = {"vendor_stall", "grill", "spillage", "dust", "smoke", "fire", "garbage"}


@functools.cache
def script(name: str) -> Script:
    return clip_reel.segment(name) if name in clip_reel.REEL else clip_weather.script(name)


def truth(name: str) -> dict[str, object]:
    return json.loads((REEL / name / "truth.json").read_text())


def test_an_hour_of_scene_time_in_a_few_megabytes() -> None:
    minutes = sum(float(str(truth(name)["duration_s"])) for name in FILMED) / 60
    size = sum(path.stat().st_size for path in REEL.glob("*/*"))
    assert minutes >= 60
    assert len(FILMED) >= 10
    assert size <= 6_000_000


@pytest.mark.parametrize("name", FILMED)
def test_what_lies_there_is_what_its_script_tells(name: str) -> None:
    told = script(name)
    assert truth(name) == clip_files.truth(told, [])
    assert truth(name)["events"] == []
    assert (REEL / name / "site.yaml").read_text() == clip_files.site(told, shipped=True)
    with av.open(str(REEL / name / f"{name}.mp4")) as container:
        shown = [
            float(packet.pts * packet.time_base)
            for packet in container.demux(video=0)
            if packet.pts is not None
        ]
    assert shown == pytest.approx(told.times, abs=0.002)


@pytest.mark.parametrize("name", clip_reel.REEL)
def test_nobody_in_it_sells_grills_or_spills(name: str) -> None:
    told = script(name)
    labels = {a.label for m in told.movers for a in m.group} | {a.label for a in told.standing}
    assert not labels & VIOLATIONS
    assert told.length_s >= 360


def test_a_segment_is_cut_where_its_light_changes() -> None:
    acts = clip_reel.acts("reel-09-shadows")
    assert [light for light, _ in acts] == ["1", "0.15", "1", "0.15"]
    times = [t for _, act in acts for t in act.times]
    assert times == script("reel-09-shadows").times


@pytest.mark.parametrize("name", clip_weather.OTHERS)
def test_weather_changes_light_and_keeps_it_in_bounds(name: str) -> None:
    grey = np.full((8, 90, 3), 0.4, np.float32)
    depth = np.full((8, 90), 30.0, np.float32)
    world = np.zeros((8, 90, 3), np.float32)
    world[..., 0] = np.arange(90)
    view = View(grey, depth, world, t=180.0, over=0.5)
    out = clip_weather.OTHERS[name].treat(view)
    assert out.shape == grey.shape
    assert out.min() >= 0
    assert float(np.abs(out - grey).mean()) > 0.01


def test_levels_come_back_through_the_tables() -> None:
    steps = (LINEAR * (len(SHOWN) / MOST_LIGHT)).astype(int).clip(0, len(SHOWN) - 1)
    assert np.abs(SHOWN[steps] - np.arange(256))[8:250].max() < 3


def test_a_row_of_the_table_tells_false_alarms_by_the_hour() -> None:
    row = {"clip": "x", "hours": 0.5, "all": {"tp": 0, "fn": 0, "fp": 1, "f1": 0.0}}
    assert line(row).endswith("2.0 false/h")
    assert set(FILMED) == set(names(REEL))
