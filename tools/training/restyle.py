# SPDX-License-Identifier: AGPL-3.0-or-later
"""Swap style between the pictures of a batch inside the network, so that how a thing is rendered or
photographed says less about what it is (Zhou and others 2021, Domain Generalization with MixStyle).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

LAYERS = (1, 2, 4)  # early ones: texture and colour, not yet what it is
EVENNESS = 0.2  # of the beta distribution that shares are drawn from: mostly near 0 or 1


class Restyler:
    """Hooks on the early layers of a model that act in training mode between begin and end."""

    def __init__(self, layers: nn.Sequential, share: float, seed: int) -> None:
        self._share, self._seed = share, seed
        self._drawn: torch.Generator | None = None
        if share:
            for number in LAYERS:
                layers[number].register_forward_hook(self._mix)

    def begin(self, step: int) -> None:
        """Draw for this step; the same step draws the same after a restart."""
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + step)
        wanted = bool(torch.rand((), generator=generator) < self._share)
        self._drawn = generator if wanted else None

    def end(self) -> None:
        """No more swapping until the next begin."""
        self._drawn = None

    def _mix(self, _layer: nn.Module, _given: Any, out: torch.Tensor) -> torch.Tensor | None:
        if self._drawn is None:
            return None
        other = torch.randperm(len(out), generator=self._drawn)
        share = _beta(len(out), self._drawn).to(out)[:, None, None, None]
        mean = out.mean((2, 3), keepdim=True).detach()
        spread = out.std((2, 3), keepdim=True).detach() + 1e-5
        bare = (out - mean) / spread
        mixed_mean = share * mean + (1 - share) * mean[other]
        return bare * (share * spread + (1 - share) * spread[other]) + mixed_mean


def _beta(count: int, generator: torch.Generator) -> torch.Tensor:
    """(count,) shares from Beta(EVENNESS, EVENNESS) by Johnk's method; its own half or more."""
    u, v = torch.rand((2, count, 64), generator=generator) ** (1 / EVENNESS)
    kept = (u + v <= 1) & (u + v > 0)
    first = kept.float().argmax(1, keepdim=True)
    a, b = u.gather(1, first)[:, 0], v.gather(1, first)[:, 0]
    share = torch.where(kept.any(1), a / (a + b).clamp(min=1e-12), torch.ones(count))
    return torch.maximum(share, 1 - share)
