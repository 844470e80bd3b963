# SPDX-License-Identifier: AGPL-3.0-or-later
"""docs/rules.md tells the defaults that the rules have."""

import pytest

from edge.rules.judge import RULES
from tools.documents import rule_settings

TEXT = rule_settings.PAGE.read_text("utf-8")


def test_the_page_is_what_the_code_says():
    assert rule_settings.page(TEXT) == TEXT, "run tools/reference"


@pytest.mark.parametrize("kind", RULES)
def test_every_setting_stands_there_once(kind):
    told = rule_settings.section()
    for name, setting in RULES[kind].SETTINGS.items():
        row = f"| `{name}` | {rule_settings.shown(setting.default)} | {setting.meaning} |"
        assert row in told


def test_a_changed_default_is_seen():
    assert rule_settings.page(TEXT.replace("| 0.35 |", "| 0.36 |", 1)) == TEXT
