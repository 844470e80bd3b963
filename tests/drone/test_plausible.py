# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a recorder writes is checked before it is believed: columns and zones, commas and letters,
jumps and placeholders, whose aircraft it is."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path

import numpy as np
import pytest

from edge import cli
from edge.config import ConfigError
from edge.drone.dem import locate_on, read_dem
from edge.drone.earth import Local, distance_m
from edge.drone.flightpath import FlightPath
from edge.drone.georef import GroundView, NoGround
from edge.drone.read import Hints, read
from edge.drone.shifted import gcj02
from edge.drone.sites import read_sites
from edge.drone.telemetry import cloudapi, flightlog, mavlink, mavlink_wire, numbers, srt
from edge.drone.telemetry.plausible import LiveCheck, checked, consistent
from edge.drone.telemetry.pose import ManyAircraft, Pose, Telemetry, sound_fix
from tests.drone.recordings import clock, cue, tlog

LAT, LON = 34.2611, 108.9423


def cues(rows, *, step_s: float = 1.0) -> str:
    """F11 captions of (lat, lon, rel_alt) as written."""
    text = []
    for number, (lat, lon, rel) in enumerate(rows):
        text.append(
            cue(
                number + 1, number * step_s, (number + 1) * step_s,
                f"[latitude: {lat}] [longitude: {lon}] [rel_alt: {rel} abs_alt: 455.1] "
                "[gb_yaw: 12.0 gb_pitch: -50.0 gb_roll: 0.0]",
            )
        )  # fmt: skip
    return "\n".join(text)


def line(count: int, step_deg: float = 5e-5):
    return [(f"{LAT + n * step_deg:.6f}", f"{LON:.6f}", "60.000") for n in range(count)]


# --- numbers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "value"),
    [
        ("36.5", 36.5), ("-36,5123", -36.5123), ("1,080.100", 1080.1), ("1.080,100", 1080.1),
        ("12,345,678.5", 12345678.5), ("1,080", None), ("1,2,3", None), ("1.2.3", None),
        ("1e5", None), ("nan", None), ("", None), ("1_0", None), ("१२", None),
    ],
)  # fmt: skip
def test_a_number_is_read_in_one_way_or_not_at_all(token, value):
    assert numbers.number(token) == value


@pytest.mark.parametrize(
    ("token", "letter", "value"),
    [("34,26", "N", 34.26), ("34.26", "S", -34.26), ("-34.26", "S", -34.26), ("-34.26", "N", None),
     ("34.26", "E", None), ("34.26", "", 34.26)],
)  # fmt: skip
def test_a_letter_gives_the_sign_or_contradicts_it(token, letter, value):
    assert numbers.degrees(token, letter, letters="NS") == value


def test_decimal_commas_of_a_whole_cue():
    found = srt.parse(cues([("34,261100", "108,942300", "60,125")]))
    pose = found.poses[0]
    assert (pose.lat, pose.lon, pose.rel_alt_m) == (34.2611, 108.9423, 60.125)


def test_thousands_in_a_height_and_one_that_is_ambiguous():
    sure = srt.parse(cues([(LAT, LON, "1,205.300")])).poses[0]
    unsure = srt.parse(cues([(LAT, LON, "1,205")])).poses[0]
    assert (sure.rel_alt_m, unsure.rel_alt_m) == (1205.3, None)


def test_hemispheres_with_and_without_a_degree_sign():
    pose = srt.parse(cues([("34.2611 S", "58.9423° W", "60.0")])).poses[0]
    assert (pose.lat, pose.lon) == (-34.2611, -58.9423)


@pytest.mark.parametrize(
    "lat", ["34°15'40\"", "34.2611 E", "-34.2611 N", "34.2611x", "34.2611,1,1"]
)
def test_a_position_that_cannot_be_read_is_none(lat):
    found = srt.parse(cues([(lat, LON, "60.0")]))
    assert (found.fixes, found.poses[0].lat) == (0, None)


# --- flight logs ----------------------------------------------------------------------------------

OWN = (
    "CUSTOM.date [local],CUSTOM.updateTime [local],OSD.flyTime,OSD.flyTime [s],OSD.latitude,"
    "OSD.longitude,OSD.height [m],OSD.height [ft],OSD.hSpeed [km/h],GIMBAL.yaw,GIMBAL.yaw [360],"
    "GIMBAL.pitch,CAMERA.isVideo"
)


def own_log(rows: int = 12) -> str:
    body = [
        f"10/2/2026,2:15:{n / 2:04.1f} PM,0m {n / 2:.1f}s,{n / 2:.1f},{LAT + n * 1e-6:.7f},"
        f"{LON:.7f},30.48,100,36,-20.0,340.0,-60.0,{'True' if 2 <= n <= 9 else 'False'}"
        for n in range(rows)
    ]
    return "\n".join([OWN, *body])


def test_the_column_of_seconds_is_the_time():
    found = flightlog.parse(own_log())
    assert (found.cues, found.fixes) == (12, 12)
    assert [pose.t_s for pose in found.poses[:3]] == [0.0, 0.5, 1.0]
    pose = found.poses[0]
    assert (pose.rel_alt_m, pose.speed_mps, pose.yaw_deg) == pytest.approx((30.48, 10.0, 340.0))
    assert found.clips == ((1.0, 5.0),)


def test_a_time_in_words_serves_where_there_is_no_other():
    text = own_log().replace("OSD.flyTime [s]", "OSD.other")
    assert [pose.t_s for pose in flightlog.parse(text).poses[:3]] == [0.0, 0.5, 1.0]


def test_a_column_in_a_unit_that_does_not_fit_is_not_taken():
    text = own_log().replace("OSD.height [m]", "OSD.height [%]").replace("[ft]", "[furlongs]")
    assert flightlog.parse(text).poses[0].rel_alt_m is None


def test_local_columns_ask_for_an_offset():
    bare, shifted = flightlog.parse(own_log()), flightlog.parse(own_log(), utc_offset_h=8.0)
    assert bare.poses[0].utc is None
    assert bare.poses[0].local.startswith("2026-10-02T14:15:00")
    assert any("--utc-offset" in note for note in bare.notes)
    local = flightlog.parse(own_log().replace("[local]", "[UTC]")).poses[0].utc
    assert local - shifted.poses[0].utc == 8 * 3600.0


def test_a_table_of_another_language_has_semicolons_and_commas():
    text = (
        "time(millisecond);latitude;longitude;height_above_takeoff(meters)\n"
        "0;34,2611;108,9423;60,5\n100;34,2612;108,9423;60,5\n"
    )
    pose = flightlog.parse(text).poses[0]
    assert (pose.lat, pose.lon, pose.rel_alt_m) == (34.2611, 108.9423, 60.5)


def test_a_converted_px4_log_is_read():
    text = f"timestamp,lat,lon,alt\n1000000,{LAT},{LON},400.5\n1500000,{LAT},{LON},400.5\n"
    found = flightlog.parse(text)
    assert [pose.t_s for pose in found.poses] == [1.0, 1.5]
    assert (found.poses[0].lat, found.poses[0].abs_alt_m) == (LAT, 400.5)


def test_one_bad_row_is_one_row():
    rows = own_log().splitlines()
    rows[4] = '"' + "x" * 200_000
    found = flightlog.parse("\n".join(rows))
    assert (found.cues, found.fixes) == (12, 11)
    assert sum(found.skipped.values()) == 1


# --- neighbours -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lat", "lon"), [(0.0, 0.0), (0.0, LON), (LAT, 0.0), (91.0, 0.5), (math.nan, 1.0), (1e-6, 1e-6)]
)
def test_no_place_of_a_recorder_without_one(lat, lon):
    assert not sound_fix(lat, lon)


@pytest.mark.parametrize("at", [0, 7, 19])
@pytest.mark.parametrize(
    "wrong", [("0.000000", f"{LON}"), (f"{LAT}", "0.000000"), (f"{LAT + 0.2}", f"{LON}"),
              (f"{LAT + 0.005}", f"{LON}"), ("-34.2611", "-108.9423")],
)  # fmt: skip
def test_one_place_out_of_reach_is_left_out_and_counted(wrong, at):
    rows = line(20)
    rows[at] = (*wrong, "60.000")
    found = srt.parse(cues(rows))
    assert (found.fixes, sum(found.skipped.values())) == (19, 1)
    assert not found.poses[at].has_fix
    assert found.poses[at].pitch_deg == -50.0
    lats = [pose.lat for pose in found.poses if pose.has_fix]
    assert max(lats) - min(lats) < 20 * 5.1e-5


def test_steps_of_four_decimals_and_slow_fixes_are_no_jumps():
    rows = [(f"{LAT + n // 25 * 1e-4:.4f}", f"{LON + n // 25 * 1e-4:.4f}", "60.0")
            for n in range(200)]  # fmt: skip
    assert srt.parse(cues(rows, step_s=0.04)).fixes == 200


def test_places_that_contradict_each_other_are_none():
    rows = [(f"{LAT + n % 2:.6f}", f"{LON}", "60.0") for n in range(10)]
    found = srt.parse(cues(rows))
    assert (found.fixes, sum(found.skipped.values())) == (0, 10)


@pytest.mark.parametrize("wrong", ["-999.9", "6553.5", "9999.0", "-60.0", "210.0"])
def test_a_height_out_of_reach_is_left_out_and_drawn_through(wrong):
    rows = line(20)
    rows[8] = (*rows[8][:2], wrong)
    found = srt.parse(cues(rows))
    assert found.fixes == 20
    assert found.poses[8].rel_alt_m is None
    assert any("height 1" in note for note in found.notes)
    assert FlightPath(found.poses).at(8.0).rel_alt_m == 60.0


def test_a_height_that_is_a_placeholder_throughout_is_none():
    found = srt.parse(cues([(*row[:2], "-999.9") for row in line(10)]))
    assert all(pose.rel_alt_m is None for pose in found.poses)
    assert FlightPath(found.poses).at(4.0).rel_alt_m is None


def test_angles_that_are_none_take_the_camera_with_them():
    poses = tuple(
        Pose(n, "x", "full", lat=LAT, lon=LON, yaw_deg=1.0, pitch_deg=999.0, sats=255)
        for n in range(3)
    )
    found = checked(Telemetry("srt", poses, 3))
    assert {(p.quality, p.yaw_deg, p.sats) for p in found.poses} == {("position", None, None)}


def test_the_longest_strand_is_believed_only_if_it_is_most():
    assert consistent([1, 1, 9, 1], lambda a, b: a == b) == {0, 1, 3}
    assert consistent([1, 9], lambda a, b: a == b) == set()
    assert consistent([], lambda a, b: True) == set()


def test_a_live_aircraft_is_moved_only_by_records_that_agree():
    check = LiveCheck("dji-cloud")

    def tell(second, lat):
        return check(Pose(float(second), "x", "full", lat=lat, lon=LON, pitch_deg=-40, yaw_deg=0))

    assert tell(0, LAT) is not None
    assert [tell(n, LAT + 0.3) is None for n in (1, 2, 3, 4)] == [True] * 4
    assert tell(5, LAT + 0.3).lat == LAT + 0.3
    assert tell(6, LAT) is None


# --- the path -------------------------------------------------------------------------------------


def test_a_path_crosses_the_date_line_where_the_aircraft_did():
    rows = [("-17.500000", "179.999950", "60.0"), ("-17.500000", "-179.999950", "60.0")]
    pose = FlightPath(srt.parse(cues(rows)).poses).at(0.5)
    assert pose.lat == pytest.approx(-17.5, abs=1e-7)
    assert abs(pose.lon) == pytest.approx(180.0, abs=1e-7)
    assert pose.speed_mps == pytest.approx(10.6, abs=0.1)


def test_a_path_over_the_pole():
    path = FlightPath(
        [Pose(0.0, "x", lat=89.9999, lon=10.0), Pose(2.0, "x", lat=89.9999, lon=-170)]
    )
    assert path.at(1.0).lat == pytest.approx(90.0, abs=1e-9)


@pytest.mark.parametrize(
    "text",
    [
        cues([(LAT, LON, "60.0")] + [("0.000000", "0.000000", "60.0")] * 20 + line(3)),
        "".join(
            f"{n + 1}\n{clock(n)} --> {clock(n + 1)}\nGPS ({LON}, {LAT}, 14), H 55.0m, "
            f"G.PRY (-30.0°, 0.0°, {turn}°)\n\n"
            for n, turn in enumerate((10, 50, 90))
        ),
        cues([(LAT, LON, "60.0")]) + f"\n9\n{clock(9)} --> {clock(10)}\n[latitude: {LAT}] "
        f"[longitude: {LON}] [rel_alt: 60.0 abs_alt: 1.0]\n",
    ],
    ids=["lost after the first", "turns at once", "a gap behind the first"],
)
def test_a_flight_of_telemetry_alone_whatever_stands_behind_its_first_record(text, tmp_path):
    source = tmp_path / "only.SRT"
    source.write_text(text)
    assert cli.main(["fly", str(source), "--out", str(tmp_path / "out")]) == 0
    ledger = json.loads((tmp_path / "out" / "flight.json").read_text())
    assert ledger["track"][0][:2] == pytest.approx([LON, LAT], abs=1e-6)
    assert ledger["start_utc"] > 0


# --- whose aircraft -------------------------------------------------------------------------------


def osd(second: float, lat: float, gateway: str | None, **more) -> dict:
    data = {
        "latitude": lat, "longitude": LON, "height": 480.0, "elevation": 60.0, "attitude_head": 5,
        "53-0-0": {"gimbal_pitch": -50.0, "gimbal_yaw": 5.0}, **more,
    }  # fmt: skip
    message = {"timestamp": 1_790_000_000_000 + 1000 * second, "data": data}
    return {**message, "gateway": gateway} if gateway else message


def two_docks() -> list[tuple[str, dict]]:
    rows = []
    for n in range(6):
        rows.append(("thing/product/SN-A/osd", osd(2 * n, LAT, "DOCK-A")))
        rows.append(("thing/product/SN-B/osd", osd(2 * n + 1, LAT + 0.1, "DOCK-B")))
    return rows


def captured(rows, form: str) -> str:
    if form == "topics":
        return "\n".join(f"{topic} {json.dumps(message)}" for topic, message in rows)
    if form == "recorder":
        wrapped = [{"topic": topic, "payload": message} for topic, message in rows]
        return json.dumps(wrapped)
    return json.dumps([message for _, message in rows])


@pytest.mark.parametrize("form", ["topics", "recorder", "envelopes"])
def test_a_capture_of_two_aircraft_asks_which(form, tmp_path):
    path = tmp_path / "two.json"
    path.write_text(captured(two_docks(), form))
    with pytest.raises(ConfigError, match=r"several aircraft.*6 positions.*--serial"):
        read(path)
    names = ("DOCK-A", "DOCK-B") if form == "envelopes" else ("SN-A", "SN-B")
    for name, lat in zip(names, (LAT, LAT + 0.1), strict=True):
        found = read(path, Hints(serial=name))
        assert {pose.lat for pose in found.poses} == {lat}
        assert found.fixes == 6


def test_the_drc_of_a_dock_is_of_the_aircraft_that_flies_with_it():
    data = {"latitude": LAT, "longitude": LON, "attitude_head": 5, "height": 480.0}
    drc = {"timestamp": 1_790_000_012_000, "method": "osd_info_push", "data": data}
    rows = [*two_docks(), ("thing/product/DOCK-A/drc/up", drc)]
    found = cloudapi.parse(captured(rows, "topics"), serial="SN-A")
    assert (found.fixes, found.poses[-1].source) == (7, "dji-cloud/drc")


def test_an_aircraft_that_is_not_there_is_said():
    found = cloudapi.parse(captured(two_docks(), "topics"), serial="SN-C")
    assert found.poses == ()
    assert any("SN-A, SN-B" in note for note in found.notes)


HEARD = {"vehicle": 2, "station": 6}


def link(rows) -> bytes:
    """(second, system, what, lat or boot ms) as tlog records."""
    out = b""
    for second, system, what, value in rows:
        at = 1.79e9 + second
        if what in HEARD:
            record = tlog(at, 0, (0, HEARD[what], 12, 0, 0, 3))
        else:
            lat, boot_ms = value
            record = tlog(at, 33, (boot_ms, round(lat * 1e7), round(LON * 1e7), 400_000, 60_000,
                                   0, 0, 0, 900))  # fmt: skip
        out += _of_system(record, system)
    return out


def _of_system(record: bytes, system: int) -> bytes:
    packet = bytearray(record[8:])
    packet[5] = system
    number = int.from_bytes(packet[7:10], "little")
    check = mavlink_wire.crc(bytes(packet[1:-2]), mavlink_wire.MESSAGES[number].crc_extra)
    return record[:8] + bytes(packet[:-2]) + struct.pack("<H", check)


def test_a_ground_stations_own_position_is_not_the_vehicles():
    rows = [(0, 250, "station", None), (0, 7, "vehicle", None)]
    for n in range(1, 6):
        rows += [(n, 250, "at", (LAT + 0.2, 1000 * n)), (n + 0.1, 7, "at", (LAT, 1000 * n))]
    found = mavlink.parse(link(rows))
    assert {pose.lat for pose in found.poses} == {LAT}
    assert any("system 7 is the vehicle" in note for note in found.notes)
    silent = mavlink.parse(link([row for row in rows if row[2] == "at"]))
    assert {pose.lat for pose in silent.poses} == {LAT}


def test_two_vehicles_in_one_log_ask_which():
    rows = [(n, system, "at", (LAT + system / 10, 1000 * n)) for n in range(4) for system in (1, 2)]
    with pytest.raises(ManyAircraft):
        mavlink.parse(link(rows))
    assert {p.lat for p in mavlink.parse(link(rows), serial="2").poses} == {LAT + 0.2}


def test_one_damaged_number_is_no_second_aircraft():
    rows = [(n, 1, "at", (LAT, 1000 * n)) for n in range(30)]
    rows[5] = (5, 133, "at", (LAT, 5000))
    assert mavlink.parse(link(rows)).fixes == 29
    docks = [("thing/product/SN-A/osd", osd(2 * n, LAT, "D")) for n in range(30)]
    docks[0] = ("thing/product/SN-7/osd", osd(0, LAT, "d"))
    assert cloudapi.parse(captured(docks, "topics")).fixes == 29


def test_time_goes_on_when_a_vehicle_starts_anew():
    boots = [90_000, 91_000, 92_000, 1_000, 2_000, 4_294_967_295, 3_000]
    found = mavlink.parse(link([(n, 1, "at", (LAT, boot)) for n, boot in enumerate(boots)]))
    assert [pose.t_s for pose in found.poses] == pytest.approx([0, 1, 2, 3, 4, 5, 6])
    assert any("began anew" in note for note in found.notes)


def test_a_clock_that_was_never_set_tells_no_time():
    data = b"".join(
        tlog(1.79e9 + n, number, values)
        for n in range(3)
        for number, values in (
            (2, (1_000_000 * n + 5, 1000 * n)),
            (33, (1000 * n, round(LAT * 1e7), round(LON * 1e7), 0, 60_000, 0, 0, 0, 900)),
        )
    )
    assert [pose.utc for pose in mavlink.parse(data).poses] == pytest.approx(
        [1.79e9, 1.79e9 + 1, 1.79e9 + 2]
    )


# --- registers and height grids -------------------------------------------------------------------


def register(path: Path, crs: object = "none", at: tuple[float, float] = (LAT, LON)) -> Path:
    lat, lon = at
    ring = [[lon, lat], [lon + 1e-3, lat], [lon + 1e-3, lat + 1e-3], [lon, lat]]
    feature = {"type": "Feature", "properties": {"id": "s"},
               "geometry": {"type": "Polygon", "coordinates": [ring]}}  # fmt: skip
    data = {"type": "FeatureCollection", "features": [feature]}
    if crs != "none":
        data["crs"] = crs
    path.write_text(json.dumps(data))
    return path


def named(name: str) -> dict:
    return {"type": "name", "properties": {"name": name}}


@pytest.mark.parametrize(
    "name", ["urn:ogc:def:crs:OGC:1.3:CRS84", "EPSG:4326", "urn:ogc:def:crs:EPSG::4490", "CGCS2000"]
)
def test_a_register_in_wgs84_by_any_name(name, tmp_path):
    (site,) = read_sites(register(tmp_path / "r.geojson", named(name)))
    assert site.first == (LAT, LON)


@pytest.mark.parametrize(
    "crs",
    [named("urn:ogc:def:crs:EPSG::4214"), named("EPSG:2439"), named("urn:ogc:def:crs:EPSG::4610"),
     named("EPSG:32649"), named("EPSG:14326"), {"type": "EPSG", "properties": {"code": 4214}},
     {"type": "link", "properties": {"href": "x"}}, None, "EPSG:4326"],
    ids=str,
)  # fmt: skip
def test_a_register_in_another_system_is_refused(crs, tmp_path):
    with pytest.raises(ConfigError, match=r"crs = .*EPSG:4326"):
        read_sites(register(tmp_path / "r.geojson", crs))


@pytest.mark.parametrize("name", ["GCJ-02", "gcj02", "GCJ02LL"])
def test_a_shifted_register_is_shifted_back(name, tmp_path):
    (site,) = read_sites(register(tmp_path / "r.geojson", named(name), gcj02(LAT, LON)))
    assert distance_m(site.first, (LAT, LON)) < 0.01


@pytest.mark.parametrize("void", [-32768.0, -9999.0, 32767.0, 65535.0, np.nan])
def test_a_hole_in_the_height_grid_is_no_ground(void, tmp_path):
    lat, lon = np.linspace(LAT + 0.01, LAT - 0.01, 201), np.linspace(LON - 0.01, LON + 0.01, 201)
    heights = np.full((201, 201), 400.0)
    view = GroundView(LAT, LON, 80.0, 0.0, -45.0, 0.0, 1920, 1080, 1300.0)
    np.savez(tmp_path / "whole.npz", lat=lat, lon=lon, height=heights)
    spot = locate_on(read_dem(tmp_path / "whole.npz"), view, 480.0, 960, 540)
    row, column = round((lat[0] - spot.lat) / 1e-4), round((spot.lon - lon[0]) / 1e-4)
    heights[row - 1 : row + 2, column - 1 : column + 2] = void
    np.savez(tmp_path / "hole.npz", lat=lat, lon=lon, height=heights)
    with pytest.raises(NoGround, match="no data"):
        locate_on(read_dem(tmp_path / "hole.npz"), view, 480.0, 960, 540)


def test_the_middle_of_a_flight_over_the_date_line_is_on_it():
    plane = Local(-17.5, 179.99995)
    east, _ = plane.metres(-17.5, -179.99995)
    assert east == pytest.approx(10.6, abs=0.1)


# --- times ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [0, 4, 11])
@pytest.mark.parametrize("wrong_s", [5e8, -5e8, 9e4, -9e4])
def test_one_message_with_a_wrong_time_stops_no_other(at, wrong_s):
    rows = [("thing/product/SN-A/osd", osd(2 * n, LAT, "D")) for n in range(12)]
    rows[at][1]["timestamp"] += wrong_s * 1000
    found = cloudapi.parse(captured(rows, "topics"))
    # The first of a capture is believed until three others say otherwise.
    assert found.fixes >= (9 if at == 0 else 11)
    times = [pose.t_s for pose in found.poses if pose.has_fix]
    assert max(times) - min(times) <= 22.0


@pytest.mark.parametrize("at", [0, 4, 11])
@pytest.mark.parametrize("wrong", [500.0, -50.0, 9e6])
def test_a_cue_out_of_order_is_no_place(at, wrong):
    poses = [
        Pose(float(n), "x", "full", lat=LAT, lon=LON, yaw_deg=1, pitch_deg=-9) for n in range(12)
    ]
    poses[at] = Pose(wrong, "x", "full", lat=LAT + 1.0, lon=LON, yaw_deg=1, pitch_deg=-9)
    found = checked(Telemetry("srt", tuple(poses), 12))
    assert found.fixes == 11
    assert {pose.lat for pose in found.poses if pose.has_fix} == {LAT}


def test_joined_recordings_keep_both_parts():
    poses = [Pose(float(n % 6), "x", "full", lat=LAT, lon=LON) for n in range(12)]
    assert checked(Telemetry("srt", tuple(poses), 12)).fixes == 12
