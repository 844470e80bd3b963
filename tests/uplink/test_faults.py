"""Short forms of the fault table with a real broker: nothing lost, nothing invented."""

from __future__ import annotations

import pytest

from tools.platform import faults
from tools.platform.oracle import Oracle, Result
from tools.platform.rig import Rig

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


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", list(faults.SCENARIOS))
def test_the_long_form(name: str) -> None:
    holds(faults.run_scenario(name, full=True))
