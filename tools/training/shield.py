# SPDX-License-Identifier: AGPL-3.0-or-later
"""What is rendered teaches the neck and the head, not the backbone.

A backbone that learns from rendered things learns to see renderings (Hinterstoisser and others
2017, On Pre-Trained Image Features and Synthetic Images for Deep Learning). Photographs go on to
teach it: their gradient passes, that of pictures with rendered things in them stops.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

HANDED_OVER = (4, 6, 10)  # layers of yolo11's backbone that its neck reads


class Shield:
    """Hooks on the backbone's outputs; acts between `begin` and `end`."""

    def __init__(self, layers: nn.Sequential, *, wanted: bool) -> None:
        self._stops: torch.Tensor | None = None
        if wanted:
            for number in HANDED_OVER:
                layers[number].register_forward_hook(self._stop)

    def begin(self, rendered: torch.Tensor) -> None:
        """rendered: (b,) bool, the pictures of the batch whose gradient is to stop."""
        self._stops = rendered if bool(rendered.any()) else None

    def end(self) -> None:
        """Let every gradient pass again."""
        self._stops = None

    def _stop(self, _layer: nn.Module, _given: Any, out: torch.Tensor) -> torch.Tensor | None:
        if self._stops is None:
            return None
        return torch.where(self._stops[:, None, None, None], out.detach(), out)
