# SPDX-License-Identifier: AGPL-3.0-or-later
"""Who made a release: Ed25519 over the RFC 8785 form of its manifest without `signature`.

It is taken over the manifest as written and not over what this version reads out of it: a later
version with more keys must still find it sound.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from edge.config import ConfigError
from edge.uplink import seal

T = TypeVar("T")


def release_ring(
    key: str | None, base: Path, name: str = "updates.release_key"
) -> tuple[Ed25519PublicKey, ...]:
    """The pinned keys of the setting `name`; two of them while one is being replaced. Raises
    ConfigError."""
    if not key:
        raise ConfigError(
            f"{name}: missing in device.yaml; give the public key (PEM, Ed25519) of who makes "
            "these releases"
        )
    try:
        return tuple(seal.read_public((base / key).read_bytes()))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{name} = {key!r}: {error}") from None


def sign(data: Mapping[str, Any], key: Ed25519PrivateKey) -> dict[str, Any]:
    """The manifest's content with its signature."""
    body = {name: value for name, value in data.items() if name != "signature"}
    signature = base64.b64encode(key.sign(seal.canonical(body))).decode("ascii")
    return {**body, "signature": signature}


def check_signature(data: Any, keys: tuple[Ed25519PublicKey, ...], where: str) -> None:
    """Raises ConfigError unless one of the keys made the signature; `data` is whatever was read,
    such as None from a file that a power cut emptied."""
    if not isinstance(data, Mapping):
        raise ConfigError(f"{where}: holds no signed keys and values")
    body = {name: value for name, value in data.items() if name != "signature"}
    try:
        raw = base64.b64decode(str(data.get("signature") or ""), validate=True)
        form = seal.canonical(body)
    except (binascii.Error, ValueError):
        raise ConfigError(f"{where}: signature: not one") from None
    for key in keys:
        try:
            key.verify(raw, form)
        except InvalidSignature:
            continue
        return
    raise ConfigError(f"{where}: signature: not made by the pinned release key")


def read_signed_json(
    text: bytes,
    keys: tuple[Ed25519PublicKey, ...],
    kind: type[T],
    where: str,
    named: str,
    what: str,
) -> T:
    """A signed JSON object as `kind`. The signature first: what nobody vouches for is looked into
    no further than JSON. where: of whoever signed; named: the text itself; what: words for one that
    is no object. Raises ConfigError."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise ConfigError(f"{named}: not JSON") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{named}: {what}")
    check_signature(data, keys, where)
    try:
        return msgspec.convert(data, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise ConfigError(f"{named}: {error}") from None
