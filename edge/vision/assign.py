# SPDX-License-Identifier: AGPL-3.0-or-later
"""The best pairing of rows and columns: least total cost, exactly. Pure numpy, no scipy.

Most rows of a tracking problem like one column best that no other row likes best: then that is the
answer. The rows in conflict go through shortest augmenting paths (Jonker & Volgenant, Computing 38,
1987), one vectorised Dijkstra each, starting from the row minima as prices.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Costs = NDArray[np.float64]
Indices = NDArray[np.int64]


def assign(costs: NDArray[np.floating], most: float) -> tuple[Indices, Indices]:
    """Row and column indices of the pairs of the best assignment, rows ascending.

    A pair dearer than `most` is never made; leaving a row alone costs `most`. So the result is the
    assignment of least sum(cost of pairs) + most * (rows left alone).
    """
    rows = (costs.min(axis=1, initial=np.inf) < most).nonzero()[0]
    if not len(rows):
        return rows, rows
    wanted = costs[rows]
    columns = wanted.argmin(axis=1)
    if np.bincount(columns).max() > 1:
        paired, columns = _augment(wanted, columns, most)
        rows = rows[paired]
    return rows, columns


def _augment(costs: NDArray[np.floating], best: Indices, most: float) -> tuple[Indices, Indices]:
    """Shortest augmenting paths; each row has a column of its own of cost `most`: to stay alone.

    best: the cheapest column of each row. With the minima as prices every row that is first to
    want its column may have it, since its reduced cost is 0; only the others need a path.
    """
    n, m = costs.shape
    wide = np.full((n, m + n), np.inf)
    wide[:, :m] = np.where(costs < most, costs, np.inf)
    wide[np.arange(n), m + np.arange(n)] = most
    row_of = np.full(m + n, -1)
    column_of = np.full(n, -1)
    taken, first = np.unique(best, return_index=True)
    row_of[taken], column_of[first] = first, taken
    price_row, price_column = wide.min(axis=1), np.zeros(m + n)
    left = (column_of < 0).nonzero()[0].tolist()
    for row in _compete(left, wide, row_of, column_of, price_row, price_column):
        _place(row, wide, row_of, column_of, price_row, price_column)
    paired = (column_of < m).nonzero()[0]
    return paired, column_of[paired]


def _compete(
    left: list[int],
    costs: Costs,
    row_of: Indices,
    column_of: Indices,
    price_row: Costs,
    price_column: Costs,
) -> list[int]:
    """Augmenting row reduction: a row takes its best column from whoever has it, and makes it so
    much dearer that its second best is as good. Settles most conflicts; returns the rows that are
    still without a column. Prices stay dual feasible throughout."""
    still: list[int] = []
    for _ in range(4 * len(left)):
        if not left:
            break
        row = left.pop()
        reduced = costs[row] - price_column
        column = int(reduced.argmin())
        first = reduced[column]
        reduced[column] = np.inf
        second = reduced.min()
        loser = int(row_of[column])
        price_row[row] = second
        price_column[column] -= second - first
        row_of[column], column_of[row] = row, column
        if loser >= 0:
            column_of[loser] = -1
            (left if first < second else still).append(loser)
    return left + still


def _place(
    start: int,
    costs: Costs,
    row_of: Indices,
    column_of: Indices,
    price_row: Costs,
    price_column: Costs,
) -> None:
    """Find a column for one more row along the cheapest path of re-pairings, keeping the prices
    dual feasible (cost - price_row - price_column >= 0)."""
    reach = np.full(costs.shape[1], np.inf)
    via = np.full(costs.shape[1], -1)
    open_ = np.ones(costs.shape[1], bool)
    row, spent = start, 0.0
    while True:
        through = spent + costs[row] - price_row[row] - price_column
        better = open_ & (through < reach)
        reach[better] = through[better]
        via[better] = row
        column = int(np.where(open_, reach, np.inf).argmin())
        spent = reach[column]
        if row_of[column] < 0:
            break
        open_[column] = False
        row = int(row_of[column])
    done = ~open_
    price_row[row_of[done]] += spent - reach[done]
    price_row[start] += spent
    price_column[done] -= spent - reach[done]
    while True:
        row = int(via[column])
        row_of[column] = row
        column, column_of[row] = int(column_of[row]), column
        if row == start:
            return
