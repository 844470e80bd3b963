# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a release is asked on this box before it is switched to, in a sandbox without network:
do its daemons load, does it take this box's configuration, do its models run on this board, and can
it take this box's outbox forwards and back?
"""

from __future__ import annotations

import importlib
import shutil
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np

from edge.config import ConfigError
from edge.config.paths import read_box
from edge.outbox.schema import MIGRATIONS, OutboxBroken, connect, lower, lowest

DAEMONS = ("visiond", "sensord", "uplinkd", "janitord", "consoled", "flightd", "updaterd")
# A copy of a database that is being written may be torn; the next one is not.
COPIES = 5


def selftest(site: str | None, device: str | None) -> list[str]:
    """One line for each thing that is wrong; nothing outside a temporary folder is written."""
    parts: tuple[tuple[str, Callable[[], None]], ...] = (
        ("daemons", _imports),
        ("configuration", lambda: _configuration(site, device)),
        ("models", lambda: _models(site, device)),
        ("outbox", lambda: _outbox(device)),
    )
    return [line for name, part in parts if (line := _asked(name, part))]


def _asked(name: str, part: Callable[[], None]) -> str:
    """Whatever an unproven program does here is its own no."""
    try:
        part()
    except Exception as error:  # noqa: BLE001
        return f"{name}: {type(error).__name__}: {error}"
    return ""


def _imports() -> None:
    for name in DAEMONS:
        importlib.import_module(f"edge.daemons.{name}")


def _configuration(site: str | None, device: str | None) -> None:
    """As `edge check` does. Raises ConfigError."""
    from edge.pipeline.soundness import load_settings

    if site:
        load_settings(Path(site), Path(device) if device else None)


def _models(site: str | None, device: str | None) -> None:
    """Each model in use opens and runs on this board. Raises ConfigError."""
    from edge.pipeline.settings import manifest_path, model_names, read_settings
    from edge.vision.choice import open_chosen

    settings = read_settings(site, device)
    for name in model_names(settings):
        path = manifest_path(settings, name)
        model = open_chosen(settings.models, path, settings.device.compute)
        model.detect(np.zeros((720, 1280, 3), np.uint8))


def _outbox(device: str | None) -> None:
    """A copy of this box's own: forwards, as far back as there is a way, forwards again."""
    path = read_box(device).outbox
    if not path.exists():
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = _copied(path, Path(folder) / "outbox.db")
        before = _rows(copy)
        lower(copy, max(lowest(), len(MIGRATIONS) - 1))
        if _rows(copy) != before:
            raise ConfigError(f"{before} records before, {_rows(copy)} after going back and forth")


def _copied(path: Path, copy: Path) -> Path:
    for left in reversed(range(COPIES)):
        for suffix in ("", "-wal"):
            part = path.with_name(path.name + suffix)
            copy.with_name(copy.name + suffix).unlink(missing_ok=True)
            if part.exists():
                shutil.copyfile(part, copy.with_name(copy.name + suffix))
        try:
            _rows(copy)
        except OutboxBroken:
            if not left:
                raise
        else:
            break
    return copy


def _rows(path: Path) -> int:
    with closing(connect(path)) as db:
        return int(db.execute("SELECT count(*) FROM record").fetchone()[0])
