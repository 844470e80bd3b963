# SPDX-License-Identifier: AGPL-3.0-or-later
"""The whole way: outbox, real broker, reference platform, signed acknowledgement, receipt."""

from __future__ import annotations

import os

import pytest

from tools.faultlab.rig import Rig, eventually

pytestmark = pytest.mark.broker


def test_a_violation_with_pictures_and_a_clip_is_stored_and_released(rig: Rig) -> None:
    broker = rig.broker()
    rig.receiver(broker.port)
    rig.uplinkd(broker.port)
    outbox = rig.outbox()
    picture, clip = os.urandom(250_000), os.urandom(1_500_000)
    rig.put(outbox, "v-1", {"r1-a.jpg": picture, "r1-b.mp4": clip})

    def released() -> bool:
        status = outbox.status()
        return status["records"].get("violation") == {"platform_ack": 1} and status["files"] == {
            "clip": {"platform_ack": 1},
            "picture": {"platform_ack": 2},
        }

    eventually(released)
    stored = rig.platform / "evidence" / "city" / "box-1" / "v-1" / "r1"
    assert (stored / "r1-a.jpg").read_bytes() == picture
    assert (stored / "r1-b.mp4").read_bytes() == clip
    assert (stored / "manifest.json").is_file()
    own = rig.state / "evidence" / "v-1" / "r1"
    assert (stored / "envelope.json").read_bytes() == (own / "envelope.json").read_bytes()
