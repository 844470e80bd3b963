# SPDX-License-Identifier: AGPL-3.0-or-later
"""A package by the hash that the platform named: brought by hand, or from the configured mirror.

The hash came in a signed command and the package is signed itself, so the mirror is trusted with
nothing but being there; what it sends is bounded in bytes and in time.
"""

from __future__ import annotations

import hashlib
import http.client
import time
import urllib.error
import urllib.request
from pathlib import Path

from edge.config import ConfigError
from edge.release.package import PACKAGE_BYTES_MAX
from edge.vision.manifest import file_sha256

SILENT_S, WHOLE_S = 30.0, 3600.0
_BLOCK = 1 << 16


def find_package(incoming: Path, sha256: str, url: str | None, *, suffix: str = ".zip") -> Path:
    """The package in `incoming`, fetched into it where it is not there. Raises ConfigError."""
    for path in sorted(incoming.glob(f"*{suffix}")):
        if path.stat().st_size <= PACKAGE_BYTES_MAX and file_sha256(path) == sha256:
            return path
    if url is None:
        raise ConfigError(
            f"no package {sha256[:12]}… in {incoming}; lay it there, or set updates.url"
        )
    incoming.mkdir(parents=True, exist_ok=True)
    return _fetch(f"{url.rstrip('/')}/{sha256}{suffix}", incoming / f"{sha256}{suffix}", sha256)


def _fetch(address: str, to: Path, sha256: str) -> Path:
    partial = to.with_suffix(".part")
    try:
        with urllib.request.urlopen(address, timeout=SILENT_S) as answer, partial.open("wb") as out:  # noqa: S310  the configuration allows http and https only
            found = _copy(answer, out, address)
    except (urllib.error.URLError, OSError, http.client.HTTPException, ValueError) as error:
        partial.unlink(missing_ok=True)
        raise ConfigError(f"{address}: {error}") from None
    if found != sha256:
        partial.unlink()
        raise ConfigError(f"{address}: its SHA-256 is {found[:12]}…, asked was {sha256[:12]}…")
    partial.replace(to)
    return to


def _copy(answer: object, out: object, address: str) -> str:
    digest, size, until = hashlib.sha256(), 0, time.monotonic() + WHOLE_S
    while block := answer.read(_BLOCK):  # type: ignore[attr-defined]
        size += len(block)
        if size > PACKAGE_BYTES_MAX or time.monotonic() > until:
            raise OSError(f"too much or too slow, given up after {size} bytes")
        digest.update(block)
        out.write(block)  # type: ignore[attr-defined]
    return digest.hexdigest()
