# SPDX-License-Identifier: AGPL-3.0-or-later
"""Clips: who is where and when, zones and truth, telemetry that the product itself reads back."""

from __future__ import annotations

import json
import math

import cv2
import numpy as np
import pytest

from edge.config import Site
from edge.config.load import load
from edge.drone import georef
from edge.drone.earth import distance_m
from edge.drone.telemetry import srt
from edge.rules.truth import truth_from
from tools.scenery import clip_cases, clip_files, clip_flyback, clip_flyover, clip_street, clips
from tools.scenery.clips import Script, along, merged, still, window_of, zone_polygon
from tools.scenery.flight_plan import Plan, footprint, named

SCRIPTS = {"street": clip_street.script, **clip_cases.SCRIPTS}


@pytest.fixture(scope="module")
def scripts() -> dict[str, Script]:
    return {name: make() for name, make in SCRIPTS.items()}


def test_a_path_goes_straight_from_stop_to_stop_and_is_away_outside() -> None:
    path = along([(2.0, (0, 0, 0, 0)), (4.0, (10, 2, 0, 1)), (6.0, (10, 2, 0, 1))])
    assert path(1.9) is None
    assert path(3.0) == (5, 1, 0, 0.5)
    assert path(5.9) == (10, 2, 0, 1)
    assert path(6.0) is None
    assert still((1, 2, 3, 0), 5.0, 9.0)(9.0) is None


@pytest.mark.parametrize(
    ("windows", "count"),
    [
        ([(0, 0, 5, 5), (6, 0, 9, 5)], 2),
        ([(0, 0, 5, 5), (4, 4, 9, 9)], 1),
        ([(0, 0, 5, 5), (8, 8, 9, 9), (4, 4, 9, 9)], 1),
        ([], 0),
    ],
)
def test_windows_that_overlap_become_one(windows, count) -> None:
    assert len(merged(windows)) == count


def test_a_window_holds_the_thing_and_its_shadow(scripts) -> None:
    script = scripts["street"]
    verts = np.array([(2, 4, 0), (2, 4, 2.0)], np.float32)
    x0, y0, x1, y1 = window_of(verts, script.camera, script.light) or (0, 0, 0, 0)
    for x, y, _ in script.camera.project(clips.sun_shadow(verts, script.light)):
        assert x0 < x < x1
        assert y0 < y < y1


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_event_has_its_actor_on_stage_at_the_time(name, scripts) -> None:
    script = scripts[name]
    assert script.times == sorted(set(script.times))
    movers = {mover.name: mover for mover in script.movers}
    for event in script.events:
        assert event.start_s < event.end_s <= script.length_s
        if event.who in movers:
            mover = movers[event.who]
            assert event.label in {actor.label for actor in mover.group}
            assert mover.path(event.look_s) is not None
        elif event.label in ("dust", "smoke", "fire"):
            assert script.plumes(event.look_s)
            assert not script.plumes(max(0.0, event.start_s - 10)) or event.start_s < 10
        else:
            assert event.label in {actor.label for actor in script.standing}


def test_the_negative_reel_shows_no_violation(scripts) -> None:
    script = scripts["negatives"]
    labels = {a.label for m in script.movers for a in m.group} | {a.label for a in script.standing}
    assert not labels & {"vendor_stall", "grill", "spillage", "dust", "smoke", "fire"}
    assert script.events == []


def test_soil_appears_only_where_the_truck_has_passed(scripts) -> None:
    script = scripts["street"]
    movers = {mover.name: mover for mover in script.movers}
    soil, truck = movers["soil"], movers["truck"]
    falls = next(e.start_s for e in script.events if e.who == "soil")
    assert soil.path(falls - 0.01) is None
    pose, at = truck.path(falls), soil.path(falls)
    assert pose is not None
    assert at is not None
    tail = pose[0] + truck.group[0].model.verts()[:, 0].min()
    assert at[0] < tail


@pytest.mark.parametrize("name", SCRIPTS)
def test_zones_are_inside_the_frame_and_the_site_file_is_valid(name, scripts, tmp_path) -> None:
    script = scripts[name]
    for zone in script.zones:
        polygon = np.array(zone_polygon(script.camera, zone.corners), np.float32)
        assert ((polygon > 0) & (polygon < 1)).all()
        assert cv2.contourArea(polygon) > 0.01
    path = tmp_path / "site.yaml"
    path.write_text(clip_files.site(script))
    read = load(path, Site)
    assert [zone.id for zone in read.cameras[0].zones] == [zone.id for zone in script.zones]


def test_truth_is_what_the_evaluation_reads(scripts) -> None:
    script = scripts["spill-day"]
    frames = [
        {"t_s": 60.0, "boxes": [{"who": "soil", "label": "spillage", "box": [10, 20, 30, 60]}]}
    ]
    row = clip_files.truth(script, frames)
    (event,) = truth_from(row, "truth.json").events
    assert event.place == pytest.approx((20 / 1280, 60 / 720), abs=1e-4)
    with pytest.raises(ValueError, match="soil: never seen"):
        clip_files.truth(script, [])


def test_encoded_frames_keep_their_times(tmp_path) -> None:
    av = pytest.importorskip("av")
    times = [0.0, 0.5, 3.0, 3.25]
    paths = []
    for number in range(len(times)):
        paths.append(tmp_path / f"{number}.png")
        cv2.imwrite(str(paths[-1]), np.full((64, 96, 3), 40 * number, np.uint8))
    clips.encode(paths, times, tmp_path / "a.mp4")
    with av.open(str(tmp_path / "a.mp4")) as container:
        shown = [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]
    assert shown == pytest.approx(times, abs=1e-3)


FLIGHTS = [clip_flyover.PLAN, clip_flyback.PLAN]


@pytest.mark.parametrize("plan", FLIGHTS, ids=lambda plan: plan.name)
def test_captions_read_back_as_the_poses_they_were_made_from(plan: Plan) -> None:
    read = srt.parse(plan.srt())
    assert len(read.poses) == len(plan.times)
    for pose, t in zip(read.poses, plan.times, strict=True):
        view = plan.pose(t)
        assert (pose.lat, pose.lon) == pytest.approx(plan.wgs84(view.x, view.y), abs=1e-7)
        assert pose.pitch_deg == pytest.approx(view.pitch, abs=0.051)
        assert pose.rel_alt_m == pytest.approx(view.z, abs=0.001)


@pytest.mark.parametrize("number", [0, 10, 16, 29])
@pytest.mark.parametrize("plan", FLIGHTS, ids=lambda plan: plan.name)
def test_the_products_projection_finds_the_ground_points_again(plan: Plan, number: int) -> None:
    row = json.loads(plan.poses().splitlines()[number])
    camera = plan.pose(row.pop("t_s"))
    point = np.array([(camera.x + 6.0 * math.sin(math.radians(camera.yaw)), 5.0, 0.0)], np.float32)
    u, v, _ = camera.project(point)[0]
    spot = georef.locate(georef.GroundView(**row), float(u), float(v))
    truth = plan.wgs84(float(point[0, 0]), 5.0)
    assert distance_m((spot.lat, spot.lon), truth) < 0.03


def test_targets_are_told_apart_by_their_order_within_a_class() -> None:
    for plan in FLIGHTS:
        scene, targets = plan.build()
        labels = {n: actor.label for n, actor in enumerate(scene.actors, 1) if actor.label}
        found = named(labels, targets)
        for entity, name in found.items():
            target = next(t for t in targets if t.name == name)
            assert footprint([scene.actors[entity - 1]]) == target.footprint
