# SPDX-License-Identifier: AGPL-3.0-or-later
"""The signed manifest of a software release: every byte by its hash, and what it may follow.

A release is a folder of objects named by their SHA-256; the manifest is one of them. Wheels are
unpacked and never run by an installer; the files besides (units, settings, models) are laid as they
are. What a box has of it from the release before does not travel again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated, Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edge import patterns
from edge.config import ConfigError
from edge.release.signing import read_signed_json

MANIFEST_BYTES_MAX = 1_000_000
# Two and a half times what the wheels of the lock are today.
RELEASE_BYTES_MAX = 1_000_000_000
OBJECTS_MAX = 1000

Sha = Annotated[str, msgspec.Meta(pattern=patterns.SHA256)]
Number = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]


class ReleaseFile(msgspec.Struct, frozen=True, kw_only=True):
    """One object. `path`: of a wheel its file name, of a file its place below the slot."""

    path: Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
    sha256: Sha
    size: Annotated[int, msgspec.Meta(ge=0, le=RELEASE_BYTES_MAX)]


class SoftwareRelease(msgspec.Struct, frozen=True, kw_only=True):
    """What the publisher says and signs.

    number: rises with each release. least, most: the numbers it may follow; 0 is what
    `tools/install` laid. outbox: the schema it writes; outbox_back: the oldest one that it can take
    an outbox back to. snapshot: the form of the judges' running clocks; forgets: the publisher
    accepts that they start anew.
    """

    format: Literal[1]
    number: Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]
    version: Annotated[str, msgspec.Meta(pattern=patterns.whole(r"[0-9A-Za-z.+-]{1,40}"))]
    python: Annotated[str, msgspec.Meta(pattern=patterns.whole(r"3\.[0-9]{1,2}"))]
    machine: Literal["x86_64", "aarch64"]
    least: Number = 0
    most: Number
    outbox: Number
    outbox_back: Number
    snapshot: Number
    forgets: bool = False
    wheels: Annotated[tuple[ReleaseFile, ...], msgspec.Meta(min_length=1, max_length=OBJECTS_MAX)]
    files: Annotated[tuple[ReleaseFile, ...], msgspec.Meta(max_length=OBJECTS_MAX)] = ()

    @property
    def objects(self) -> dict[str, int]:
        """SHA-256 -> bytes of everything besides the manifest."""
        return {one.sha256: one.size for one in (*self.wheels, *self.files)}


@dataclass(frozen=True, slots=True)
class SoftwareInForce:
    """What a release is held against: the program in force, and the board it runs on.

    seen: the highest number ever switched to, whether it held or not; sha256 of its manifest.
    """

    number: int
    seen: int
    sha256: str
    python: str
    machine: str
    outbox: int
    snapshot: int


def read_release(text: bytes, keys: tuple[Ed25519PublicKey, ...], where: str) -> SoftwareRelease:
    """The signature first: what nobody vouches for is read no further than JSON. Raises
    ConfigError."""
    if len(text) > MANIFEST_BYTES_MAX:
        raise ConfigError(f"{where}: more than {MANIFEST_BYTES_MAX} bytes")
    what = "not the manifest of a release"
    release = read_signed_json(text, keys, SoftwareRelease, where=where, named=where, what=what)
    _check_paths(release, where)
    return release


def _check_paths(release: SoftwareRelease, where: str) -> None:
    if sum(release.objects.values()) > RELEASE_BYTES_MAX:
        raise ConfigError(f"{where}: more than {RELEASE_BYTES_MAX // 1_000_000} MB")
    for wheel in release.wheels:
        if "/" in wheel.path or not wheel.path.endswith(".whl"):
            raise ConfigError(f"{where}: {wheel.path!r} is not the name of a wheel")
    for file in release.files:
        if not inside(file.path):
            raise ConfigError(f"{where}: {file.path!r} leads out of the release")
    named = [one.path for one in (*release.wheels, *release.files)]
    if len(set(named)) != len(named):
        raise ConfigError(f"{where}: a file stands twice")


def inside(path: str) -> bool:
    """Whether a path of a wheel or manifest stays below where it is laid."""
    parts = PurePosixPath(path)
    return not parts.is_absolute() and ".." not in parts.parts and "\\" not in path


def check_fits(release: SoftwareRelease, sha256: str, has: SoftwareInForce, where: str) -> None:
    """Whether this box may go to the release, and could come back. Raises ConfigError."""
    for wrong, why in (
        (release.machine != has.machine, f"for {release.machine}; this board is {has.machine}"),
        (release.python != has.python, f"for Python {release.python}; here is {has.python}"),
        (release.number == has.number, f"release {release.number} is in force already"),
        (
            release.number <= has.seen and not _again(release, sha256, has),
            f"release {release.number} is not above {has.seen}",
        ),
        (
            not release.least <= has.number <= release.most,
            f"may follow releases {release.least} to {release.most}; in force is {has.number}",
        ),
        (
            release.outbox < has.outbox or release.outbox_back > has.outbox,
            f"cannot take an outbox of schema {has.outbox} forwards and back (it writes"
            f" {release.outbox}, back to {release.outbox_back})",
        ),
        (
            release.snapshot != has.snapshot and not release.forgets,
            f"reads running clocks of form {release.snapshot}, here is {has.snapshot}, and it does"
            " not say that they may start anew (forgets)",
        ),
    ):
        if wrong:
            raise ConfigError(f"{where}: {why}")


def _again(release: SoftwareRelease, sha256: str, has: SoftwareInForce) -> bool:
    """The very release that was taken back last may be tried once more."""
    return release.number == has.seen and sha256 == has.sha256
