# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the page asks others to do. The daemon introduces them; tests give fakes.

The console reads files and writes one draft; a test picture, a verification and a trial run of
zones need the camera, the seal and the rules, which the page does not know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


class NoPicture(Exception):
    """There is no picture of that source. `cause` is a word of docs/cameras.md, "config" for an
    address that is not allowed, "busy", or "silent" where nobody answered; `line` says more."""

    def __init__(self, cause: str, line: str) -> None:
        super().__init__(line)
        self.cause, self.line = cause, line


class Silent(Exception):
    """The daemon that could find it out does not answer."""


Rows = Sequence[Mapping[str, Any]]
Paths = Sequence[tuple[Path, Path]]


def _nobody() -> Rows:
    raise Silent


def _silent() -> None:
    raise Silent


def _no_answer() -> Mapping[str, Any]:
    raise Silent


class Snap(Protocol):
    """One picture (JPEG) of a source, or NoPicture."""

    def __call__(self, source: str) -> bytes: ...


class Verify(Protocol):
    """None where a violation's folder fits together, else what does not."""

    def __call__(self, folder: Path) -> str | None: ...


class ExamineRevisions(Protocol):
    """A row for each revision: revision, problem, files, signed, kid, seq, chain, receipt."""

    def __call__(self, folder: Path) -> list[dict[str, Any]]: ...


class TryZones(Protocol):
    """What the camera's rules would have raised on the last hour's recorded tracks.

    `raised` (category, began, place), `seconds` tried on, `untried` categories. Raises ConfigError.
    """

    def __call__(self, site_text: str, camera: str) -> Mapping[str, Any]: ...


class StoreReview(Protocol):
    """Store a reviewer's verdict of a violation and what becomes of the case ("": nothing yet)."""

    def __call__(self, case_id: str, verdict: str, outcome: str, reason: str, who: str) -> None: ...


class WithdrawReview(Protocol):
    """Take back a reviewer's word of the last minute; false where there is none."""

    def __call__(self, case_id: str, who: str) -> bool: ...


ToGcj02 = Callable[[float, float], tuple[float, float]]


def _not_shifted(lat: float, lon: float) -> tuple[float, float]:
    return lat, lon


def _no_thumbnails(_: Paths) -> None:
    raise OSError("nobody makes thumbnails")


@dataclass(frozen=True, slots=True)
class Services:
    """See the protocols. `categories` are those of the box: id -> (zh, en, code, zone kinds).

    law: category -> what the case file names as its law.
    to_gcj02: a WGS-84 place (lat, lon) as AMap draws it.
    thumbnails: makes each (case folder, file to make); raises ConfigError, OSError.
    drone_cameras: rows of the camera table, for a flight whose record does not name its own.
    broker: what the page Platform shows of it. The last three ask a daemon and raise Silent:
    test_broker -> level, found, do_zh, do_en; scan_ports -> port, error or found (name, values,
    snippet); find_cameras -> host, name, model, source;
    test_notice(hook id) -> None, or why the chat did not take it;
    camera_streams(host, user, password) -> name, codec, width, height, source, or NoPicture;
    teach(camera, zone, do, look, name) -> what edge.pipeline.teaching answers;
    try_sensor(entry of the site file) -> cause, values, told, ports (edge.sensors).
    instruments: what can hang on a port: kind, or kind/map -> its name.
    trust(model, "" for the default): what it is weak at or unproven for, by category.
    """

    snap: Snap
    verify: Verify
    try_zones: TryZones
    review: StoreReview
    withdraw: WithdrawReview
    categories: Mapping[str, Mapping[str, Any]]
    outbox: Path
    examine: ExamineRevisions | None = None
    thumbnails: Callable[[Paths], None] = _no_thumbnails
    to_gcj02: ToGcj02 = _not_shifted
    law: Mapping[str, Sequence[str]] = field(default_factory=dict)
    drone_cameras: tuple[str, ...] = ()
    broker: Mapping[str, str] = field(default_factory=dict)
    test_broker: Callable[[], Rows] = _nobody
    scan_ports: Callable[[], Rows] = _nobody
    find_cameras: Callable[[], Rows] = _nobody
    test_notice: Callable[[str], str | None] = lambda _: _silent()
    camera_streams: Callable[[str, str, str], Rows] = lambda *_: _nobody()
    teach: Callable[[Mapping[str, str]], Mapping[str, Any]] = lambda _: _no_answer()
    try_sensor: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda _: _no_answer()
    instruments: Callable[[], Mapping[str, str]] = dict
    trust: Callable[[str], Mapping[str, str]] = lambda _: {}
