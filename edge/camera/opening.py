# SPDX-License-Identifier: AGPL-3.0-or-later
"""From a camera of the site file to an open source: the only place that knows every kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge import config
from edge.camera import pipelines
from edge.camera.child import ChildSource
from edge.camera.live import Keep, LiveSource
from edge.camera.source import Source
from edge.camera.url import Address, parse_source
from edge.clock import Clock


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where one camera's pictures come from. `record` is None where it is the analysed stream."""

    source: Address
    record: Address | None = None
    spec: pipelines.Spec | None = None

    @property
    def recording(self) -> bool:
        """A file or folder in place of a camera."""
        return self.source.kind in ("file", "folder")


def addresses(camera: config.Camera, base: Path | None = None) -> Addresses:
    """Check a camera's sources. Raises ConfigError naming the camera, the key and what is wrong."""
    where = f"cameras[{camera.id}]"
    source = parse_source(camera.source, where=f"{where}.source", base=base)
    record = None
    if camera.record is not None and camera.record != camera.source:
        record = parse_source(camera.record, where=f"{where}.record", base=base)
        if record.kind != "network":
            raise config.ConfigError(
                f"{where}.record = {record}: only a network stream can be recorded beside"
            )
    if source.kind != "pipeline":
        return Addresses(source, record)
    row = pipelines.lookup(source.target, where=f"{where}.source")
    spec = pipelines.parse_spec(camera.pipeline_arg, row, where=f"{where}.pipeline_arg", base=base)
    return Addresses(source, record, spec)


def connector(found: Addresses, clock: Clock, keep: Keep | None) -> Callable[[], Source]:
    """A function that opens the analysed stream anew each time; it raises SourceError."""
    spec = found.spec
    if spec is not None:
        name = found.source.target
        return lambda: ChildSource(name, pipelines.PIPELINES[name], spec, clock)
    return lambda: LiveSource(found.source, clock, keep=keep)
