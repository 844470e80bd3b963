# SPDX-License-Identifier: AGPL-3.0-or-later
"""What two releases of the software take on a disk, laid for real from this source's own wheels.

    tools/python -m tools.field.two_slots

The first release is laid into an empty slot, a second one beside it whose program differs (its
wheel has another time in it) and whose packages and models do not. Prints one JSON line, in MB.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.config import ConfigError
from edge.release.software.manifest import SoftwareRelease, read_release
from edge.release.software.room import MB, SPARE_BYTES, ReleaseNeed, own_bytes, tree_bytes
from edge.release.software.slots import Slots, this_python
from edge.uplink import seal
from tools.field.bundle import arguments, bundle
from tools.system.roots import NoRoot, wheels

# Times that a zip can hold: it begins in 1980.
MOMENT_S, LATER_S = 1_700_000_000, 86_400


class TwoSlots:
    """A program's folder without a box around it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = Ed25519PrivateKey.generate()
        (folder / "key.pem").write_bytes(seal.private_pem(self._key))
        self.slots = Slots(folder / "program")
        (folder / "program/a").mkdir(parents=True)
        (folder / "incoming").mkdir()
        self._run_from("a")

    def _run_from(self, slot: str) -> None:
        self.slots.switch(slot)
        self.slots.confirm(slot)

    def lay(self, number: int, moment_s: int) -> tuple[SoftwareRelease, ReleaseNeed]:
        """Build and lay a release into the spare slot, and run from it; what it was thought to
        need. Raises ConfigError, NoRoot, OSError."""
        os.environ["SOURCE_DATE_EPOCH"] = str(moment_s)
        out = self._folder / f"release-{number}"
        words = ["--number", str(number), "--key", str(self._folder / "key.pem")]
        args = arguments([*words, "--out", str(out)])
        args.wheels = wheels(args.python, args.machine)
        bundle(args)
        text = (out / "manifest.json").read_bytes()
        release = read_release(text, (self._key.public_key(),), str(out))
        need = self.slots.need(release, self._folder / "incoming")
        slot, interpreter = self.slots.spare(), Path(sys.executable)
        self.slots.lay(release, text, lambda sha: out / sha, slot, interpreter=interpreter)
        self._run_from(slot)
        return release, need


def measured(folder: Path) -> dict[str, float]:
    """The figures. Raises ConfigError, NoRoot, OSError."""
    two = TwoSlots(folder)
    _, first = two.lay(1, MOMENT_S)
    alone = tree_bytes(two.slots.place("b"))
    _, second = two.lay(2, MOMENT_S + LATER_S)
    a, b = two.slots.place("a"), two.slots.place("b")
    found = {
        "first_travels_mb": first.travels,
        "one_slot_mb": alone,
        "free_asked_for_first_mb": first.travels + first.laid + SPARE_BYTES,
        "free_taken_by_first_mb": first.travels + alone,
        "changed_program_travels_mb": second.travels,
        "changed_program_takes_mb": own_bytes(a),
        "both_slots_mb": tree_bytes(a, b),
    }
    return {name: round(n / MB, 1) for name, n in found.items()}


def main() -> int:
    """0 with one JSON line; 1 where a release takes more than is asked for; 2 where none is."""
    try:
        with tempfile.TemporaryDirectory(prefix="slots-", dir="/var/tmp") as folder:
            found = measured(Path(folder))
    except (ConfigError, NoRoot, OSError) as error:
        print(f"two_slots: {error}", file=sys.stderr)
        return 2
    print(json.dumps({"python": this_python(), **found}))
    return 0 if found["free_taken_by_first_mb"] <= found["free_asked_for_first_mb"] else 1


if __name__ == "__main__":
    sys.exit(main())
