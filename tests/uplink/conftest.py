"""Fixtures of the uplink's tests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.uplink.rig import Rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A device and a platform around a real broker; fails in CI where there is none."""
    if shutil.which("mosquitto") is None:
        if os.environ.get("CI"):
            pytest.fail("mosquitto is missing: apt-get install mosquitto")
        pytest.skip("mosquitto is missing: apt-get install mosquitto")
    made = Rig(tmp_path)
    yield made
    made.close()
