# SPDX-License-Identifier: AGPL-3.0-or-later
"""The units of the release in force, where systemd looks for them.

Most are links through `current`, so that one switch changes them all; edge-updaterd's own lead
through `confirmed`, because they must outlive a bad release. A unit that can be enabled is a file:
`systemctl enable` follows a link to its end (systemd.unit(5), linked unit files) and writes down
the slot in which it lies today. A boot while that slot is laid anew would start nothing at all.
"""

from __future__ import annotations

import os
from pathlib import Path

from edge.release.software.slots import Slots
from edge.runtime import sync_folder, write_atomic

UNITS = Path("/usr/lib/systemd/system")
ENABLED = Path("/etc/systemd/system")
# Below a slot.
SHARED = Path("share/edge/systemd")
SUFFIXES = (".service", ".timer", ".target", ".slice", ".path")
# Units that must outlive a bad release: they come from the last one that held.
UPDATERS = "edge-update"


class Units:
    """What edge-updaterd lays for systemd. folder: where units lie; enabled: where `systemctl
    enable` writes its links."""

    def __init__(self, slots: Slots, folder: Path = UNITS, enabled: Path = ENABLED) -> None:
        self._slots, self._folder, self._enabled = slots, folder, enabled

    def lay(self) -> bool:
        """A link or a file for every unit of the release in force; whether any changed.

        A link of ours whose unit the release no longer has goes. Raises ConfigError, OSError.
        """
        here = self._slots.place(self._slots.in_force()) / SHARED
        names = [path.name for path in sorted(here.iterdir()) if path.suffix in SUFFIXES]
        changed = [name for name in names if self._lay(name)]
        for link in self._folder.glob("edge*"):
            if link.name not in names and self._ours(link):
                link.unlink()
                changed.append(link.name)
        if changed:
            sync_folder(self._folder)
        return bool(changed)

    def unpin(self) -> list[str]:
        """Units that were enabled while they were links, enabled as the files that they are now.

        `systemctl reenable` follows the old link again (seen with systemd 252), so it is done here,
        such that a boot in the middle finds every unit. Raises ConfigError, OSError.
        """
        wanted = [link for link in self._enabled.glob("*.wants/edge*") if self._ours(link)]
        linked = [link for link in self._enabled.glob("edge*") if self._ours(link)]
        if not wanted and not linked:
            return []
        self.lay()
        for link in wanted:
            _link(link, self._folder / link.name)
            sync_folder(link.parent)
        for link in linked:
            link.unlink()
        sync_folder(self._enabled)
        return sorted({link.name for link in (*wanted, *linked)})

    def _lay(self, name: str) -> bool:
        source, place = self._source(name), self._folder / name
        data = source.read_bytes()
        if b"\n[Install]" not in data:
            return _link(place, source)
        if not place.is_symlink() and place.exists() and place.read_bytes() == data:
            return False
        write_atomic(place, data)
        place.chmod(0o644)
        return True

    def _source(self, name: str) -> Path:
        which = "confirmed" if name.startswith(UPDATERS) else "current"
        return self._slots.program / which / SHARED / name

    def _ours(self, link: Path) -> bool:
        if not link.is_symlink():
            return False
        end = Path(os.path.normpath(link.parent / link.readlink()))
        return end.is_relative_to(self._slots.program)


def _link(link: Path, target: Path) -> bool:
    if link.is_symlink() and link.readlink() == target:
        return False
    partial = link.with_name(f".{link.name}.new")
    partial.unlink(missing_ok=True)
    partial.symlink_to(target)
    partial.replace(link)
    return True
