# SPDX-License-Identifier: AGPL-3.0-or-later
"""A publisher and a box: small models, a release key, packages, a home folder."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.cli import main
from edge.release.install import Box
from edge.uplink import seal
from tools.fakes.onnx_files import bright, write

CLASSES = ["vendor_stall", "person"]
NAME = "lamp"
KEY = Ed25519PrivateKey.from_private_bytes(b"r" * 32)
OTHER = Ed25519PrivateKey.from_private_bytes(b"o" * 32)
SITE = """\
name: 测试点位
model: lamp
cameras:
  - id: north
    source: street.mp4
    playback: loop
    fps: 5
    zones: [{id: pavement, polygon: [[0, 0.2], [1, 0.2], [1, 1], [0, 1]]}]
    rules: [{category: street-vendor, dwell_s: 8}]
"""


def model(folder: Path, *, release: int = 0, height: int = 128, classes=CLASSES) -> Path:
    """A model that sees lamps; a taller one is slower."""
    width = height * 3 // 2
    data = bright(height, width, classes, classes=len(classes))
    path = write(
        folder, data, classes, name=NAME, release=release, input={"height": height, "width": width}
    )
    return path.rename(folder / f"{NAME}.yaml")


def pictures(folder: Path) -> Path:
    """Two dark pictures with lamps of size and brightness."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (x, y) in enumerate([(100, 60), (220, 130)]):
        image = np.zeros((240, 360, 3), np.uint8)
        image[y : y + 30, x : x + 30] = 255
        cv2.imwrite(str(folder / f"p{number}.png"), image)
    return folder


def pack(folder: Path, release: int, *, key=KEY, slower: float = 10.0, **kind) -> Path:
    """What `edge model pack` makes."""
    place = folder / f"press-{release}"
    manifest = model(place, release=release, **kind)
    facts = manifest.read_text() + f"\nselftest: {{slower_at_most: {slower}, pictures: ["
    sha256 = "0" * 64
    manifest.write_text(facts + f"{{file: x.png, sha256: '{sha256}', boxes: []}}]}}\n")
    (folder / "release.pem").write_bytes(seal.private_pem(key))
    out = folder / f"{NAME}-r{release}.zip"
    words = ["model", "pack", str(manifest), "--key", str(folder / "release.pem")]
    words += ["--pictures", str(pictures(folder / "pictures")), "--out", str(out)]
    assert main(words) == 0
    return out


def changed(package: Path, change, *, key=None, files=None) -> Path:
    """The package with its manifest's content changed, signed anew only where a key is given."""
    from edge.release.package import MANIFEST
    from edge.release.signing import sign

    out = package.with_name(f"changed-{package.name}")
    with zipfile.ZipFile(package) as old, zipfile.ZipFile(out, "w") as new:
        data = json.loads(old.read(MANIFEST))
        change(data)
        new.writestr(MANIFEST, json.dumps(sign(data, key) if key else data))
        for name in old.namelist()[1:]:
            new.writestr(name, (files or {}).get(name, old.read(name)))
    return out


def home(folder: Path) -> Path:
    """A box with the shipped model, its site, and the release key pinned."""
    folder.mkdir(parents=True, exist_ok=True)
    model(folder / "shipped", release=1)
    (folder / "release.pub.pem").write_bytes(seal.public_pem(KEY.public_key()))
    (folder / "site.yaml").write_text(SITE, "utf-8")
    (folder / "device.yaml").write_text(
        "device: box-1\nbroker: {host: 127.0.0.1, port: 1, tls: off}\n"
        f"folders: {{state: state, run: run, models: {folder / 'shipped'}}}\n"
        "updates: {release_key: release.pub.pem, watch_s: 3}\n",
        "utf-8",
    )
    return folder


def box(folder: Path, *, fits=lambda name, manifest: None, baseline=None) -> Box:
    """The same box for the installer, without a configuration."""
    shipped = folder / "shipped" / f"{NAME}.yaml"
    return Box(
        folder=folder / "state" / "models",
        keys=(KEY.public_key(),),
        provider="cpu",
        shipped=lambda name: shipped,
        in_force=lambda name: shipped,
        fits=fits,
        baseline=baseline or {},
    )
