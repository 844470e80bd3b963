# SPDX-License-Identifier: AGPL-3.0-or-later
"""An instrument tried before it is saved, on pseudo-terminals: one cause for each thing that a
person can have got wrong."""

import json

import pytest

from edge.sensors import instrument_trial
from edge.sensors.instrument_trial import try_instrument
from tests.machine_time import in_real_time
from tools.fakes.instruments import make, noise_meter
from tools.fakes.instruments_line import Fault, Line

NOISE = {"id": "west", "kind": "modbus", "map": "noise-rs485"}


@pytest.fixture
def hung(tmp_path):
    made = []

    def hang(instrument, *faults):
        one = Line(tmp_path / f"port{len(made)}", [instrument], faults)
        one.start()
        made.append(one)
        return str(one.link)

    yield hang
    for one in made:
        one.stop()


@in_real_time()
def test_what_it_says_comes_with_its_names_and_units(hung):
    found = try_instrument({**NOISE, "port": hung(noise_meter(lambda _: 61.5))}).facts()
    assert (found["cause"], found["values"]) == ("well", [["LA", 61.5, "dB"]])
    json.dumps(found)


@pytest.mark.parametrize(
    ("kind", "name", "cause", "channel"),
    [("plantower", "pm", "well", "pm10"), ("hj212", "station", "well", "LA-Rtd"),
     ("sds", "pm", "garbled", ""), ("modbus", "pm", "garbled", "")],
)  # fmt: skip
@in_real_time()
def test_what_talks_by_itself(hung, kind, name, cause, channel):
    entry = {"id": "one", "kind": kind, "port": hung(make(name))}
    if kind == "modbus":
        entry["map"] = "noise-rs485"
    found = try_instrument(entry).facts()
    assert found["cause"] == cause
    assert channel in [row[0] for row in found["values"]] or not channel


@pytest.mark.parametrize(
    ("wrong", "cause"),
    [({"address": 9}, "silent"), ({"map": "weather-rs485"}, "refused"),
     ({"port": "/dev/serial/by-id/none"}, "port"), ({"address": 900}, "config"),
     ({"map": "none"}, "config"), ({"kind": "plantower", "map": None}, "silent"),
     ({"port": "listen://0.0.0.0:7000", "kind": "hj212", "map": None}, "calls_in")],
)  # fmt: skip
@in_real_time()
def test_each_mistake_has_its_cause(hung, wrong, cause):
    entry = {**NOISE, "port": hung(noise_meter(lambda _: 60.0)), **wrong}
    found = try_instrument({key: value for key, value in entry.items() if value is not None})
    assert found.cause == cause
    assert bool(found.detail) == (cause in ("refused", "port", "config"))


@in_real_time()
def test_a_value_beyond_its_range_is_no_success(hung):
    assert try_instrument({**NOISE, "port": hung(noise_meter(lambda _: 900.0))}).cause == "odd"


def test_an_instrument_that_says_nothing(hung, monkeypatch):
    monkeypatch.setattr(instrument_trial, "LISTEN_S", 0.3)
    port = hung(make("pm"), Fault("silent", 0.0, 60.0))
    assert try_instrument({"id": "pm", "kind": "plantower", "port": port}).cause == "silent"


@in_real_time()
def test_another_station_is_named(hung):
    port = hung(make("station"))
    found = try_instrument({"id": "s", "kind": "hj212", "port": port, "mn": "NOT-THAT-ONE"})
    assert found.cause == "stranger" and found.detail


def test_a_port_that_is_read_already_is_left_alone(hung):
    port = hung(make("pm"))
    assert (
        try_instrument({"id": "p", "kind": "plantower", "port": port}, held=[port]).cause == "held"
    )


@pytest.mark.parametrize("entry", [{}, {"id": 1}, {"kind": "modbus"}, {**NOISE, "extra": 1}])
def test_what_is_no_entry_is_said(entry):
    found = try_instrument(entry)
    assert found.cause == "config" and found.detail and "\n" not in found.detail
