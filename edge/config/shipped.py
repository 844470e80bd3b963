# SPDX-License-Identifier: AGPL-3.0-or-later
"""Where the files that come with the program lie: a checkout, a wheel, or an installed box."""

from __future__ import annotations

import sysconfig
from pathlib import Path

# A wheel lays them below its environment, so that they are of the same version as the code;
# tools/install below /usr/share.
PLACES = (
    Path(__file__).resolve().parents[2],
    Path(sysconfig.get_path("data")) / "share" / "edge",
    Path("/usr/share/edge"),
)


def shipped(name: str) -> Path:
    """`config/categories.yaml`, `models/city-v1.yaml`, ... Raises FileNotFoundError."""
    for place in PLACES:
        if (place / name).exists():
            return place / name
    raise FileNotFoundError(f"{name} is neither in {' nor in '.join(map(str, PLACES))}")
