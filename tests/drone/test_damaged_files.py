# SPDX-License-Identifier: AGPL-3.0-or-later
"""Files of a flight that a power cut, a bad disk or another program has been at."""

from __future__ import annotations

import argparse
import json
import random
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge import runtime
from edge.camera import exif
from edge.commands import flylive
from edge.config import ConfigError
from edge.drone.dem import read_dem
from edge.drone.flight import quick_sha256
from edge.drone.journal import Journal
from edge.drone.look import KeyFrame
from edge.drone.npz import read_arrays
from edge.drone.settings import Drone, Live
from edge.drone.sites import read_sites
from edge.drone.telemetry import photos
from tests.drone.flyover import PaintDetector
from tests.drone.test_telemetry_photos import at, shot
from tools.fakes import photographs

LOOK = KeyFrame(1.0, 1_777_600_001.0, None, why="no position fix")
ARRAYS = {"gsd:s1": np.linspace(0, 1, 300), "votes:s1": np.arange(400).reshape(20, 20)}


def flown(folder: Path) -> bytes:
    journal = Journal(folder, "key")
    journal.add(LOOK)
    journal.checkpoint(dict(ARRAYS))
    again = Journal(folder, "key")
    assert (again.resumed, again.count, set(again.arrays)) == (True, 1, set(ARRAYS))
    return (folder / "checkpoint.npz").read_bytes()


DAMAGE = {
    "half": lambda data: data[: len(data) // 2],
    "a head and zeros": lambda data: data[:4] + b"\0" * (len(data) - 4),
    "zeros": lambda data: b"\0" * len(data),
    "empty": lambda data: b"",
    "text": lambda data: b"never an archive\n",
    "one array": lambda data: b"\x93NUMPY\x01\0",
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_checkpoint_begins_the_flight_anew_and_is_said(tmp_path, how, caplog):
    data = flown(tmp_path)
    (tmp_path / "checkpoint.npz").write_bytes(DAMAGE[how](data))
    journal = Journal(tmp_path, "key")
    assert (journal.resumed, journal.count, list(journal.looks())) == (False, 0, [])
    assert "checkpoint.npz: " in caplog.text
    journal.add(LOOK)
    journal.checkpoint(dict(ARRAYS))
    assert Journal(tmp_path, "key").count == 1


def test_any_wrong_byte_of_an_archive_is_one_kind_of_error(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", **ARRAYS)
    data, rng = (tmp_path / "a.npz").read_bytes(), random.Random(1)
    refused = 0
    for _ in range(150):
        torn = bytearray(data)
        for _ in range(rng.choice((1, 1, 2, 8))):
            torn[rng.randrange(len(torn))] = rng.randrange(256)
        (tmp_path / "b.npz").write_bytes(torn[: rng.choice((len(torn), rng.randrange(len(torn))))])
        try:
            read_arrays(tmp_path / "b.npz")
        except (ValueError, OSError):
            refused += 1
    assert refused > 80


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_height_grid_is_one_clear_line(tmp_path, how):
    lat, lon = np.array([24.6, 24.5]), np.array([118.1, 118.2])
    np.savez_compressed(tmp_path / "dem.npz", lat=lat, lon=lon, height=np.zeros((2, 2)))
    assert read_dem(tmp_path / "dem.npz").height(24.55, 118.15) == 0.0
    data = (tmp_path / "dem.npz").read_bytes()
    (tmp_path / "dem.npz").write_bytes(DAMAGE[how](data))
    with pytest.raises(ConfigError, match="no height grid") as refused:
        read_dem(tmp_path / "dem.npz")
    assert "\n" not in str(refused.value)


def register(**changes: Any) -> str:
    ring = [[118.1, 24.5], [118.2, 24.5], [118.2, 24.6], [118.1, 24.5]]
    feature = {"type": "Feature", "properties": {"id": "a", **changes.pop("properties", {})},
               "geometry": {"type": "Polygon", "coordinates": [ring], **changes}}  # fmt: skip
    return json.dumps({"type": "FeatureCollection", "features": [feature]})


HUGE = 10**400


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (register(type="MultiPolygon", coordinates=[]), "a MultiPolygon without polygons"),
        (register(coordinates=[[[HUGE, 1], [1, 1], [1, 2], [HUGE, 1]]]), "a position is"),
        (register(properties={"ground_m": HUGE}), "ground_m = 1000"),
        (register(properties={"name_en": ["a"]}), "name_en = ['a']: expected a word"),
        (register(properties={"grid": 5}), "grid = 5: expected a word"),
        (register(properties={"permits": [[["x" * 500]]]}), "expected a list of words"),
        ("[" * 100_000, "nested too deep"),
        (register(coordinates="DEEP").replace('"DEEP"', "[" * 50_000 + "]" * 50_000), "nested"),
    ],
    ids=["no polygons", "huge place", "huge height", "no word", "no grid", "permits", "deep", "in"],
)
def test_a_register_that_cannot_be_is_one_clear_line(tmp_path, text, said):
    (tmp_path / "s.geojson").write_text(text)
    with pytest.raises(ConfigError) as refused:
        read_sites(tmp_path / "s.geojson")
    line = str(refused.value)
    assert said in line
    assert line.startswith(f"{tmp_path / 's.geojson'}")
    assert "\n" not in line
    assert len(line) < 400


@pytest.mark.parametrize("zone", ["+99:00", "-15:00", "+08:75", "+8", "zone"])
def test_a_photograph_whose_zone_cannot_be_has_the_callers(zone):
    told = photographs.exif(taken=at(5), zone=zone)
    without = photographs.exif(taken=at(5), zone=None)
    assert exif.read(shot(told)[1]).taken == exif.read(shot(without)[1]).taken
    assert photos.parse([shot(told)]).cues == 1


def album(folder: Path, day: str) -> Path:
    folder.mkdir()
    for number in range(1, 4):
        (folder / f"DJI_{number:04d}.JPG").write_bytes(b"\xff\xd8\xff" + f"{day} {number}".encode())
    return folder


def test_photographs_of_another_day_under_the_same_names_are_another_flight(tmp_path):
    one, other = album(tmp_path / "1", "0424"), album(tmp_path / "2", "0501")
    assert quick_sha256(one) != quick_sha256(other)
    copied = album(tmp_path / "3", "0424")
    # What looking at a folder leaves behind in it is none of the flight.
    (copied / "Thumbs.db").write_bytes(b"x")
    assert quick_sha256(copied) == quick_sha256(one)


def test_a_live_flight_whose_camera_thread_has_a_bug_ends_with_an_error(
    tmp_path, monkeypatch, capsys
):
    def broken(*_: object) -> Any:
        def connect() -> None:
            raise KeyError("a bug")

        return connect

    class Soon(runtime.Stop):
        """Else a flight that goes on would go on for ever."""

        turns = 0

        def __bool__(self) -> bool:
            self.turns += 1
            return self.turns > 20

    monkeypatch.setattr(runtime, "Stop", Soon)
    monkeypatch.setattr("edge.camera.opening.connector", broken)
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    args = argparse.Namespace(video="rtmp://127.0.0.1/x", out=tmp_path, name=None, json=False,
                              device=None)  # fmt: skip
    detector = PaintDetector()
    detector.name = "paint"
    ended = flylive.fly_live(args, Drone(live=Live(port=1, tls="off")), (), detector, {})
    assert ended == 1
    assert "rtmp://127.0.0.1/x: reading the stream ended" in capsys.readouterr().err
