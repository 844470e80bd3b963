"""Where the files that come with the program lie: a checkout, or an installed box."""

from __future__ import annotations

from pathlib import Path

PLACES = (Path(__file__).resolve().parents[2], Path("/usr/share/edge"))


def shipped(name: str) -> Path:
    """`config/categories.yaml`, `models/city-v1.yaml`, ... Raises FileNotFoundError."""
    for place in PLACES:
        if (place / name).exists():
            return place / name
    raise FileNotFoundError(f"{name} is neither in {' nor in '.join(map(str, PLACES))}")
