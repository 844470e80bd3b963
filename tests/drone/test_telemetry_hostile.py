# SPDX-License-Identifier: AGPL-3.0-or-later
"""Random, mutated and hostile recordings of every kind: no decoder raises, and no value that an
aircraft cannot have reaches a judge."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.config import ConfigError
from edge.drone.earth import distance_m
from edge.drone.eye import Setup
from edge.drone.flightpath import FlightPath
from edge.drone.read import read
from edge.drone.telemetry import cloudapi, flightlog, gpx, mavlink, misb, photos, srt
from edge.drone.telemetry.plausible import LiveCheck
from edge.drone.telemetry.pose import ManyAircraft, Pose, Telemetry, record
from tests.drone.recordings import cue, tlog
from tools.fakes import photographs

LAT, LON = 29.8683, 121.5440
# The fastest that any of these aircraft is believed to fly, in m/s, and the slack of a fix.
FASTEST, SLACK_M = 300.0, 30.0
LIMITS = {
    "rel_alt_m": (-500, 5000), "abs_alt_m": (-500, 20_000), "yaw_deg": (-360, 360),
    "pitch_deg": (-180, 180), "roll_deg": (-180, 180), "heading_deg": (-360, 360),
    "speed_mps": (0, 350), "sats": (0, 120), "zoom": (0, 300), "hfov_deg": (0, 180),
    "focal35_mm": (0, 5000), "ground_m": (-500, 9000), "utc": (9.4e8, 4.2e9),
}  # fmt: skip


def assert_believable(found: Telemetry) -> None:
    """Every value in its range, every place within reach of the one before, and it prints."""
    for pose in found.poses:
        assert math.isfinite(pose.t_s)
        for name, (low, high) in LIMITS.items():
            value = getattr(pose, name)
            assert value is None or (math.isfinite(value) and low <= value <= high), (name, value)
        assert (pose.lat is None) == (pose.lon is None) == (pose.quality == "none")
        json.dumps(record(pose), allow_nan=False)
    fixes = [pose for pose in found.poses if pose.has_fix]
    for before, pose in itertools.pairwise(fixes):
        if pose.t_s >= before.t_s:
            away = distance_m((before.lat, before.lon), (pose.lat, pose.lon))
            assert away <= FASTEST * (pose.t_s - before.t_s) + SLACK_M + 1e-6
    assert 0 <= found.fixes <= found.cues
    judged(found)


def judged(found: Telemetry) -> None:
    """A path and views of it are made without an error, and a view's height is above ground."""
    path, setup = FlightPath(found.poses), Setup(1920, 1080, hfov_deg=70.0)
    for pose in found.poses[:: max(1, len(found.poses) // 8)]:
        view = setup.view(path.at(pose.t_s))
        assert isinstance(view, str) or 1.0 < view.h_m <= 21_000.0


# --- hostile values in a sound frame --------------------------------------------------------------

NUMBERS = st.one_of(
    st.sampled_from(
        ["0", "0.0", "-0.0", "-999.9", "6553.5", "65535", "9999.9", "1e9", "1e400", "nan", "inf",
         "-inf", "n/a", "", "--1", "٣٤", "1_0", "9" * 400, "1,2,3", "1.080,5", "90.0001", "-180.5"]
    ),
    st.floats(allow_nan=True, width=64).map(repr),
    st.floats(-200, 200).map(lambda v: f"{v:.6f}"),
)  # fmt: skip
ROW = st.tuples(*[NUMBERS] * 8)
ROWS = st.lists(ROW, min_size=1, max_size=12)


def as_srt(rows) -> Telemetry:
    return srt.parse("\n".join(
        cue(n + 1, n * 0.2, n * 0.2 + 0.2,
            f"[focal_len: {r[0]}] [dzoom_ratio: {r[1]}] [latitude: {r[2]}] [longitude: {r[3]}] "
            f"[rel_alt: {r[4]} abs_alt: {r[5]}] [gb_yaw: {r[6]} gb_pitch: {r[7]} gb_roll: {r[0]}]")
        for n, r in enumerate(rows)
    ))  # fmt: skip


def as_old_srt(rows) -> Telemetry:
    return srt.parse("\n".join(
        cue(n + 1, n, n + 1, f"GPS ({r[0]}, {r[1]}, {r[2]}), H {r[3]}m, H.S {r[4]}m/s, "
            f"G.PRY ({r[5]}°, {r[6]}°, {r[7]}°)")
        for n, r in enumerate(rows)
    ), utc_offset_h=8.0)  # fmt: skip


def as_log(rows) -> Telemetry:
    head = ("time(millisecond),latitude,longitude,height_above_takeoff(feet),speed(mph),satellites,"
            "gimbal_heading(degrees),gimbal_pitch(degrees),datetime(utc)\n")  # fmt: skip
    body = "\n".join(f"{','.join(row)},2026-05-01 00:00:{n:02d}" for n, row in enumerate(rows))
    return flightlog.parse(head + body)


def _json_number(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return text


def as_cloud(rows) -> Telemetry:
    messages = []
    for n, row in enumerate(rows):
        v = [_json_number(text) for text in row]
        gimbal = {"gimbal_yaw": v[4], "gimbal_pitch": v[5], "zoom_factor": v[6]}
        data = {"latitude": v[0], "longitude": v[1], "height": v[2], "elevation": v[3],
                "attitude_head": v[7], "horizontal_speed": v[6], "53-0-0": gimbal,
                "position_state": {"gps_number": v[7], "quality": 10, "is_fixed": 2}}  # fmt: skip
        messages.append({"timestamp": 1.79e12 + 500 * n, "data": data})
    return cloudapi.parse(json.dumps(messages))


def as_gpx(rows) -> Telemetry:
    points = "".join(
        f'<trkpt lat="{r[0]}" lon="{r[1]}"><ele>{r[2]}</ele>'
        f"<time>2026-05-01T00:00:{n:02d}Z</time></trkpt>"
        for n, r in enumerate(rows)
    )
    return gpx.parse(f"<gpx><trk><trkseg>{points}</trkseg></trk></gpx>")


EMPTY = photographs.jpeg(np.zeros((16, 16, 3), np.uint8))


NAMES = ("GpsLatitude", "GpsLongitude", "RelativeAltitude", "AbsoluteAltitude", "GimbalYawDegree",
         "GimbalPitchDegree", "CalibratedFocalLength", "RtkFlag")  # fmt: skip


def as_photos(rows) -> Telemetry:
    blocks = [photographs.xmp(**dict(zip(NAMES, row, strict=True))) for row in rows]
    shots = [(float(n), photographs.with_blocks(EMPTY, b)) for n, b in enumerate(blocks)]
    return photos.parse(shots)


@pytest.mark.parametrize(
    "decode", [as_srt, as_old_srt, as_log, as_cloud, as_gpx, as_photos], ids=lambda f: f.__name__
)
@settings(deadline=None, max_examples=60)
@given(rows=ROWS)
def test_hostile_values_never_get_through(decode: Callable[..., Telemetry], rows):
    assert_believable(decode(rows))


INTS = st.integers(-(2**31), 2**31 - 1)
FLOATS = st.floats(width=32)


@settings(deadline=None, max_examples=120)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 2**32 - 1), INTS, INTS, INTS, INTS, st.integers(0, 65535),
                  st.tuples(*[FLOATS] * 4), FLOATS, st.integers(0, 2**63)),
        min_size=1, max_size=8,
    )
)  # fmt: skip
def test_hostile_mavlink_fields_never_get_through(rows):
    data = b""
    for n, (boot, lat, lon, alt, rel, hdg, q, rad, us) in enumerate(rows):
        at = 1.79e9 + n
        data += tlog(at, 30, (boot, rad, rad, rad, 0, 0, 0))
        data += tlog(at, 2, (us, boot))
        data += tlog(at, 285, (boot, *q, 0, 0, 0, 0, 64), component=154)
        data += tlog(at, 271, (boot, 0, 0, 0, lat, lon, 0, *q, rad), component=100)
        data += tlog(at, 33, (boot, lat, lon, alt, rel, 0, 0, 0, hdg))
    assert_believable(mavlink.parse(data))


def klv(body: bytes) -> bytes:
    whole = misb.KEY + b"\x82" + (len(body) + 4).to_bytes(2, "big") + body + b"\x01\x02"
    return whole + misb.checksum(whole).to_bytes(2, "big")


@settings(deadline=None, max_examples=120)
@given(
    st.lists(
        st.lists(
            st.tuples(st.sampled_from([2, 5, 6, 7, 13, 14, 15, 16, 18, 19, 20, 23, 24, 25, 75, 90]),
                      st.binary(max_size=9)),
            max_size=14,
        ),
        min_size=1, max_size=6,
    )
)  # fmt: skip
def test_hostile_klv_tags_never_get_through(packets):
    stream = b"".join(
        klv(b"".join(bytes([tag, len(raw)]) + raw for tag, raw in tags)) for tags in packets
    )
    assert_believable(misb.parse(stream))


# --- sound recordings, mutated --------------------------------------------------------------------


def sound_srt() -> bytes:
    return "\n".join(
        cue(n + 1, n, n + 1, f"2026-05-01 10:00:{n:02d}.000",
            f"[latitude: {LAT + n * 4e-5:.6f}] [longitude: {LON:.6f}] [rel_alt: 50.100 abs_alt: "
            "80.200] [gb_yaw: 20.0 gb_pitch: -60.0 gb_roll: 0.0]")
        for n in range(20)
    ).encode()  # fmt: skip


def sound_log() -> bytes:
    rows = "\n".join(
        f"{n * 1000},2026-05-01 02:00:{n:02d},{LAT + n * 4e-5:.6f},{LON:.6f},164.3,20,-60,{n % 2}"
        for n in range(20)
    )
    return (
        "time(millisecond),datetime(utc),latitude,longitude,height_above_takeoff(feet),"
        f"gimbal_heading(degrees),gimbal_pitch(degrees),isVideo\n{rows}\n"
    ).encode()


def sound_cloud() -> bytes:
    lines = []
    for n in range(20):
        gimbal = {"gimbal_yaw": 20.0, "gimbal_pitch": -60.0}
        data = {"latitude": LAT + n * 4e-5, "longitude": LON, "height": 80.2, "elevation": 50.1,
                "attitude_head": 20, "53-0-0": gimbal}  # fmt: skip
        message = {"timestamp": 1_790_000_000_000 + 1000 * n, "gateway": "D1", "data": data}
        lines.append(f"thing/product/SN1/osd {json.dumps(message)}")
    return "\n".join(lines).encode()


def sound_gpx() -> bytes:
    points = "".join(
        f'<trkpt lat="{LAT + n * 4e-5:.6f}" lon="{LON:.6f}"><ele>80.2</ele>'
        f"<time>2026-05-01T02:00:{n:02d}Z</time></trkpt>"
        for n in range(20)
    )
    return f"<gpx><trk><trkseg>{points}</trkseg></trk></gpx>".encode()


def sound_tlog() -> bytes:
    return b"".join(
        tlog(1.79e9 + n, 33, (1000 * n, round((LAT + n * 4e-5) * 1e7), round(LON * 1e7), 80_200,
                              50_100, 400, 0, 0, 2000))
        for n in range(20)
    )  # fmt: skip


def sound_klv() -> bytes:
    def scaled(value: float, full: float) -> bytes:
        return round(value / full * (2**31 - 1)).to_bytes(4, "big", signed=True)

    return b"".join(
        klv(b"\x02\x08" + round((1.79e9 + n) * 1e6).to_bytes(8, "big")
            + b"\x0d\x04" + scaled(LAT + n * 4e-5, 90) + b"\x0e\x04" + scaled(LON, 180))
        for n in range(20)
    )  # fmt: skip


SOUND = {"a.srt": sound_srt, "a.csv": sound_log, "a.json": sound_cloud, "a.gpx": sound_gpx,
         "a.tlog": sound_tlog, "a.klv": sound_klv}  # fmt: skip
# The furthest that a record of a sound recording lies from its first, and what a digit may move
# a place without anybody's notice.
LONGEST_M, UNNOTICED_M = 20 * 4e-5 * 111_000.0, 20 * 300.0


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Bits, bytes, runs: changed, left out, doubled, torn."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(out))
        how = rng.randrange(6)
        if how == 0:
            out[at] ^= 1 << rng.randrange(8)
        elif how == 1:
            out[at] = rng.randrange(256)
        elif how == 2:
            del out[at : at + rng.randint(1, 40)]
        elif how == 3:
            out[at:at] = out[at : at + rng.randint(1, 60)]
        elif how == 4:
            out[at:at] = rng.randbytes(rng.randint(1, 30))
        else:
            out[at] = ord(rng.choice("0123456789.,-"))
        if not out:
            return data[:1]
    return bytes(out)


@pytest.mark.parametrize("name", SOUND)
def test_mutated_recordings_are_read_or_refused_and_stay_where_they_were(name, tmp_path):
    data, path, rng = SOUND[name](), tmp_path / name, random.Random(name)
    assert read_as(path, data).fixes == 20
    believed = 0
    for _ in range(150):
        try:
            found = read_as(path, mutated(data, rng))
        except ConfigError:
            continue
        assert_believable(found)
        for pose in found.poses:
            if pose.has_fix:
                believed += 1
                assert distance_m((pose.lat, pose.lon), (LAT, LON)) < LONGEST_M + UNNOTICED_M
    assert believed > 500


def read_as(path, data: bytes) -> Telemetry:
    path.write_bytes(data)
    return read(path)


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=3000))
def test_random_bytes_raise_nothing(data):
    for parse in (mavlink.parse, misb.parse):
        assert_believable(parse(data))
    text = data.decode("utf-8", "replace")
    for decode in (srt.parse, flightlog.parse, gpx.parse):
        assert_believable(decode(text))
    assert_believable(photos.parse([(0.0, data), (1.0, b"\xff\xd8" + data)]))
    with contextlib.suppress(ManyAircraft):
        assert_believable(cloudapi.parse(text))


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["data", "timestamp", "method", "latitude", "longitude", "attitude_head",
                         "53-0-0", "position_state", "gateway", "topic", "payload", "height",
                         "liveview_delay_list", "elevation"]), inner, max_size=6),
    max_leaves=20,
)  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(st.lists(JSON, max_size=6))
def test_random_messages_raise_nothing(messages):
    feed, check = cloudapi.CloudPoses(), LiveCheck("dji-cloud")
    poses: list[Pose] = []
    for message in messages:
        said = feed.push(message, "thing/product/X/osd")
        checked = None if said is None else check(said)
        poses += [] if checked is None else [checked]
    assert_believable(Telemetry("dji-cloud", tuple(poses), len(messages)))
    with contextlib.suppress(ManyAircraft):
        cloudapi.parse(json.dumps(messages))


def test_adding_a_record_that_cannot_be_moves_no_pose():
    """What is left out changes nothing: the path between its neighbours stays where it was."""
    clean = srt.parse(sound_srt().decode())
    path = FlightPath(clean.poses)
    rng = random.Random(4)
    for _ in range(60):
        at, lat = rng.randrange(1, 19), rng.choice([0.0, -LAT, LAT + 0.3, LAT - 1.0])
        bad = cue(99, at + 0.5, at + 0.6, f"[latitude: {lat:.6f}] [longitude: {LON:.6f}] "
                  f"[rel_alt: {rng.choice([-999.9, 9999.0, 6553.5])} abs_alt: 80.2] "
                  "[gb_yaw: 20.0 gb_pitch: -60.0 gb_roll: 0.0]")  # fmt: skip
        cues = srt.split(sound_srt().decode())
        cues.insert(at + 1, srt.split(bad)[0])
        dirty = FlightPath(srt.read_cues(cues).poses)
        for t_s in np.arange(0.0, 19.0, 0.25):
            ours, theirs = dirty.at(float(t_s)), path.at(float(t_s))
            assert (ours.lat, ours.lon) == pytest.approx((theirs.lat, theirs.lon), abs=1e-9)
            assert ours.rel_alt_m == pytest.approx(theirs.rel_alt_m)
