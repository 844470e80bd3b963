# SPDX-License-Identifier: AGPL-3.0-or-later
"""Projection against published vectors, error radius against simulation, shifted datums."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pymap3d
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymap3d import los, vincenty

from edge.drone import earth, rotation, shifted
from edge.drone.georef import PROFILES, GroundView, NoGround, Sigmas, ce90, locate, radius90

SHARED = Path(__file__).resolve().parents[3] / "shared"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"{SHARED} is not here")

NADIR = GroundView(31.2304, 121.4737, 100.0, 0.0, -90.0, 0.0, 3840, 2160, 2560.0)


def vectors() -> list[dict]:
    path = SHARED / "vectors" / "georef.json"
    return json.loads(path.read_text()) if path.is_file() else []


def view_of(row: dict) -> GroundView:
    return GroundView(
        row["lat"], row["lon"], row["h"], row["yaw"], row["pitch"], row["roll"],
        row["W"], row["H"], row["fx"],
    )  # fmt: skip


@pytest.mark.shared
@needs_shared
@pytest.mark.parametrize("row", vectors(), ids=lambda row: row["name"][:3])
def test_pose_vectors_within_5_cm(row):
    if row["A"] is None:
        with pytest.raises(NoGround):
            locate(view_of(row), row["u"], row["v"])
        return
    spot = locate(view_of(row), row["u"], row["v"])
    assert earth.distance_m((spot.lat, spot.lon), tuple(row["A"])) < 0.01
    assert spot.slant_m == pytest.approx(row["slant"], abs=0.01)
    assert spot.ground_m == pytest.approx(row["ground"], abs=0.01)
    if row["az"] is not None:
        assert spot.azimuth_deg == pytest.approx(row["az"], abs=0.01)


@pytest.mark.shared
@needs_shared
def test_real_misb_frame_centres():
    rows = json.loads((SHARED / "vectors" / "misb.json").read_text())
    for row in rows:
        matrix = rotation.attitude(*row["platform_ypr"]) @ rotation.attitude(*row["sensor_aer"])
        lat, lon, height = row["sensor"]
        *centre, ground = row["frame_centre_tag"]
        view = GroundView(lat, lon, height - ground, *rotation.angles(matrix), 1280, 720, 20_000.0,
                    ground_m=ground)  # fmt: skip
        spot = locate(view, 640, 360)
        assert earth.distance_m((spot.lat, spot.lon), tuple(centre)) < 0.5
        assert spot.slant_m == pytest.approx(row["slant_tag"], abs=0.5)


# pymap3d's own test of lookAtSpheroid(10, -20, 1000, azimuth, tilt from nadir).
@pytest.mark.parametrize(
    ("azimuth", "lat", "lon", "slant"),
    [
        (0, 10.009041667, -20.0, 1414.32515),
        (45, 10.00639336, -19.993549978, 1414.324795),
        (125, 9.99481382, -19.992528, 1414.324671),
    ],
)
def test_look_at_spheroid(azimuth, lat, lon, slant):
    spot = locate(GroundView(10.0, -20.0, 1000.0, azimuth, -45.0, 0.0, 100, 100, 100.0), 50, 50)
    assert earth.distance_m((spot.lat, spot.lon), (lat, lon)) < 0.05
    assert spot.slant_m == pytest.approx(slant, abs=0.01)


def test_a_ray_above_the_horizon_has_no_place():
    with pytest.raises(NoGround, match="no ground"):
        locate(replace(NADIR, pitch_deg=-10.0), 1920, 200)
    with pytest.raises(NoGround, match="not above the ground"):
        locate(replace(NADIR, h_m=0.0), 1920, 1080)


def test_flat_rays_are_marked():
    assert locate(replace(NADIR, pitch_deg=-19.9), 1920, 1080).low_confidence_geo
    assert not locate(replace(NADIR, pitch_deg=-20.1), 1920, 1080).low_confidence_geo


def test_without_rtk_the_radius_never_falls_below_5_m():
    assert locate(NADIR, 1920, 1080).ce90_m == 5.0
    assert locate(NADIR, 1920, 1080, sigmas=PROFILES["rtk"]).ce90_m < 1.5


# The Monte Carlo table of the error budget (CE90, height 100 m), by scenario and depression.
@pytest.mark.parametrize(
    ("profile", "depression", "ce90_m"),
    [("consumer", 60, 10), ("consumer", 45, 16), ("consumer", 30, 27), ("gnss", 45, 8.0),
     ("gnss", 30, 13), ("gnss", 20, 22), ("rtk", 60, 1.9), ("rtk", 30, 5.2)],
)  # fmt: skip
def test_radius_agrees_with_the_error_budget(profile, depression, ce90_m):
    view = replace(NADIR, pitch_deg=-float(depression))
    assert ce90(view, (1920, 1080), PROFILES[profile]) == pytest.approx(ce90_m, rel=0.2)


def noisy(view: GroundView, sigmas: Sigmas, rng: np.random.Generator) -> GroundView:
    place = earth.Local(view.lat, view.lon)
    along = rng.normal(0, sigmas.time_s) * sigmas.speed_mps
    heading = math.radians(view.yaw_deg)
    lat, lon = place.degrees(
        rng.normal(0, sigmas.xy_m) + along * math.sin(heading),
        rng.normal(0, sigmas.xy_m) + along * math.cos(heading),
    )
    return replace(
        view, lat=lat, lon=lon,
        h_m=view.h_m + rng.normal(0, sigmas.h_m),
        yaw_deg=view.yaw_deg + rng.normal(0, sigmas.yaw_deg),
        pitch_deg=view.pitch_deg + rng.normal(0, sigmas.pitch_deg),
        roll_deg=view.roll_deg + rng.normal(0, sigmas.pitch_deg),
    )  # fmt: skip


@pytest.mark.parametrize("profile", ["consumer", "gnss", "rtk"])
def test_ce90_covers_the_truth(profile):
    """Truth points projected from true poses, then found again from poses with stated noise."""
    rng = np.random.default_rng(7)
    sigmas = replace(PROFILES[profile], floor_m=0.0)
    covered, total = 0, 600
    for _ in range(total):
        depression = float(rng.choice([90, 75, 60, 45, 30]))
        true = replace(NADIR, h_m=float(rng.uniform(50, 120)), pitch_deg=-depression,
                       yaw_deg=float(rng.uniform(0, 360)))  # fmt: skip
        pixel = (float(rng.uniform(300, 3540)), float(rng.uniform(900, 2100)))
        truth = locate(true, *pixel)
        found = locate(noisy(true, sigmas, rng), *pixel, sigmas=sigmas)
        error = earth.distance_m((truth.lat, truth.lon), (found.lat, found.lon))
        covered += error <= found.ce90_m
    assert 0.88 <= covered / total <= 0.97, covered / total


def test_radius90_of_round_and_flat_errors():
    rng = np.random.default_rng(1)
    for sx, sy in ((1.0, 1.0), (3.0, 1.0), (5.0, 0.01)):
        draws = rng.normal(size=(200_000, 2)) * (sx, sy)
        inside = np.hypot(*draws.T) <= radius90(np.diag([sx**2, sy**2]))
        assert inside.mean() == pytest.approx(0.9, abs=0.003)


GCJ = [
    ("Shanghai", 31.1774276, 121.5272106, 31.17530395, 121.53154193),
    ("Shenzhen", 22.543847, 113.912316, 22.54079608, 113.91717656),
    ("Beijing", 39.911954, 116.377817, 39.91334548, 116.38404733),
    ("Chengdu", 30.657, 104.066, 30.65457844, 104.06850789),
    ("Urumqi", 43.825, 87.6168, 43.82620576, 87.61964997),
    ("Tokyo", 35.68, 139.76, 35.68, 139.76),
]


@pytest.mark.parametrize(("name", "lat", "lon", "gcj_lat", "gcj_lon"), GCJ)
def test_gcj02(name, lat, lon, gcj_lat, gcj_lon):
    assert shifted.gcj02(lat, lon) == pytest.approx((gcj_lat, gcj_lon), abs=1e-7)
    assert shifted.wgs84(*shifted.gcj02(lat, lon)) == pytest.approx((lat, lon), abs=1e-9)


def test_bd09_agrees_with_baidus_own_converter_to_10_m():
    assert shifted.wgs84_from_bd09(29.199786, 120.019809) == pytest.approx(
        (29.196131605, 120.008779011), abs=1e-4
    )


@given(
    lat=st.floats(-70, 70), lon=st.floats(-179, 179),
    east=st.floats(-5000, 5000), north=st.floats(-5000, 5000),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_local_metres_round_trip_and_agree_with_the_ellipsoid(lat, lon, east, north):
    place = earth.Local(lat, lon)
    there = place.degrees(east, north)
    assert place.metres(*there) == pytest.approx((east, north), abs=1e-6)
    chord = np.linalg.norm(earth.ecef(*there, 0.0) - earth.ecef(lat, lon, 0.0))
    assert chord == pytest.approx(math.hypot(east, north), abs=0.05, rel=2e-5)


@given(
    yaw=st.floats(0, 359.9), pitch=st.floats(-89, 89), roll=st.floats(-179, 179),
)  # fmt: skip
@settings(max_examples=100, deadline=None)
def test_angles_invert_attitude(yaw, pitch, roll):
    again = rotation.angles(rotation.attitude(yaw, pitch, roll))
    assert np.allclose(rotation.attitude(*again), rotation.attitude(yaw, pitch, roll), atol=1e-9)


def georef(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edge", "georef", *words],
        capture_output=True,
        text=True,
        check=False,
    )


POSE = {"lat": 31.2304, "lon": 121.4737, "h_m": 120, "yaw_deg": 0, "pitch_deg": -45,
        "roll_deg": 0, "width": 3840, "height": 2160, "fx": 2560}  # fmt: skip


def test_command_one_pose():
    done = georef("--pose", json.dumps(POSE), "--pixel", "1920,1080", "--json")
    answer = json.loads(done.stdout)
    assert done.returncode == 0
    assert (answer["lat"], answer["lon"]) == pytest.approx((31.23148233, 121.4737), abs=1e-7)
    assert set(answer) >= {"lat", "lon", "slant_m", "ground_m", "azimuth_deg", "ce90_m"}
    sky = georef("--pose", json.dumps({**POSE, "pitch_deg": 5}), "--pixel", "1920,1080", "--json")
    assert sky.returncode == 1
    assert "error" in json.loads(sky.stdout)
    wrong = georef("--pose", json.dumps({**POSE, "fx": "wide"}), "--pixel", "1,1")
    assert wrong.returncode == 2
    assert wrong.stderr.strip() == "edge georef: --pose: fx = 'wide': expected a number"


def test_command_many_poses_answers_every_line_in_order(tmp_path):
    rows = [{**POSE, "u": 1920, "v": 1080}, {**POSE, "pitch_deg": 5, "u": 0, "v": 0}, {"u": 1}]
    path = tmp_path / "poses.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)) + "\nnot json\n", encoding="utf-8")
    done = georef("--poses", str(path), "--json")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert ["error" in answer for answer in answers] == [False, True, True, True]


# --- the whole Earth, against pymap3d -------------------------------------------------------------


def corners_of_the_earth() -> list[tuple[float, float]]:
    """Places spread over the Earth, the poles, the date line, the equator and Greenwich."""
    rng = np.random.default_rng(11)
    places = [(math.degrees(math.asin(rng.uniform(-1, 1))), rng.uniform(-180, 180))
              for _ in range(150)]  # fmt: skip
    edges = [-90.0, -89.99999, -66.5, -0.00001, 0.0, 31.2, 89.9, 89.99999, 90.0]
    sides = [-180.0, -179.99999, -90.0, 0.0, 0.00001, 121.5, 179.99999, 180.0]
    return places + [(lat, lon) for lat in edges for lon in sides]


@pytest.mark.parametrize("reach_m", [1.0, 300.0, 5000.0, 90_000.0])
def test_the_local_plane_agrees_with_pymap3d_everywhere(reach_m):
    rng = np.random.default_rng(3)
    for lat, lon in corners_of_the_earth():
        plane = earth.Local(lat, lon)
        turn = rng.uniform(0, 2 * math.pi)
        east, north = reach_m * math.sin(turn), reach_m * math.cos(turn)
        there = plane.degrees(east, north)
        theirs = pymap3d.geodetic2enu(*there, 0.0, lat, lon, 0.0)
        assert theirs[:2] == pytest.approx((east, north), abs=0.001)
        assert plane.metres(*there) == pytest.approx((east, north), abs=0.001)


def test_ecef_and_back_agree_with_pymap3d_everywhere():
    for lat, lon in corners_of_the_earth():
        for height in (-400.0, 0.0, 120.0, 9000.0):
            ours = earth.ecef(lat, lon, height)
            assert ours == pytest.approx(
                np.array(pymap3d.geodetic2ecef(lat, lon, height)), abs=1e-6
            )
            back = earth.ecef(*earth.geodetic(ours))
            assert back == pytest.approx(ours, abs=1e-4)


@pytest.mark.parametrize("reach_m", [3.0, 800.0, 20_000.0, 100_000.0])
def test_distances_agree_with_pymap3d_everywhere(reach_m):
    rng = np.random.default_rng(5)
    for lat, lon in corners_of_the_earth():
        there = earth.Local(lat, lon).degrees(reach_m * 0.6, reach_m * rng.choice([-0.8, 0.8]))
        theirs, _ = vincenty.vdist(lat, lon, *there)
        # 1 cm up to 20 km, which is further than a flight; the mean radius costs 2 mm a degree.
        assert earth.distance_m((lat, lon), there) == pytest.approx(
            float(np.squeeze(theirs)), abs=0.01 if reach_m < 50_000 else 0.03
        )


def test_a_pixels_place_agrees_with_pymap3d_everywhere():
    """The ray of the middle of an oblique picture, against lookAtSpheroid."""
    for lat, lon in corners_of_the_earth():
        if abs(lat) > 89.99:
            continue  # no azimuth there
        view = GroundView(lat, lon, 110.0, 37.0, -50.0, 0.0, 1920, 1080, 1500.0)
        spot = locate(view, 960.0, 540.0)
        theirs = los.lookAtSpheroid(lat, lon, 110.0, 37.0, 40.0)
        away = earth.distance_m((spot.lat, spot.lon), (float(theirs[0]), float(theirs[1])))
        assert away < 0.01
