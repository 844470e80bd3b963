# SPDX-License-Identifier: AGPL-3.0-or-later
"""Fixtures of the uplink's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.brokers import rig
from tests.uplink.box import Box, Brisk, Platform
from tools.faultlab.fake_broker import FakeBroker

__all__ = ["box", "fake", "platform", "rig"]


@pytest.fixture
def platform() -> Platform:
    return Platform()


@pytest.fixture
def fake() -> Iterator[FakeBroker]:
    broker = FakeBroker()
    yield broker
    broker.close()


@pytest.fixture
def box(
    tmp_path: Path, fake: FakeBroker, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Box]:
    """A device on the raw broker, not started yet."""
    monkeypatch.setattr("edge.uplink.link.Backoff", Brisk)
    monkeypatch.setattr("edge.daemons.uplinkd.STATUS_EVERY_S", 0.1)
    made = Box(tmp_path, fake.port, platform)
    yield made
    made.close()
