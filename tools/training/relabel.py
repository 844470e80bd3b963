# SPDX-License-Identifier: AGPL-3.0-or-later
"""A detector with foreign classes seen through ours: COCO weights as a floor to beat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tools.training.raw_yolo import Network


class Relabelled:
    """`rows` says which of the network's class rows is which of `names`; the others stay 0."""

    def __init__(self, network: Network, rows: dict[str, int], names: Sequence[str]) -> None:
        self.height, self.width = network.height, network.width
        self._network, self._rows, self._names = network, rows, tuple(names)

    def __call__(self, blob: NDArray[np.float32]) -> NDArray[np.float32]:
        raw = self._network(blob)
        ours = np.zeros((1, 4 + len(self._names), raw.shape[2]), np.float32)
        ours[:, :4] = raw[:, :4]
        for name, row in self._rows.items():
            ours[:, 4 + self._names.index(name)] = raw[:, 4 + row]
        return ours
