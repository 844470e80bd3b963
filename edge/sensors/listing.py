# SPDX-License-Identifier: AGPL-3.0-or-later
"""What can be connected and what is: maps, serial ports, the site's sensors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from serial.tools.list_ports import comports

from edge.config import load
from edge.config.site import Site
from edge.sensors.maps import Map, known_maps, load_map

BY_ID = Path("/dev/serial/by-id")


def lines(site_file: str | None, *, as_json: bool) -> Iterator[str]:
    """Maps, ports and, with a site file, its sensors. Raises ConfigError for a wrong file."""
    rows = [*(_map_row(path) for path in known_maps()), *_port_rows()]
    if site_file:
        rows += _sensor_rows(load(Path(site_file), Site))
    for row in rows:
        yield json.dumps(row, ensure_ascii=False) if as_json else _text(row)
    if not as_json and not any(row["what"] == "port" for row in rows):
        yield "no serial port found 没有发现串口"


def _map_row(path: Path) -> dict[str, Any]:
    found: Map = load_map(str(path))
    channels = [entry.channel for entry in found.registers] + list(found.channels)
    return {
        "what": "map",
        "id": path.stem,
        "kind": found.kind,
        "name": found.name,
        "channels": channels,
    }


def _port_rows() -> list[dict[str, Any]]:
    """Each port with its stable name: that one survives another order of plugging in."""
    stable = {str(link.resolve()): str(link) for link in BY_ID.glob("*")} if BY_ID.is_dir() else {}
    return [
        {
            "what": "port",
            "id": stable.get(port.device, port.device),
            "device": port.device,
            "name": port.description,
        }
        for port in sorted(comports())
    ]


def _sensor_rows(site: Site) -> list[dict[str, Any]]:
    return [
        {
            "what": "sensor",
            "id": entry.get("id"),
            "kind": entry.get("kind"),
            "port": entry.get("port"),
        }
        for entry in site.sensors
    ]


def _text(row: dict[str, Any]) -> str:
    rest = {key: value for key, value in row.items() if key not in ("what", "id")}
    words = " ".join(
        f"{key}={','.join(map(str, value)) if isinstance(value, list) else value}"
        for key, value in rest.items()
    )
    return f"{row['what']:<7} {row['id']!s:<24} {words}"
