# SPDX-License-Identifier: AGPL-3.0-or-later
"""The daemon sends minutes on to an environment platform: a real TCP server hears them."""

from __future__ import annotations

import os
import socket

import yaml

from edge.daemons.sensord import Sensord
from edge.pipeline.soundness import load_sound
from edge.runtime import Notify, Stop
from edge.sensors.minutes import Minute
from edge.values import Stamp


def test_a_platform_named_under_forward_is_called_and_sent_a_minute(tmp_path):
    platform = socket.create_server(("127.0.0.1", 0))
    platform.settimeout(30.0)
    # The instrument's line: nobody speaks on it.
    line, port = os.openpty()
    to = {"to": f"tcp://127.0.0.1:{platform.getsockname()[1]}", "mn": "37028200100001"}
    sensor = {"id": "dust", "kind": "hj212", "port": os.ttyname(port)}
    site = {"sensors": [{**sensor, "forward": {**to, "channels": {"pm10": "a34002"}}}]}
    folders = {"state": str(tmp_path / "state"), "run": str(tmp_path / "run")}
    (tmp_path / "site.yaml").write_text(yaml.safe_dump(site))
    (tmp_path / "device.yaml").write_text(yaml.safe_dump({"folders": folders}))
    settings = load_sound(tmp_path / "site.yaml", tmp_path / "device.yaml", sources=False)
    stop = Stop()
    daemon = Sensord(settings, tmp_path, Notify({}), stop)
    daemon.start()
    try:
        link, _ = platform.accept()
        (sender,) = daemon.parts.senders
        at = Stamp(0.0, 1.79e9, "ntp", 1.0)
        sender.add([Minute("dust", "pm10", "mg/m3", at, at, 60, 60, 0.1, 0.1, 0.1, {}, {})])
        link.settimeout(30.0)
        assert b"MN=37028200100001" in link.recv(4096)
        link.close()
    finally:
        stop.set()
        daemon.close()
        platform.close()
        os.close(line)
        os.close(port)
    assert not sender.is_alive()
