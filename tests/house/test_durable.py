# SPDX-License-Identifier: AGPL-3.0-or-later
"""What is promised to survive a power cut is on the disk before it is visible.

The watched folder counts as a disk whose every write is still in memory: of a file only what was
fsynced is kept, of a folder only the names that it had when it was fsynced.
"""

import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from edge import journal
from edge.evidence.store import Draft, Revision
from edge.outbox import ballast
from edge.release.software import fetch
from edge.release.software.slots import Slots
from edge.runtime import make_folder, write_atomic
from edge.uplink import keys, seal
from tests.evidence.conftest import stamp


class Disk:
    """Sees fsync and rename below a folder."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self._bytes: dict[int, bytes] = {}
        self._names: dict[int, dict[str, int]] = {root.stat().st_ino: {}}
        self.early: list[str] = []
        fsync = os.fsync

        def synced(handle: int) -> None:
            fsync(handle)
            path = Path(f"/proc/self/fd/{handle}").resolve()
            if path.is_dir():
                self._names[path.stat().st_ino] = listed(path)
            else:
                self._bytes[path.stat().st_ino] = path.read_bytes()

        monkeypatch.setattr(os, "fsync", synced)
        for name in ("rename", "replace"):
            moved = self._moving(getattr(os, name))
            monkeypatch.setattr(os, name, moved)
            # Python 3.10's pathlib keeps the functions of os that it found when it was imported.
            monkeypatch.setattr(Path, name, lambda path, to, moved=moved: (moved(path, to), to)[1])

    def _moving(self, real):
        def moved(source, target, **named):
            if Path(source).is_relative_to(self.root):
                self.early += self._lost(Path(source))
            return real(source, target, **named)

        return moved

    def lost(self) -> list[str]:
        """What a power cut now would lose or tear, and what was given its name too early."""
        return sorted({*self.early, *self._lost(self.root)})

    def _lost(self, path: Path) -> list[str]:
        if path.is_symlink():
            return []
        if path.is_file():
            whole = self._bytes.get(path.stat().st_ino) == path.read_bytes()
            return [] if whole else [f"content of {path.name}"]
        known, found = self._names.get(path.stat().st_ino, {}), []
        for name, inode in listed(path).items():
            found += [] if known.get(name) == inode else [f"name {name}"]
            found += self._lost(path / name)
        return found


def listed(folder: Path) -> dict[str, int]:
    return {path.name: path.lstat().st_ino for path in folder.iterdir()}


@pytest.fixture
def disk(tmp_path, monkeypatch):
    (tmp_path / "disk").mkdir()
    return Disk(tmp_path / "disk", monkeypatch)


def revision(root):
    source = root.parent / "clip.mp4"
    source.write_bytes(b"c" * 3_000_000)
    with Revision(root, "v-1", 1) as one:
        one.add(Draft("overview", "o.jpg", stamp(0), data=b"jpeg"))
        one.add(Draft("clip", "c.mp4", stamp(0), source=source))
        one.seal({"files": []})


def rotated(root):
    keys.rotate(root / "keys", "box-1")
    keys.rotate(root / "keys", "box-1")


def fetched(root):
    """From a server on the loopback, the last block short; then the word that it is all there."""
    data = b"x" * (2 * fetch.BLOCK) + b"end"

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        fetch.fetch_object(url, seal.sha256(data), len(data), root, allow=lambda n: None)
        write_atomic(root / "ready.json", b"{}")
    finally:
        server.shutdown()
        server.server_close()


def appended(root):
    journal.append(root / "log" / "a.jsonl", [{"n": 1}])
    journal.append(root / "log" / "a.jsonl", [{"n": 2}])


def pointed(root):
    for slot in ("a", "b"):
        make_folder(root / slot)
    Slots(root).switch("a")
    Slots(root).switch("b")


WORKS = {
    "a file put anew": lambda root: write_atomic(root / "a", b"x"),
    "folders": lambda root: make_folder(root / "a" / "b" / "c"),
    "a journal": appended,
    "a revision": revision,
    "keys": rotated,
    "a part of a release": fetched,
    "the slot in force": pointed,
}


@pytest.mark.parametrize("work", WORKS)
def test_a_power_cut_right_after_it_loses_nothing(disk, work):
    WORKS[work](disk.root)
    assert list(disk.root.iterdir())
    assert disk.lost() == []


def test_the_ballast_has_its_blocks_before_its_name(disk):
    ballast.restore(disk.root, 1)
    assert disk.lost() == ["name ballast"], "which may be lost: it is laid anew"


def test_what_is_not_synced_is_found(disk):
    """The disk of these tests is no yes-man."""
    (disk.root / "b").write_bytes(b"x")
    write_atomic(disk.root / "a", b"x", durable=False)
    early, *found = disk.lost()
    assert early.startswith("content of .a."), "renamed before it was synced"
    assert found == ["content of a", "content of b", "name a", "name b"]
