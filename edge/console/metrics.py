# SPDX-License-Identifier: AGPL-3.0-or-later
"""`GET /metrics` in Prometheus's text format 0.0.4, from the status files. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

# Name, help, how it is read: (daemon, path of keys below its status).
SIMPLE: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("edge_violations_total", "Violations since start", "visiond", ("counts", "violations")),
    ("edge_revisions_total", "Revisions written since start", "visiond", ("counts", "revisions")),
    ("edge_faults_total", "Faults told since start", "visiond", ("counts", "faults")),
    ("edge_rows_dropped_total", "Rows lost to a full disk", "visiond", ("counts", "dropped")),
)
CAMERA: tuple[tuple[str, str, str], ...] = (
    ("edge_camera_looks_total", "Pictures analysed", "looks"),
    ("edge_camera_candidates", "Places whose clock runs", "candidates"),
    ("edge_camera_open_cases", "Open violations", "open"),
    ("edge_camera_last_picture_seconds", "UTC of the last analysed picture", "last_wall"),
)


def render(statuses: Mapping[str, Mapping[str, Any]]) -> str:
    """All series, one block of HELP and TYPE for each name."""
    return "\n".join([*_daemons(statuses), *_simple(statuses), *_cameras(statuses)]) + "\n"


def _daemons(statuses: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield from _head("edge_daemon_up", "Whether the daemon wrote its status lately", "gauge")
    for name, status in statuses.items():
        yield f'edge_daemon_up{{daemon="{name}"}} {int(bool(status.get("alive")))}'
    yield from _head("edge_open_faults", "Faults open now", "gauge")
    for name, status in statuses.items():
        yield f'edge_open_faults{{daemon="{name}"}} {len(status.get("faults", []))}'


def _simple(statuses: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for name, told, daemon, path in SIMPLE:
        value: Any = statuses.get(daemon, {})
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        if isinstance(value, int | float):
            yield from _head(name, told, "counter")
            yield f"{name} {value}"


def _cameras(statuses: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    cameras = statuses.get("visiond", {}).get("cameras", {})
    for name, told, key in CAMERA:
        yield from _head(name, told, "counter" if name.endswith("_total") else "gauge")
        for camera, facts in cameras.items():
            if isinstance(facts.get(key), int | float):
                yield f'{name}{{camera="{_label(camera)}"}} {facts[key]}'


def _head(name: str, told: str, kind: str) -> Iterator[str]:
    yield f"# HELP {name} {told}"
    yield f"# TYPE {name} {kind}"


def _label(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
