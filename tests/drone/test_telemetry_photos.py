# SPDX-License-Identifier: AGPL-3.0-or-later
"""Photographs and GPX tracks as telemetry; logs that are known and not read."""

from __future__ import annotations

import json
import math
from datetime import datetime, timezone

import numpy as np
import pytest

from edge import cli
from edge.commands import fly
from edge.config import ConfigError
from edge.drone.earth import distance_m
from edge.drone.flightpath import FlightPath
from edge.drone.read import Hints, read
from edge.drone.sources import find
from edge.drone.telemetry import gpx, photos
from tests.drone import flyover
from tools.fakes.photographs import exif, jpeg, with_blocks, xmp

LAT, LON = 31.8206, 117.2272
GREY = jpeg(np.full((90, 160, 3), 120, np.uint8))


def at(second: int) -> str:
    return f"2026:06:03 09:15:{second:02d}"


def dji(**more: object) -> bytes:
    return xmp(
        **{
            "GpsLatitude": f"+{LAT:.8f}", "GpsLongitude": f"+{LON:.8f}",
            "AbsoluteAltitude": "+92.4",
            "RelativeAltitude": "+70.25", "GimbalYawDegree": "-12.5", "GimbalPitchDegree": "-75.0",
            "GimbalRollDegree": "+0.0", "FlightYawDegree": "-11.0", "RtkFlag": "50", **more,
        }
    )  # fmt: skip


def shot(*blocks: bytes) -> tuple[float, bytes]:
    return 0.0, with_blocks(GREY, *blocks)


def test_xmp_gives_place_height_gimbal_and_rtk():
    found = photos.parse([shot(dji(), exif(width=4000, focal35=24))])
    pose = found.poses[0]
    assert (pose.lat, pose.lon, pose.rel_alt_m, pose.abs_alt_m) == (LAT, LON, 70.25, 92.4)
    assert (pose.yaw_deg, pose.pitch_deg, pose.roll_deg) == (-12.5, -75.0, 0.0)
    assert (pose.quality, pose.heading_deg, pose.focal35_mm) == ("rtk", -11.0, 24.0)


@pytest.mark.parametrize(("flag", "quality"), [(50, "rtk"), (49, "full"), (16, "full")])
def test_only_a_fixed_solution_is_rtk(flag, quality):
    assert photos.parse([shot(dji(RtkFlag=flag))]).poses[0].quality == quality


def test_entries_as_elements_and_the_misspelt_longitude():
    block = xmp(element=True, GpsLatitude=LAT, GpsLongtitude=LON, GimbalPitchDegree=-90,
                GimbalYawDegree=3)  # fmt: skip
    pose = photos.parse([shot(block)]).poses[0]
    assert (pose.lat, pose.lon, pose.pitch_deg) == (LAT, LON, -90.0)


def test_the_calibrated_focal_length_is_the_pictures():
    pose = photos.parse([shot(dji(CalibratedFocalLength="2000.0"), exif(width=4000))]).poses[0]
    assert pose.hfov_deg == pytest.approx(90.0)


def test_a_laser_that_hit_is_the_centre():
    hit = dji(LRFStatus="Normal", LRFTargetLat=LAT + 1e-4, LRFTargetLon=LON)
    missed = dji(LRFStatus="TooFar", LRFTargetLat=LAT + 1e-4, LRFTargetLon=LON)
    assert photos.parse([shot(hit)]).poses[0].aim == (LAT + 1e-4, LON)
    assert photos.parse([shot(missed)]).poses[0].aim is None


def test_exif_alone_is_the_aircrafts_place():
    pose = photos.parse([shot(exif(gps=(-LAT, -LON)))]).poses[0]
    assert (pose.lat, pose.lon) == pytest.approx((-LAT, -LON), abs=1e-6)
    assert (pose.quality, pose.source) == ("position", "photo/exif")


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_turned_photograph_has_no_camera_angles(orientation):
    found = photos.parse([shot(dji(), exif(orientation=orientation))])
    assert found.poses[0].quality == "position"
    assert any("turned" in note for note in found.notes)


def test_times_by_utc_at_exposure_by_zone_and_by_the_settings():
    bare, zoned = exif(taken=at(5)), exif(taken=at(5), zone="+08:00")
    exposed = photos.parse([shot(dji(UTCAtExposure="2026-06-03T01:15:05.250"), bare)]).poses[0]
    assert exposed.utc == datetime(2026, 6, 3, 1, 15, 5, 250000, timezone.utc).timestamp()
    assert photos.parse([shot(bare)]).poses[0].utc is None
    by_settings = photos.parse([shot(bare)], utc_offset_h=8.0).poses[0].utc
    assert by_settings == photos.parse([shot(zoned)], utc_offset_h=0.0).poses[0].utc


@pytest.mark.parametrize(
    "wrong",
    [{"GpsLatitude": "+0.0", "GpsLongitude": "+0.0"}, {"GpsLatitude": "+99.0"},
     {"GpsLatitude": "nan"}, {"GpsLatitude": ""}],
)  # fmt: skip
def test_no_place_where_the_entry_is_none(wrong):
    assert photos.parse([shot(dji(**wrong))]).fixes == 0


@pytest.fixture
def folder(tmp_path):
    """Six photographs ten seconds apart, 8 m further each, the gimbal turned between two."""
    place = tmp_path / "photos"
    place.mkdir()
    for n in range(6):
        block = dji(GpsLatitude=f"+{LAT + n * 7.2e-5:.8f}", GimbalYawDegree=f"{40 * (n > 2)}.0")
        data = with_blocks(
            GREY, exif(taken=at(10 * n), zone="+08:00", width=160, focal35=24), block
        )
        (place / f"DJI_{n:04d}.JPG").write_bytes(data)
    return place


def test_a_folder_is_a_flight_whose_every_photograph_has_its_own_pose(folder):
    found = read(folder)
    assert (found.kind, found.fixes) == ("photos", 6)
    path = FlightPath(found.poses)
    for n in range(6):
        pose = path.at(10.0 * n)
        assert pose.lat == pytest.approx(LAT + n * 7.2e-5, abs=1e-9)
        assert pose.yaw_deg == (40.0 if n > 2 else 0.0)
    assert path.at(5.0) is None


def test_photographs_bring_their_own_telemetry(folder):
    found = find(folder, None)
    assert (found.text, found.telemetry.kind) == ("its photographs", "photos")


def test_photographs_without_a_time_follow_as_they_are_looked_at(folder):
    for path in folder.iterdir():
        path.write_bytes(with_blocks(GREY, dji()))
    assert [pose.t_s for pose in read(folder, Hints(photo_fps=2.0)).poses] == [
        0.0, 0.5, 1.0, 1.5, 2.0, 2.5,
    ]  # fmt: skip


# --- GPX ------------------------------------------------------------------------------------------


def track(points, namespace: str = ' xmlns="http://www.topografix.com/GPX/1/1"') -> str:
    rows = "".join(
        f'<trkpt lat="{lat}" lon="{lon}"><ele>{ele}</ele><time>{time}</time></trkpt>'
        for lat, lon, ele, time in points
    )
    body = f"<trk><trkseg>{rows}</trkseg></trk>"
    return f'<?xml version="1.0"?><gpx version="1.1"{namespace}>{body}</gpx>'


POINTS = [(LAT + n * 1e-5, LON, 92.5, f"2026-06-03T01:15:{n:02d}Z") for n in range(8)]


@pytest.mark.parametrize("namespace", ["", ' xmlns="http://www.topografix.com/GPX/1/0"'])
def test_a_gpx_track_gives_places_and_times(namespace, tmp_path):
    path = tmp_path / "flight.gpx"
    path.write_text(track(POINTS, namespace))
    found = read(path)
    assert (found.kind, found.fixes, found.poses[-1].t_s) == ("gpx", 8, 7.0)
    pose = found.poses[0]
    assert (pose.abs_alt_m, pose.rel_alt_m, pose.quality) == (92.5, None, "position")
    assert pose.utc == datetime(2026, 6, 3, 1, 15, tzinfo=timezone.utc).timestamp()


def test_a_torn_gpx_is_read_to_where_it_is_torn():
    text = track(POINTS)
    found = gpx.parse(text[: text.index("</trkpt>", len(text) // 2)])
    assert 3 <= found.fixes <= 5
    assert any("damaged" in note for note in found.notes)


def test_points_without_a_time_are_counted_and_entities_never_unfold():
    found = gpx.parse(track([*POINTS, (LAT, LON, 1, "yesterday")]))
    assert found.skipped == {"point without a time": 1}
    bomb = '<!DOCTYPE gpx [<!ENTITY a "aaaa">]>' + track(POINTS)
    assert gpx.parse(bomb).poses == ()


# --- known, and not read --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "head", "told"),
    [
        ("log.ulg", b"ULog\x01\x12\x35\x01", "ulog2csv"),
        ("00000012.BIN", b"\xa3\x95\x80", "mavtogpx"),
    ],
)
def test_a_log_that_is_not_read_says_how_to_convert_it(name, head, told, tmp_path):
    path = tmp_path / name
    path.write_bytes(head + bytes(2000))
    with pytest.raises(ConfigError, match=told):
        read(path)


def test_the_command_reads_a_folder(folder, capsys):

    assert cli.main(["telemetry", str(folder), "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["t_s"] for line in lines] == [0, 10, 20, 30, 40, 50]


def test_a_flight_of_photographs_finds_things_and_their_places(tmp_path, monkeypatch):
    """A painted ground photographed twelve times: XMP and EXIF alone place the stall."""
    detector = flyover.PaintDetector()
    monkeypatch.setattr(fly, "_model", lambda args, settings: detector)
    stall = flyover.Thing("vendor_stall", 4, 6)
    ground = flyover.Ground([stall, flyover.Thing("person", 5.5, 7.5, 0.8)])
    folder = tmp_path / "DCIM"
    folder.mkdir()
    shots = flyover.straight(seconds=12, start=(0, -36), course=0, speed=4.0, fps=1.0)
    for number, one in enumerate(shots):
        image = flyover.render(ground, one, *flyover.SIZE, flyover.FX)
        lat, lon = flyover.PLANE.degrees(one.east, one.north)
        told = dji(
            GpsLatitude=f"+{lat:.9f}", GpsLongitude=f"+{lon:.9f}", GimbalYawDegree=one.yaw,
            GimbalPitchDegree=one.pitch, RelativeAltitude=f"+{one.h_m}",
        )  # fmt: skip
        taken = exif(taken=at(2 * number), zone="+08:00", focal35=24)
        (folder / f"DJI_{number:04d}.JPG").write_bytes(with_blocks(jpeg(image), taken, told))
    (folder / "._DJI_0000.JPG").write_bytes(b"\0\5\x16\7" + bytes(90))
    out = tmp_path / "out"
    assert cli.main(["fly", str(folder), "--out", str(out), "--hfov", f"{HFOV}"]) == 0
    ledger = json.loads((out / "flight.json").read_text())
    (finding,) = [f for f in ledger["findings"] if f["category"] == "street-vendor"]
    truth = flyover.PLANE.degrees(stall.east, stall.north)
    assert distance_m((finding["lat"], finding["lon"]), truth) < 1.5
    assert (ledger["pose_source"], ledger["looks"]) == ("photo/xmp", 12)
    assert ledger["start_utc"] == datetime(2026, 6, 3, 1, 15, tzinfo=timezone.utc).timestamp()
    assert (out / "pictures" / finding["pictures"]["close"]).is_file()


HFOV = math.degrees(2 * math.atan(flyover.SIZE[0] / 2 / flyover.FX))
