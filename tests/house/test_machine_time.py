# SPDX-License-Identifier: AGPL-3.0-or-later
"""What fails for want of a processor is told from what fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import machine_time
from tests.machine_time import Waiting, in_real_time


def shares(monkeypatch: pytest.MonkeyPatch, *told: float) -> list[float]:
    """Each try is told one of these; what is left of them comes back."""
    left = list(told)
    monkeypatch.setattr(machine_time.Waiting, "share", property(lambda _: left.pop(0)))
    return left


def failing(times: int, **more: bool) -> tuple[list[int], object]:
    runs: list[int] = []

    @in_real_time(**more)
    def test() -> None:
        runs.append(1)
        assert len(runs) > times, "late"

    return runs, test


def test_on_a_machine_that_has_time_it_fails_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    shares(monkeypatch, 0.01)
    runs, test = failing(1)
    with pytest.raises(AssertionError, match="late"):
        test()  # type: ignore[operator]
    assert len(runs) == 1


def test_on_a_busy_one_it_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    left = shares(monkeypatch, 0.3, 0.9, 0.9)
    runs, test = failing(2)
    test()  # type: ignore[operator]
    assert len(runs) == 3 and left == [0.9]


def test_where_it_never_passes_and_had_time_once_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    shares(monkeypatch, 0.9, 0.3, 0.9)
    with pytest.raises(AssertionError, match="late"):
        failing(9)[1]()  # type: ignore[operator]


def test_where_it_never_had_time_it_is_left_out_aloud(monkeypatch: pytest.MonkeyPatch) -> None:
    shares(monkeypatch, 0.9, 0.8, 0.7)
    with pytest.raises(pytest.skip.Exception, match="90%, 80%, 70%"):
        failing(9)[1]()  # type: ignore[operator]


def test_who_fills_the_processors_himself_blames_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    shares(monkeypatch, 0.9, 0.8, 0.7)
    with pytest.raises(AssertionError, match="late"):
        failing(9, fills=True)[1]()  # type: ignore[operator]


def test_programs_that_share_a_processor_wait_for_it() -> None:
    try:
        Path("/proc/pressure/cpu").read_text()
    except OSError as error:
        pytest.skip(f"this kernel tells nothing of waits: {error}")
    spin = "import os, time; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
    spin += "print(flush=True)\nend = time.monotonic() + 2.0\nwhile time.monotonic() < end: pass"
    waiting = Waiting()
    both = [subprocess.Popen([sys.executable, "-c", spin], stdout=-1) for _ in range(2)]
    for one in both:
        one.communicate()
    assert waiting.share > 0.3
