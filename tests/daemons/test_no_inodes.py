# SPDX-License-Identifier: AGPL-3.0-or-later
"""A real file system without a free inode: names cannot be made, and nobody ends for it."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from edge.outbox import Outbox
from tests.small_disk import small_disk
from tools.demonstration.processes import mosquitto_program
from tools.faultlab.rig import Process, Rig, eventually

ROOT = Path(__file__).resolve().parents[2]
CLIP = ROOT / "tests" / "clips" / "street"
INODES = 400
FULL_S = 25.0


class Filler:
    """Takes every inode as soon as one is free."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._stop = folder, threading.Event()
        self._thread = threading.Thread(target=self._work)
        self.refused = 0

    def __enter__(self) -> Filler:
        self.folder.mkdir()
        self._thread.start()
        return self

    def _work(self) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            try:
                (self.folder / str(number)).touch()
            except OSError:
                self.refused += 1
                self._stop.wait(0.02)

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        for path in self.folder.iterdir():
            path.unlink()


@pytest.fixture
def few_inodes(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs with so many inodes and no more."""
    with small_disk(tmp_path / "disk", f"size=128m,nr_inodes={INODES}") as folder:
        yield folder


@pytest.mark.broker
def test_a_disk_without_inodes_ends_no_daemon(tmp_path: Path, few_inodes: Path) -> None:
    """visiond and uplinkd go on, say what is wrong, and deliver once there are names again."""
    if not Path(mosquitto_program()).exists():
        pytest.skip("no mosquitto")
    rig = Rig(tmp_path)
    rig.state = few_inodes / "state"
    try:
        port = rig.broker().port
        rig.receiver(port)
        visiond, uplinkd = _box(rig, port)
        status = tmp_path / "run" / "status"
        eventually(lambda: (rig.state / "outbox.db").exists())
        outbox = rig.outbox()
        eventually(lambda: outbox.status()["records"].get("violation", {}) != {}, within_s=180)
        with Filler(few_inodes / "taken") as filler:
            eventually(lambda: filler.refused > FULL_S / 0.03, within_s=300)
            alive = [process.child.poll() for process in (visiond, uplinkd)]
            said = _faults(status / "visiond.json")
        assert alive == [None, None], [process.log.read_text()[-2000:] for process in rig.children]
        assert "disk" in said
        assert "disk: [Errno 28]" in uplinkd.log.read_text()
        before = _released(outbox)
        eventually(lambda: _released(outbox) > before, within_s=180)
    finally:
        rig.close()


def _released(outbox: Outbox) -> int:
    return int(outbox.status()["records"]["violation"].get("platform_ack", 0))


def _faults(path: Path) -> set[str]:
    return {str(one["kind"]) for one in json.loads(path.read_bytes()).get("faults", [])}


def _box(rig: Rig, port: int) -> tuple[Process, Process]:
    """Both daemons, with their state where there are few inodes."""
    device = yaml.safe_load(rig.device_file(port).read_text())
    device["broker"]["tls"] = "off"
    device["folders"] |= {"state": str(rig.state), "models": str(ROOT / "models")}
    site = yaml.safe_load((CLIP / "site.yaml").read_text("utf-8"))
    for camera in site["cameras"]:
        camera |= {"source": str(CLIP / "street.mp4"), "playback": "loop"}
    (rig.folder / "device.yaml").write_text(json.dumps(device))
    (rig.folder / "site.yaml").write_text(json.dumps(site))
    words = [sys.executable, "-m", "edge"]
    files = ["--device", str(rig.folder / "device.yaml"), "--site", str(rig.folder / "site.yaml")]

    def started(unit: str) -> Process:
        return rig.own(Process([*words, unit, *files], rig.folder / f"{unit}.log"))

    visiond = started("visiond")
    # So that the birth tells of what visiond has said of itself, as at every later connection.
    status = rig.folder / "run" / "status" / "visiond.json"
    eventually(status.exists, within_s=120)
    return visiond, started("uplinkd")
