# SPDX-License-Identifier: AGPL-3.0-or-later
"""The two places of the program, and the links that say which one is in force.

    <program>/a, <program>/b    a release each: environment, units, settings, models, its manifest
    <program>/current           -> a or b: what the units start; replaced as a whole
    <program>/confirmed         -> the last one that held: what edge-updaterd itself runs from

`current` is the only switch, and all that a release brings is found through it, so that the
power may go at any moment: the next boot finds one of the two releases, whole.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path

from edge.config import ConfigError
from edge.jsonfile import decoded, read_object
from edge.release.software.manifest import SoftwareRelease
from edge.release.software.room import (
    MB,
    SPARE_BYTES,
    UNPACKED_TIMES,
    ReleaseNeed,
    bytes_free,
    check_room,
    own_bytes,
    tree_bytes,
)
from edge.release.software.wheels import (
    file_hash,
    lay_program,
    lay_wheel,
    link_laid,
    remove_tree,
    sync_tree,
)
from edge.runtime import sync_folder, write_atomic

NAMES = ("a", "b")
MANIFEST, LAID = "release.json", "laid.json"


class Slots:
    """The program's folder. Only edge-updaterd and tools/install write here."""

    def __init__(self, program: Path) -> None:
        self._program = program

    @property
    def program(self) -> Path:
        return self._program

    def place(self, slot: str) -> Path:
        return self._program / slot

    def in_force(self) -> str:
        """Raises ConfigError where the program was not laid in slots."""
        return self._read("current")

    def confirmed(self) -> str:
        """The slot that held last. Raises ConfigError as `in_force`."""
        return self._read("confirmed")

    def _read(self, link: str) -> str:
        try:
            name = str((self._program / link).readlink())
        except OSError:
            raise ConfigError(
                f"{self._program / link}: not there: this program was not laid by tools/install;"
                " update it as it was installed (a package: apt)"
            ) from None
        if name not in NAMES:
            raise ConfigError(f"{self._program / link}: leads to {name!r}, not to a or b")
        return name

    def spare(self) -> str:
        """The slot that neither runs nor is what to go back to. Raises ConfigError while a trial
        takes both."""
        now, held = self.in_force(), self.confirmed()
        if now != held:
            raise ConfigError(f"{self._program}: both slots are taken: {now} runs, {held} held")
        return NAMES[1 - NAMES.index(now)]

    def switch(self, slot: str) -> None:
        """This one is in force, also after a power cut."""
        self._point("current", slot)

    def confirm(self, slot: str) -> None:
        """This one held: updates to come are made by it."""
        self._point("confirmed", slot)

    def _point(self, link: str, slot: str) -> None:
        partial = self._program / f".{link}.new"
        partial.unlink(missing_ok=True)
        partial.symlink_to(slot)
        partial.replace(self._program / link)
        sync_folder(self._program)

    def release(self, slot: str) -> SoftwareRelease | None:
        """Its manifest, which was checked when it was laid; None where tools/install laid it."""
        try:
            return decoded((self.place(slot) / MANIFEST).read_bytes(), SoftwareRelease)
        except (FileNotFoundError, ValueError):
            return None

    def laid(self, slot: str) -> dict[str, dict[str, str]]:
        """Objects of a slot by hash, with the files that each was laid as."""
        return read_object(self.place(slot) / LAID)

    def lacking(self, release: SoftwareRelease) -> dict[str, int]:
        """SHA-256 -> bytes of what must travel: all that the release in force has not."""
        here = self.laid(self.in_force())
        return {sha256: size for sha256, size in release.objects.items() if sha256 not in here}

    def lay(
        self,
        release: SoftwareRelease,
        text: bytes,
        fetched: Callable[[str], Path],
        slot: str,
        *,
        interpreter: Path | None = None,
    ) -> None:
        """Lay a checked release into the spare slot, all of it on disk once this returns.

        fetched(sha256): where an object that had to travel lies. Raises ConfigError, OSError.
        """
        place = self.place(slot)
        remove_tree(place)
        place.mkdir(mode=0o755)
        home = self._program.resolve() / slot
        packages = lay_program(
            place, release.python, home, interpreter or Path(f"/usr/bin/python{release.python}")
        )
        old, here = self.place(self.in_force()), self.laid(self.in_force())
        laid: dict[str, dict[str, str]] = {}
        wheels = {one.sha256 for one in release.wheels}
        for one in (*release.wheels, *release.files):
            if one.sha256 in here:
                laid[one.sha256] = here[one.sha256]
                if one.sha256 not in wheels:
                    laid[one.sha256] = {one.path: one.sha256}
                    self._link_file(old, here[one.sha256], place, one.path, one.sha256)
                    continue
                link_laid(laid[one.sha256], old, place)
                continue
            source = _checked(fetched(one.sha256), one.sha256, one.path)
            if one.sha256 in wheels:
                laid[one.sha256] = lay_wheel(source, place, packages)
            else:
                laid[one.sha256] = {one.path: one.sha256}
                _copy(source, place / one.path)
        (place / LAID).write_text(json.dumps(laid), "utf-8")
        (place / MANIFEST).write_bytes(text)
        sync_tree(place)
        sync_folder(self._program)

    def _link_file(
        self, old: Path, before: dict[str, str], place: Path, path: str, sha256: str
    ) -> None:
        """A file may have another name in the new release."""
        (name,) = before
        if file_hash(old / name) != sha256:
            raise ConfigError(f"{old / name}: is not what was laid there")
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        os.link(old / name, place / path)

    def need(self, release: SoftwareRelease, incoming: Path) -> ReleaseNeed:
        """What of it is in `incoming` already need not travel; the slot that is laid anew goes
        first."""
        wheels = {one.sha256 for one in release.wheels}
        lacking = self.lacking(release)
        laid = sum(n * (UNPACKED_TIMES if sha in wheels else 1.0) for sha, n in lacking.items())
        travels = sum(n for sha, n in lacking.items() if not (incoming / sha).exists())
        return ReleaseNeed(travels, round(laid), self._goes())

    def check_room(self, release: SoftwareRelease, incoming: Path) -> None:
        """Before a byte of it travels into `incoming`, and again before it is laid. Raises
        ConfigError."""
        check_room(self._program, incoming, release.number, self.need(release, incoming))

    def _goes(self) -> int:
        """What comes free where the spare slot is laid anew; nothing while a trial takes both."""
        now = self.in_force()
        return own_bytes(self.place(self.spare())) if now == self.confirmed() else 0

    def disk(self) -> dict[str, int]:
        """In MB: each slot, what the two take together (a file that did not change stands once),
        what is free, and what a release needs that has nothing in common with the one in force."""
        places = [self.place(name) for name in NAMES]
        here = self.place(self.in_force())
        release, whole = self.release(here.name), tree_bytes(here)
        travels = sum(release.objects.values()) if release else round(whole / UNPACKED_TIMES)
        sizes = {f"{place.name}_mb": tree_bytes(place) for place in places}
        sizes["together_mb"] = tree_bytes(*places)
        sizes["free_mb"] = bytes_free(self._program)
        sizes["next_needs_mb"] = travels + max(0, whole - self._goes()) + SPARE_BYTES
        return {name: n // MB for name, n in sizes.items()}

    def discard(self, slot: str) -> None:
        """Never the one in force and never the one to go back to. Raises ConfigError, OSError."""
        if slot in (self.in_force(), self.confirmed()):
            raise ConfigError(f"{self.place(slot)}: is in use")
        remove_tree(self.place(slot))


def _checked(path: Path, sha256: str, name: str) -> Path:
    if file_hash(path) != sha256:
        raise ConfigError(f"{name}: its bytes are not those of the manifest")
    return path


def _copy(source: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(to, source.read_bytes())
    to.chmod(0o644)


def this_python() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def this_machine() -> str:
    return platform.machine()
