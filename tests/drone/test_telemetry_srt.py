# SPDX-License-Identifier: AGPL-3.0-or-later
"""Every family of DJI subtitles: first fixes of real files, quirks one by one, torn files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.drone.read import read
from edge.drone.telemetry import srt
from tests.drone.recordings import cue, mp4_with_subtitles

SHARED = Path(__file__).resolve().parents[3] / "shared"
SAMPLES = SHARED / "data" / "telemetry" / "dji_srt"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"{SHARED} is not here")

# file, cues, fixes, lat, lon, rel_alt, abs_alt, sats, quality, family of the first fix
REAL = [
    ("mavic_pro.SRT", 468, 468, -20.2533, 149.0251, 1.9, None, 16, "coarse", "F2"),
    ("old_format.SRT", 468, 468, -20.2533, 149.0251, 1.9, None, 16, "coarse", "F1"),
    ("mavic_mini.SRT", 117, 117, 48.0771, -121.7458, 200.7, None, 17, "coarse", "F4"),
    ("p4_rtk.SRT", 55, 55, -34.237922, -58.851745, 85.8, None, 15, "full", "F5"),
    ("p4p_sample.SRT", 5, 5, 47.4692, 8.209, 45.6, None, 18, "coarse", "F4"),
    ("mavic_2_style.SRT", 468, 468, -20.2533, 149.0251, None, None, None, "coarse", "F7"),
    ("mavic_2pro_new_first300.SRT", 300, 300, -35.080155, -60.286702, None, None, None, "position",
     "F8"),
    ("m2zoom_first300.SRT", 300, 300, 31.452012, 74.398751, None, 213.983002, None, "position",
     "F8"),
    ("air2s.srt", 17, 17, 41.424724, 2.234156, None, 117.0, None, "position", "F9"),
    ("mavic_air2.srt", 25, 25, 41.420684, 2.162162, None, 27.3, None, "position", "F9"),
    ("MAVIC3_first300.srt", 300, 300, 3.41531, -3.3744, -2.4, 0.401, None, "position", "F10"),
    ("callmarcus_Mini5PRO.SRT", 5, 5, 53.365108, 6.460719, 6.0, -122.769, None, "position", "F10"),
    ("callmarcus_air3S.SRT", 5, 5, 34.270373, -84.17616, 0.0, 302.208, None, "position", "F10"),
    ("callmarcus_neo2_nogps.SRT", 6, 3, 32.848932, -84.861966, 0.4, 269.099, None, "position",
     "F10"),
    ("broken_incomplete.SRT", 20, 19, -34.7383, -58.4563, 20.1, None, 19, "coarse", "F2"),
    ("broken_incomplete2.SRT", 6, 4, -34.86995, -57.823395, None, 74.725998, None, "position",
     "F8"),
]  # fmt: skip


@pytest.mark.shared
@needs_shared
@pytest.mark.parametrize("row", REAL, ids=lambda row: row[0])
def test_first_fix_of_real_files(row):
    name, cues, fixes, lat, lon, rel, above, sats, quality, family = row
    found = read(SAMPLES / name)
    assert (found.cues, len(found.poses), found.fixes) == (cues, cues, fixes)
    first = next(pose for pose in found.poses if pose.has_fix)
    assert (first.lat, first.lon) == (lat, lon)
    assert (first.rel_alt_m, first.abs_alt_m, first.sats) == (rel, above, sats)
    assert (first.quality, first.source) == (quality, f"dji-srt/{family}")
    assert sum(found.skipped.values()) == cues - fixes


@pytest.mark.shared
@needs_shared
def test_a_file_without_positions_gives_its_cues_and_no_place():
    found = read(SAMPLES / "mavic_air.SRT")
    assert (found.cues, found.fixes) == (2, 0)
    assert all(pose.lat is None and pose.quality == "none" for pose in found.poses)


@pytest.mark.shared
@needs_shared
def test_p4_rtk_gimbal_is_pitch_roll_yaw():
    pose = read(SAMPLES / "p4_rtk.SRT").poses[0]
    assert (pose.pitch_deg, pose.roll_deg, pose.yaw_deg, pose.heading_deg) == (
        -24.4, 0.0, 110.4, 110.1,
    )  # fmt: skip


M3TD = (
    "FrameCnt: 0 2026-07-08 16:12:57.018\n[focal_len: 40.00] [dzoom_ratio: 1.00], "
    "[latitude: 31.229247] [longitude: 121.634603]\n[rel_alt: 79.969 abs_alt: 96.474] "
    "[gb_yaw: -67.6 gb_pitch: -30.0 gb_roll: 0.0]"
)
H20T = (
    '<font size="28">FrameCnt: 1, DiffTime: 33ms',
    "2023-03-01 10:00:00.123",
    "[fnum: 1.0] [focal_len: 58.00] [dzoom: 1.79]",
    "[latitude: -44.228828] [longitude: 171.193516] [rel_alt: 40.162 abs_alt: 97.829]",
    "[drone_speedx: 0.2 drone_speedy: 0.1 drone_speedz: 0.0]",
    "[drone_yaw: -20.4 drone_pitch: 2.4 drone_roll: -2.1]",
    "[gb_yaw: -30.0 gb_pitch: -29.9 gb_roll: 0.0]",
    "",
    "0",
    "[dzoom_ratio: 17871, delta:0]",
    "</font>",
)


def one(*lines: str, **kwargs):
    poses = srt.parse(cue(1, 0, 0.033, *lines, **kwargs)).poses
    assert len(poses) == 1
    return poses[0]


def test_h20t_blank_line_inside_a_cue():
    text = cue(1, 0, 0.033, *H20T, newline="\r\n") + cue(2, 0.033, 0.066, *H20T, newline="\r\n")
    found = srt.parse("\ufeff" + text)
    assert (found.cues, found.fixes) == (2, 2)
    for pose in found.poses:
        assert (pose.yaw_deg, pose.pitch_deg, pose.roll_deg) == (-30.0, -29.9, 0.0)
        assert (pose.heading_deg, pose.rel_alt_m, pose.zoom) == (-20.4, 40.162, 1.7871)
        assert (pose.focal35_mm, pose.quality, pose.source) == (58.0, "full", "dji-srt/F12")


def test_gimbal_in_brackets_of_their_own():
    pose = one("[latitude: 31.2] [longitude: 121.6] [rel_alt: 9.0 abs_alt: 9.0]",
               "[gb_yaw: 12.3] [gb_pitch: -45.0] [gb_roll: 0.0]")  # fmt: skip
    assert (pose.yaw_deg, pose.pitch_deg, pose.roll_deg) == (12.3, -45.0, 0.0)


def test_m300_is_latitude_first_and_its_zero_altitude_is_none():
    pose = one("2022.06.21 16:06:17", "GPS(36.6146,-6.1120,0.0M) BAROMETER:0.3M", newline="\r\n")
    assert (pose.lat, pose.lon, pose.rel_alt_m) == (36.6146, -6.112, 0.3)
    assert (pose.abs_alt_m, pose.sats, pose.source) == (None, None, "dji-srt/F3")


def test_body_attitude_only():
    pose = one("[latitude: -36.885326] [longitude: 174.697242] [altitude: 28.736000] "
               "[Drone: Yaw:-146.0, Pitch:-0.6, Roll:1.3]")  # fmt: skip
    assert (pose.heading_deg, pose.yaw_deg, pose.quality) == (-146.0, None, "position")


@pytest.mark.parametrize(
    ("line", "place"),
    [
        # DJI's own order is lon, lat, satellites.
        ("GPS(8.2090,47.4692,18) BAROMETER:45.6", (47.4692, 8.209)),
        ("GPS (-121.7458, 48.0771, 17), H 200.70m", (48.0771, -121.7458)),
        ("GPS(149.0251,-20.2533,16) BAROMETER:1.9", (-20.2533, 149.0251)),
        # Xingtai written the other way round by a converter: no latitude is 114.
        ("GPS(37.0682,114.5048,18) BAROMETER:45.6", (37.0682, 114.5048)),
        # Urumqi, both ways: Chinese latitudes and longitudes do not overlap.
        ("GPS(87.6168,43.8250,18) BAROMETER:45.6", (43.825, 87.6168)),
        ("GPS(43.8250,87.6168,18) BAROMETER:45.6", (43.825, 87.6168)),
        # Hand-made: a third value with decimals is an altitude, and latitude comes first.
        ("GPS(39.906217,116.391305,69.800) BAROMETER(91.2)", (39.906217, 116.391305)),
        ("GPS(42.500000, 24.500000, 1500.0)", (42.5, 24.5)),
    ],
)
def test_order_of_latitude_and_longitude(line, place):
    pose = one(line)
    assert (pose.lat, pose.lon) == place


def test_order_is_settled_once_for_a_file():
    # The first cue alone would not tell; the second crosses 90 degrees.
    lines = ["GPS(40.1000,89.9999,1)", "GPS(40.1000,90.0001,1)"]
    poses = srt.parse("".join(cue(n, n, n + 1, line) for n, line in enumerate(lines))).poses
    assert [pose.lat for pose in poses] == [40.1, 40.1]


@pytest.mark.parametrize(
    ("line", "zoom", "focal"),
    [
        ("[dzoom_ratio: 10000, delta:0] [focal_len : 240]", 1.0, 24.0),
        ("[dzoom_ratio: 1.79], [focal_len: 162.00]", 1.79, 162.0),
        ("[focal_len: 240.70]", None, 240.7),
        ("F/2.8, GPS (8.2, 47.4, 18), DZOOM 1.500", 1.5, None),
    ],
)
def test_scales_of_zoom_and_focal_length(line, zoom, focal):
    pose = one(line)
    assert (pose.zoom, pose.focal35_mm) == (zoom, focal)


@pytest.mark.parametrize(
    ("line", "local"),
    [
        ("2019-09-27 10:28:08,438,904", "2019-09-27T10:28:08.438"),
        ("2017.08.05 14:11:51,393,525,393,525", "2017-08-05T14:11:51.393"),
        ("HOME(149.0,-20.2) 2017.8.5 14:11:51", "2017-08-05T14:11:51.000"),
        ("2021-12-25 12:27:52.373", "2021-12-25T12:27:52.373"),
        ("2021-13-25 12:27:52.373", None),
    ],
)
def test_dates(line, local):
    assert one(line).local == local


def test_local_time_becomes_utc_only_with_a_zone():
    text = cue(1, 0, 1, "2024-05-01 08:00:00.500", "[latitude: 31.2] [longitude: 121.6]")
    assert srt.parse(text).poses[0].utc is None
    assert srt.parse(text, utc_offset_h=8.0).poses[0].utc == 1714521600.5


def test_a_torn_number_is_not_read():
    text = cue(1, 0, 1, "[latitude: 31.229247] [longitude: 121.634603] ")
    torn = text + "2\n00:00:01,000 --> 00:00:02,000\n[latitude: 31.229247] [longitude: 121.6"
    found = srt.parse(torn)
    assert (found.cues, found.fixes, dict(found.skipped)) == (2, 1, {"no position": 1})


def test_impossible_positions_and_joined_files_are_said():
    text = cue(1, 5, 6, "[latitude: 95.0] [longitude: 121.6]") + cue(2, 0, 1, "GPS(8.2,47.4,18)")
    found = srt.parse(text)
    assert dict(found.skipped) == {"impossible position": 1}
    assert any("backwards at cue 2" in note for note in found.notes)


def test_subtitle_track_of_an_mp4(tmp_path):
    path = tmp_path / "DJI_0001.MP4"
    mp4_with_subtitles(path, [M3TD, "", M3TD])
    found = read(path)
    assert (found.kind, found.cues, found.fixes) == ("mov_text", 2, 2)
    assert [pose.t_s for pose in found.poses] == [0.0, 0.08]
    pose = found.poses[0]
    assert (pose.lat, pose.lon, pose.rel_alt_m) == (31.229247, 121.634603, 79.969)
    assert (pose.yaw_deg, pose.pitch_deg, pose.focal35_mm) == (-67.6, -30.0, 40.0)


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_damage_never_raises_and_never_invents_a_place(data):
    text = "".join(cue(n, n, n + 1, M3TD) for n in range(3)) + cue(3, 3, 4, *H20T)
    start = data.draw(st.integers(0, len(text)))
    length = data.draw(st.integers(0, 40))
    junk = data.draw(st.text(alphabet="\0\ufffd\n<>[](): abcM", max_size=8))
    found = srt.parse(text[:start] + junk + text[start + length :])
    for pose in found.poses:
        if pose.has_fix and "F11" in pose.source:
            # A digit may be lost in the middle of a number, never at its torn end.
            assert abs(pose.lat) <= 90 and abs(pose.lon) <= 180
