# SPDX-License-Identifier: AGPL-3.0-or-later
"""From a package to a switched box: check, stage, test, count, switch. Nothing before the switch
touches what is in force, and a failure anywhere leaves it there."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edge.config import ConfigError
from edge.config.device import Provider
from edge.release.package import Checked, check_package
from edge.release.selftest import check_boxes, check_speed, street
from edge.release.store import InferencePace, Keys, ReleaseStore, Step
from edge.vision.manifest import Manifest, file_sha256
from edge.vision.proof import open_model


@dataclass(frozen=True, slots=True)
class Box:
    """What the installer must know of the box. `shipped`: the manifest that came with the program;
    fits(manifest) raises ConfigError where the cameras' rules need classes that it lacks;
    tune(manifest) measures its forms on a board where those of the one before were measured."""

    folder: Path
    keys: Keys
    provider: Provider
    shipped: Callable[[str], Path | None]
    in_force: Callable[[str], Path | None]
    fits: Callable[[str, Manifest], None]
    baseline: Mapping[str, InferencePace]
    tune: Callable[[Path], object] = lambda _: None


@dataclass(frozen=True, slots=True)
class Installed:
    """What was switched to. `said`: the outcome of the self-test; `slower`: against the old."""

    name: str
    release: int
    said: str
    slower: float | None


@dataclass(frozen=True, slots=True)
class InstallRequest:
    """What the platform's command named; the package must be exactly that."""

    name: str
    release: int


def install(
    package: Path,
    box: Box,
    *,
    asked: InstallRequest | None = None,
    passed: Callable[[Step], None] = lambda _: None,
) -> Installed:
    """Put a package in force, on trial; whoever calls has visiond start again. Raises ConfigError
    for a package that is refused, with what was in force still in force."""
    with _alone(box.folder):
        checked = check_package(package, box.keys)
        _is_asked(checked, asked)
        store = ReleaseStore(box.folder, checked.name, passed=passed)
        sha256 = file_sha256(package)
        shipped = box.shipped(checked.name)
        store.check_fresh(checked.manifest.release, sha256, _release(shipped))
        box.fits(checked.name, checked.manifest)
        try:
            said, slower = _staged(store, checked, box)
        except (ConfigError, OSError):
            store.discard()
            raise
        store.switch(checked, sha256, dict(box.baseline))
    return Installed(checked.name, checked.manifest.release, said, slower)


def _staged(store: ReleaseStore, checked: Checked, box: Box) -> tuple[str, float | None]:
    manifest, test = store.stage(checked), checked.manifest.selftest
    if test is None:
        raise ConfigError(f"{checked.path}: selftest: missing; pack it with pictures")
    new = open_model(manifest, provider=box.provider, workers=1)
    said = check_boxes(new, test, manifest.parent)
    old, slower = box.in_force(checked.name), None
    if old is not None:
        running = open_model(old, provider=box.provider, workers=1)
        slower = check_speed(new, running, street(new), slower_at_most=test.slower_at_most)
    # Before the switch, or its trial would be held to the pace of another form.
    box.tune(manifest)
    return said, slower


def _is_asked(checked: Checked, asked: InstallRequest | None) -> None:
    is_it = InstallRequest(checked.name, checked.manifest.release)
    if asked is not None and asked != is_it:
        raise ConfigError(
            f"{checked.path}: is {is_it.name} release {is_it.release}, "
            f"asked was {asked.name} release {asked.release}"
        )


def _release(shipped: Path | None) -> int:
    from edge.vision.manifest import read_manifest

    return read_manifest(shipped).release if shipped else 0


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One installer at a time. Raises ConfigError where another is at work."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"{folder}: another installation is at work") from None
        yield
