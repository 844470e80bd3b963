# SPDX-License-Identifier: AGPL-3.0-or-later
"""A real broker with a device and a platform, each in the test's own folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.platform.rig import Rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """Fails in CI where there is no Mosquitto; elsewhere skips aloud."""
    if shutil.which("mosquitto") is None:
        if os.environ.get("CI"):
            pytest.fail("mosquitto is missing: apt-get install mosquitto")
        pytest.skip("mosquitto is missing: apt-get install mosquitto")
    made = Rig(tmp_path)
    yield made
    made.close()
