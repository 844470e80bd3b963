# SPDX-License-Identifier: AGPL-3.0-or-later
"""docs/sensors.md says what is so: its example runs, its words exist in the code."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import pytest

from edge.cli import main
from edge.config import Site, load
from edge.config.catalogue import load_categories
from edge.config.shipped import shipped
from edge.sensors.check import check_sensors
from edge.sensors.fume import EVENTS
from edge.sensors.kinds import KINDS
from edge.sensors.limits import STANDARDS
from edge.sensors.maps import Entry, known_maps, load_map

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "sensors.md").read_text(encoding="utf-8")


def test_the_worked_example(monkeypatch, capsys, tmp_path):
    shown = re.search(r"\$ echo '([^']+)' \| edge (sensors decode [^\n]+)\n(.*?)```", PAGE, re.S)
    text, words = shown[1], shown[2].split()

    def run(*more):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        assert main([*words, *more]) == 0
        return capsys.readouterr().out

    told = run()
    assert [line.split() for line in told.splitlines()] == [
        line.split() for line in shown[3].splitlines() if line.strip()
    ]
    body = re.search(r"```yaml\n(.*?)```", PAGE, re.S)[1]
    path = tmp_path / "my-meter.yaml"
    path.write_text(re.sub("^   ", "", body, flags=re.M))
    told = run("--map", str(path))
    assert re.search(r"LA\s+63.0 dB", told)
    assert re.search(r"battery\s+3.7 V", told)


@pytest.mark.parametrize("path", sorted(known_maps()), ids=lambda p: p.stem)
def test_every_shipped_map_loads(path):
    assert load_map(str(path)).name


def test_the_example_site_is_sound():
    path = shipped("config/sensors.example.yaml")
    categories = load_categories([shipped("config/categories.yaml")])
    found = check_sensors(load(path, Site), base=path.parent, categories=categories)
    assert len(found.sensors) == 5


@pytest.mark.parametrize(
    "word",
    [*KINDS, *EVENTS, *STANDARDS, *Entry.__struct_fields__, *(p.stem for p in known_maps())],
)
def test_every_word_of_the_code_is_in_the_page(word):
    assert word in PAGE


@pytest.mark.parametrize(
    "fault", ["sensor_stale", "sensor_suspect", "sensor_clock", "sensor_flood", "line_stuck"]
)
def test_every_fault_of_the_daemon_is_in_the_page(fault):
    assert fault in (ROOT / "edge" / "daemons" / "sensord.py").read_text()
    assert f"`{fault}`" in PAGE


def test_the_worked_example_of_noise_is_what_the_command_prints(tmp_path, capsys):
    page = (ROOT / "docs" / "sensors.md").read_text("utf-8")
    block = page[page.index("$ edge levels --samples shop.jsonl") :]
    wanted = block[: block.index("```")].splitlines()[1:]
    samples = tmp_path / "shop.jsonl"
    samples.write_text("".join(f'{{"t_s": {n}, "db": 62.2}}\n' for n in range(60)))
    terms = ["--standard", "GB 22337", "--class", "2", "--period", "day", "--background", "51.9"]
    assert main(["levels", "--samples", str(samples), *terms]) == 0
    assert capsys.readouterr().out.splitlines() == wanted
