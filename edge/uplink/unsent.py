# SPDX-License-Identifier: AGPL-3.0-or-later
"""Sealed revisions without a row: whoever seals may end before the outbox has it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from edge.outbox import RECEIPT
from edge.uplink import wire
from edge.values import EvidenceFile


def unsent_row(
    folder: Path, manifest: Mapping[str, Any], known: Callable[[str, str], bool]
) -> dict[str, Any] | None:
    """A sealed revision as arguments of `Outbox.put`; None where the platform has it or a row is
    held (`known` is `Outbox.known`).

    Raises KeyError, TypeError or ValueError for a manifest of another shape.
    """
    files = [msgspec.convert(row, EvidenceFile) for row in manifest["files"]]
    name, revision, body = manifest["id"], manifest["revision"], manifest["violation"]
    row = wire.violation_row(name, revision, body, folder=folder, files=files)
    if (folder / RECEIPT).exists() or known(row["kind"], row["key"]):
        return None
    return row
