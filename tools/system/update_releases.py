# SPDX-License-Identifier: AGPL-3.0-or-later
"""Releases of this commit, good and bad, each with one change, on a mirror that counts."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.outbox.schema import MIGRATIONS
from edge.release.signing import sign
from edge.uplink import seal
from tools.field import bundle
from tools.system import roots
from tools.system.box import ROOT
from tools.system.container import Failed

Change = Callable[[Path], None]


def _in(name: str, old: str, new: str) -> Change:
    def change(source: Path) -> None:
        path = source / name
        text = path.read_text("utf-8")
        if old not in text:
            raise Failed(f"{name} has no {old!r}")
        path.write_text(text.replace(old, new, 1), "utf-8")

    return change


def _at_end(name: str, text: str) -> Change:
    def change(source: Path) -> None:
        path = source / name
        path.write_text(path.read_text("utf-8") + text, "utf-8")

    return change


NEXT = (
    _in("edge/__init__.py", '"0.1.0"', '"0.2.0"'),
    _in("pyproject.toml", 'version = "0.1.0"', 'version = "0.2.0"'),
)
CRASHES = _in(
    "edge/daemons/visiond.py",
    "\ndef main(",
    "\ndef main(*_: object, **__: object) -> int:\n"
    "    import time\n\n    time.sleep(3)\n    raise RuntimeError('made to')\n\n\n"
    "def _main(",
)
MIGRATES = _at_end(
    "edge/outbox/schema.py",
    '\nMIGRATIONS = (*MIGRATIONS, "CREATE TABLE extra (n INTEGER)")\n'
    'BACK = (*BACK, "DROP TABLE extra")\n',
)
# Each kind of release: what is changed in this commit's source, and how the update must end.
KINDS: dict[str, tuple[tuple[Change, ...], str]] = {
    "same": ((), "settled"),
    "next": (NEXT, "settled"),
    "fails its self-test": (
        (_in("edge/daemons/sensord.py", "from __future__", "import not_there\nfrom __future__"),),
        "refused",
    ),
    "crashes after the switch": ((CRASHES,), "rolled_back"),
    "crashes with a newer outbox": ((CRASHES, MIGRATES), "rolled_back"),
    "cannot reach the broker": (
        (_in("edge/uplink/build.py", "        broker.port,\n", "        1,\n"),),
        "rolled_back",
    ),
}
GOOD = ("next", "same")
BAD = tuple(name for name, (_, end) in KINDS.items() if end != "settled")


class Mirror:
    """A web server on the loopback that counts what it sends."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        mirror = self

        class Handler(SimpleHTTPRequestHandler):
            def copyfile(self, source: Any, outputfile: Any) -> None:
                while block := source.read(1 << 16):
                    mirror.sent += len(block)
                    outputfile.write(block)

            def log_message(self, *_: object) -> None:
                """Requests are not worth a line."""

        self.folder, self.sent = folder, 0
        handler = partial(Handler, directory=str(folder))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Publisher:
    """Makes releases of this commit with one change each, and puts them on the mirror."""

    def __init__(self, folder: Path, python: str) -> None:
        self._folder, self._python = folder, python
        self.private = Ed25519PrivateKey.generate()
        self.mirror = Mirror(folder / "mirror")
        self._number = 0
        self._made = {kind: self._build(kind) for kind in KINDS}

    def publish(self, kind: str, **changes: Any) -> dict[str, Any]:
        """The next number; built once for each kind and signed anew each time."""
        self._number += 1
        told = {"number": self._number, "most": self._number - 1, **changes}
        data = sign(self._made[kind] | told, self.private)
        text = json.dumps(data, sort_keys=True).encode()
        (self.mirror.folder / seal.sha256(text)).write_bytes(text)
        return {"number": self._number, "sha256": seal.sha256(text)}

    def _build(self, kind: str) -> dict[str, Any]:
        source, out = self._folder / f"source-{kind}", self._folder / f"bundle-{kind}"
        words = ["git", "clone", "--quiet", str(ROOT), str(source)]
        subprocess.run(words, check=True, capture_output=True)
        for change in KINDS[kind][0]:
            change(source)
        pem = self._folder / "key.pem"
        pem.write_bytes(seal.private_pem(self.private))
        args = ["--number", "1", "--key", str(pem), "--out", str(out), "--source", str(source)]
        args += ["--python", self._python, "--wheels", str(roots.wheels(self._python))]
        args += ["--outbox", str(len(MIGRATIONS) + 1)] if MIGRATES in KINDS[kind][0] else []
        bundle.bundle(bundle.arguments(args))
        for path in out.iterdir():
            path.replace(self.mirror.folder / path.name)
        shutil.rmtree(source)
        data: dict[str, Any] = json.loads((self.mirror.folder / "manifest.json").read_bytes())
        return data
