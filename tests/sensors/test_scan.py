# SPDX-License-Identifier: AGPL-3.0-or-later
"""What hangs on a port: found and put in words, on pseudo-terminals with the fake instruments."""

import json

import pytest
import yaml

from edge.config import Site, convert
from edge.config.catalogue import load_categories
from edge.config.shipped import shipped
from edge.sensors.check import check_sensors
from edge.sensors.maps import Serial
from edge.sensors.port import Port
from edge.sensors.scan import scan, scan_port
from tests.machine_time import in_real_time
from tools.fakes.instruments import make, noise_meter
from tools.fakes.instruments_line import Fault, Line

# What hangs there -> a map or kind that must be among the answers, a channel with its value, and
# the speeds tried (a pty has none; on a real line only its own gives an answer).
INSTRUMENTS = [
    pytest.param("noise", "noise-rs485", "LA", (4800,), marks=pytest.mark.slow),
    ("fume", "fume-generic", "fume", (9600,)),
    ("pm", "plantower", "pm10", (9600, 4800)),
    pytest.param("station", "hj212", "LA-Rtd", (9600,), marks=pytest.mark.slow),
    pytest.param("noise", "noise-rs485", "LA", (9600, 4800), marks=pytest.mark.slow),
]


@pytest.fixture
def line(tmp_path):
    made = []

    def start(*names, faults=()):
        one = Line(
            tmp_path / f"port{len(made)}",
            [make(n) if isinstance(n, str) else n for n in names],
            faults,
        )
        one.start()
        made.append(one)
        return str(one.link)

    yield start
    for one in made:
        one.stop()


@pytest.mark.parametrize(("name", "known", "channel", "bauds"), INSTRUMENTS)
@in_real_time()
def test_an_instrument_is_found_and_put_in_words(line, tmp_path, name, known, channel, bauds):
    port = line(name)
    result = scan_port(port, bauds)
    assert result.error == ""
    rows = [yaml.safe_load(row.snippet)["sensors"][0] for row in result.found]
    assert known in [row.get("map", row["kind"]) for row in rows], rows
    assert channel in " ".join(row.values for row in result.found)
    for row in result.found:
        site = convert(yaml.safe_load(row.snippet), Site, "snippet")
        categories = load_categories([shipped("config/categories.yaml")])
        check_sensors(site, where="snippet", base=tmp_path, categories=categories)


@pytest.mark.slow
@in_real_time()
def test_two_slaves_on_one_line_are_both_found(line):
    port = line(noise_meter(lambda _: 60.0), noise_meter(lambda _: 50.0, address=3))
    found = [yaml.safe_load(row.snippet)["sensors"][0] for row in scan_port(port, (4800,)).found]
    assert {1, 3} <= {row.get("address") for row in found}


@pytest.mark.slow
def test_a_quiet_port(line):
    assert scan_port(line("noise", faults=[Fault("silent", 0.0, 60.0)])).found == ()


def test_a_busy_port_and_one_that_is_not_there(line, tmp_path):
    busy = line("pm")
    owner = Port(busy, Serial())
    owner.open()
    rows = scan([busy, str(tmp_path / "none")])
    owner.close()
    assert [bool(row["error"]) for row in rows] == [True, True]
    assert "another program" in rows[0]["error"]
    json.dumps(rows)


@in_real_time()
def test_a_scan_leaves_the_port_closed(line):
    """The daemon can have it at once."""
    port = line("pm")
    assert scan_port(port).found
    again = Port(port, Serial())
    again.open()
    again.close()
