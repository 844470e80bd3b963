# SPDX-License-Identifier: AGPL-3.0-or-later
"""What uplinkd publishes of the box and of itself: birth, health and its status file."""

from __future__ import annotations

import platform
import time
from pathlib import Path
from typing import Any

import msgspec

from edge import __version__
from edge.config import Device
from edge.jsonfile import read_status
from edge.outbox import ladder
from edge.uplink.keys import Keys
from edge.uplink.pump import Pump, PumpParts
from edge.uplink.wire import CHUNK_MAX, KINDS, VERSION, utc_text
from edge.values import Stamp


def birth(device: Device, keys: Keys, run: Path, rev: int, at: Stamp) -> dict[str, Any]:
    """The unsigned birth message; by which rules this box listens stands in `trust`."""
    return {
        **scene(run),
        "device": device.device,
        "tenant": device.tenant,
        "time": utc_text(at.wall),
        "software": __version__,
        "contract": VERSION,
        "platform": f"{platform.system()} {platform.machine()}",
        "config_rev": rev,
        "limits": {"chunk_max": CHUNK_MAX, "keep": msgspec.to_builtins(device.keep)},
        "clock": {"quality": at.quality, "error_ms": at.error_ms},
        "trust": {
            "release": device.trust.release,
            "down": device.trust.down,
            "tls": device.broker.tls,
        },
        "keys": msgspec.to_builtins(keys.public),
        "schemas": [f"urn:cm:schema:{kind}:{VERSION}" for kind in KINDS],
    }


def scene(run: Path) -> dict[str, Any]:
    """What the other daemons say they watch, and with which model."""
    vision, sensors = read_status(run, "visiond"), read_status(run, "sensord")
    return {
        "cameras": [{"id": name} for name in vision.get("cameras", {})],
        "sensors": [{"id": name} for name in sensors.get("sensors", {})],
        "models": _digests(vision.get("models")),
        "config_sha256": vision.get("config", ""),
    }


def _digests(models: object) -> dict[str, str]:
    """Name -> SHA-256 of the models that visiond reports; any other shape is left out."""
    rows = models.items() if isinstance(models, dict) else ()
    return {
        name: str(one["sha256"]) for name, one in rows if isinstance(one, dict) and "sha256" in one
    }


def status(parts: PumpParts, pump: Pump, started: float) -> dict[str, Any]:
    """`<run>/status/uplinkd.json`: what waits, was acknowledged or refused, and what is wrong."""
    return {
        "online": pump.online,
        "connects": pump.counts["connects"],
        "outstanding": parts.records.outstanding,
        "transfers": parts.transfers.active,
        "outbox": parts.dispatch.status(),
        "records": dict(parts.records.counts),
        "evidence": dict(parts.transfers.counts),
        "refused": {**parts.inbox.counts, **parts.isolated.counts},
        "faults": parts.faults.status(),
        "uptime_s": time.monotonic() - started,
    }


def health(
    parts: PumpParts, body: dict[str, Any], run: Path, device: str, at: Stamp
) -> dict[str, Any]:
    """From a status; other daemons' open faults are in their own status files."""
    return {
        "device": device,
        "boot": parts.session.boot,
        "conn": parts.session.conn,
        "time": utc_text(at.wall),
        "uptime_s": body["uptime_s"],
        "clock": {"quality": at.quality, "error_ms": at.error_ms},
        "board": read_status(run, "visiond").get("board", {}),
        "outbox": body["outbox"],
        "uplink": {key: body[key] for key in ("records", "evidence", "refused", "connects")},
        "faults": sorted(f"{fault['kind']}:{fault['subject']}" for fault in body["faults"]),
        "ladder": ladder.current_step(run),
    }


def stats_line(body: dict[str, Any]) -> dict[str, Any]:
    """The same in one line of the log, counters only."""
    return {
        "online": int(body["online"]),
        "outstanding": body["outstanding"],
        "transfers": body["transfers"],
        **body["records"],
        **body["evidence"],
    }
