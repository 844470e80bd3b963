# SPDX-License-Identifier: AGPL-3.0-or-later
"""Flight logs, Cloud API messages, MAVLink and MISB: real samples, made-up ones, damage."""

from __future__ import annotations

import json
import math
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edge.config import ConfigError
from edge.drone import earth
from edge.drone.georef import GroundView, locate
from edge.drone.read import read
from edge.drone.telemetry import cloudapi, flightlog, mavlink, mavlink_wire, misb
from tests.drone.recordings import tlog

SHARED = Path(__file__).resolve().parents[3] / "shared"
SAMPLES = SHARED / "data" / "telemetry"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"{SHARED} is not here")


@pytest.mark.shared
@needs_shared
def test_airdata_units_gimbal_and_video():
    found = read(SAMPLES / "dji_srt" / "sitrec_mini2_airdata_slice.csv")
    pose = found.poses[0]
    assert (found.cues, found.fixes) == (559, 559)
    assert (pose.lat, pose.lon) == (38.722526581046, -121.168870751705)
    assert (pose.t_s, pose.rel_alt_m) == pytest.approx((218.0, -0.3), abs=1e-6)
    assert (pose.yaw_deg, pose.pitch_deg, pose.roll_deg, pose.heading_deg) == (349.6, -6.1, 0, 16.7)
    assert (pose.sats, pose.quality) == (21, "full")
    assert pose.utc == pytest.approx(1703275210.05, abs=0.1)
    assert found.clips == ((228.3, 268.2),)


def test_csvview_names_and_metres():
    text = (
        "sep=,\nOSD.flyTime [s],CUSTOM.updateTime [UTC],OSD.latitude,OSD.longitude,"
        "OSD.height [m],GIMBAL.yaw [360],GIMBAL.pitch,GIMBAL.roll\n"
        "1.5,2024-05-01 00:00:01.50,31.2,121.5,80.5,270,-60,0\n"
        "1.6,2024-05-01 00:00:01.60,,,80.5,270,-60,0\n"
    )
    found = flightlog.parse(text)
    assert (found.cues, found.fixes) == (2, 1)
    pose = found.poses[0]
    assert (pose.lat, pose.lon, pose.rel_alt_m, pose.yaw_deg) == (31.2, 121.5, 80.5, 270.0)
    assert pose.utc == pytest.approx(1714521601.5, abs=0.1)


def test_a_log_of_zeros_has_no_gimbal():
    header = "time(millisecond),latitude,longitude,gimbal_heading(degrees),gimbal_pitch(degrees)"
    found = flightlog.parse(f"{header}\n0,31.2,121.5,0,0\n100,31.2,121.5,0,0\n")
    assert [pose.yaw_deg for pose in found.poses] == [None, None]
    assert found.poses[0].quality == "position"


OSD = {
    "tid": "t", "bid": "b", "timestamp": 1667220873846, "gateway": "dock",
    "data": {
        "latitude": 22.9079, "longitude": 113.7035, "height": 84.2, "elevation": 50.0,
        "attitude_head": -96, "attitude_pitch": -1.2, "horizontal_speed": 7.9,
        "position_state": {"is_fixed": 2, "quality": 10, "gps_number": 18},
        "39-0-7": {"gimbal_yaw": 1.0, "gimbal_pitch": 1.0},
        "53-0-0": {"gimbal_pitch": -45.0, "gimbal_roll": 0, "gimbal_yaw": -95.8, "zoom_factor": 2,
                   "measure_target_error_state": 3},
    },
}  # fmt: skip
DRC = {
    "method": "osd_info_push", "timestamp": 1667220874346,
    "data": {"latitude": 22.9080, "longitude": 113.7035, "height": 85.2, "attitude_head": -96,
             "gimbal_pitch": -46.0, "gimbal_roll": 0, "gimbal_yaw": -95.0},
}  # fmt: skip
DOCK = {"timestamp": 1667220873900, "data": {"latitude": 22.9, "longitude": 113.7, "heading": 10}}


def test_cloud_api_osd_and_drc():
    lines = [
        "thing/product/sn/osd " + json.dumps(OSD),
        json.dumps({"topic": "thing/product/dock/osd", "payload": json.dumps(DOCK)}),
        json.dumps({"topic": "thing/product/dock/drc/up", "payload": DRC}),
        "thing/product/sn/osd {torn",
    ]
    found = cloudapi.parse("\n".join(lines))
    first, second = found.poses
    assert (first.lat, first.lon, first.rel_alt_m, first.abs_alt_m) == (22.9079, 113.7035, 50, 84.2)
    assert (first.yaw_deg, first.pitch_deg, first.heading_deg) == (-95.8, -45.0, -96.0)
    assert (first.quality, first.zoom, first.sats, first.utc) == ("rtk", 2.0, 18, 1667220873.846)
    # DRC tells only the ellipsoidal height: the take-off height is known from the OSD before.
    assert second.rel_alt_m == pytest.approx(51.0)
    assert (second.t_s, second.yaw_deg) == (0.5, -95.0)
    assert found.cues == 4
    assert dict(found.skipped) == {"not an aircraft's message": 1, "no Cloud API envelope": 1}


def test_cloud_api_laser_is_the_centre_of_the_picture():
    laser = {"measure_target_error_state": 0, "measure_target_latitude": 22.9,
             "measure_target_longitude": 113.71}  # fmt: skip
    data = {**OSD["data"], "53-0-0": {**OSD["data"]["53-0-0"], **laser}}
    assert cloudapi.CloudPoses().push({**OSD, "data": data}).aim == (22.9, 113.71)


def test_cloud_api_wrong_values_are_absent_not_zero():
    data = {**OSD["data"], "latitude": "n/a", "elevation": None, "height": True}
    pose = cloudapi.CloudPoses().push({**OSD, "data": data})
    assert (pose.lat, pose.rel_alt_m, pose.abs_alt_m, pose.quality) == (None, None, None, "none")


@pytest.mark.shared
@needs_shared
def test_real_tlog():
    found = read(SAMPLES / "mavlink" / "ardusub_small_first150k.tlog")
    assert (found.fixes, found.skipped) == (50, {"checksum wrong": 1})
    pose = found.poses[0]
    assert (pose.lat, pose.lon) == pytest.approx((48.3861421, -124.6305728))
    assert (pose.rel_alt_m, pose.heading_deg, pose.sats) == (0.028, 225.47, 21)
    assert (pose.yaw_deg, pose.quality) == (None, "position")
    assert any("no gimbal fitted" in note for note in found.notes)


POSITION = (1000, 312304000, 1214737000, 120_000, 100_000, 300, 400, 0, 9000)


def flight(*gimbal: bytes, version: int = 2) -> bytes:
    return b"".join(
        [
            tlog(1.7e9, 30, (990, 0.0, 0.0, math.radians(90), 0, 0, 0), version=version),
            *gimbal,
            tlog(1.7e9 + 0.1, 33, POSITION, version=version),
        ]
    )


def quaternion(yaw: float, pitch: float) -> tuple[float, float, float, float]:
    cy, sy = math.cos(math.radians(yaw) / 2), math.sin(math.radians(yaw) / 2)
    cp, sp = math.cos(math.radians(pitch) / 2), math.sin(math.radians(pitch) / 2)
    return (cy * cp, -sy * sp, cy * sp, sy * cp)


@pytest.mark.parametrize("version", [1, 2])
def test_mavlink_position_and_mount(version):
    data = flight(tlog(1.7e9, 158, (-4500, 0, 1000, 0, 0, 0), version=version), version=version)
    pose = mavlink.parse(data).poses[0]
    assert (pose.lat, pose.lon) == pytest.approx((31.2304, 121.4737))
    assert (pose.rel_alt_m, pose.abs_alt_m, pose.speed_mps) == (100.0, 120.0, 5.0)
    assert (pose.yaw_deg, pose.pitch_deg) == pytest.approx((100.0, -45.0), abs=1e-4)


@pytest.mark.parametrize(
    ("flags", "yaw"), [(64, 20.0), (32, 110.0), (16, 20.0), (0, 110.0)], ids=str
)
def test_gimbal_yaw_in_earth_or_vehicle_frame(flags, yaw):
    values = (990, *quaternion(20.0, -60.0), 0, 0, 0, 0, flags)
    pose = mavlink.parse(flight(tlog(1.7e9, 285, values, component=154))).poses[0]
    assert (pose.yaw_deg, pose.pitch_deg) == pytest.approx((yaw, -60.0), abs=1e-4)


def test_the_ground_stations_clock_is_not_the_vehicles():
    data = flight(tlog(1.7e9, 2, (round((1.7e9 - 16.5) * 1e6), 1000)))
    found = mavlink.parse(data)
    assert any("16.5 s ahead" in note for note in found.notes)
    assert found.poses[0].utc == pytest.approx(1.7e9 - 16.5)


def test_damaged_tlog_goes_on():
    good = flight()
    bad = bytearray(good)
    bad[30] ^= 0xFF
    found = mavlink.parse(good + bytes(bad) + b"\x00rubbish\xfd\xfe" * 5 + good)
    assert found.fixes >= 2
    assert sum(found.skipped.values()) >= 2
    for cut in range(0, len(good), 7):
        mavlink.parse(good[:cut])


def test_mavlink_against_pymavlink():
    dialect = pytest.importorskip("pymavlink.dialects.v20.common")
    for number, layout in mavlink_wire.MESSAGES.items():
        theirs = dialect.mavlink_map[number]
        assert theirs.crc_extra == layout.crc_extra
        assert struct.calcsize(layout.fmt) <= theirs.unpacker.size


@pytest.mark.shared
@needs_shared
def test_truck_every_checksum_and_the_error_of_its_frame_centres():
    found = read(SAMPLES / "misb_klv" / "Truck.klv")
    assert (found.cues, found.fixes, found.skipped) == (711, 711, {})
    errors = []
    for pose in found.poses:
        view = GroundView(
            pose.lat, pose.lon, pose.abs_alt_m - pose.ground_m, pose.yaw_deg, pose.pitch_deg,
            pose.roll_deg, 1280, 720, 20_000.0, ground_m=pose.ground_m,
        )  # fmt: skip
        spot = locate(view, 640, 360)
        errors.append(earth.distance_m((spot.lat, spot.lon), pose.aim))
    assert np.percentile(errors, 50) == pytest.approx(4.6, abs=0.1)
    assert np.percentile(errors, 95) == pytest.approx(16.7, abs=0.2)


@pytest.mark.shared
@needs_shared
def test_klv_in_a_transport_stream_has_media_time():
    found = read(SAMPLES / "misb_klv" / "truck60_sync_st15.ts")
    assert (found.cues, found.fixes) == (60, 60)
    assert found.poses[0].t_s == 0.0
    assert found.poses[1].t_s == pytest.approx(0.2, abs=0.01)


@pytest.mark.shared
@needs_shared
def test_standard_example_values():
    found = read(SAMPLES / "misb_klv" / "DynamicOnlyMISMMSPacketData.bin")
    pose = found.poses[0]
    assert (pose.lat, pose.lon, pose.heading_deg) == pytest.approx(
        (60.176822966978335, 128.42675904204452, 159.97436484321355), abs=1e-12
    )
    assert pose.abs_alt_m == pytest.approx(14190.7195, abs=1e-4)
    # This one's checksum is wrong as published: it must not be believed.
    broken = read(SAMPLES / "misb_klv" / "DynamicConstantMISMMSPacketData.bin")
    assert (broken.fixes, broken.skipped) == (0, {"checksum wrong": 1})


def packet(body: bytes = b"\x0d\x04\x20\x00\x00\x00\x0e\x04\x20\x00\x00\x00") -> bytes:
    whole = misb.KEY + bytes([len(body) + 4]) + body + b"\x01\x02"
    return whole + misb.checksum(whole).to_bytes(2, "big")


def test_klv_damage_drops_the_packet_and_goes_on():
    good = packet()
    for at in range(len(good)):
        bad = bytearray(good)
        bad[at] ^= 0x5A
        found = misb.parse(good + b"\x00\x21" + bytes(bad) + good)
        assert found.fixes == 2, at
    assert misb.parse(good + good[:-3]).skipped == {"truncated packet": 1}


def test_klv_error_codes_are_absent():
    assert misb.linear(13, b"\x80\x00\x00\x00") is None
    assert misb.linear(13, b"\x20\x00") is None
    assert misb.linear(15, b"\xff\xff") == 19_000.0


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.SRT", b"", "0 bytes"),
        ("noise.bin", bytes(range(1, 200)) * 4, "no telemetry in it"),
        ("torn.mp4", b"\0\0\0\x18ftypmp42" + b"\0" * 40, "cannot be opened as video"),
    ],
)
def test_files_that_are_no_telemetry(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        read(path)


def test_command_prints_a_line_for_each_cue_and_counts_on_stderr(tmp_path):
    path = tmp_path / "a.SRT"
    path.write_text(
        "1\n00:00:00,000 --> 00:00:01,000\nGPS(8.2090,47.4692,18) BAROMETER:45.6\n\n"
        "2\n00:00:01,000 --> 00:00:02,000\nGPS(0,0,0) BAROMETER:45.6\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "edge", "telemetry", str(path), "--json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["lat"] for line in lines] == [47.4692, None]
    names = "t_s utc lat lon rel_alt_m abs_alt_m yaw_deg pitch_deg roll_deg heading_deg sats"
    assert set(lines[0]) >= {*names.split(), "quality", "source"}
    assert "2 cues, 1 fixes, skipped 1 (0,0 before the fix 1)" in done.stderr.splitlines()[-1]
