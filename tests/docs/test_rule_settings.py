# SPDX-License-Identifier: AGPL-3.0-or-later
"""docs/rules.md tells the defaults that the rules have."""

import pytest

from edge.rules.judge import RULES
from edge.rules.rule_settings import Setting
from tools.documents import rule_settings

TEXT = rule_settings.PAGE.read_text("utf-8")


def test_the_page_is_what_the_code_says():
    assert rule_settings.page(TEXT) == TEXT, "run tools/reference"


@pytest.mark.parametrize("kind", RULES)
def test_every_setting_stands_there_once(kind):
    told = rule_settings.section()
    for name, setting in RULES[kind].SETTINGS.items():
        default, bounds = rule_settings.shown(setting.default), rule_settings.allowed(setting)
        assert f"| `{name}` | {default} | {bounds} | {setting.meaning} |" in told


def test_a_changed_default_or_bound_is_seen():
    assert rule_settings.page(TEXT.replace("| 0.35 |", "| 0.36 |", 1)) == TEXT
    assert rule_settings.page(TEXT.replace("0.02 to 1 |", "0.02 to 10 |", 1)) == TEXT


def test_only_numbers_have_bounds():
    assert rule_settings.allowed(Setting(0.5, "", 0.02)) == "0.02 and more"
    assert rule_settings.allowed(Setting(0.5, "", 1.0, 1e6)) == "1 to 1000000"
    assert rule_settings.allowed(Setting("word", "")) == ""
