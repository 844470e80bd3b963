# SPDX-License-Identifier: AGPL-3.0-or-later
"""A test that its own limit cannot end ends its process.

The limit is a signal, and Python looks at signals between its own steps: a test that never comes
back from native code would hold a run for ever, and nobody would hear which one it was.
"""

from __future__ import annotations

import faulthandler
from collections.abc import Generator

import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key

# After the limit of a test: what it needs to fail by itself on a busy machine.
LONGER, MORE_S = 1.25, 5.0


def limit_s(item: pytest.Item) -> float:
    """What pytest-timeout takes, in its order: the mark, the command line, the configuration."""
    mark = item.get_closest_marker("timeout")
    if mark is not None:
        return float(mark.args[0] if mark.args else mark.kwargs["timeout"])
    return float(item.config.getoption("timeout") or item.config.getini("timeout") or 0.0)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """All stacks and the end of this process, where a limit passed and nothing came of it."""
    limit = limit_s(item)
    if not limit:
        return (yield)
    told = item.config.stash[fault_handler_stderr_fd_key]
    faulthandler.dump_traceback_later(limit * LONGER + MORE_S, file=told, exit=True)
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()
