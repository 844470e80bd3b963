# SPDX-License-Identifier: AGPL-3.0-or-later
"""The releases of one model on the box: what is in force, what is tried, what to go back to.

    <state>/models/<name>/state.json     what follows, replaced as a whole
    <state>/models/<name>/r<release>/    one unpacked package each
    <state>/models/<name>/.stage         being unpacked; worthless after a power cut

`state.json` is the only switch: whatever moment the power goes, the model named there is whole,
because it was unpacked, synced and tested before it was named. Release 0 stands for the model that
came with the program.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edge.config import ConfigError
from edge.config.paths import BoxPaths
from edge.config.shipped import shipped
from edge.jsonfile import read_record
from edge.release.package import Checked, check_folder, unpack
from edge.runtime import sync_folder, write_atomic
from edge.vision.manifest import read_manifest

log = logging.getLogger(__name__)

Keys = tuple[Ed25519PublicKey, ...]
Settled = Literal["applied", "rolled_back"]
# Steps between which the power may go; tests cut it at each.
Step = Literal[
    "unpacking", "unpacked", "named", "counted", "switched", "booted", "rolled_back", "settled"
]
SHIPPED = 0
DEFAULT_MODEL = "city-v1"


class InferencePace(msgspec.Struct, frozen=True, kw_only=True):
    """How one camera did over a minute: pictures read and looked at a second, age at the look."""

    read_s: float
    looks_s: float
    age_ms: float


class ReleaseTrial(msgspec.Struct, frozen=True, kw_only=True):
    """A release being tried: starts of visiond with it, and the pace to be kept."""

    boots: int = 0
    baseline: dict[str, InferencePace] = {}


class ReleaseState(msgspec.Struct, frozen=True, kw_only=True):
    """`seen`: the highest release ever tried, stored before it was; `sha256` of its package."""

    current: int = SHIPPED
    previous: int = SHIPPED
    seen: int = 0
    sha256: str = ""
    trial: ReleaseTrial | None = None
    last: Settled | None = None
    why: str = ""


class ReleaseStore:
    """One writer at a time: the installer while it works, visiond at its start and in a trial.

    passed: called after each named step; a test cuts the power there.
    """

    def __init__(
        self, folder: Path, name: str, *, passed: Callable[[Step], None] = lambda _: None
    ) -> None:
        self.name, self.folder = name, folder / name
        self._file, self._passed = self.folder / "state.json", passed

    def read(self) -> ReleaseState:
        """A damaged or missing file is the shipped model, and says so."""
        then = "the model that came with the program is used"
        return read_record(self._file, ReleaseState, ReleaseState(), then)

    def _write(self, state: ReleaseState) -> ReleaseState:
        write_atomic(self._file, msgspec.json.encode(state))
        return state

    def manifest(self, release: int) -> Path | None:
        """Where a release's manifest lies; None for the shipped one."""
        return None if release == SHIPPED else self.folder / f"r{release}" / f"{self.name}.yaml"

    def check_fresh(self, release: int, sha256: str, shipped: int) -> None:
        """Releases only ever rise; the highest one may be tried again. Raises ConfigError."""
        state = self.read()
        if state.trial is not None:
            raise ConfigError(f"{self.name}: release {state.current} is still being tried")
        if release == state.current:
            raise ConfigError(f"{self.name}: release {release} is in force already")
        again = release == state.seen and sha256 == state.sha256
        if release <= max(state.seen, shipped) and not again:
            known = max(state.seen, shipped)
            raise ConfigError(f"{self.name}: release {release} is not above {known}")

    def stage(self, checked: Checked) -> Path:
        """Unpack beside what is in force; returns the manifest. Raises ConfigError, OSError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        stage = self.folder / ".stage"
        shutil.rmtree(stage, ignore_errors=True)
        stage.mkdir()
        self._passed("unpacking")
        manifest = unpack(checked, stage)
        self._passed("unpacked")
        return manifest

    def discard(self) -> None:
        shutil.rmtree(self.folder / ".stage", ignore_errors=True)

    def switch(self, checked: Checked, sha256: str, baseline: dict[str, InferencePace]) -> None:
        """Put the staged release in force, on trial. The number is kept before anything else."""
        state, release = self.read(), checked.manifest.release
        state = self._write(msgspec.structs.replace(state, seen=release, sha256=sha256))
        self._passed("counted")
        target = self.folder / f"r{release}"
        shutil.rmtree(target, ignore_errors=True)
        (self.folder / ".stage").rename(target)
        sync_folder(self.folder)
        self._passed("named")
        self._write(
            msgspec.structs.replace(
                state,
                current=release,
                previous=state.current,
                trial=ReleaseTrial(baseline=baseline),
                last=None,
                why="",
            )
        )
        self._passed("switched")

    def booted(self, by: int = 1) -> ReleaseState:
        """Count a start with the release on trial (or take it back after an orderly stop)."""
        state = self.read()
        if state.trial is None:
            return state
        boots = max(0, state.trial.boots + by)
        trial = msgspec.structs.replace(state.trial, boots=boots)
        state = self._write(msgspec.structs.replace(state, trial=trial))
        self._passed("booted")
        return state

    def settle(self) -> ReleaseState:
        """The trial is passed; what is older than the release before it goes."""
        state = self.read()
        state = self._write(msgspec.structs.replace(state, trial=None, last="applied", why=""))
        self._passed("settled")
        self._tidy((state.current, state.previous))
        return state

    def roll_back(self, why: str) -> ReleaseState:
        """The release before is in force again; what was tried may be tried once more."""
        state = self.read()
        log.error("model %s: release %d taken back: %s", self.name, state.current, why)
        state = self._write(
            msgspec.structs.replace(
                state,
                current=state.previous if state.previous != state.current else SHIPPED,
                previous=SHIPPED,
                trial=None,
                last="rolled_back",
                why=f"release {state.current}: {why}",
            )
        )
        self._passed("rolled_back")
        self._tidy((state.current,))
        return state

    def _tidy(self, kept: Iterable[int]) -> None:
        names = {f"r{release}" for release in kept}
        for folder in self.folder.glob("r*"):
            if folder.name not in names and folder.is_dir():
                shutil.rmtree(folder, ignore_errors=True)

    def sound(self, release: int, keys: Keys) -> str | None:
        """None where every byte of a release is what its publisher signed, else what is wrong."""
        manifest = self.manifest(release)
        if manifest is None:
            return None
        try:
            read = check_folder(manifest, keys)
        except ConfigError as error:
            return str(error)
        fits = read.release == release and read.name == self.name
        return None if fits else f"{manifest}: is {read.name} release {read.release}"


def installed(folder: Path, name: str, shipped: Path | None) -> Path | None:
    """The manifest of the release in force, unless the program came with a newer one.

    Cheap, as it is asked often; whoever loads the model has it checked (`ReleaseStore.sound`).
    """
    file = folder / name / "state.json"
    if os.sep in name or not file.is_file():
        return None
    store = ReleaseStore(folder, name)
    release = store.read().current
    path = store.manifest(release)
    if path is None or (shipped is not None and read_manifest(shipped).release > release):
        return None
    return path if path.is_file() else None


def find_manifest(box: BoxPaths, wanted: str) -> Path:
    """The manifest of a model, by name or by the path of its manifest: of the release in force
    where one was installed. Raises ConfigError."""
    for path in (box.base / wanted, Path(wanted)):
        if path.suffix == ".yaml" and path.is_file():
            return path
    came = shipped_manifest(box, wanted)
    found = installed(box.state / "models", wanted, came) or came
    if found is None:
        raise ConfigError(
            f"model = {wanted!r}: no such model; looked for {wanted}.yaml in "
            f"{box.device.folders.models} and beside the site file"
        )
    return found


def shipped_manifest(box: BoxPaths, wanted: str) -> Path | None:
    """The manifest that came with the program, or None."""
    path = Path(box.device.folders.models) / f"{wanted}.yaml"
    if path.is_file():
        return path
    try:
        return shipped(f"models/{wanted}.yaml")
    except FileNotFoundError:
        return None
