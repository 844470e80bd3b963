"""What the page asks others to do. The daemon introduces them; tests give fakes.

The console reads files and writes one draft; a test picture, a verification and a trial run of
zones need the camera, the seal and the rules, which the page does not know.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


class Snap(Protocol):
    """One picture (JPEG) of a source, or a ConfigError / OSError with one line."""

    def __call__(self, source: str) -> bytes: ...


class Verify(Protocol):
    """None where a violation's folder fits together, else what does not."""

    def __call__(self, folder: Path) -> str | None: ...


class TryZones(Protocol):
    """How many violations the camera's rules would have raised on these recorded tracks."""

    def __call__(
        self, site_text: str, camera: str, tracks: Iterable[Mapping[str, Any]]
    ) -> list[dict[str, Any]]: ...


class Review(Protocol):
    """Store a reviewer's verdict of a violation."""

    def __call__(self, case_id: str, verdict: str, reason: str, who: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Services:
    """See the protocols. `categories` are those of the box: id -> (zh, en, code, zone kinds).

    drone_cameras: rows of the camera table, for a flight whose record does not name its own.
    """

    snap: Snap
    verify: Verify
    try_zones: TryZones
    review: Review
    categories: Mapping[str, Mapping[str, Any]]
    outbox: Path
    drone_cameras: tuple[str, ...] = ()
