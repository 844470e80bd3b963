# SPDX-License-Identifier: AGPL-3.0-or-later
"""Rows that a bench measures, as lines of JSON: each printed as soon as it is there, and all so far
kept in a file, so that a run that is broken off leaves what it has."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from edge.vision.manifest import read_manifest
from tools.bench.arena import ROOT

Row = dict[str, Any]
DEFAULT = ROOT / "models" / "city-v1.yaml"


def tell(rows: Iterable[Row], out: Path | None) -> list[Row]:
    """Print each row, with the release of the model that it was measured with, and write all of
    them to `out`, where that is given."""
    release, told = read_manifest(DEFAULT).release, []
    for row in rows:
        told.append({**row, "release": release})
        print(json.dumps(told[-1]), flush=True)
        if out:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text("".join(json.dumps(one) + "\n" for one in told), encoding="utf-8")
    return told
