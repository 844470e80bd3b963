# SPDX-License-Identifier: AGPL-3.0-or-later
"""The files of tests that take longest begin first, so that at the end of a run no process sits
over one of them alone; a run that shows that they are others now says so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from statistics import median

import pytest
from _pytest.terminal import TerminalReporter

HERE = Path(__file__).parent
# Below tests/. Most of their time is waiting. From `tools/test --durations=0`.
LONGEST = (
    "camera/test_quiet.py",
    "training/test_pictures.py",
    "console/test_clumsy.py",
    "demonstration/test_demo.py",
    "release/test_software.py",
    "rules/test_stirring.py",
    "drone/test_fly.py",
    "daemons/test_isolation.py",
    "console/test_browser.py",
    "replay/test_replay.py",
    "uplink/test_faults.py",
    "camera/test_live.py",
    "uplink/test_isolated.py",
    "uplink/test_protocol_faults.py",
    "daemons/test_watch.py",
    "sensors/test_sensord.py",
    "reference_platform/test_instances.py",
    "house/test_mutation.py",
    "daemons/test_no_inodes.py",
)
# One that takes so many times what half of those in the list stay under would hold up a run.
FAR_LONGER = 2.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those of the list first, in its order; all others as they came."""
    order = {HERE / name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path, len(order)))


def begun_too_late(took_s: Mapping[str, float]) -> list[str]:
    """Files below tests/ that belong into the list; none where the run had not all of the list,
    for then it is no measure. took_s: file -> seconds of all its tests."""
    if not set(LONGEST) <= set(took_s):
        return []
    usual_s = median(took_s[name] for name in LONGEST)
    return sorted(
        name
        for name, seconds in took_s.items()
        if name not in LONGEST and seconds > FAR_LONGER * usual_s
    )


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """One line where the list has grown old."""
    took_s: defaultdict[str, float] = defaultdict(float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                took_s[report.fspath.removeprefix("tests/")] += report.duration
    if late := begun_too_late(took_s):
        found = ", ".join(f"{name} ({took_s[name]:.0f} s)" for name in late)
        terminalreporter.write_line(f"not in LONGEST of tests/order.py: {found}")
