# SPDX-License-Identifier: AGPL-3.0-or-later
"""From a camera of the site file to an open source: the only place that knows every kind."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge import config
from edge.camera import pipelines
from edge.camera.child import ChildSource
from edge.camera.live import Keep, LiveSource
from edge.camera.quiet import Differs
from edge.camera.recording import read_file_frames
from edge.camera.source import Source
from edge.camera.url import Address, parse_source
from edge.clock import Clock

log = logging.getLogger(__name__)


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


def check_sources(camera: config.Camera, base: Path, where: str) -> None:
    """What is known of a camera's sources before they are opened: their form, and that a recording
    can be read. Raises ConfigError. A recording that this user may not read is left to the daemon
    that may."""
    try:
        found = addresses(camera, base)
        if found.recording:
            read_file_frames(found.source, camera.fps).close()
    except config.ConfigError as error:
        if isinstance(error.__context__, PermissionError):
            log.warning("%s: %s; not checked here", where, error)
            return
        raise config.ConfigError(f"{where}: {error}") from None


def connector(
    found: Addresses, clock: Clock, keep: Keep | None, differs: Differs | None = None
) -> Callable[[], Source]:
    """A function that opens the analysed stream anew each time; it raises SourceError."""
    spec = found.spec
    if spec is not None:
        name = found.source.target
        return lambda: ChildSource(name, pipelines.PIPELINES[name], spec, clock)
    return lambda: LiveSource(found.source, clock, keep=keep, differs=differs)
