# SPDX-License-Identifier: AGPL-3.0-or-later
"""A real broker with a device and a platform around it, for every test that needs one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.demonstration.processes import Missing, mosquitto_program
from tools.faultlab.rig import Rig


def need_mosquitto() -> None:
    """Fails in CI where there is no Mosquitto; elsewhere skips aloud."""
    try:
        mosquitto_program()
    except Missing as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A device and a platform around a real broker, each in the test's own folder."""
    need_mosquitto()
    made = Rig(tmp_path)
    yield made
    made.close()
