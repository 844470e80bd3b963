# SPDX-License-Identifier: AGPL-3.0-or-later
"""The page's own certificate, and its fingerprint in figures and in words.

No authority signs for an address such as 192.168.1.50, so a browser asks once whether it may go on;
what it is shown is compared with the fingerprint that the box prints. The key is made on the box by
`python -m edge.console.page_certificate FOLDER NAME...`, a process apart: making one loads 12 MB
that the page would keep.
"""

from __future__ import annotations

import hashlib
import ssl
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# Lasting, so that what people compared once stays what they see; the box's clock may still be at
# its epoch when the certificate is made, so its first day is a fixed one.
FIRST_DAY, LAST_DAY = (2024, 1, 1), (2049, 12, 31)

# Sixteen by sixteen: one pair of words for each byte of the fingerprint.
HOW = (
    *(("红", "red"), ("黄", "yellow"), ("蓝", "blue"), ("绿", "green"), ("白", "white")),
    *(("黑", "black"), ("金", "golden"), ("银", "silver"), ("大", "big"), ("小", "small")),
    *(("老", "old"), ("新", "new"), ("冷", "cold"), ("热", "hot"), ("快", "quick")),
    ("慢", "slow"),
)
WHAT = (
    *(("马", "horse"), ("牛", "ox"), ("羊", "goat"), ("狗", "dog"), ("猫", "cat")),
    *(("鱼", "fish"), ("鸟", "bird"), ("龙", "dragon"), ("山", "hill"), ("河", "river")),
    *(("船", "boat"), ("车", "cart"), ("灯", "lamp"), ("桥", "bridge"), ("树", "tree")),
    ("花", "flower"),
)
SPOKEN_BYTES = 6


@dataclass(frozen=True, slots=True)
class PageCertificate:
    """Files in PEM; `sha256` of the certificate in DER, which is what a browser shows."""

    cert: Path
    key: Path
    sha256: str

    @property
    def spelled(self) -> str:
        """Pairs of figures with colons, as browsers write it."""
        digits = self.sha256.upper()
        return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))

    def words(self, language: str) -> str:
        """The first six bytes as pairs of words that two people can read to each other."""
        side = 1 if language == "en" else 0
        first = bytes.fromhex(self.sha256)[:SPOKEN_BYTES]
        gap = " " if side else ""
        pairs = (HOW[byte >> 4][side] + gap + WHAT[byte & 15][side] for byte in first)
        return (", " if side else " ").join(pairs)


def own_files(state: Path) -> tuple[Path, Path]:
    """Where the page's own certificate and key lie."""
    folder = state / "console" / "page"
    return folder / "cert.pem", folder / "key.pem"


def read_certificate(cert: Path, key: Path) -> PageCertificate:
    """Raises OSError where a file cannot be read, ValueError where it holds no certificate."""
    text = cert.read_text("ascii", "replace")
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    if begin not in text or end not in text:
        raise ValueError(f"{cert}: no certificate in it")
    first = text[text.index(begin) : text.index(end) + len(end)]
    der = ssl.PEM_cert_to_DER_cert(first)
    return PageCertificate(cert, key, hashlib.sha256(der).hexdigest())


def make(folder: Path, names: Sequence[str]) -> None:
    """Makes key and certificate (ECDSA P-256, RFC 5280) for host names and IP addresses."""
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    from edge.runtime import write_atomic

    def general(name: str) -> x509.GeneralName:
        try:
            return x509.IPAddress(ipaddress.ip_address(name))
        except ValueError:
            return x509.DNSName(name)

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    first, last = (
        datetime.datetime(*day, tzinfo=datetime.timezone.utc) for day in (FIRST_DAY, LAST_DAY)
    )
    builder = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(first)
        .not_valid_after(last)
        .add_extension(x509.SubjectAlternativeName([general(name) for name in names]), False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
    )
    certificate = builder.sign(key, hashes.SHA256())
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    # The certificate last: where it stands its key does too.
    for name, data in (
        ("key.pem", secret),
        ("cert.pem", certificate.public_bytes(serialization.Encoding.PEM)),
    ):
        write_atomic(folder / name, data)
        (folder / name).chmod(0o600)


if __name__ == "__main__":
    make(Path(sys.argv[1]), sys.argv[2:])
