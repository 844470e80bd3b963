# SPDX-License-Identifier: AGPL-3.0-or-later
"""The device's signing keys on disk, made here and never leaving it, and their rotation.

`<state>/keys/<number>.pem` (0600), the highest number signs. A new key is endorsed by its
predecessor (`<number>.json`), so that a platform that trusts the old one can follow.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.config import ConfigError
from edge.config.device import Trust
from edge.runtime import make_folder, sync_folder, write_atomic
from edge.uplink import seal
from edge.uplink.messages import PublicKey
from edge.values import Json


@dataclass(frozen=True, slots=True)
class Keys:
    """`signer` signs from now on; `public` are all keys that ever did, oldest first."""

    signer: seal.Signer
    public: tuple[PublicKey, ...]


def device_keys(trust: Trust, device: str, folder: Path, base: Path) -> Keys:
    """The configured key, or the device's own, made at first use. Raises ConfigError."""
    if trust.signing_key:
        path = base / trust.signing_key
        private = _read(path)
        signer = seal.Signer(trust.key_id or _kid(device, private), private)
        return Keys(signer, (_public(signer.kid, private, None),))
    make_folder(folder)
    if not _files(folder):
        _write(folder / "001.pem", Ed25519PrivateKey.generate())
    return _from_folder(folder, device)


def rotate(folder: Path, device: str) -> str:
    """Make the next key, endorsed by the present one; returns its id."""
    make_folder(folder)
    files = _files(folder)
    private = Ed25519PrivateKey.generate()
    kid = _kid(device, private)
    number = int(files[-1].stem) + 1 if files else 1
    if files:
        old = _from_folder(folder, device).signer
        said = old.sign({"endorses": kid, "pem": seal.public_pem(private.public_key()).decode()})
        # The endorsement first: a key without one would start a second, unconnected identity.
        write_atomic(folder / f"{number:03d}.json", said)
    _write(folder / f"{number:03d}.pem", private)
    return kid


def _from_folder(folder: Path, device: str) -> Keys:
    public = []
    for path in _files(folder):
        private = _read(path)
        endorsed = path.with_suffix(".json")
        said = json.loads(endorsed.read_bytes()) if endorsed.is_file() else None
        public.append(_public(_kid(device, private), private, said))
    return Keys(seal.Signer(public[-1].kid, private), tuple(public))


def platform_ring(trust: Trust, base: Path) -> seal.KeyRing | None:
    """The platform's keys; None in the weak mode `down: tls`. Raises ConfigError."""
    if trust.down == "tls":
        return None
    if not trust.platform_key:
        raise ConfigError(
            "trust.platform_key: missing; give the platform's public key (PEM, Ed25519),"
            " or say `down: tls` if the platform cannot sign"
        )
    path = base / trust.platform_key
    try:
        return seal.ring(seal.read_public(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise ConfigError(f"trust.platform_key = {trust.platform_key!r}: {error}") from None


def _kid(device: str, private: Ed25519PrivateKey) -> str:
    return f"{device}/{seal.fingerprint(private.public_key())}"


def _public(kid: str, private: Ed25519PrivateKey, endorsed: Json) -> PublicKey:
    pem = seal.public_pem(private.public_key()).decode("ascii")
    return PublicKey(kid=kid, pem=pem, endorsed=endorsed)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.pem") if path.stem.isdigit())


def _read(path: Path) -> Ed25519PrivateKey:
    try:
        return seal.read_private(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from None


def _write(path: Path, private: Ed25519PrivateKey) -> None:
    """Readable by nobody else from its first moment, and on disk before anything is signed."""
    partial = path.with_name(f".{path.name}.tmp")
    partial.unlink(missing_ok=True)
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(handle, seal.private_pem(private))
        os.fsync(handle)
    finally:
        os.close(handle)
    partial.replace(path)
    sync_folder(path.parent)
