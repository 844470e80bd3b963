# SPDX-License-Identifier: AGPL-3.0-or-later
"""Random streams that are the same in every process and on every machine."""

from __future__ import annotations

import hashlib
import random

import numpy as np


def number(*names: object) -> int:
    """64-bit number out of a path of names; `hash()` would differ from process to process."""
    text = "\x1f".join(str(name) for name in names)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def stream(*names: object) -> random.Random:
    return random.Random(number(*names))


def array_stream(*names: object) -> np.random.Generator:
    return np.random.default_rng(number(*names))
