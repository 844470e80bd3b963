# SPDX-License-Identifier: AGPL-3.0-or-later
"""The line above a table: for people at a terminal only; a program reads rows."""

from __future__ import annotations

import sys


def heading(*columns: tuple[str, int]) -> None:
    """Column names, each as wide as its column; nothing where stdout is no terminal."""
    if sys.stdout.isatty():
        print(" ".join(f"{name:<{width}}" for name, width in columns).rstrip())
