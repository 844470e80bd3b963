# SPDX-License-Identifier: AGPL-3.0-or-later
"""`GET /metrics` in Prometheus's text format 0.0.4, from the status files. Pure.

A value that a daemon does not report is left out, never shown as nought.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from edge.clock import SET_CLOCKS

Status = Mapping[str, Any]
Sample = tuple[Mapping[str, str], float]
Kind = Literal["counter", "gauge"]
LIVE_STATES = ("new", "inflight", "broker_ack")
LOST_STATES = ("dead", "missing", "aside")


@dataclass(frozen=True, slots=True)
class Metric:
    """One name: what it means, and its samples from all statuses."""

    name: str
    meaning: str
    samples: Callable[[Mapping[str, Status]], Iterator[Sample]]

    @property
    def kind(self) -> Kind:
        return "counter" if self.name.endswith("_total") else "gauge"


def _value(status: Any, path: tuple[str, ...]) -> float | None:
    for key in path:
        status = status.get(key) if isinstance(status, Mapping) else None
    return float(status) if isinstance(status, int | float) else None


def _one(daemon: str, *path: str, scale: float = 1.0) -> Callable[..., Iterator[Sample]]:
    """A single number of one daemon's status."""

    def samples(statuses: Mapping[str, Status]) -> Iterator[Sample]:
        value = _value(statuses.get(daemon), path)
        if value is not None:
            yield {}, value * scale

    return samples


def _each(daemon: str, rows: str, label: str, *path: str) -> Callable[..., Iterator[Sample]]:
    """A number of each row below `rows` (a mapping by name, or a list with a name of its own)."""

    def samples(statuses: Mapping[str, Status]) -> Iterator[Sample]:
        for name, row in _named(statuses.get(daemon, {}).get(rows)):
            value = _value(row, path)
            if value is not None:
                yield {label: name}, value

    return samples


def _named(rows: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(rows, Mapping):
        yield from rows.items()
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, Mapping):
            yield str(row.get("line") or row.get("port") or row.get("id") or ""), row


def _up(statuses: Mapping[str, Status]) -> Iterator[Sample]:
    for name, status in statuses.items():
        yield {"daemon": name}, float(bool(status.get("alive")))


def _faults(statuses: Mapping[str, Status]) -> Iterator[Sample]:
    for name, status in statuses.items():
        found = status.get("faults", [])
        yield {"daemon": name}, float(len(found) if isinstance(found, list) else 0)


def _ages(statuses: Mapping[str, Status]) -> Iterator[Sample]:
    """How old the last analysed picture was when the status was written; not of recordings."""
    status = statuses.get("visiond", {})
    now = _value(status, ("wall",))
    for name, row in _named(status.get("cameras")):
        seen = _value(row, ("last_wall",))
        if now is not None and seen is not None and not row.get("recording"):
            yield {"camera": name}, max(0.0, now - seen)


def _waiting(states: tuple[str, ...]) -> Callable[..., Iterator[Sample]]:
    """Outbox records in one of these states, by kind."""

    def samples(statuses: Mapping[str, Status]) -> Iterator[Sample]:
        outbox = statuses.get("uplinkd", {}).get("outbox")
        records = outbox.get("records", {}) if isinstance(outbox, Mapping) else {}
        for kind, by_state in records.items():
            yield {"kind": kind}, float(sum(by_state.get(state, 0) for state in states))

    return samples


def _oldest(statuses: Mapping[str, Status]) -> Iterator[Sample]:
    status = statuses.get("uplinkd", {})
    now, put = _value(status, ("wall",)), _value(status, ("outbox", "oldest_wall"))
    if now is not None:
        yield {}, max(0.0, now - put) if put is not None else 0.0


def _heard(statuses: Mapping[str, Status]) -> Iterator[Sample]:
    for name, row in _named(statuses.get("sensord", {}).get("sensors")):
        yield {"sensor": name}, float(isinstance(row, Mapping) and row.get("state") == "heard")


def _states(statuses: Mapping[str, Status]) -> Iterator[Sample]:
    cases = statuses.get("janitord", {}).get("cases")
    states = cases.get("states", {}) if isinstance(cases, Mapping) else {}
    for name, count in states.items():
        yield {"state": name}, float(count)


def _clock_set(statuses: Mapping[str, Status]) -> Iterator[Sample]:
    clock = statuses.get("uplinkd", {}).get("clock")
    if isinstance(clock, Mapping):
        yield {}, float(clock.get("quality") in SET_CLOCKS)


def _blind(statuses: Mapping[str, Status]) -> Iterator[Sample]:
    for name, row in _named(statuses.get("visiond", {}).get("cameras")):
        if isinstance(row, Mapping) and "blind" in row and not row.get("recording"):
            yield {"camera": name}, float(bool(row["blind"]))


def _software_step(statuses: Mapping[str, Status]) -> Iterator[Sample]:
    """How long an update has been in its present stage; 0 where none is under way."""
    status = statuses.get("uplinkd", {})
    software, now = status.get("software"), _value(status, ("wall",))
    since = _value(software, ("at",))
    if isinstance(software, Mapping) and now is not None and since is not None:
        yield {}, 0.0 if software.get("stage") == "idle" else max(0.0, now - since)


def _software_back(statuses: Mapping[str, Status]) -> Iterator[Sample]:
    software = statuses.get("uplinkd", {}).get("software")
    if isinstance(software, Mapping):
        yield {}, float(software.get("outcome") in ("rolled_back", "stuck", "refused"))


METRICS: tuple[Metric, ...] = (
    Metric("edge_daemon_up", "Whether the daemon wrote its status lately", _up),
    Metric("edge_open_faults", "Faults open now", _faults),
    Metric(
        "edge_violations_total",
        "Violations since start",
        _one("visiond", "counts", "violations"),
    ),
    Metric(
        "edge_revisions_total",
        "Revisions written since start",
        _one("visiond", "counts", "revisions"),
    ),
    Metric("edge_faults_total", "Faults told since start", _one("visiond", "counts", "faults")),
    Metric(
        "edge_rows_dropped_total",
        "Rows lost to a full disk",
        _one("visiond", "counts", "dropped"),
    ),
    Metric(
        "edge_camera_looks_total",
        "Pictures analysed",
        _each("visiond", "cameras", "camera", "looks"),
    ),
    Metric(
        "edge_camera_candidates",
        "Places whose clock runs",
        _each("visiond", "cameras", "camera", "candidates"),
    ),
    Metric(
        "edge_camera_open_cases",
        "Open violations",
        _each("visiond", "cameras", "camera", "open"),
    ),
    Metric(
        "edge_camera_last_picture_seconds",
        "UTC of the last analysed picture",
        _each("visiond", "cameras", "camera", "last_wall"),
    ),
    Metric("edge_camera_picture_age_seconds", "Age of the last analysed picture", _ages),
    Metric("edge_temperature_celsius", "Of the board", _one("visiond", "board", "temperature_c")),
    Metric(
        "edge_heat_step",
        "0 cool, 1 half the rate, 2 one camera only",
        _one("visiond", "board", "step"),
    ),
    Metric("edge_broker_online", "Whether the session stands", _one("uplinkd", "online")),
    Metric("edge_broker_connects_total", "Sessions since start", _one("uplinkd", "connects")),
    Metric(
        "edge_outbox_waiting_records",
        "Not yet acknowledged by the platform",
        _waiting(LIVE_STATES),
    ),
    Metric(
        "edge_outbox_dead_records",
        "Refused for good, set aside, or their files are gone",
        _waiting(LOST_STATES),
    ),
    Metric(
        "edge_outbox_waiting_bytes",
        "Evidence that waits",
        _one("uplinkd", "outbox", "waiting_bytes"),
    ),
    Metric("edge_outbox_oldest_seconds", "Age of the oldest that waits", _oldest),
    Metric(
        "edge_published_total",
        "Records published since start",
        _one("uplinkd", "records", "published"),
    ),
    Metric(
        "edge_acknowledged_total",
        "Records that the platform has",
        _one("uplinkd", "records", "acknowledged"),
    ),
    Metric("edge_evidence_bytes_total", "Evidence sent", _one("uplinkd", "evidence", "bytes")),
    Metric("edge_disk_step", "Step of the disk ladder, 0 normal", _one("janitord", "ladder")),
    Metric("edge_disk_free_bytes", "Free for evidence", _one("janitord", "free_mb", scale=1e6)),
    Metric("edge_evicted_total", "Cases deleted after release", _one("janitord", "evicted")),
    Metric("edge_cases", "Cases by state", _states),
    Metric("edge_cases_overdue", "Past their due time", _one("janitord", "cases", "overdue")),
    Metric("edge_camera_blind", "Whether the camera is not watched now", _blind),
    Metric("edge_clock_set", "Whether the clock was set by NTP or GNSS", _clock_set),
    Metric(
        "edge_software_release",
        "Number of the software release in force, 0 as installed by hand",
        _one("uplinkd", "software", "before"),
    ),
    Metric("edge_software_step_seconds", "In this stage of an update for so long", _software_step),
    Metric("edge_software_not_held", "Whether the last release was not kept", _software_back),
    Metric("edge_sensor_heard", "Whether valid values come", _heard),
)


def render(statuses: Mapping[str, Status]) -> str:
    """All series, one block of HELP and TYPE for each name that has a sample."""
    return "".join(line + "\n" for metric in METRICS for line in _block(metric, statuses)) or "\n"


def _block(metric: Metric, statuses: Mapping[str, Status]) -> Iterator[str]:
    samples = list(metric.samples(statuses))
    if not samples:
        return
    yield f"# HELP {metric.name} {metric.meaning}"
    yield f"# TYPE {metric.name} {metric.kind}"
    for labels, value in samples:
        shown = ",".join(f'{key}="{_label(name)}"' for key, name in labels.items())
        yield f"{metric.name}{{{shown}}} {value:.15g}" if shown else f"{metric.name} {value:.15g}"


def _label(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
