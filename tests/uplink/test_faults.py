# SPDX-License-Identifier: AGPL-3.0-or-later
"""Short forms of the fault table with a real broker: nothing lost, nothing invented."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from edge.uplink import downward
from tools.faultlab import faults, faults_clock, fuzz, tested
from tools.faultlab.oracle import Oracle, Result
from tools.faultlab.rig import Rig

pytestmark = pytest.mark.broker

CUTS = [
    ("after", "sealing", 1),
    ("after", "publish", 4),
    ("after", "release", 1),
    ("after", "chunk", 1),
]


@pytest.fixture
def oracle(rig: Rig) -> Oracle:
    return Oracle(rig, rig.outbox())


def holds(result: Result) -> None:
    print(faults.line(result))
    assert result.ok, result


def test_kill_at_random_moments(rig: Rig, oracle: Oracle) -> None:
    holds(faults.kill_at_random(rig, oracle, 1))


def test_kill_at_named_steps(rig: Rig, oracle: Oracle) -> None:
    result = faults.kill_at(rig, oracle, CUTS)
    holds(result)
    assert "not reached" not in result.note


def test_a_broker_that_loses_all(rig: Rig, oracle: Oracle) -> None:
    holds(faults.broker_loses_all(rig, oracle, 1))


def test_a_clip_cut_again_and_again(rig: Rig, oracle: Oracle) -> None:
    holds(faults.clip_cut(rig, oracle, 2))


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler: gcc")
def test_a_clock_that_steps_from_1970_to_two_years_ahead(rig: Rig, oracle: Oracle) -> None:
    holds(faults_clock.clock_steps(rig, oracle, 1))


def test_what_pytest_says_is_counted() -> None:
    text = "1 failed, 12 passed, 2 skipped, 3 deselected in 4.20s"
    assert tested.counted(text) == {"passed": 12, "failed": 1, "skipped": 2, "error": 0}


@pytest.mark.parametrize("name", list(fuzz.TARGETS))
def test_no_changed_message_crashes_its_reader(name: str, tmp_path: Path) -> None:
    fuzzer = fuzz.Fuzzer(name, tmp_path, seed=1)
    golden = fuzzer.corpus
    while fuzzer.runs < 400:
        fuzzer.spend(0.2, lambda _: None)
    assert fuzzer.crashes == 0
    assert fuzzer.corpus > golden + 3, "it reaches outcomes that the golden messages do not"


def test_a_crash_is_found_kept_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fresh(_: object, kind: str, message: downward.Down, heard: Mapping[str, int]) -> None:
        assert message.n, "as it was: a counter of 0 from somebody new ended the daemon"

    monkeypatch.setattr("edge.uplink.trust.DownlinkTrust._fresh", fresh)
    fuzzer = fuzz.Fuzzer("ack", tmp_path, seed=1)
    while fuzzer.crashes == 0:
        fuzzer.spend(0.5, lambda _: None)
    assert list(tmp_path.glob("*.crash"))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", faults.SHORT)
def test_the_long_form(name: str) -> None:
    holds(faults.run_scenario(name, full=True))
