# SPDX-License-Identifier: AGPL-3.0-or-later
"""One line of advice to a technician, in both languages: what `edge doctor` and the page print."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["well", "remark", "wrong"]


@dataclass(frozen=True, slots=True)
class PartAdvice:
    """Which part, how it is, what was found, what to do (zh and en)."""

    part: str
    level: Level
    found: str
    do_en: str = ""
    do_zh: str = ""
