# SPDX-License-Identifier: AGPL-3.0-or-later
"""Two instruments on pseudo-terminals: a site by night, a kitchen whose purifier is off.

Their lines are real serial bytes; only time is shortened (the windows stand in the site file that
the demonstration writes) and the hours are set so that now is night.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tools.fakes.instruments import fume_monitor, noise_meter
from tools.fakes.instruments_line import Line

# (from second, fan, purifier, mg/m3): the cook starts with the purifier, then without it.
EVENING = ((0.0, 1, 1, 0.4), (3.0, 1, 0, 2.6))
EXPECTED = frozenset({"construction-noise", "fume-not-used"})
NOISE_DB, SWING_DB = 66.0, 3.0


def add_senses(site: dict[str, Any], ports: Path) -> None:
    """Put the instruments into the site; their pictures come from its first camera."""
    camera = site["cameras"][0]["id"]
    modbus = {"kind": "modbus", "every_s": 0.5, "baud": 9600}
    site["sensors"] = [
        {"id": "noise", **modbus, "map": "noise-rs485", "port": str(ports / "noise")},
        {"id": "fume", **modbus, "map": "fume-generic", "port": str(ports / "fume"),
         "camera": camera},
    ]  # fmt: skip
    # A night of eight hours, and now is its middle.
    hour = datetime.now(ZoneInfo(site["timezone"])).hour
    day = f"{(hour + 4) % 24:02d}:00-{(hour - 4) % 24:02d}:00"
    site["noise"] = [
        {"id": "west-boundary", "name": "西侧场界", "sensor": "noise", "window_s": 5, "day": day,
         "camera": camera},
    ]  # fmt: skip
    site["fume"] = [{"id": "shop-17", "name": "十七号餐饮", "sensor": "fume", "not_used_s": 6}]


@contextmanager
def instruments(ports: Path) -> Iterator[None]:
    """Both instruments, answering until the end of the block."""
    ports.mkdir(parents=True)
    lines = [
        Line(ports / "noise", [noise_meter(lambda t: NOISE_DB + (t * 7.0) % SWING_DB)]),
        Line(ports / "fume", [fume_monitor(EVENING)]),
    ]
    for line in lines:
        line.start()
    try:
        yield
    finally:
        for line in lines:
            line.stop()
