# SPDX-License-Identifier: AGPL-3.0-or-later
"""Reads the muck-truck file of a city: trucks.yaml, or a CSV from its spreadsheet."""

from __future__ import annotations

import csv
from pathlib import Path

from edge.config import ConfigError, load
from edge.rules.trucks import Register, by_plates, register_from_rows


def load_register(path: Path) -> Register:
    """All registered trucks. Raises ConfigError naming file, line and column.

    CSV: UTF-8, or GB 18030 as Chinese spreadsheets save it; the first line names the columns.
    """
    if path.suffix.lower() != ".csv":
        return Register(trucks=by_plates(load(path, Register).trucks))
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    # Strict, or one quotation mark that is never closed swallows all the rows behind it.
    reader = csv.DictReader(_text(path, data).splitlines(), strict=True)
    try:
        rows = list(reader)
    except csv.Error as error:
        at = f"{path}: line {reader.line_num + 1}"
        raise ConfigError(f"{at}: {error}; is every quotation mark closed?") from None
    short = next((n for n, row in enumerate(rows, 2) if None in row), None)
    if short is not None:
        raise ConfigError(f"{path}: line {short}: more cells than columns")
    cleaned = [{key.strip(): (value or "").strip() for key, value in r.items()} for r in rows]
    return register_from_rows(cleaned, str(path))


def _text(path: Path, data: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ConfigError(f"{path}: neither UTF-8 nor GB 18030 text")
