# SPDX-License-Identifier: AGPL-3.0-or-later
"""CONTRIBUTING names the files of the next changes: they are there, and there are not too many."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MOST = {
    "a rule kind": 4,
    "an inference backend": 6,
    "a telemetry format": 3,
    "a second destination beside MQTT": 6,
    "a moving camera": 8,
}


def rows():
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    section = page.partition("## Five changes")[2].partition("\n## ")[0]
    found = re.findall(r"^\| (.+?) \| (\d+) \| (.+) \|$", section, re.M)
    return {change: (int(most), files) for change, most, files in found}


def test_every_change_is_listed_with_its_bound():
    assert {change: most for change, (most, _) in rows().items()} == MOST


@pytest.mark.parametrize("change", MOST)
def test_the_files_of_a_change(change):
    most, text = rows()[change]
    files = re.findall(r"`([\w./-]+\.(?:py|yaml|toml|md))`", text)
    folders = re.findall(r"a new \w+ in `([\w./-]+)/`", text)
    assert 0 < len(files) + len(folders) <= most
    assert len(files) + len(folders) == len(text.split("; ")), "one file each"
    assert [path for path in files if not (ROOT / path).is_file()] == []
    assert [path for path in folders if not (ROOT / path).is_dir()] == []
