# SPDX-License-Identifier: AGPL-3.0-or-later
"""Paths, views, ground tracks, comparison, register: tables and small simulations."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import date
from types import SimpleNamespace

import numpy as np
import pytest

from edge.config import ConfigError
from edge.drone import groundtrack, optics, soil
from edge.drone.compare import difference, overdue
from edge.drone.dem import Dem, locate_on
from edge.drone.earth import Local, distance_m
from edge.drone.eye import Setup
from edge.drone.flightpath import FlightPath, clock_offset
from edge.drone.georef import PROFILES, GroundView, NoGround, locate
from edge.drone.ground import footprint, gsd_m, homography, to_ground, to_pixels
from edge.drone.groundtiles import plan
from edge.drone.groundtrack import GroundTracks
from edge.drone.keyframes import KeyFrames
from edge.drone.look import KeyFrame, Sighting, from_json, to_json
from edge.drone.rule_settings import _confirmed
from edge.drone.settings import Judging, Ledger
from edge.drone.sites import Area, RegisteredSite, assign, read_sites
from edge.drone.telemetry.pose import Pose, Telemetry
from edge.drone.yawfit import Landmark, fit

PLANE = Local(31.2304, 121.4737)
VIEW = GroundView(31.2304, 121.4737, 100.0, 0.0, -90.0, 0.0, 3840, 2160, 2560.0)


def pose(t_s: float, east: float = 0.0, **more) -> Pose:
    lat, lon = PLANE.degrees(east, 0.0)
    values = {"lat": lat, "lon": lon, "rel_alt_m": 100.0, "yaw_deg": 0.0, "pitch_deg": -60.0,
              "quality": "full", **more}  # fmt: skip
    return Pose(t_s=t_s, source="test", **values)


def east_of(found: Pose | None) -> float:
    assert found is not None
    assert found.lat is not None
    assert found.lon is not None
    return PLANE.metres(found.lat, found.lon)[0]


def test_a_path_runs_through_the_changes_not_the_repeats():
    # 10 m/s, a fix each 0.2 s under 25 cues a second.
    poses = [pose(n * 0.04, east=10.0 * math.floor(n / 5) * 0.2) for n in range(100)]
    path = FlightPath(poses)
    errors = [abs(east_of(path.at(t)) - 10.0 * t) for t in np.arange(0.0, 3.5, 0.013)]
    assert max(errors) < 0.01


def test_yaw_turns_the_short_way_through_180():
    path = FlightPath([pose(0.0, yaw_deg=179.0), pose(2.0, yaw_deg=-179.0)])
    assert path.at(1.0).yaw_deg == pytest.approx(180.0)


def test_gaps_turns_and_ends_have_no_pose():
    path = FlightPath([pose(0.0), pose(1.0, 1.0), pose(7.0, 2.0), pose(9.0, 3.0, yaw_deg=30.0)])
    assert path.at(0.5) is not None
    assert path.at(4.0) is None  # a gap of 6 s
    assert path.at(8.0) is None  # 30 degrees between two slow records
    assert path.at(-1.0) is None
    assert path.at(11.0) is None


def test_joined_recordings_use_the_longer_run():
    path = FlightPath([pose(5.0), pose(6.0), pose(0.0, 9.0), pose(1.0, 9.0), pose(2.0, 9.0)])
    assert path.coverage.start_s == 0.0
    assert path.coverage.end_s == 2.0


def test_clock_offset_of_a_log_is_its_recording_flag():
    log = Telemetry("flight-log", (pose(0.0), pose(300.0)), 2, clips=((10.0, 40.0), (100.0, 220.0)))
    assert clock_offset(log, start_utc=None, duration_s=119.0) == (
        100.0,
        "recording flag of the log",
    )
    assert clock_offset(log, start_utc=None, duration_s=119.0, clip=1)[0] == 10.0
    utc = Telemetry("mavlink", (pose(5.0, utc=1000.0), pose(300.0, utc=1295.0)), 2)
    assert clock_offset(utc, start_utc=1020.0, duration_s=60.0) == (25.0, "UTC")
    assert clock_offset(utc, start_utc=9e9, duration_s=60.0)[1].endswith("(assumed)")


@pytest.mark.parametrize(
    ("width", "height", "given", "fx"),
    [
        (640, 512, {"focal35_mm": 40.0}, 757.72),
        (640, 512, {"focal35_mm": 58.0}, 1098.695),
        # 16:9 video is a 4:3 sensor cut above and below: 24 mm is 0.693 of the width.
        (3840, 2160, {"focal35_mm": 24.0}, 0.6934 * 3840),
        (3840, 2160, {"lens": optics.camera("m3e")}, 0.704 * 3840),
        (3840, 2160, {"lens": optics.camera("M3E"), "zoom": 2.0}, 2 * 0.704 * 3840),
        # The recorder tells another lens than the table's: the equivalent counts.
        (
            3840,
            2160,
            {"lens": optics.camera("M3E"), "focal35_mm": 162.0},
            1.25 * 162 / 43.267 * 3840,
        ),
        (2160, 3840, {"lens": optics.camera("M3E")}, 0.704 * 3840),  # portrait
        (1000, 800, {"hfov_deg": 90.0}, 500.0),
        (1280, 720, {"measured_hfov_deg": 3.0, "zoom": 5.0}, 640 / math.tan(math.radians(1.5))),
    ],
)
def test_focal_lengths(width, height, given, fx):
    assert optics.focal(width, height, **given).px == pytest.approx(fx, rel=2e-4)


def test_nothing_is_made_up_for_a_missing_focal_length():
    assert optics.focal(3840, 2160) is None
    with pytest.raises(ConfigError, match="known: P4P"):
        optics.camera("Nikon")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"lat": None}, "no position fix"),
        ({"yaw_deg": None}, "no camera angles"),
        ({"rel_alt_m": None}, "no height"),
        ({"rel_alt_m": 0.3}, "not in the air"),
        ({"focal35_mm": None}, "focal length unknown"),
    ],
)
def test_a_view_says_what_is_missing(change, why):
    setup = Setup(3840, 2160)
    whole = pose(0.0, focal35_mm=24.0)
    assert isinstance(setup.view(whole), GroundView)
    assert why in setup.view(replace(whole, **change))


def test_a_height_is_never_made_of_an_absolute_altitude():
    setup = Setup(3840, 2160)
    only = pose(0.0, focal35_mm=24.0, rel_alt_m=None, abs_alt_m=180.0)
    assert "no height" in setup.view(only)
    assert replace(setup, takeoff_alt_m=60.0).view(only).h_m == 120.0


def test_errors_are_sized_by_quality_and_calibration():
    setup = Setup(3840, 2160)
    assert setup.sigmas(pose(0.0, quality="coarse")).xy_m == PROFILES["coarse"].xy_m
    uncalibrated = setup.sigmas(pose(0.0, quality="rtk"))
    assert (uncalibrated.yaw_deg, uncalibrated.h_m) == (2.5, 1.5)
    borrowed = replace(setup, pitch_deg=-90.0)
    assert borrowed.sigmas(pose(0.0, yaw_deg=None, heading_deg=3.0)).yaw_deg == 10.0


def test_pixels_and_ground_are_inverse_and_agree_with_the_single_projection():
    rng = np.random.default_rng(2)
    for _ in range(30):
        view = replace(VIEW, yaw_deg=rng.uniform(0, 360), pitch_deg=rng.uniform(-90, -30),
                       roll_deg=rng.uniform(-5, 5), h_m=rng.uniform(30, 120))  # fmt: skip
        pixels = rng.uniform([0, 1080], [3840, 2160], (5, 2))
        ground = to_ground(view, pixels, PLANE)
        assert np.allclose(to_pixels(view, ground, PLANE), pixels, atol=1e-6)
        spot = locate(view, *pixels[0])
        assert distance_m((spot.lat, spot.lon), PLANE.degrees(*ground[0])) < 0.05
        there = homography(view, PLANE) @ [*ground[0], 1.0]
        assert np.allclose(there[:2] / there[2], pixels[0], atol=1e-6)


def test_footprint_and_ground_sample_distance():
    outline = footprint(VIEW, PLANE)
    assert np.ptp(outline[:, 0]) == pytest.approx(150.0)
    assert np.ptp(outline[:, 1]) == pytest.approx(84.375)
    assert gsd_m(VIEW, 1920, 1080) == pytest.approx(100 / 2560)
    # Flat views are cut at 20 degrees; what looks at the horizon has no footprint.
    flat = footprint(replace(VIEW, pitch_deg=-25.0), PLANE)
    assert np.hypot(*flat.T).max() < 100 / math.tan(math.radians(20)) * 1.35
    assert len(footprint(replace(VIEW, pitch_deg=0.0, fx=9000.0), PLANE)) == 0


def test_key_frames_by_ground_motion():
    def taken(speed: float, fps: float = 10.0) -> list[float]:
        keys = KeyFrames(fastest_fps=2.0)
        times = [n / fps for n in range(60)]
        views = [replace(VIEW, lat=PLANE.degrees(0, speed * t)[0]) for t in times]
        return [t for t, view in zip(times, views, strict=True) if keys.due(t, view)]

    assert np.allclose(np.diff(taken(0.0)), 1.0)
    assert np.allclose(np.diff(taken(25.0)), 0.5)


def area(west, south, east, north, **more) -> Area:
    corners = ((west, south), (east, south), (east, north), (west, north))
    ring = tuple(tuple(reversed(PLANE.degrees(*corner))) for corner in corners)
    return Area(
        RegisteredSite(polygons=((ring,),), **{"id": "s", "name": "s", "kind": "site", **more}),
        PLANE,
    )


def test_tiles_from_ground_sample_distance_and_sites():
    everywhere = plan(VIEW, [], PLANE, object_m=0.5)
    # 4 cm pixels: half a metre is 13 pixels, so tiles stay at native resolution.
    assert everywhere.side_px == 640
    corner = plan(VIEW, [area(50, 25, 75, 42)], PLANE, object_m=0.5)
    assert 2 <= len(corner.regions) < 0.4 * len(everywhere.regions)
    assert plan(VIEW, [area(500, 500, 520, 520)], PLANE).regions == ()
    trucks = plan(VIEW, [], PLANE, object_m=2.5)
    assert len(trucks.regions) < len(everywhere.regions)


def sighting(
    east: float, north: float, *, label="vendor_stall", ce90=5.0, azimuth=0.0, ground=60.0
):
    lat, lon = PLANE.degrees(east, north)
    return Sighting(label, 0.9, (0.4, 0.4, 0.5, 0.5), lat, lon, east, north, ce90, ground, azimuth,
                    False, 1.8)  # fmt: skip


def look(t_s: float, camera: tuple[float, float], *found: Sighting) -> KeyFrame:
    lat, lon = PLANE.degrees(*camera)
    return KeyFrame(
        t_s, 1e9 + t_s, replace(VIEW, lat=lat, lon=lon, h_m=100.0), sightings=tuple(found)
    )


def seen_from(truth, camera, bias_deg):
    """Where a thing seems to be from an aircraft whose yaw is off by a bias."""
    east, north = truth[0] - camera[0], truth[1] - camera[1]
    turn = math.radians(bias_deg)
    found = (
        camera[0] + east * math.cos(turn) + north * math.sin(turn),
        camera[1] - east * math.sin(turn) + north * math.cos(turn),
    )
    azimuth = math.degrees(math.atan2(found[0] - camera[0], found[1] - camera[1])) % 360
    return sighting(*found, azimuth=azimuth, ground=math.hypot(east, north))


def two_passes(truths, bias_deg):
    tracks = GroundTracks(PLANE)
    for second in range(6):
        camera = (0.0, -80.0 + 8 * second)
        tracks.step(look(second, camera, *(seen_from(t, camera, bias_deg) for t in truths)))
    for second in range(6):
        camera = (0.0, 80.0 - 8 * second)
        tracks.step(look(60 + second, camera, *(seen_from(t, camera, bias_deg) for t in truths)))
    return tracks.finish()


def test_one_stall_in_opposite_passes_with_5_degrees_of_yaw_error_is_one():
    (track,) = two_passes([(0.0, 0.0)], 5.0)
    assert track.looks == 12
    assert track.label == "vendor_stall"


@pytest.mark.parametrize("bias_deg", [0.0, 2.0])
def test_two_stalls_12_m_apart_are_two(bias_deg):
    assert len(two_passes([(-6.0, 0.0), (6.0, 0.0)], bias_deg)) == 2


def test_finish_may_be_asked_again():
    tracks = GroundTracks(PLANE)
    for second in range(4):
        tracks.step(look(second, (0.0, 8.0 * second), sighting(10.0, 10.0)))
    assert [t.looks for t in tracks.finish()] == [t.looks for t in tracks.finish()] == [4]


def strewn(count: int) -> list[KeyFrame]:
    """Looks along a street with a bag every 6 m, and back with places up to a metre off."""
    out = [look(float(n), (6.0 * n, -20.0), sighting(6.0 * n, 0.0)) for n in range(count)]
    back = [
        look(2.0 * count - n, (6.0 * n, 20.0), sighting(6.0 * n + n % 3 - 1.0, 0.5))
        for n in reversed(range(count))
    ]
    return out + back


def test_a_flight_that_is_judged_on_its_way_ends_with_the_same_things():
    asked, once = GroundTracks(PLANE), GroundTracks(PLANE)
    for number, one in enumerate(strewn(60)):
        asked.step(one)
        once.step(one)
        if number % 2 == 0:
            asked.finish()
    assert asked.finish() == once.finish()
    assert len(once.finish()) < 0.6 * len(once.tracks())


def test_passes_that_are_over_are_compared_once(monkeypatch):
    compared: list[int] = [0]
    apart = groundtrack._apart

    def counted(*args):
        compared[0] += 1
        return apart(*args)

    monkeypatch.setattr(groundtrack, "_apart", counted)
    tracks, looks = GroundTracks(PLANE), strewn(70)
    for one in looks:
        tracks.step(one)
        tracks.finish()
    things = len(tracks.tracks())
    assert things > 100
    # Each of them with each once when its pass is over, and while it lasts once at each look.
    assert compared[0] < things**2 / 2 + 12 * len(looks) * things


def test_parallax_tells_a_roof_from_the_ground():
    def height_seen(raised: float) -> float:
        tracks = GroundTracks(PLANE, merge_m=30.0)
        for second in range(9):
            camera = (0.0, -60.0 + 15 * second)
            scale = 100.0 / (100.0 - raised)
            tracks.step(look(second, camera, sighting(10 * scale, camera[1] - camera[1] * scale)))
        (track,) = tracks.finish()
        return track.raised_m

    assert height_seen(12.0) == pytest.approx(12.0, abs=0.5)
    assert height_seen(0.0) == pytest.approx(0.0, abs=0.5)


def test_a_moving_truck_stays_one_track_and_has_its_speed():
    tracks = GroundTracks(PLANE)
    for second in range(8):
        tracks.step(look(second, (0, 0), sighting(11.0 * second, 0, label="muck_truck")))
    (track,) = tracks.finish()
    assert track.speed_mps == pytest.approx(10.6, abs=0.6)


def test_looks_survive_the_journal():
    one = replace(look(1.5, (1, 2), sighting(3, 4)), carried=(1.0,) * 9, seen=("a",),
                  aircraft=(31.0, 121.0))  # fmt: skip
    assert from_json(json.loads(json.dumps(to_json(one)))) == one
    blind = KeyFrame(2.0, 1e9, None, why="no position fix")
    assert from_json(json.loads(json.dumps(to_json(blind)))) == blind


def test_membership_by_the_share_of_the_circle():
    areas = [area(0, 0, 100, 100)]
    assert assign(areas, 50, 50, 5)[1] == "in_polygon"
    assert assign(areas, -2, 50, 5)[1] == "within_ce90"
    assert assign(areas, -20, 50, 5) == (None, "outside", 0.0)
    assert assign(areas, 0.0, 50, 10)[2] == pytest.approx(0.5, abs=0.03)


def test_corridor_holds_points_beside_its_line():
    line = tuple((PLANE.degrees(e, 0)[1], PLANE.degrees(e, 0)[0]) for e in (0, 100))
    corridor = Area(RegisteredSite("c", "c", "corridor", line=line, width_m=12.0), PLANE)
    assert corridor.holds(50, 5.9)
    assert not corridor.holds(50, 6.1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"properties": {"id": "a", "kind": "sight"}}, "kind = 'sight': allowed site"),
        ({"properties": {"id": "a", "valid_to": "May"}}, "valid_to = 'May'"),
        ({"properties": {"id": "a", "colour": 1}}, "unknown property 'colour'"),
        ({"geometry": {"type": "Polygon", "coordinates": [[[31, 121], [31, 122], [31, 121]]]}},
         "no \\[longitude, latitude\\]"),
        ({"geometry": {"type": "Point", "coordinates": [1, 2]}}, "geometry 'Point'"),
    ],
)  # fmt: skip
def test_register_errors_name_the_feature(tmp_path, change, message):
    ring = [[121, 31], [121, 32], [122, 32], [121, 31]]
    polygon = {"type": "Polygon", "coordinates": [ring]}
    good = {"type": "Feature", "properties": {"id": "a"}, "geometry": polygon}
    path = tmp_path / "sites.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [good]}))
    assert read_sites(path)[0].id == "a"
    path.write_text(json.dumps({"features": [{**good, **change}]}))
    with pytest.raises(ConfigError, match=message) as caught:
        read_sites(path)
    assert "features[0]" in str(caught.value)


def row(name: str, east: float, north: float, *, ce90=5.0, site="s1", category="street-vendor"):
    lat, lon = PLANE.degrees(east, north)
    return {"id": name, "lat": lat, "lon": lon, "ce90_m": ce90, "site": site, "category": category,
            "facts": {}}  # fmt: skip


def test_difference_of_two_flights():
    earlier = [row("a", 0, 0), row("b", 30, 0), row("c", 60, 0), row("d", 0, 0, category="dumping")]
    now = [row("x", 4, 4), row("y", 90, 0)]
    found = difference(earlier, now, inspected=lambda r: r["id"] != "c")
    assert {key: old["id"] for key, old in found.still.items()} == {"x": "a"}
    assert [old["id"] for old in found.gone] == ["b", "d"]
    assert [old["id"] for old in found.unseen] == ["c"]


def test_overdue_knows_validity_and_last_inspection():
    sites = [area(0, 0, 1, 1, id=name).site for name in ("a", "b", "c")]
    sites[2] = replace(sites[2], valid_to=date(2026, 1, 1))
    flights = [
        {"start_utc": 1777600000.0, "sites": [{"id": "a", "inspected_share": 0.9},
                                             {"id": "b", "inspected_share": 0.01}]}
    ]  # fmt: skip
    settings = Ledger(overdue_days=7)
    late = overdue(sites, flights, date(2026, 5, 4), settings)
    assert [(w.site.id, w.days) for w in late] == [("b", None)]
    assert [w.site.id for w in overdue(sites, flights, date(2026, 5, 12), settings)] == ["b", "a"]


def test_height_grid_of_a_slope():
    lats, lons = np.linspace(31.24, 31.22, 41), np.linspace(121.46, 121.49, 61)
    # 10 m of rise for each 100 m north of the middle.
    north = (lats - PLANE.lat) * 110_900
    dem = Dem(lats[0], lons[0], lats[0] - lats[1], lons[1] - lons[0],
              np.repeat((50 + 0.1 * north)[:, None], 61, axis=1))  # fmt: skip
    view = replace(VIEW, pitch_deg=-45.0)
    spot = locate_on(dem, view, 150.0, 1920, 1080)
    # 100 m above the slope's middle, looking 45 degrees down towards the rise: t = 100 / 1.1.
    assert spot.ground_m == pytest.approx(100 / 1.1, abs=0.5)
    with pytest.raises(NoGround, match="outside"):
        dem.height(40.0, 121.47)


def test_landmarks_find_the_yaw_bias():
    marks = []
    for yaw in (0.0, 120.0, 250.0):
        true = replace(VIEW, pitch_deg=-45.0, yaw_deg=yaw)
        spot = locate(true, 2100, 1300)
        marks.append(Landmark(replace(true, yaw_deg=yaw + 27.2), 2100, 1300, spot.lat, spot.lon))
    bias = fit(marks)
    assert bias.bias_deg == pytest.approx(-27.2, abs=0.05)
    assert bias.sigma_deg == 0.5
    below = locate(VIEW, 1920, 1080)
    assert fit([Landmark(VIEW, 1920, 1080, below.lat, below.lon)]) is None


@pytest.mark.parametrize(
    ("bgr", "kind"),
    [
        ((70, 105, 150), soil.SOIL),  # loam
        ((110, 150, 190), soil.SOIL),  # dry sand
        ((90, 140, 40), soil.NET),  # green dust net
        ((60, 120, 80), soil.GROWTH),  # grass
        ((150, 150, 150), soil.OTHER),  # concrete
        ((30, 30, 30), soil.OTHER),  # black net
        ((60, 58, 62), soil.OTHER),  # asphalt
    ],
)
def test_soil_is_told_from_net_growth_and_concrete(bgr, kind):
    assert soil.classify(np.array([bgr], np.uint8))[0] == kind


@pytest.mark.parametrize(("raised_m", "taken"), [(2.0, True), (3.5, True), (6.0, False)])
def test_what_lies_on_a_roof_is_no_finding_of_the_ground(raised_m, taken):
    """A storey is some three metres: above four it is a roof, a terrace or the top of a tree."""
    track = SimpleNamespace(looks=9, baseline_m=80.0, first_s=0.0, last_s=60.0, raised_m=raised_m)
    assert _confirmed(track, Judging()) is taken
