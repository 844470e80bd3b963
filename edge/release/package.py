# SPDX-License-Identifier: AGPL-3.0-or-later
"""A model package: one ZIP of a signed manifest and exactly the files that it names by hash.

The signature is Ed25519 over the RFC 8785 form of the manifest as written, without its key
`signature`; the manifest holds the SHA-256 of everything else, so it covers every byte. It is taken
over the file and not over what this version reads out of it: a later version with more keys
must still find it sound. A package is data from outside: nothing of it is written under a name or
in a size that was not checked before.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edge.config import ConfigError, read_yaml
from edge.config.site import Name
from edge.release.signing import check_signature, read_signed_json
from edge.runtime import sync_folder, write_atomic
from edge.vision.manifest import Manifest, check_sha256, read_manifest

MANIFEST = "manifest.yaml"
MANIFEST_BYTES_MAX = 1_000_000
# The largest weights we know of for a box are 80 MB; a card must not be filled by a wrong file.
PACKAGE_BYTES_MAX = 200_000_000
FILES_MAX = 64
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Checked:
    """A package whose signature fits. `wanted`: every file besides the manifest -> SHA-256."""

    path: Path
    name: str
    manifest: Manifest
    text: bytes
    wanted: Mapping[str, str]


def files_of(manifest: Manifest, where: str) -> dict[str, str]:
    """Every file that the manifest names -> its SHA-256. Raises ConfigError for odd names."""
    found = {manifest.file: manifest.sha256, **manifest.beside}
    for variant in manifest.variants.values():
        found |= {variant.file: variant.sha256, **variant.beside}
    if manifest.selftest is not None:
        found |= {known.file: known.sha256 for known in manifest.selftest.pictures}
    for name in found:
        if name.startswith(".") or name == MANIFEST:
            raise ConfigError(f"{where}: {name!r} cannot be the name of a file in a package")
    if len(found) > FILES_MAX:
        raise ConfigError(f"{where}: {len(found)} files, at most {FILES_MAX}")
    return found


def release_name(manifest: Manifest, where: str) -> str:
    """The name under which the site calls it. Raises ConfigError."""
    try:
        return msgspec.convert(manifest.name, Name)
    except msgspec.ValidationError:
        raise ConfigError(
            f"{where}: name = {manifest.name!r}: lower-case letters, digits, - and _ wanted"
        ) from None


def write_package(data: Mapping[str, Any], folders: Sequence[Path], out: Path) -> None:
    """The ZIP of a signed manifest's content and its files, each from the first folder that has
    it. The same content gives the same bytes. Raises ConfigError, or OSError for the disk."""
    text = json.dumps(data, ensure_ascii=False, indent=1).encode()
    partial = out.with_name(f".{out.name}.part")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as package:
        package.writestr(zipfile.ZipInfo(MANIFEST), text)
        for name in sorted(files_of(msgspec.convert(data, Manifest), str(out))):
            found = next((f / name for f in folders if (f / name).is_file()), folders[0] / name)
            package.writestr(zipfile.ZipInfo(name), found.read_bytes())
    partial.replace(out)


def check_package(path: Path, keys: tuple[Ed25519PublicKey, ...]) -> Checked:
    """Who made it and what it holds; nothing is written. Raises ConfigError in one line."""
    try:
        if path.stat().st_size > PACKAGE_BYTES_MAX:
            raise ConfigError(f"{path}: more than {PACKAGE_BYTES_MAX // 1_000_000} MB")
        with zipfile.ZipFile(path) as package:
            text = _read(package, MANIFEST, MANIFEST_BYTES_MAX, path)
            members = [entry.filename for entry in package.infolist()]
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise ConfigError(f"{path}: not a model package: {error}") from None
    named = f"{path}: {MANIFEST}"
    manifest = read_signed_json(
        text, keys, Manifest, where=str(path), named=named, what="not a manifest"
    )
    wanted = files_of(manifest, str(path))
    if sorted(members) != sorted([MANIFEST, *wanted]):
        odd = sorted(set(members) ^ {MANIFEST, *wanted}) or ["a file stands twice"]
        raise ConfigError(f"{path}: the manifest and the package differ: {odd[0]!r}")
    return Checked(path, release_name(manifest, str(path)), manifest, text, wanted)


def _read(package: zipfile.ZipFile, name: str, most: int, path: Path) -> bytes:
    try:
        with package.open(name) as file:
            data = file.read(most + 1)
    except KeyError:
        raise ConfigError(f"{path}: not a model package: no {name} in it") from None
    if len(data) > most:
        raise ConfigError(f"{path}: {name}: more than {most} bytes")
    return data


def unpack(checked: Checked, folder: Path) -> Path:
    """Write the files into an empty folder, each checked against its hash, all of it on disk when
    this returns; returns the manifest's path. Raises ConfigError, or OSError for the disk."""
    left = PACKAGE_BYTES_MAX
    try:
        with zipfile.ZipFile(checked.path) as package:
            for name, sha256 in checked.wanted.items():
                left -= _extract(package, name, sha256, folder, left)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, KeyError, EOFError) as error:
        raise ConfigError(f"{checked.path}: damaged: {error}") from None
    manifest = folder / f"{checked.name}.yaml"
    write_atomic(manifest, checked.text)
    sync_folder(folder)
    return manifest


def _extract(package: zipfile.ZipFile, name: str, sha256: str, folder: Path, most: int) -> int:
    """One file; counts what really comes out, whatever its header says."""
    digest, size = hashlib.sha256(), 0
    data = bytearray()
    with package.open(name) as file:
        while block := file.read(_BLOCK):
            size += len(block)
            if size > most:
                raise ConfigError(f"{package.filename}: {name}: unpacks to too much")
            digest.update(block)
            data += block
    if digest.hexdigest() != sha256:
        raise ConfigError(f"{package.filename}: {name}: its bytes are not those of the manifest")
    write_atomic(folder / name, bytes(data))
    return size


def check_folder(manifest: Path, keys: tuple[Ed25519PublicKey, ...]) -> Manifest:
    """An unpacked release: the signature, and the hash of every file. Raises ConfigError."""
    check_signature(read_yaml(manifest), keys, str(manifest))
    read = read_manifest(manifest)
    for name, sha256 in files_of(read, str(manifest)).items():
        check_sha256(manifest, manifest.parent / name, sha256)
    return read
