# SPDX-License-Identifier: AGPL-3.0-or-later
"""The assignment is the best one, always."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.vision.association import assign


def total(costs, most, rows, columns):
    return costs[rows, columns].sum() + most * (len(costs) - len(rows))


def best(costs, most):
    n, m = costs.shape
    wide = np.full((n, m + n), most)
    wide[:, :m] = np.minimum(costs, most)
    return min(wide[np.arange(n), list(p)].sum() for p in permutations(range(m + n), n))


@settings(max_examples=120, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 4),
    st.integers(1, 4),
    st.sampled_from([0.3, 0.6, 0.9]),
)
def test_equals_trying_everything(seed, n, m, most):
    rng = np.random.default_rng(seed)
    costs = np.round(rng.random((n, m)), rng.integers(1, 4))
    rows, columns = assign(costs, most)
    assert len(set(columns.tolist())) == len(columns) and len(set(rows.tolist())) == len(rows)
    assert (costs[rows, columns] < most).all()
    assert total(costs, most, rows, columns) == pytest.approx(best(costs, most))


@pytest.mark.parametrize("size", [30, 80])
def test_no_pair_of_pairs_is_better_swapped(size):
    costs = np.random.default_rng(size).random((size, size))
    rows, columns = assign(costs, 0.8)
    assert len(rows) == size
    pair = costs[rows, columns]
    swapped = costs[rows[:, None], columns[None, :]]
    assert (swapped + swapped.T - pair[:, None] - pair[None, :] >= -1e-9).all()


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_nothing_to_pair(shape):
    rows, columns = assign(np.zeros(shape), 0.5)
    assert len(rows) == len(columns) == 0
