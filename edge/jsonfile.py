# SPDX-License-Identifier: AGPL-3.0-or-later
"""JSON that was written elsewhere or before: what a reader does with bytes that are none."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

log = logging.getLogger(__name__)
T = TypeVar("T")


def decoded(data: bytes, kind: type[T]) -> T:
    """`data` as `kind`. Raises ValueError however it is wrong: no JSON, another shape, no UTF-8,
    nested too deep (msgspec raises three kinds of error for these)."""
    try:
        return msgspec.json.decode(data, type=kind)
    except RecursionError:
        raise ValueError("JSON nested too deep") from None


def decoded_lines(lines: Iterable[bytes], kind: type[T]) -> tuple[list[T], int]:
    """(what the lines hold, lines that hold nothing of the kind, as after a power cut)."""
    found, bad = list[T](), 0
    for line in lines:
        try:
            if line.strip():
                found.append(decoded(line, kind))
        except ValueError:
            bad += 1
    return found, bad


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file; {} where there is none (yet), or another thing."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def read_status(run: Path, daemon: str) -> dict[str, Any]:
    """Another daemon's status file (`runtime.write_status`); {} where there is none. Parts of it
    are signed, so a number that JSON does not know makes it none."""
    try:
        return decoded((run / "status" / f"{daemon}.json").read_bytes(), dict[str, Any])
    except (OSError, ValueError):
        return {}


def read_record(path: Path, kind: type[T], otherwise: T, then: str) -> T:
    """What a file holds; `otherwise` where there is none. One that is damaged or cannot be read is
    logged with `then`, what follows from it."""
    try:
        return decoded(path.read_bytes(), kind)
    except FileNotFoundError:
        return otherwise
    except (OSError, ValueError) as error:
        log.error("%s: %s; %s", path, error, then)
        return otherwise
