# SPDX-License-Identifier: AGPL-3.0-or-later
"""A publisher of small software releases, a box with two slots, and an init that obeys it."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import zipfile
from pathlib import Path

import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.config import ConfigError, Device, load
from edge.config.paths import box_files
from edge.daemons.updaterd import Updaterd
from edge.outbox.schema import MIGRATIONS
from edge.release.signing import sign
from edge.release.software.slots import Slots, this_machine, this_python
from edge.release.software.systemd import DAEMONS
from edge.release.software.trial import DaemonSeen
from edge.runtime import Stop
from edge.uplink import seal

# What this program writes, and so what a release of it says.
OUTBOX = len(MIGRATIONS)
KEY = Ed25519PrivateKey.from_private_bytes(b"s" * 32)
OTHER = Ed25519PrivateKey.from_private_bytes(b"x" * 32)
UNIT = "share/edge/systemd/edge-{}.service"
SHARED = b"[Unit]\nDescription=the same in every release\n"
ENABLED_UNITS = ("edge.target", "edge-updaterd.path")
CAN_BE_ENABLED = SHARED + b"\n[Install]\nWantedBy=multi-user.target\n"


def wheel(name: str, files: dict[str, str]) -> bytes:
    """A wheel as PEP 427 says, without its papers: nothing reads them on a box."""
    path = Path(os.environ["TMPDIR_PRESS"]) / name
    with zipfile.ZipFile(path, "w") as archive:
        for inner, text in files.items():
            archive.writestr(zipfile.ZipInfo(inner), text)
    return path.read_bytes()


def press(folder: Path, number: int, *, key=KEY, behaves: str = "well", **changes) -> dict:
    """A release in a folder. behaves: what the host's init finds of it once it runs."""
    os.environ["TMPDIR_PRESS"] = str(folder.parent)
    folder.mkdir(parents=True)
    own = {"edge/cli.py": f"N = {number}\n", "edge/behaves.txt": behaves}
    shared = {"other/__init__.py": "X = 1\n", "other.data/data/share/other.txt": "data"}
    wheels = {
        f"city_edge-0.{number}-py3-none-any.whl": wheel("a.whl", own),
        "other-1-py3-none-any.whl": wheel("b.whl", shared),
    }
    files = {UNIT.format(name): SHARED for name in DAEMONS}
    files |= {f"share/edge/systemd/{name}": CAN_BE_ENABLED for name in ENABLED_UNITS}
    files |= {UNIT.format("updaterd"): b"[Unit]\n", "share/edge/config/x.yaml": b"%d" % number}
    data = {
        "format": 1,
        "number": number,
        "version": f"0.{number}",
        "least": 0,
        "most": number - 1,
        "python": this_python(),
        "machine": this_machine(),
        "outbox": OUTBOX,
        "outbox_back": 1,
        "snapshot": 1,
        "wheels": [_lay(folder, name, body) for name, body in wheels.items()],
        "files": [_lay(folder, name, body) for name, body in files.items()],
    }
    text = json.dumps(sign(data | changes, key)).encode()
    (folder / "manifest.json").write_bytes(text)
    sha256 = _lay(folder, "manifest", text)["sha256"]
    return {"number": number, "sha256": sha256, "folder": folder}


def _lay(folder: Path, name: str, body: bytes) -> dict:
    sha256 = hashlib.sha256(body).hexdigest()
    (folder / sha256).write_bytes(body)
    return {"path": name, "sha256": sha256, "size": len(body)}


class PowerCut(BaseException):
    """Nothing catches it: what is on disk is all that is left."""


class FakeInit:
    """systemd as far as updaterd sees it. Obeys the release that `current` leads to."""

    def __init__(self, box: SoftBox) -> None:
        self.box, self.said, self.pid, self.up = box, [], 100, True
        self.restarts = 0

    def behaves(self, slot: str) -> str:
        found = list(self.box.slots.place(slot).glob("lib/*/site-packages/edge/behaves.txt"))
        return found[0].read_text() if found else "well"

    def systemctl(self, *words: str) -> None:
        self.said.append(" ".join(words))
        if words[1:] and "selftest@" in words[1] and self.behaves(words[1][-9]) == "no selftest":
            raise ConfigError("Job failed")
        if words[1:] and "lower@" in words[1]:
            if self.behaves(self.box.slots.in_force()) == "no way back":
                raise ConfigError("Job failed")
            self.box.schema = int(words[1].partition("@")[2].partition(".")[0])
        if words[0] == "stop":
            self.up = False
        if words[0] in ("restart", "start") and "edge.target" in words:
            self.pid, self.up, self.restarts = self.pid + 10, True, 0
            self.box.schema = max(self.box.schema, self.box.writes())

    def enable(self, *names: str) -> None:
        """As systemd: where a unit is a link, it is its end that is written down, in two places."""
        etc = self.box.folder / "etc"
        for name in names:
            unit = self.box.folder / "units" / name
            for link in (etc / name, etc / "multi-user.target.wants" / name):
                link.unlink(missing_ok=True)
                if link.parent != etc or unit.is_symlink():
                    link.symlink_to(unit.resolve())

    def daemons(self):
        how = self.behaves(self.box.slots.in_force())
        self.restarts += how == "crashes"
        seen = DaemonSeen(self.up and how != "dead", self.restarts)
        self.box.status("visiond", self.pid, cameras={"n": {"looks": int(how != "blind")}})
        heard = {"acknowledged": int(how != "deaf")}
        self.box.status("uplinkd", self.pid + 1, records=heard)
        pids = dict.fromkeys(DAEMONS, self.pid) | {"uplinkd": self.pid + 1}
        return {name: (seen, pids[name]) for name in DAEMONS}


class SoftBox:
    """A box whose program tools/install laid into slot a, and whose units are enabled."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.schema = folder, OUTBOX
        slot = folder / "program/a/share/edge/systemd"
        slot.mkdir(parents=True)
        for name in (*DAEMONS, "updaterd"):
            (slot / f"edge-{name}.service").write_bytes(SHARED)
        for name in ENABLED_UNITS:
            (slot / name).write_bytes(CAN_BE_ENABLED)
        for link in ("current", "confirmed"):
            (folder / "program" / link).symlink_to("a")
        (folder / "units").mkdir()
        for name in ENABLED_UNITS:
            (folder / "units" / name).write_bytes(CAN_BE_ENABLED)
        (folder / "etc/multi-user.target.wants").mkdir(parents=True)
        (folder / "update/incoming").mkdir(parents=True)
        (folder / "key.pem").write_bytes(seal.public_pem(KEY.public_key()))
        said = {
            "folders": {n: n for n in ("state", "run", "program", "update")},
            "updates": {"software_key": "key.pem", "prove_s": 60},
        }
        (folder / "device.yaml").write_text(yaml.safe_dump(said))
        self.slots, self.init, self.now = Slots(folder / "program"), FakeInit(self), 0.0
        self.init.enable(*ENABLED_UNITS)
        self.status("visiond", 1, cameras={"n": {"looks": 5}, "new": {"looks": 0}})

    def pin(self) -> None:
        """As version 0.1.0 left a box: every unit was a link when it was enabled."""
        for name in ENABLED_UNITS:
            (self.folder / "units" / name).unlink()
            end = self.folder / "program/current/share/edge/systemd" / name
            (self.folder / "units" / name).symlink_to(end)
        self.init.enable(*ENABLED_UNITS)

    @property
    def where(self):
        path = self.folder / "device.yaml"
        return box_files(load(path, Device), None, path)

    def status(self, daemon: str, pid: int, **told) -> None:
        path = self.folder / "run/status" / f"{daemon}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"pid": pid, **told}))

    def writes(self) -> int:
        release = self.slots.release(self.slots.in_force())
        return release.outbox if release else OUTBOX

    def bring(self, release: dict) -> None:
        """As uplinkd does: what the box lacks, then the word that it is all there."""
        incoming = self.folder / "update/incoming"
        for path in release["folder"].iterdir():
            if path.name != "manifest.json":
                (incoming / path.name).write_bytes(path.read_bytes())
        told = {name: release[name] for name in ("number", "sha256")}
        (incoming / "ready.json").write_text(json.dumps(told))

    def updaterd(self, passed=lambda _: None) -> Updaterd:
        where = self.where
        return Updaterd(
            where.device, where, self.init, units=self.folder / "units",
            enabled=self.folder / "etc", passed=passed, sleep=self.sleep,
            clock=lambda: self.now, interpreter=Path(sys.executable),
        )  # fmt: skip

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def update(self, release: dict, passed=lambda _: None):
        """Bring it and let updaterd work until it has nothing to do."""
        self.bring(release)
        return self.updaterd(passed).run(Stop())

    def works(self) -> int:
        """The number in force; everything that a boot needs is there, whole."""
        slot = self.slots.in_force()
        for link in (*(self.folder / "units").iterdir(), *(self.folder / "etc").rglob("edge*")):
            assert link.exists(), f"{link} leads nowhere"
        release = self.slots.release(slot)
        if release is None:
            return 0
        for files in self.slots.laid(slot).values():
            for name, sha256 in files.items():
                data = (self.slots.place(slot) / name).read_bytes()
                assert hashlib.sha256(data).hexdigest() == sha256, name
        return release.number
