# SPDX-License-Identifier: AGPL-3.0-or-later
"""The box's identity towards the broker: a key made here, a request for a certificate, the answer.

    edge-provision request --device box-0042 --tenant hue      -> box-0042.csr, for the bureau's CA
    edge-provision accept box-0042.crt --ca broker-ca.pem --platform-key platform.pub.pem

The private key never leaves the box. A second `request` renews: the new pair lies beside the old
one as `.next` and takes its place once the broker has accepted it. The key that signs findings is
another one; uplinkd makes it by itself. Needs nothing of the program but `cryptography`.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import sys
from datetime import datetime, timezone
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

KEYS = Path("/etc/edge/keys")
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
NEXT = ".next"
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class Refused(Exception):
    """One line for the person at the box."""


def request(keys: Path, device: str, tenant: str) -> Path:
    """Make a key and the request for its certificate; returns the request's path.

    P-256: every broker and every HSM of a bureau's CA takes it. Asked again before the answer has
    come, it gives the same key's request once more. Raises Refused.
    """
    for word in (device, tenant):
        if not NAME.fullmatch(word):
            raise Refused(f"{word!r}: letters, digits, '_', '-' and '.' only, 64 at most")
    keys.mkdir(parents=True, exist_ok=True)
    crt, key = keys / f"{device}.crt", keys / f"{device}.key"
    if crt.exists():
        key = key.with_name(key.name + NEXT)
    private = _read_key(key) if key.exists() else ec.generate_private_key(ec.SECP256R1())
    if not key.exists():
        _write(key, _pem(private), 0o640)
    path = keys / f"{device}.csr"
    _write(path, _csr(private, device, tenant), 0o644)
    return path


def _csr(private: ec.EllipticCurvePrivateKey, device: str, tenant: str) -> bytes:
    names = [
        x509.NameAttribute(NameOID.COMMON_NAME, device),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, tenant),
    ]
    builder = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name(names))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    )
    return builder.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def accept(
    keys: Path,
    certificate: Path,
    *,
    ca: Path | None = None,
    platform_key: Path | None = None,
    replaces: Path | None = None,
    now: datetime | None = None,
) -> list[Path]:
    """Check what came back and lay it beside its key; returns what was written. Raises Refused."""
    crt = _read_certificate(certificate)
    _check_dates(crt, certificate, now or datetime.now(timezone.utc))
    key = _key_of(keys, crt, certificate)
    planned: list[tuple[Path, bytes]] = []
    if ca:
        authority = _read_certificate(ca)
        _check_issuer(crt, authority, certificate, ca)
        _check_rules(authority, ca)
        planned.append((keys / "broker-ca.pem", ca.read_bytes()))
    if platform_key:
        _check_platform_key(platform_key)
        planned.append((keys / "platform.pub.pem", platform_key.read_bytes()))
    if replaces:
        planned.append((keys / "replacement.json", replaces.read_bytes()))
    renewed = key.name.endswith(NEXT)
    stem = key.name.removesuffix(NEXT).removesuffix(".key")
    planned.append((keys / f"{stem}.crt{NEXT if renewed else ''}", certificate.read_bytes()))
    for path, data in planned:
        _write(path, data, 0o644)
    (keys / f"{stem}.csr").unlink(missing_ok=True)
    return [path for path, _ in planned]


def label_code(public: bytes) -> str:
    """Twelve letters and digits of a certificate's public key (DER): what the label on the housing
    says, and what this prints, are the same box. Crockford's base 32: no letter looks like a digit.
    """
    number = int.from_bytes(hashlib.sha256(public).digest()[:8], "big") >> 4
    letters = "".join(ALPHABET[number >> shift & 31] for shift in range(55, -5, -5))
    return "-".join(letters[at : at + 4] for at in (0, 4, 8))


def _check_dates(crt: x509.Certificate, path: Path, now: datetime) -> None:
    if now < crt.not_valid_before_utc:
        raise Refused(
            f"{path}: valid from {crt.not_valid_before_utc:%Y-%m-%d %H:%M} UTC, and here it is"
            f" {now:%Y-%m-%d %H:%M}: is this box's clock right?"
        )
    if now > crt.not_valid_after_utc:
        raise Refused(f"{path}: ended on {crt.not_valid_after_utc:%Y-%m-%d}: ask for a new one")


def _key_of(keys: Path, crt: x509.Certificate, path: Path) -> Path:
    """The key the certificate was made for: the newest one first."""
    wanted = _public(crt.public_key())
    for key in sorted(keys.glob(f"*.key{NEXT}")) + sorted(keys.glob("*.key")):
        if _public(_read_key(key).public_key()) == wanted:
            return key
    raise Refused(f"{path}: made for none of the keys in {keys}: run `edge-provision request`")


def _check_issuer(crt: x509.Certificate, ca: x509.Certificate, path: Path, ca_path: Path) -> None:
    try:
        crt.verify_directly_issued_by(ca)
    except (ValueError, TypeError, InvalidSignature):
        # The broker's own CA may be another one than that of the boxes.
        issuer = crt.issuer.rfc4514_string()
        print(f"note: {path} was issued by {issuer}, not by {ca_path}", file=sys.stderr)


def _check_rules(ca: x509.Certificate, path: Path) -> None:
    """What strict verification asks of a CA (RFC 5280, 4.2.1.2, 4.2.1.3 and 4.2.1.9)."""
    missing = []
    for kind, name in (
        (x509.SubjectKeyIdentifier, "subject key identifier"),
        (x509.KeyUsage, "key usage"),
        (x509.BasicConstraints, "critical basic constraints"),
    ):
        try:
            found = ca.extensions.get_extension_for_class(kind)
        except x509.ExtensionNotFound:
            missing.append(name)
        else:
            if kind is x509.BasicConstraints and not found.critical:
                missing.append(name)
    if missing:
        print(
            f"note: {path} has no {', no '.join(missing)}: have it issued anew, or set"
            " broker.older_ca: true in device.yaml (docs/platform.md, certificates)",
            file=sys.stderr,
        )


def _check_platform_key(path: Path) -> None:
    try:
        found = serialization.load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as error:
        raise Refused(f"{path}: no public key in PEM: {error}") from None
    if not isinstance(found, ed25519.Ed25519PublicKey):
        raise Refused(f"{path}: the platform signs with Ed25519; this is another kind of key")


def _read_certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise Refused(f"{path}: no certificate in PEM: {error}") from None


def _read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        found = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise Refused(f"{path}: no private key: {error}") from None
    if not isinstance(found, ec.EllipticCurvePrivateKey):
        raise Refused(f"{path}: not a key of this tool (P-256)")
    return found


def _public(key: object) -> bytes:
    raw: bytes = key.public_bytes(  # type: ignore[attr-defined]
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return raw


def _pem(private: ec.EllipticCurvePrivateKey) -> bytes:
    return private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write(path: Path, data: bytes, mode: int) -> None:
    """Whole or not at all, durable, and never readable by others in between."""
    partial = path.with_name(f".{path.name}.tmp")
    partial.unlink(missing_ok=True)
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())
    partial.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(folder)
    os.close(folder)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="edge-provision",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--keys", type=Path, default=KEYS, help=f"default: {KEYS}")
    commands = parser.add_subparsers(dest="command", required=True)
    ask = commands.add_parser("request", help="make a key and a certificate request")
    ask.add_argument("--device", required=True, help="as in device.yaml")
    ask.add_argument("--tenant", default="city", help="as in device.yaml")
    take = commands.add_parser("accept", help="check and lay down what the CA sent back")
    take.add_argument("certificate", type=Path)
    take.add_argument("--ca", type=Path, help="CA that the broker's certificate is from")
    take.add_argument(
        "--replaces", type=Path, help="replacement.json, where a dead box had the name"
    )
    take.add_argument("--platform-key", type=Path, help="the platform's Ed25519 public key")
    return parser


def main(argv: list[str] | None = None) -> int:
    """0 done; 1 with the reason, such as a certificate of another box. Nothing half-written."""
    args = _arguments().parse_args(argv)
    try:
        if args.command == "request":
            path = request(args.keys, args.device, args.tenant)
            print(f"{path}\nhave it signed, then: edge-provision accept {args.device}.crt --ca …")
        else:
            for path in accept(
                args.keys,
                args.certificate,
                ca=args.ca,
                platform_key=args.platform_key,
                replaces=args.replaces,
            ):
                print(path)
            code = label_code(_public(_read_certificate(args.certificate).public_key()))
            print(f"the label of this box says {code}")
    except (Refused, OSError) as error:
        print(f"edge-provision: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
