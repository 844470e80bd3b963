# SPDX-License-Identifier: AGPL-3.0-or-later
"""A thousand made noise measurements, judged by the product and by hand-written tables."""

import pytest

from edge.sensors import verdict
from tests.sensors import noise_cases


def test_a_thousand_made_cases_are_judged_as_by_hand():
    found, counts = noise_cases.differences(1000, seed=20261128)
    assert found == []
    assert min(counts.values()) >= 100, counts


@pytest.mark.parametrize("corrections", [((11, 0), (6, -1), (4, -2), (2, -3)), ((6, -1), (3, -3))])
def test_the_comparison_can_see_a_wrong_table(monkeypatch, corrections):
    real = verdict.correction
    monkeypatch.setattr(verdict, "correction", lambda by_db, _: real(by_db, corrections))
    found, _ = noise_cases.differences(400, seed=3)
    assert found
