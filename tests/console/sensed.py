# SPDX-License-Identifier: AGPL-3.0-or-later
"""What edge-sensord leaves for the page, made by its own code: a site with noise, fume and dust."""

from __future__ import annotations

import json
import math
import random
import time

import yaml

from edge.daemons.sensord import Sensord
from edge.pipeline.soundness import load_settings
from edge.runtime import Notify, Stop, write_status
from edge.sensors.frames import InstrumentValue
from edge.sensors.minutes import Minute
from edge.values import Sample, Stamp

CALIBRATION = {"date": "2026-04-30", "before_db": 93.9, "after_db": 94.2, "calibrator": "AWA6221A"}
SITE = {
    "name": "路口",
    "sensors": [
        {
            "id": "noise", "name": "西侧噪声", "kind": "modbus", "map": "noise-rs485",
            "port": "/dev/null/noise",
            "instrument": {
                "maker": "AWA", "model": "6228+", "serial": "10023", "accuracy_class": 1,
                "certificate": "LSsx2026-0012", "expires": "2027-04-30", "calibration": CALIBRATION,
            },
        },
        {"id": "fume", "name": "17 号店", "kind": "modbus", "map": "fume-generic",
         "port": "/dev/null/fume"},
    ],
    "noise": [{"id": "west", "name": "西侧厂界", "sensor": "noise", "window_s": 60}],
    "fume": [{"id": "shop-17", "name": "湘味馆 <i>", "sensor": "fume"}],
}  # fmt: skip


def levels_at(hour: float, noise: random.Random) -> dict[str, float]:
    """A street: quiet at night, works in the afternoon."""
    base = 52.0 + 12.0 * max(0.0, math.sin((hour - 6) / 24 * 2 * math.pi)) + noise.gauss(0, 1.2)
    base += 9.0 if 13.5 < hour < 16 else 0.0
    return {"L5": base + 5, "L10": base + 3.5, "L50": base - 1, "L90": base - 6, "mean": base}


def minutes_of_a_day(now: float) -> list[Minute]:
    """A day of minutes with an hour and a half in which nothing was heard."""
    found, noise = [], random.Random(1)
    for n in range(1439, 0, -1):
        wall, hour = now // 60 * 60 - n * 60, (now / 3600 - n / 60 + 8) % 24
        if 400 < n < 490:
            continue
        at = Stamp(0.0, wall, "ntp", 1.0)
        levels = levels_at(hour, noise)
        mean = levels.pop("mean")
        found.append(
            Minute("noise", "LA", "dB", at, at, 60, 60, mean, mean - 9, mean + 8, {}, levels)
        )
        cooking = 10.5 < hour < 13.5 or 17 < hour < 21
        fume = abs(noise.gauss(1.5 if cooking else 0.1, 0.4))
        for channel, value, unit in (
            ("fume", fume, "mg/m3"),
            ("fan", float(cooking), ""),
            ("purifier", float(cooking and hour < 19), ""),
        ):
            found.append(Minute("fume", channel, unit, at, at, 60, 60, value, value, value, {}, {}))
    return found


def put_sensors(box, minutes=True) -> None:
    """Status, latest values, minutes and bytes in the box's folders."""
    site = box.folder / "sensors.site.yaml"
    site.write_text(yaml.safe_dump(SITE, allow_unicode=True))
    device = box.folder / "sensors.device.yaml"
    folders = {"state": str(box.state), "run": str(box.run)}
    device.write_text(yaml.safe_dump({"folders": folders}))
    daemon = Sensord(load_settings(site, device), box.folder, Notify({}), Stop())
    now = Stamp(time.monotonic(), time.time(), "ntp", 1.0)
    wire = [("noise", "LA", 58.3, "dB"), ("fume", "fume", 1.42, "mg/m3"),
            ("fume", "fan", 1.0, ""), ("fume", "purifier", 0.0, "")]  # fmt: skip
    for second in range(-70, 1):
        at = Stamp(now.mono + second, now.wall + second, "ntp", 1.0)
        samples = [
            Sample(name, channel, value, unit, "ok", at) for name, channel, value, unit in wire
        ]
        daemon.intake.take(samples, at)
        daemon._judge(samples, at)
    if minutes:
        daemon.intake.history.add(minutes_of_a_day(now.wall))
        daemon.intake.history.flush(force=True)
    daemon.intake.live.write(now)
    noise, fume = daemon.parts.lines
    asked = bytes.fromhex("010300000002c40b")
    noise.heard.answer(asked, bytes.fromhex("010304024700d0faea"),
                       [InstrumentValue("LA", 58.3, "dB")], now.wall)  # fmt: skip
    fume.heard.answer(asked, b"", (), now.wall, "no answer")
    fume.state = "open"
    write_status(box.run, "sensord", daemon.status.whole(now))
    daemon.status.show_lines()
    daemon.close()


def status_of(box) -> dict:
    return json.loads((box.run / "status/sensord.json").read_bytes())
