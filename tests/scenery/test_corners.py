# SPDX-License-Identifier: AGPL-3.0-or-later
"""The films that nothing is tuned on: what lies there is what its script tells."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import av
import numpy as np
import pytest

from tools.documents.clips import names
from tools.documents.read_accuracy import read_corners
from tools.scenery import clip_corners, clip_files, clip_reel
from tools.scenery.camera import looking_at
from tools.scenery.clips import Script, _within

CORNERS = Path(__file__).parents[1] / "corners"
FILMED = names(CORNERS)
SELLS = {"vendor_stall", "grill", "spillage", "garbage"}
# A street takes two seconds to build: two of them every time, all of them in the slow form.
FAST = FILMED[:2]
EACH = [
    pytest.param(name, marks=[] if name in FAST else pytest.mark.slow)
    for name in clip_corners.CORNERS
]


@functools.cache
def script(name: str) -> Script:
    return clip_corners.script(name)


def test_two_hours_are_written_down_and_most_of_the_field_s_weathers() -> None:
    assert len(clip_corners.CORNERS) == 8
    assert len(clip_corners.CORNERS) * clip_corners.LENGTH_S >= 120 * 60
    assert not set(clip_corners.CORNERS) & set(clip_reel.REEL)


@pytest.mark.parametrize("name", EACH)
def test_an_act_is_long_enough_for_the_shipped_dwell_times(name: str) -> None:
    told = script(name)
    assert told.length_s == clip_corners.LENGTH_S
    waits = {"street-vendor": 240, "outdoor-barbecue": 180, "construction-dust": 70}
    for event in told.events:
        assert event.end_s - event.start_s > 1.5 * waits.get(event.category, 60)
        assert event.end_s <= told.length_s
        assert any(rule for rule in told.rules if f"category: {event.category}," in rule)
    shown = {a.label for m in told.movers for a in m.group} | {a.label for a in told.standing}
    wanted = {event.label for event in told.events} & SELLS
    assert shown & SELLS == wanted, "nothing else in it is violated"


@pytest.mark.parametrize("name", EACH)
def test_what_was_filmed_is_what_its_script_tells(name: str) -> None:
    if name not in FILMED:
        pytest.skip(f"{name} is written down and not filmed yet")
    told = script(name)
    truth = json.loads((CORNERS / name / "truth.json").read_text())
    assert truth["duration_s"] == told.length_s
    assert [(e["category"], e["start_s"], e["end_s"]) for e in truth["events"]] == [
        (e.category, e.start_s, e.end_s) for e in told.events
    ]
    for event in truth["events"]:
        assert all(0 < side <= 1 for side in event["place"]), "in the picture"
    assert (CORNERS / name / "site.yaml").read_text() == clip_files.site(told, shipped=True)
    with av.open(str(CORNERS / name / f"{name}.mp4")) as container:
        shown = [
            float(packet.pts * packet.time_base)
            for packet in container.demux(video=0)
            if packet.pts is not None
        ]
    assert shown == pytest.approx(told.times, abs=0.002)


def test_the_films_are_small() -> None:
    size = sum(path.stat().st_size for path in CORNERS.glob("*/*"))
    assert size <= 16_000_000


@pytest.mark.parametrize("weather", [clip_corners.night_rain, clip_corners.snow])
def test_weather_keeps_light_in_bounds_and_moves(weather) -> None:
    where = type("Road", (), {"lanes": (2.0, 5.0)})()
    camera = looking_at((-10, -1.2, 6), (5, 5, 0), size=(96, 54))
    about = type("Told", (), {"camera": camera})()
    treat = weather(about, where)
    grey, depth = np.full((54, 96, 3), 0.1, np.float32), np.full((54, 96), 12.0, np.float32)
    one, two = treat(grey, depth, 5.0), treat(grey, depth, 10.0)
    assert one.shape == grey.shape and one.min() >= 0 and one.max() < 2
    assert float(np.abs(one - two).mean()) > 1e-4, "what falls is elsewhere"
    assert np.array_equal(one, treat(grey, depth, 5.0))


def test_snow_lies_on_the_ground_and_on_no_wall() -> None:
    where = type("Road", (), {"lanes": (2.0, 5.0)})()
    camera = looking_at((0, -8, 6), (0, 2, 0), size=(96, 54))
    treat = clip_corners.snow(type("Told", (), {"camera": camera})(), where)
    dark = np.full((54, 96, 3), 0.05, np.float32)
    columns, rows = np.meshgrid(np.arange(96) + 0.5, np.arange(54) + 0.5)
    down = -camera.rays(columns.astype(np.float32), rows.astype(np.float32))[..., 2]
    ground = np.where(down > 0.05, 6.0 / np.maximum(down, 0.05), 400.0).astype(np.float32)
    lying, wall = treat(dark, ground, 0.0), treat(dark, ground * 0.4, 0.0)
    assert np.median(lying[40:]) > 2 * np.median(wall[40:])


@pytest.mark.parametrize(
    ("inner", "outer", "is_"),
    [((2, 2, 4, 4), (0, 0, 9, 9), True), ((2, 2, 9, 10), (0, 0, 9, 9), False)],
)
def test_a_window_is_known_again_by_what_moves_in_it(inner, outer, is_) -> None:
    assert _within(inner, outer) is is_


def test_the_figure_says_how_much_was_filmed() -> None:
    each = {"tp": 1, "fn": 0, "fp": 1}
    total = {"clips": 1, "hours": 0.25, "tp": 1, "fp": 1, "fn": 0, "f1": 0.667}
    text = json.dumps({"clip": "corner-x", "all": each}) + "\n" + json.dumps({"all clips": total})
    told = {figure.name: figure for figure in read_corners(text)}
    assert told["minutes filmed"].value == 15 and not told["minutes filmed"].met
    assert told["the same in 120 minutes"].value == 8
    assert told["found in corner-x"].unit == "of 1, 1 false"


def test_two_programs_film_no_corner_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("one", "two", "three")
    (tmp_path / "out/three").mkdir(parents=True)
    (tmp_path / "out/three/site.yaml").touch()
    first = clip_files.corners_due(names, tmp_path / "work", tmp_path / "out")
    assert next(first) == "one"
    second = list(clip_files.corners_due(names, tmp_path / "work", tmp_path / "out"))
    assert second == ["two"], "three is filmed, one is being filmed"
    assert capsys.readouterr().err == "one: another program films it\n"
    first.close()  # type: ignore[attr-defined]
    assert list(clip_files.corners_due(names, tmp_path / "work", tmp_path / "out")) == [*names[:2]]
