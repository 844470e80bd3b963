# SPDX-License-Identifier: AGPL-3.0-or-later
"""A clock that is ahead until a time server sets it changes no case and deletes nothing."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from edge.config import Device
from edge.config.device import Keep
from edge.daemons import janitord
from edge.handling.known_time import RUN_OFF_S, date_known
from edge.outbox import RECEIPT, Outbox
from edge.runtime import Notify, Stop
from edge.values import Stamp
from tests.handling.box_of_cases import TEN, Box
from tests.outbox.test_janitor import release

DAY_S = 86_400.0
AHEAD = TEN + 3 * 365 * DAY_S
CASE = "v-0000000001"


def unset(wall: float, mono: float = 20.0) -> Stamp:
    return Stamp(mono, wall, "unsynced", 16_000.0)


@pytest.fixture
def known(tmp_path: Path) -> Path:
    """What the boot before kept: set at TEN, 5000 s after its start."""
    path = tmp_path / "memory" / "known-time.json"
    assert date_known(path, Stamp(5000.0, TEN, "ntp", 3.0), "before")
    return path


@pytest.mark.parametrize(
    ("at", "boot", "believed"),
    [
        (unset(AHEAD), "now", False),
        (unset(TEN + 1.0), "now", False),
        (unset(TEN), "now", True),
        (unset(TEN - 9 * DAY_S), "now", True),
        (unset(TEN + 40 * DAY_S, 5000.0 + 40 * DAY_S), "before", True),
        (unset(TEN + 600.0 + RUN_OFF_S + 1.0, 5600.0), "before", False),
    ],
    ids=["ahead", "after a start", "not later", "behind", "held over", "stepped"],
)
def test_which_dates_are_believed(known: Path, at: Stamp, boot: str, believed: bool) -> None:
    assert date_known(known, at, boot) is believed
    assert date_known(known, unset(AHEAD), "now") is False, "one that is not set proves nothing"


def test_a_time_server_s_word_counts_at_once_and_from_then_on(known: Path) -> None:
    assert date_known(known, Stamp(1.0, TEN + 90 * DAY_S, "ntp", 3.0), "now")
    assert date_known(known, unset(TEN + 80 * DAY_S), "later")
    assert date_known(known, Stamp(1.0, TEN, "gnss", 3.0), "later"), "it was wrong, too"
    assert not date_known(known, unset(TEN + 80 * DAY_S), "last")


@pytest.mark.parametrize("kept", [None, b"", b"[1]"])
def test_without_anything_known_the_clock_is_taken_as_it_is(
    tmp_path: Path, kept: bytes | None
) -> None:
    path = tmp_path / "known-time.json"
    if kept is not None:
        path.write_bytes(kept)
    assert date_known(path, unset(AHEAD), "now")


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    one = Box(tmp_path / "state", tmp_path / "run")
    one.found(CASE, TEN)
    one.reviewed(CASE, "confirmed", TEN + 60)
    one.work(TEN + 200, looks=True)
    yield one
    one.close()


def asked(box: Box, days: int) -> int:
    """How many looks visiond was asked for, in a pass every ten minutes."""
    for n in range(days * 144):
        box.work(TEN + 600.0 * n, looks=True)
    return len(list(box.run.rglob("*.json")))


def test_a_case_is_not_overdue_by_a_date_that_nobody_knows(box: Box) -> None:
    for later in (0.0, 60.0):
        box.casework(looks=True).work(AHEAD + later, date_known=False)
    assert not box.life(CASE).overdue
    assert not (box.state / "rechecks").exists()
    box.work(TEN + 5 * 3600.0)
    assert box.life(CASE).overdue


def test_a_round_that_was_planned_for_years_ahead_does_not_keep_the_next_one_back(
    box: Box,
) -> None:
    for later in (0.0, 60.0):
        box.work(AHEAD + later, looks=True)
    (plan,) = (box.state / "rechecks").glob("*/plan.json")
    assert json.loads(plan.read_bytes())["at"][0] > TEN + 1000 * DAY_S
    assert asked(box, 3) > 0


def test_nothing_is_past_its_time_by_a_date_that_nobody_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    state = tmp_path / "state"
    folder = state / "evidence" / CASE / "r1"
    folder.mkdir(parents=True)
    (folder / RECEIPT).write_text("{}")
    os.utime(folder / RECEIPT, (TEN, TEN))
    folders = {"state": str(state), "run": str(tmp_path / "run")}
    device = tmp_path / "device.yaml"
    device.write_text(yaml.safe_dump({"folders": folders, "keep": {"ballast_mb": 0}}))

    def passed(quality: str) -> bool:
        monkeypatch.setattr("edge.clock.kernel_trust", lambda: (quality, 5.0))
        site = tmp_path / "site.yaml"
        janitord.main(Stop(), Notify({}), site_path=site, device_path=device)
        return folder.exists()

    monkeypatch.setattr("edge.clock.time.time", lambda: TEN + 60.0)
    assert passed("ntp")
    monkeypatch.setattr("edge.clock.time.time", lambda: AHEAD)
    assert passed("unsynced")
    assert "wait for a time server" in caplog.text
    assert not passed("ntp"), "three years have gone by after all"


def test_a_case_without_data_is_no_week_old_by_a_date_that_nobody_knows(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with closing(Outbox(state / "outbox.db")) as outbox:
        outbox.put(lane="violation", kind="violation", key=f"{CASE}/r1", body={"id": CASE})
    release(state)

    def kept(*, date_known: bool) -> bool:
        device = Device(keep=Keep(ballast_mb=0, floor_mb=1))
        later = time.time() + 30 * DAY_S
        janitord.Janitor(device, state, tmp_path / "run").work(later, date_known=date_known)
        with closing(Outbox(state / "outbox.db")) as outbox:
            return outbox.known("violation", f"{CASE}/r1")

    assert kept(date_known=False)
    assert not kept(date_known=True)
