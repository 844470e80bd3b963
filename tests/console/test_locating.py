# SPDX-License-Identifier: AGPL-3.0-or-later
"""An error of the site file is found again in its text; the common ones have words in Chinese."""

import pytest

from edge.config import ConfigError
from edge.console.locating import MEANINGS, line_of, meaning
from edge.console.texts import TEXTS
from edge.pipeline.soundness import load_settings

SITE = """\
name: x
cameras:
- id: a
  source: rtsp://10.0.0.1/1
- id: north
  source: rtsp://10.0.0.2/1
  zones:
  - id: gate
    polygon: [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]
  rules:
  - {category: street-vendor}
"""
CROSSED = "[[0.1, 0.1], [0.9, 0.9], [0.9, 0.1], [0.1, 0.9]]"
GOOD = "[[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]"

# What is changed into what -> the line that is wrong, and what it means.
WRONG = [
    (GOOD, CROSSED, 8, "error_crosses"),
    (GOOD, "[[0.1, 0.1], [0.2, 0.1], [0.3, 0.1]]", 8, "error_no_area"),
    ("  zones:", "  zonen:", 7, "error_unknown_key"),
    ("id: gate", "id: 门", 8, "error_id"),
    ("  zones:", "  fps: 99\n  zones:", 7, "error_range"),
    ("id: gate", "id: gate\n    when: {hours: ['7-22']}", 9, "error_hours"),
    ("name: x", "name: [x", 2, "error_yaml"),
    ("street-vendor}", "street-vendor, zones: [q]}", 11, "error_no_such_zone"),
    (GOOD, "[[0.1, 0.1, 0.2], [0.9, 0.1], [0.9, 0.9]]", 9, "error_other"),
    ("name: x", "timezone: Asia/Shangai", 1, "error_timezone"),
    ("  zones:", "  fps: 5/s\n  zones:", 7, "error_number"),
    ("  zones:", "  enabled: sure\n  zones:", 7, "error_true_false"),
    ("id: gate", "id: gate\n    kind: gaet", 9, "error_one_of"),
    ("id: gate", "id: gate\n    grid: '3702'", 9, "error_form"),
    ("  source: rtsp://10.0.0.2/1\n", "", 5, "error_missing"),
]


@pytest.mark.parametrize(("old", "new", "line", "means"), WRONG)
def test_where_and_what(tmp_path, old, new, line, means):
    text = SITE.replace(old, new)
    path = tmp_path / "site.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as caught:
        load_settings(path, None)
    assert meaning(str(caught.value)) == means
    assert line_of(text, str(caught.value)) == line


def test_nothing_said_nothing_found():
    assert line_of("", "no place") is None
    assert line_of("[", "cameras[0].fps = 1: no") is None
    assert line_of(SITE, "cameras[9].fps = 1: no") is None
    assert all(key in TEXTS for _, key in MEANINGS)
