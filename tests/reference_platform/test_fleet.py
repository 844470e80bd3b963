# SPDX-License-Identifier: AGPL-3.0-or-later
"""The fleet tool: a short real run, and the reconnect storm by the product's own back-off."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from city_platform.contract import FOLDER
from tools.faultlab import fleet, paper
from tools.faultlab.rig import Rig


@pytest.mark.parametrize("devices", [2_000, 10_000])
def test_after_five_minutes_the_storm_stays_low(devices: int) -> None:
    found = fleet.storm(fleet.reconnects(devices, 300.0), devices)
    assert found["peak_share_s"] <= fleet.PEAK_MAX
    assert found["all_back_s"] <= fleet.BACK_MAX_S


def test_without_jitter_it_would_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bars can fail: the same delays without chance bring all back in the same second."""
    monkeypatch.setattr("edge.runtime.random.uniform", lambda _, high: high)
    found = fleet.storm(fleet.reconnects(500, 300.0), 500)
    assert found["peak_share_s"] == 1.0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"left": 3}, "left 3"),
        ({"offline": 1}, "offline 1"),
        ({"stored": 9}, "stored 9 of 10 put"),
        ({"gaps": 1}, "gaps 1"),
        ({"peak_share_s": 0.05}, "peak 5.0%"),
        ({"all_back_s": 150.0}, "all back after 150.0 s"),
        ({"back": 19}, "19 of 20 devices back"),
    ],
)
def test_what_does_not_hold_is_said(change: dict[str, float], words: str) -> None:
    good = {"left": 0, "offline": 0, "refused": 0, "put": 10, "released": 10, "stored": 10,
            "gaps": 0, "quarantined": 0, "peak_share_s": 0.02, "all_back_s": 110.0,
            "back": 20, "devices": 20}  # fmt: skip
    assert fleet.problems(good, outage_s=300.0, strict=True) == []
    assert words in fleet.problems({**good, **change}, outage_s=300.0, strict=True)[0]


@pytest.mark.broker
@pytest.mark.timeout(600)
def test_a_hundred_devices_through_an_outage(rig: Rig, tmp_path: Path) -> None:
    """`rig` only says aloud where there is no Mosquitto; the tool starts its own."""
    plot = tmp_path / "fleet.png"
    argv = [sys.executable, "-m", "tools.faultlab.fleet", "--devices", "100", "--seconds", "6"]
    argv += ["--outage", "4", "--every", "2", "--plot", str(plot), "--json"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=560)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["back"] == 100 and told["stored"] == told["put"] > 500
    assert told["backlog_max"] > 100, "the outage left nothing waiting"
    picture = cv2.imread(str(plot))
    assert picture is not None and picture.std() > 5


def test_the_table_of_the_page_is_what_the_command_prints() -> None:
    page = (FOLDER.parent / "docs" / "scale.md").read_text(encoding="utf-8")
    assert paper.table([10_000, 1_000_000]) in page, "run tools.faultlab.paper 10000 1000000"


def test_the_sums_by_hand() -> None:
    """10,000 boxes, 50 a day, 4.5 MB each."""
    told = paper.load(10_000, paper.Habits())
    assert told["evidence Mbit/s"] == pytest.approx(10_000 * 50 * 4.5e6 * 8 / 86_400 / 1e6)
    assert told["backlog TB"] == pytest.approx(0.169, abs=0.001)
    assert told["health msg/s"] == pytest.approx(166.7, abs=0.1)
