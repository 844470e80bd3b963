# SPDX-License-Identifier: AGPL-3.0-or-later
"""A loudspeaker that plays one recording over and over is told from a street."""

from __future__ import annotations

import json
import wave

import numpy as np
import pytest

from edge.cli import main
from edge.sensors.repetition import assess, features
from tools.bench.made_sound import RATE, STREETS, aac, clipped, loop, mixed, mulaw, room


@pytest.mark.parametrize(
    ("period_s", "spoil"), [(3.4, np.asarray), (11.0, clipped), (24.6, mulaw), (31.7, aac)]
)
def test_a_loop_in_traffic_is_found_with_its_period(period_s, spoil):
    rng = np.random.default_rng(round(period_s))
    street = STREETS["traffic"](120.0, rng)
    found = assess(spoil(room(mixed(loop(120.0, period_s, rng), street, 0.0), rng)), RATE)
    assert found.kind == "loop"
    assert found.period_s == pytest.approx(period_s, abs=0.1)


@pytest.mark.parametrize("name", STREETS)
def test_a_street_without_a_loop_is_none(name):
    rng = np.random.default_rng(11)
    assert assess(STREETS[name](60.0, rng), RATE).kind != "loop"


def test_silence_and_sound_that_is_too_short_say_nothing():
    assert assess(np.zeros(120 * RATE, np.float32), RATE).kind == "none"
    assert assess(np.ones(4 * RATE, np.float32), RATE).kind == "none"
    with pytest.raises(ValueError, match="Hz wanted"):
        features(np.zeros(8000, np.float32), 4000.0)


def test_the_command_reads_a_recording(tmp_path, capsys):
    rng = np.random.default_rng(3)
    sound = loop(60.0, 7.5, rng)
    file = tmp_path / "market.wav"
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes((sound / np.abs(sound).max() * 20000).astype("<i2").tobytes())
    assert main(["sensors", "repeats", str(file), "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["kind"], row["period_s"]) == ("loop", pytest.approx(7.5, abs=0.1))
    file.write_text("no sound")
    assert main(["sensors", "repeats", str(file)]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
