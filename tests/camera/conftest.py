# SPDX-License-Identifier: AGPL-3.0-or-later
"""A real RTSP server for the tests marked `decoder`: they fail, not skip, under CI."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tools.fakes.camera import Clip, FakeCamera, available, clip
from tools.fakes.camera_wire import Wire


@pytest.fixture(scope="session")
def camera() -> Iterator[FakeCamera]:
    missing = available()
    if missing is not None:
        if os.environ.get("CI"):
            pytest.fail(f"the RTSP server cannot run: {missing}")
        pytest.skip(f"no RTSP server: {missing}")
    with FakeCamera() as fake:
        yield fake


@pytest.fixture
def wire(camera: FakeCamera) -> Iterator[Wire]:
    with Wire(camera.port) as relay:
        yield relay


@pytest.fixture(scope="session")
def small() -> dict[str, Clip]:
    return {codec: clip(codec, 320, 180) for codec in ("h264", "hevc")}


@pytest.fixture(scope="session")
def large() -> dict[str, Clip]:
    return {codec: clip(codec, 640, 360) for codec in ("h264", "hevc")}
