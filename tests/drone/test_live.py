# SPDX-License-Identifier: AGPL-3.0-or-later
"""Findings while the aircraft is up: pictures and Cloud API messages in, rows out."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import time

import pytest

from edge.clock import SystemClock
from edge.config.catalogue import load_categories
from edge.config.shipped import shipped
from edge.drone.dossier import FlightPublisher
from edge.drone.earth import distance_m
from edge.drone.liveflight import LiveFlight
from edge.drone.posefeed import PoseFeed
from edge.drone.settings import Aircraft, Drone, Live
from edge.values import Frame, Stamp
from tests.drone.flyover import (
    FX,
    PLANE,
    SIZE,
    Ground,
    PaintDetector,
    Shot,
    Thing,
    render,
    straight,
)
from tests.fake_clock import FakeClock
from tools.demonstration.processes import free_port

UP = 1_777_600_000.0
DELAY_S = 1.5
HFOV = 2 * math.degrees(math.atan(SIZE[0] / 2 / FX))
STALL, VENDOR = Thing("vendor_stall", 10, 20), Thing("person", 12, 21.5, 0.8)


def osd(shot: Shot) -> bytes:
    lat, lon = PLANE.degrees(shot.east, shot.north)
    data = {
        "latitude": lat, "longitude": lon, "height": 80.0 + shot.h_m, "elevation": shot.h_m,
        "attitude_head": shot.yaw, "horizontal_speed": 8.0,
        "position_state": {"is_fixed": 2, "quality": 5, "gps_number": 18},
        "81-0-0": {"gimbal_yaw": shot.yaw, "gimbal_pitch": shot.pitch, "gimbal_roll": 0},
    }  # fmt: skip
    return json.dumps({"timestamp": round((UP + shot.t_s) * 1000), "data": data}).encode()


def live(tmp_path, published) -> LiveFlight:
    categories = load_categories([shipped("config/categories.yaml")])
    settings = Drone(aircraft=Aircraft(hfov_deg=HFOV))
    return LiveFlight(tmp_path, settings, (), PaintDetector(), list(categories.values()),
                      published.append)  # fmt: skip


def fly(flight: LiveFlight, feed: PoseFeed, *, osd_every_s: float = 2.0, until_s: float = 14.0):
    """Pictures arrive DELAY_S late, messages every two seconds, as from a dock."""
    ground = Ground([STALL, VENDOR])
    sent = -10.0
    for shot in straight(seconds=until_s, start=(0, -80), course=0, fps=4.0):
        if shot.t_s - sent >= osd_every_s:
            feed.take(osd(shot))
            sent = shot.t_s
        arrived = Stamp(shot.t_s, UP + shot.t_s + DELAY_S, "ntp", 5.0)
        if round(shot.t_s * 4) % 2 == 0:
            frame = Frame("drone", round(shot.t_s * 4), arrived, render(ground, shot, *SIZE, FX))
            flight.picture(frame, DELAY_S)
        flight.poses(list(feed.poses))


def test_a_finding_goes_out_before_the_aircraft_has_landed(tmp_path):
    published: list[dict] = []
    flight, feed = live(tmp_path, published), PoseFeed(Live(), FakeClock())
    fly(flight, feed)
    (row,) = published
    assert row["category"] == "street-vendor"
    # Half-hertz poses, straight flight: interpolation is exact to a metre.
    assert distance_m((row["lat"], row["lon"]), PLANE.degrees(STALL.east, STALL.north)) < 1.5
    assert (tmp_path / "pictures" / row["pictures"]["overview"]).stat().st_size > 1000
    assert json.loads((tmp_path / "live.jsonl").read_text())["id"] == row["id"]
    assert flight.dropped == 0


def test_a_live_finding_becomes_a_row_of_the_outbox(tmp_path):
    rows: list[dict] = []

    class Box:
        def put(self, **record) -> bool:
            rows.append(record)
            return True

    published: list[dict] = []
    flight, feed = live(tmp_path, published), PoseFeed(Live(), FakeClock())
    categories = load_categories([shipped("config/categories.yaml")])
    sender = FlightPublisher("box-1", tmp_path / "evidence", Box())
    flight.publish = lambda row: (
        published.append(row)
        or sender.send(
            flight.source(("paint", "0" * 64), "1" * 64), row, tmp_path / "pictures", categories
        )
    )
    fly(flight, feed)
    assert [row["kind"] for row in rows] == ["violation"]
    assert rows[0]["body"]["where"]["lat"] == published[0]["lat"]


def test_pictures_whose_poses_never_come_do_not_pile_up(tmp_path):
    published: list[dict] = []
    flight, feed = live(tmp_path, published), PoseFeed(Live(), FakeClock())
    fly(flight, feed, osd_every_s=1000.0, until_s=8.0)
    assert published == []
    assert len(flight.waiting) <= 8
    assert flight.dropped > 0


def test_rubbish_from_the_broker_is_counted():
    feed = PoseFeed(Live(), FakeClock())
    for payload in (b"\xff\xfe", b"[]", b'{"timestamp": 1}', b'{"timestamp": 1, "data": {}}'):
        feed.take(payload)
    assert not feed.poses
    assert feed.feed.refused.total() == 4


@pytest.mark.broker
@pytest.mark.skipif(shutil.which("mosquitto") is None, reason="mosquitto is not installed")
def test_poses_from_a_real_broker_that_starts_late(tmp_path):
    port = free_port()
    feed = PoseFeed(Live(port=port, tls="off"), SystemClock())
    feed.poll()  # nobody there yet
    config = tmp_path / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    broker = subprocess.Popen(["mosquitto", "-c", str(config)], stderr=subprocess.DEVNULL)
    try:
        shot = Shot(0.0, 0.0, 0.0, 60.0, 0.0, -60.0)
        publish = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(port), "-V", "5", "-r"]
        publish += ["-t", "thing/product/SN1/osd", "-m", osd(shot).decode()]
        deadline = time.monotonic() + 120
        while not feed.poses and time.monotonic() < deadline:
            subprocess.run(publish, check=False, stderr=subprocess.DEVNULL, timeout=60)
            for _ in range(20):
                feed.poll()
                time.sleep(0.02)
        assert feed.poses[0].rel_alt_m == 60.0
    finally:
        feed.close()
        broker.terminate()
        broker.wait(60)
