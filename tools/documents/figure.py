# SPDX-License-Identifier: AGPL-3.0-or-later
"""A measured number, and a command that measures it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number. `noise`: by so much it may be worse before anybody is warned; `asked`:
    what the product promises, which a new measurement does not move as it moves what was stored."""

    name: str
    value: float
    unit: str = ""
    better: Literal["more", "less"] = "more"
    noise: float = 0.0
    asked: float | None = None

    @property
    def met(self) -> bool:
        """Whether the promise is kept; true where nothing was promised."""
        if self.asked is None:
            return True
        return self.value >= self.asked if self.better == "more" else self.value <= self.asked

    def worse_than(self, before: Figure) -> bool:
        """Whether this is worse than `before` by more than the noise stored with it."""
        gain = self.value - before.value if self.better == "more" else before.value - self.value
        return gain < -before.noise - 1e-9


@dataclass(frozen=True, slots=True)
class Measure:
    """A command and how its standard output is read. `cheap`: seconds, fit for every CI run.

    output: a file the command writes, read instead of its standard output.
    """

    title: str
    zh: str
    argv: tuple[str, ...]
    read: Callable[[str], list[Figure]]
    cheap: bool = False
    about: str = ""
    output: str | None = None


def json_lines(text: str) -> list[dict[str, Any]]:
    """The JSON lines among what a command printed."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]
