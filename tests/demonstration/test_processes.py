# SPDX-License-Identifier: AGPL-3.0-or-later
"""A server that is told its port finds it free, whoever else starts servers meanwhile."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tools.demonstration import processes
from tools.demonstration.processes import RESERVED_MOST, free_port

ROOT = Path(__file__).parents[2]
# Asks until ports run out, so that chance has no part in it.
ASK_ALL = """
from tools.demonstration import processes
processes.PORTS = range({first}, {first} + {count})
found = []
try:
    while True:
        found.append(processes.free_port())
except OSError:
    print(*found)
"""


def test_the_kernel_gives_it_to_nobody_else() -> None:
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    assert all(not low <= free_port() <= high for _ in range(20))


def test_two_programs_that_ask_at_once_get_different_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    first = free_port() // 40 * 40
    monkeypatch.setattr(processes, "PORTS", range(first, first + 40))
    mine = {free_port() for _ in range(5)}
    said = subprocess.run(
        [sys.executable, "-c", ASK_ALL.format(first=first, count=40)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    ).stdout  # fmt: skip
    others = set(map(int, said.split()))
    assert len(mine) == 5 and others and not mine & others


def test_one_on_which_a_server_listens_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as server:
        monkeypatch.setattr(processes, "PORTS", [server.getsockname()[1]])
        with pytest.raises(OSError, match="no free port"):
            free_port()


def test_many_that_were_asked_for_cost_few_files() -> None:
    for _ in range(RESERVED_MOST + 5):
        free_port()
    assert len(processes._reservations) == RESERVED_MOST
