# SPDX-License-Identifier: AGPL-3.0-or-later
"""The measuring program of many cases: a few of them, and a receiver that would differ is seen."""

import json
import sys

import pytest

from tools.bench import cases


def test_a_few_hundred_cases_have_the_same_states_there(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["cases", "--cases", "300", "--json"])
    assert cases.main() == 0
    told = json.loads(capsys.readouterr().out)
    assert told["wire"]["cases"] == 300
    assert told["wire"]["other_states"] == 0
    assert told["report"]["mb"] > 1.0


@pytest.mark.parametrize(
    ("there", "differ"), [({"a": "filed"}, 0), ({"a": "settled"}, 1), ({}, 1), ({"b": "filed"}, 2)]
)
def test_a_receiver_that_differs_is_counted(there, differ):
    assert cases._differ({"a": "filed"}, there) == differ
