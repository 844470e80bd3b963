"""The best pairing of rows and columns: least total cost, exactly. Pure numpy, no scipy.

Most rows of a tracking problem have one partner and nobody else wants it: those are paired at
once, which is exact. What is entangled goes through shortest augmenting paths (Jonker & Volgenant,
Computing 38, 1987), one vectorised Dijkstra for each row.
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
    allowed = costs < most
    rows_of = allowed.sum(axis=0)
    columns_of = allowed.sum(axis=1)
    rows, columns = np.nonzero(allowed & (rows_of == 1)[None, :] & (columns_of == 1)[:, None])
    hard_rows = np.flatnonzero(columns_of > 0)
    if len(rows) < len(hard_rows):
        mine = np.ones(len(costs), bool)
        mine[rows] = False
        hard_rows = hard_rows[mine[hard_rows]]
        hard_columns = np.flatnonzero(allowed[hard_rows].any(axis=0))
        more_rows, more_columns = _augment(costs[np.ix_(hard_rows, hard_columns)], most)
        rows = np.concatenate([rows, hard_rows[more_rows]])
        columns = np.concatenate([columns, hard_columns[more_columns]])
        order = np.argsort(rows)
        rows, columns = rows[order], columns[order]
    return rows, columns


def _augment(costs: NDArray[np.floating], most: float) -> tuple[Indices, Indices]:
    """Shortest augmenting paths; each row has a column of its own of cost `most`: to stay alone."""
    n, m = costs.shape
    wide = np.full((n, m + n), np.inf)
    wide[:, :m] = np.where(costs < most, costs, np.inf)
    wide[np.arange(n), m + np.arange(n)] = most
    row_of = np.full(m + n, -1)
    column_of = np.full(n, -1)
    price_row, price_column = np.zeros(n), np.zeros(m + n)
    for row in range(n):
        _place(row, wide, row_of, column_of, price_row, price_column)
    paired = np.flatnonzero(column_of < m)
    return paired, column_of[paired]


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
