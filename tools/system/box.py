# SPDX-License-Identifier: AGPL-3.0-or-later
"""A box as docs/install.md makes it: each step is a command of the document, typed by a person."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tools.demonstration import senses
from tools.demonstration.processes import free_port
from tools.system.city import DEVICE, HOST, TENANT, City
from tools.system.container import HOME, Container, Failed, until
from tools.system.document import command

ROOT = Path(__file__).resolve().parents[2]
CLIP = ROOT / "tests" / "clips" / "street"
SOURCE, WHEELS = "/srv/city-edge.git", "/srv/wheels"
DAEMONS = ("visiond", "sensord", "uplinkd", "consoled", "flightd")
UNITS = tuple(f"edge-{name}.service" for name in DAEMONS)
SEEN = frozenset({"street-vendor", "outdoor-barbecue", "road-spillage"})
# Pixels to the platform's signed word, on a machine that does something else as well.
DELIVERED_S = 420.0


def lay_source(root: Path) -> None:
    """What a person clones: this commit, owned by who clones it (docs say ADDRESS)."""
    path = root / SOURCE.lstrip("/")
    words = ["git", "clone", "--quiet", "--bare", str(ROOT), str(path)]
    subprocess.run(words, check=True, capture_output=True)
    owner = (root / HOME.lstrip("/")).stat()
    for one in (path, *path.rglob("*")):
        shutil.chown(one, owner.st_uid, owner.st_gid)


def lay_clone(root: Path, place: str) -> None:
    """A clone of this commit in a root, as `git clone` makes it."""
    words = ["git", "clone", "--quiet", str(ROOT), str(root / place.lstrip("/"))]
    subprocess.run(words, check=True, capture_output=True)


def lay_hosts(root: Path) -> None:
    """The broker's name, and the box's own, which sudo looks up."""
    (root / "etc/hostname").write_text(f"{DEVICE}\n")
    (root / "etc/hosts").write_text(f"127.0.0.1 localhost\n127.0.0.1 {HOST} {DEVICE}\n")


class Box:
    """A booted container and the city it belongs to."""

    def __init__(self, container: Container, city: City) -> None:
        self.container, self.city = container, city
        self._page = free_port()

    @property
    def root(self) -> Path:
        return self.container.root

    # ---- docs/install.md, section 2

    def fetch(self) -> None:
        self.container.person(command("install.md", "git clone", ADDRESS=SOURCE), within=".")

    def install(self) -> str:
        """Without internet for Python's packages, with apt's mirror for the distribution's."""
        self.container.person(command("install.md", "tools/install --root"))
        return self.container.person(
            command(
                "install.md", "tools/install --wheels", **{"--wheels wheels": f"--wheels {WHEELS}"}
            )
        )

    # ---- section 3

    def provision(self) -> None:
        """The key stays here; the bureau's CA signs the request."""
        self.container.person(command("install.md", "edge-provision request"))
        crt = self.city.sign(self.root / f"etc/edge/keys/{DEVICE}.csr")
        place = self.root / HOME.lstrip("/") / "city-edge"
        for path in (
            crt,
            self.city.folder / "broker-ca.pem",
            self.city.received / "platform.pub.pem",
        ):
            shutil.copy(path, place / path.name)
        self.container.person(command("install.md", "edge-provision accept"))

    # ---- section 4

    def configure(self) -> None:
        """What nano is for: the broker's port, a camera, two instruments. The name is the one
        that stands in the installed file; how it is found is the network's."""
        device = self.root / "etc/edge/device.yaml"
        text = device.read_text("utf-8")
        for old, new in (
            ("port: 8883", f"port: {self.city.secure}"),
            ("port: 8088", f"port: {self._page}"),
        ):
            if old not in text:
                raise Failed(f"the installed device.yaml has no {old!r}")
            text = text.replace(old, new)
        if f"device: {DEVICE}" not in text or f"tenant: {TENANT}" not in text:
            raise Failed("the installed device.yaml is of another box than docs/install.md")
        device.write_text(text, "utf-8")
        clips = self.root / "var/lib/edge/clips"
        clips.mkdir(exist_ok=True)
        shutil.copy(CLIP / "street.mp4", clips)
        self._save_site(self.site())

    def site(self) -> dict[str, Any]:
        """The street clip in a loop as a camera, and two instruments."""
        site: dict[str, Any] = yaml.safe_load((CLIP / "site.yaml").read_text("utf-8"))
        for camera in site["cameras"]:
            camera |= {"source": "/var/lib/edge/clips/street.mp4", "playback": "loop"}
        senses.add_senses(site, Path("/run/ports"))
        return site

    def _save_site(self, site: dict[str, Any]) -> None:
        text = yaml.safe_dump(site, allow_unicode=True, sort_keys=False)
        (self.root / "etc/edge/site.yaml").write_text(text, "utf-8")

    def plug_in(self) -> None:
        """The instruments; once after every boot."""
        words = f"env PYTHONPATH={HOME}/city-edge $(readlink -f /opt/city-edge/bin)/python"
        log = self.root / "var/log/instruments.log"
        log.unlink(missing_ok=True)
        self.container.start(f"{words} -m tools.system.instruments /run/ports", log)
        until(lambda: log.exists() and "ready" in log.read_text(), f"instruments: {log}", 120)

    def check(self) -> None:
        self.container.person(command("install.md", "sudo edge check"))

    def doctor(self) -> list[dict[str, Any]]:
        """Its findings; Failed where it says that something is wrong."""
        line = command("install.md", "sudo edge doctor")
        said = self.container.person(f"{line} --json || true")
        found = [json.loads(row) for row in said.splitlines() if row.startswith("{")]
        wrong = [f"{one['part']}: {one['found']}" for one in found if one["level"] == "wrong"]
        if wrong or not found:
            raise Failed(f"edge doctor: {'; '.join(wrong) or said}")
        return found

    def start(self) -> None:
        self.container.person(command("install.md", "systemctl start edge.target"))
        until(self.all_run, "every unit is active", 300)

    def all_run(self) -> bool:
        states = self.container.ask(f"systemctl is-active {' '.join(UNITS)}").split()
        return states == ["active"] * len(UNITS)

    # ---- what came of it

    def waiting(self) -> int:
        """Records that the platform has not said it has."""
        told = json.loads(
            self.container.run("edge outbox status --device /etc/edge/device.yaml --json")
        )
        rows = told["records"].values()
        return sum(n for states in rows for state, n in states.items() if state != "platform_ack")

    def receipts(self) -> int:
        """Revisions that the platform has released with its own signature."""
        return len(list((self.root / "var/lib/edge/evidence").glob("*/r*/receipt.json")))

    def delivers(self, sort: frozenset[str], limit_s: float = DELIVERED_S) -> None:
        """A new violation of this sort comes to the platform, and its receipt back."""
        before, had = len(self._of(sort)), self.receipts()
        until(lambda: len(self._of(sort)) > before, f"a violation of {sorted(sort)}", limit_s)
        until(lambda: self.receipts() > had, "a signed receipt", limit_s)

    def _of(self, sort: frozenset[str]) -> list[dict[str, Any]]:
        return [row for row in self.city.records("violation") if row["category"] in sort]

    def errors(self) -> list[str]:
        """Lines of level err or worse of this boot."""
        said = self.container.ask("journalctl --boot --priority=err --no-pager --output=short")
        return [line for line in said.splitlines() if not line.startswith("-- ")]
