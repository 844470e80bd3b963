# SPDX-License-Identifier: AGPL-3.0-or-later
"""What uplinkd tells of the other daemons is what the platform's schema takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge.config import Device
from edge.uplink import messages, report
from edge.uplink.keys import device_keys
from edge.values import Stamp

AT = Stamp(12.5, 1_767_225_600.25, "ntp", 3.0)
VISION = {
    "config": "a" * 64,
    "cameras": {"gate": {"fps": 4.0}},
    "models": {"city-v1": {"sha256": "b" * 64, "on": "cpu"}},
}


def _birth(folder: Path, vision: object) -> messages.Birth:
    (folder / "status").mkdir()
    (folder / "status" / "visiond.json").write_text(json.dumps(vision))
    device = Device(device="box-1", tenant="hue")
    keys = device_keys(device.trust, device.device, folder / "keys", folder)
    told: dict[str, Any] = report.birth(device, keys, folder, 3, AT)
    return msgspec.convert({**told, "boot": 1, "conn": 1}, messages.Birth)


def test_a_birth_after_visiond_names_its_models_as_the_schema_says(tmp_path: Path) -> None:
    """Not only at the first start, when nobody has said anything yet."""
    birth = _birth(tmp_path, VISION)
    assert birth.models == {"city-v1": "b" * 64}
    assert birth.cameras == ({"id": "gate"},)


@pytest.mark.parametrize("models", [None, [], "x", {"city-v1": "c"}, {"city-v1": {"on": "cpu"}}])
def test_a_status_of_another_shape_spoils_no_birth(tmp_path: Path, models: object) -> None:
    assert _birth(tmp_path, {**VISION, "models": models}).models == {}
