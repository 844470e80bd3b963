# SPDX-License-Identifier: AGPL-3.0-or-later
"""The byte strings of ../shared: decoded by the command itself, to the values written there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from edge.cli import main

SHARED = Path(__file__).parents[3] / "shared"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not SHARED.is_dir(), reason="../shared is not here"),
]


def decode(capsys, tmp_path, data, kind, *options):
    file = tmp_path / "capture"
    file.write_bytes(data)
    assert main(["sensors", "decode", "--kind", kind, "--json", *options, str(file)]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    summary = rows.pop()["summary"]
    return {row["channel"]: row["value"] for row in rows}, summary, rows


def _hj212():
    path = SHARED / "vectors" / "hj212.json"
    return json.loads(path.read_text()) if path.is_file() else []


@pytest.mark.parametrize("vector", _hj212(), ids=lambda v: v["name"][:3])
def test_hj212_vector(vector, capsys, tmp_path):
    values, summary, rows = decode(capsys, tmp_path, vector["frame"].encode(), "hj212")
    text = vector["data"].split("CP=&&")[1][:-2]
    expected = {
        key: float(value)
        for key, value in re.findall(r"([A-Za-z0-9-]+)=([^,;]+)", text)
        if key != "DataTime" and not key.endswith("-Flag")
    }
    assert values == expected
    assert summary == {"good": 1, "bad": 0, "bytes_skipped": 0}
    assert all(row["MN"] in vector["frame"] for row in rows)


def _domain_hex(start: str, stop: str):
    text = (SHARED / "reference" / "domain.md").read_text()
    return text[text.index(start) : text.index(stop)]


def test_every_modbus_frame_of_the_domain_notes(capsys, tmp_path):
    section = _domain_hex("### 7.1", "### 7.4")
    frames = re.findall(r"(?:  |: )((?:[0-9A-F]{2} ){4,}[0-9A-F]{2})\b", section)
    assert len(frames) >= 14
    for frame in frames:
        _, summary, _ = decode(capsys, tmp_path, frame.encode(), "modbus", "--hex")
        assert summary == {"good": 1, "bad": 0, "bytes_skipped": 0}, frame


def test_particle_frames_of_the_domain_notes(capsys, tmp_path):
    section = _domain_hex("### 7.4", "### 7.6")
    plantower = re.findall(r"^(42 4D 00 1C[0-9A-F ]+?)   (.*)$", section, re.M)
    values = [decode(capsys, tmp_path, f.encode(), "plantower", "--hex")[0] for f, _ in plantower]
    assert [tuple(v.values()) for v in values] == [(0, 8, 8), (0, 7, 7), (30, 52, 160)]
    nova = re.findall(r"^(AA C0 [0-9A-F ]+ AB)", section, re.M)
    values = [decode(capsys, tmp_path, f.encode(), "sds", "--hex")[0] for f in nova]
    assert [tuple(v.values()) for v in values] == [(0.6, 0.6), (0.9, 0.9), (123.6, 261.8)]


def test_positions_of_the_domain_notes(capsys, tmp_path):
    sentences = re.findall(r"^(\$\S+)", _domain_hex("### 7.7", "## 8"), re.M)
    data = "".join(f"{s}\r\n" for s in sentences).encode()
    _, summary, rows = decode(capsys, tmp_path, data, "nmea")
    assert summary == {"good": 5, "bad": 0, "bytes_skipped": 0}
    told = [(r["channel"], round(r["value"], 6)) for r in rows if r["channel"] in ("lat", "time")]
    assert told == [
        ("lat", 36.3893), ("time", 1772374530), ("lat", 36.3893), ("time", 1772374530),
        ("lat", 48.1173), ("time", 764426119),
    ]  # fmt: skip


NEGATIVE = [
    ("N1", lambda f: f.replace(b"0880\r\n", b"B055\r\n"), 0),
    ("N2", lambda f: f.replace(b"##0122", b"##0121"), 0),
    ("N3", lambda f: f[: f.index(b"LA-Rtd=5") + 8], 0),
    ("N4", lambda f: f + f, 2),
]


@pytest.mark.parametrize(("name", "change", "good"), NEGATIVE)
def test_negative_cases(name, change, good, capsys, tmp_path):
    frame = next(v["frame"] for v in _hj212() if v["name"].startswith("V02")).encode()
    values, summary, _ = decode(capsys, tmp_path, change(frame), "hj212")
    assert (bool(values), summary["good"], summary["bad"]) == (good > 0, good, int(good == 0))


def test_frame_with_the_wrong_softwares_check(capsys, tmp_path):
    text = re.search(r"^T2  (##\S+ED94)", _domain_hex("### 6.5", "### 6.6"), re.M)[1]
    data = text.encode() + b"\r\n"
    assert decode(capsys, tmp_path, data, "hj212")[1]["good"] == 0
    options = ("--tolerant", "--crc", "modbus")
    assert decode(capsys, tmp_path, data, "hj212", *options)[0]["a34002-Rtd"] == 30.1


@pytest.mark.parametrize(("name", "kind"), [("PMSx003", "plantower"), ("SDS01x", "sds")])
def test_captured_particle_sensors(name, kind, capsys, tmp_path):
    folder = SHARED / "data" / "telemetry" / "pm_sensors"
    dump = (folder / f"{name}.hexdump").read_text().splitlines()
    data = " ".join(line.split(":")[1].split("  ")[0] for line in dump)
    _, summary, rows = decode(capsys, tmp_path, data.encode(), kind, "--hex")
    header, *lines = (folder / f"{name}.csv").read_text().splitlines()
    column = [n.strip() for n in header.split(",")].index("pm25")
    assert [r["value"] for r in rows if r["channel"] == "pm25"] == [
        float(line.split(",")[column]) for line in lines
    ]
    assert summary["bad"] == 0
