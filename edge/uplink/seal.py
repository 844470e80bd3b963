# SPDX-License-Identifier: AGPL-3.0-or-later
"""Canonical bytes, hashes, signatures and the chain: what makes a record provable. Pure.

Ed25519 (RFC 8032) over the canonical JSON of RFC 8785 without the field `sig`. A record's hash
is the SHA-256 of its published bytes, signature included; the next record of its kind carries
it as `prev`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import rfc8785
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from edge.values import Json

FINGERPRINT_CHARS = 16
# Integers up to here are exact in every reader (RFC 8785, appendix D).
_EXACT_BELOW = 2**53


class Forged(ValueError):
    """The signature does not fit, or no key for it is trusted."""


def canonical(data: Json) -> bytes:
    """RFC 8785 bytes. Raises ValueError for what that cannot express (NaN, 2^53 and more)."""
    try:
        return _ENCODER.encode(_exact(data)).encode()
    except _Odd:
        pass
    except (TypeError, RecursionError) as error:
        raise ValueError(f"no canonical form: {error}") from None
    try:
        return rfc8785.dumps(data)
    except (rfc8785.CanonicalizationError, RecursionError) as error:
        raise ValueError(f"no canonical form: {error}") from None


class _Odd(Exception):
    """A value that the fast way writes differently from RFC 8785."""


# Python's C encoder gives the bytes of RFC 8785 once numbers are as _exact leaves them and every
# key is ASCII: 15 times as fast as the pure Python library, which is kept for all else.
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _exact(value: Json) -> Json:
    """Whole floats as integers; _Odd for a number or key whose form or order would differ."""
    if isinstance(value, str) or value is None or isinstance(value, bool):
        return value
    if isinstance(value, float):
        if value.is_integer() and abs(value) < _EXACT_BELOW:
            return int(value)
        if not 1e-4 <= abs(value) < _EXACT_BELOW:
            raise _Odd
        return value
    if isinstance(value, int):
        if abs(value) >= _EXACT_BELOW:
            raise _Odd
        return value
    if isinstance(value, dict):
        if not all(isinstance(key, str) and key.isascii() for key in value):
            raise _Odd
        return {key: _exact(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_exact(item) for item in value]
    raise _Odd


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def fingerprint(key: Ed25519PublicKey) -> str:
    """A key's default id: the first 16 hex digits of the SHA-256 of its 32 raw bytes."""
    return sha256(key.public_bytes_raw())[:FINGERPRINT_CHARS]


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key under the id that messages name it by."""

    kid: str
    private: Ed25519PrivateKey = field(repr=False)

    @property
    def public(self) -> Ed25519PublicKey:
        return self.private.public_key()

    def sign(self, data: Mapping[str, Json]) -> bytes:
        """Canonical bytes of `data` with `kid` and `sig` in it: exactly what is published."""
        body = {**data, "kid": self.kid}
        body.pop("sig", None)
        body["sig"] = base64.b64encode(self.private.sign(canonical(body))).decode("ascii")
        return canonical(body)


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Public keys by id: whose signatures count. Several at once while a key is being rotated."""

    keys: Mapping[str, Ed25519PublicKey]

    def verify(self, data: Mapping[str, Json]) -> None:
        """Raises Forged unless `data` was signed by the key it names."""
        kid, sig = data.get("kid"), data.get("sig")
        key = self.keys.get(kid) if isinstance(kid, str) else None
        if key is None:
            raise Forged(f"no trusted key {str(kid)[:80]!r}")
        if not isinstance(sig, str):
            raise Forged("not signed")
        body = {name: value for name, value in data.items() if name != "sig"}
        try:
            raw = base64.b64decode(sig, validate=True)
            # RFC 4648 3.5: spare bits of the last character could differ and decode alike.
            if base64.b64encode(raw).decode("ascii") != sig:
                raise Forged("the signature is not written canonically")
            key.verify(raw, canonical(body))
        except (InvalidSignature, binascii.Error, ValueError, RecursionError):
            raise Forged("the signature does not fit") from None


def private_pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def public_pem(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def read_private(pem: bytes) -> Ed25519PrivateKey:
    """Raises ValueError for anything but one unencrypted Ed25519 private key in PEM."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError(f"not a PEM private key: {error}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("not an Ed25519 key")
    return key


END = b"-----END PUBLIC KEY-----"


def read_public(pem: bytes) -> list[Ed25519PublicKey]:
    """All Ed25519 public keys of a PEM file, so that a successor can be laid beside its key.

    Raises ValueError for any other content and for none at all.
    """
    keys: list[Ed25519PublicKey] = []
    for block in pem.split(END)[:-1]:
        try:
            key = serialization.load_pem_public_key(block[max(block.find(b"-----"), 0) :] + END)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise ValueError(f"not a PEM public key: {error}") from None
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError("not an Ed25519 key")
        keys.append(key)
    if not keys:
        raise ValueError("holds no PEM public key")
    return keys


def ring(keys: list[Ed25519PublicKey]) -> KeyRing:
    """A key ring under fingerprints."""
    return KeyRing({fingerprint(key): key for key in keys})


def follows(prev_seq: int, prev_sha256: str, seq: int, prev: str) -> str | None:
    """Why a record is not the next of its chain, or None where it is."""
    if seq <= prev_seq:
        return f"seq {seq} stands again after {prev_seq}"
    if seq != prev_seq + 1:
        return f"gap: seq {prev_seq + 1} to {seq - 1} missing"
    if prev != prev_sha256:
        return f"prev {prev[:12]} is not the hash {prev_sha256[:12]} of seq {prev_seq}"
    return None
