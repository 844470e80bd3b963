# SPDX-License-Identifier: AGPL-3.0-or-later
"""Which day a flight is of: the one on the calendar where it was flown."""

from __future__ import annotations

import json
from datetime import date, datetime, timezone
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from edge import cli
from edge.drone.compare import overdue
from edge.drone.flight import Given, prepare
from edge.drone.liveflight import LiveFlight
from edge.drone.rows import overdue_rows
from edge.drone.settings import Aircraft, Drone, Ledger
from edge.drone.sites import RegisteredSite
from edge.drone.telemetry.pose import Pose
from edge.values import Frame, Stamp
from tests.drone.flyover import (
    PLANE,
    Ground,
    PaintDetector,
    straight,
    write_sites,
    write_srt,
    write_video,
)

# 06:46 of May 1 in Shanghai, and 06:46 of May 4: for UTC still the days before.
FIRST = datetime(2026, 4, 30, 22, 46, tzinfo=timezone.utc).timestamp()
AFTER = datetime(2026, 5, 3, 22, 46, tzinfo=timezone.utc).timestamp()
RING = tuple((lon, lat) for lat, lon in (PLANE.degrees(e, n) for e, n in
             ((-60, -60), (60, -60), (60, 60), (-60, 60))))  # fmt: skip
MARKET = RegisteredSite("market", "夜市", "permitted", polygons=((RING,),),
                        valid_from=date(2026, 5, 1), valid_to=date(2026, 5, 3))  # fmt: skip


@pytest.mark.parametrize(("zone", "day"), [("Asia/Shanghai", 1), ("America/New_York", 30)])
def test_the_day_is_that_of_the_ledgers_zone(zone: str, day: int) -> None:
    assert Ledger(timezone=zone).day(FIRST).day == day


@pytest.mark.parametrize(("wall", "holds"), [(FIRST, True), (AFTER, False)])
def test_a_permit_holds_for_its_days_while_the_aircraft_is_up(tmp_path, wall, holds):
    lat, lon = PLANE.degrees(0, 0)
    pose = Pose(0.0, "dji-cloud", "full", wall, None, lat, lon, 40.0, None, 0.0, -60.0)
    flight = LiveFlight(tmp_path, Drone(aircraft=Aircraft(hfov_deg=70.0)), (MARKET,),
                        PaintDetector(), [], lambda row: None)  # fmt: skip
    image = np.zeros((270, 480, 3), np.uint8)
    flight.picture(Frame("drone", 0, Stamp(0.0, wall, "ntp", 5.0), image), 0.0)
    flight.poses([pose])
    assert [area.site.id for area in flight.survey.areas] == (["market"] if holds else [])


@pytest.fixture(scope="module")
def early(tmp_path_factory) -> Path:
    """A recording of the early morning of May 1, 06:46 by the aircraft's clock."""
    folder = tmp_path_factory.mktemp("early")
    shots = straight(seconds=1, start=(0, 0), course=0)
    write_video(folder / "one.mp4", Ground([]), shots)
    write_srt(folder / "one.SRT", shots)
    text = (folder / "one.SRT").read_text()
    (folder / "one.SRT").write_text(text.replace("2026-05-01 09:", "2026-05-01 06:"))
    return folder / "one.mp4"


def test_a_permit_holds_for_its_days_in_a_recording(early, tmp_path):
    flight = prepare(Given(early, tmp_path), Drone(), (MARKET,), date(2030, 1, 1))
    assert [area.site.id for area in flight.areas] == ["market"]


def test_a_permit_holds_for_its_days_on_the_map_of_a_track(early, tmp_path):
    write_sites(tmp_path / "s.geojson", ("m", "permitted", [(-60, -60), (60, -60), (60, 60)]))
    register = json.loads((tmp_path / "s.geojson").read_text())
    properties = register["features"][0]["properties"]
    properties |= {"name": "Night market", "valid_from": "2026-05-01", "valid_to": "2026-05-03"}
    (tmp_path / "s.geojson").write_text(json.dumps(register))
    words = [str(early.with_name("one.SRT")), "--sites", str(tmp_path / "s.geojson")]
    assert cli.main(["fly", *words, "--out", str(tmp_path / "out")]) == 0
    assert "Night market" in (tmp_path / "out" / "map.svg").read_text()


def test_pauses_between_flights_count_local_days() -> None:
    site = RegisteredSite("a", "a", "site", polygons=((RING,),))
    flown = {"start_utc": FIRST, "sites": [{"id": "a", "inspected_share": 0.9}]}
    # Eight local days later, and by UTC nine.
    assert overdue([site], [flown], date(2026, 5, 8), Ledger()) == []
    (late,) = overdue([site], [flown], date(2026, 5, 9), Ledger())
    assert (late.last, late.days) == (date(2026, 5, 1), 8)
    flight = SimpleNamespace(start_wall=FIRST + 8 * 86_400.0, settings=Drone())
    now = {"start_utc": flight.start_wall, "sites": []}
    (row,) = overdue_rows([site], [flown], now, flight)
    assert (row["last"], row["days"]) == ("2026-05-01", 8)


def test_a_zone_that_is_none_is_one_clear_line(early, tmp_path, capsys) -> None:
    (tmp_path / "drone.yaml").write_text("ledger: {timezone: Mars/Olympus}\n")
    words = ["fly", str(early), "--out", str(tmp_path / "out")]
    assert cli.main([*words, "--config", str(tmp_path / "drone.yaml")]) == 2
    assert "drone.yaml: ledger: timezone = 'Mars/Olympus'" in capsys.readouterr().err
