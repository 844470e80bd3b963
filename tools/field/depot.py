# SPDX-License-Identifier: AGPL-3.0-or-later
"""The bureau's bench for a hundred boxes a day: certificates, labels, revocation.

    tools/depot sign requests/*.csr --register register.csv --ca ca.pem --ca-key ca.key --out crt
    tools/depot labels --register register.csv --out labels.html     A4, 3 x 8, with QR codes
    tools/depot revoke box-0042 --register register.csv --ca ca.pem --ca-key ca.key --out crl.pem

Each box makes its own key (edge-provision request) and hands over its request only. The register
has a row for each certificate. Label and edge-provision accept show the same code, made from the
key, so that nobody hangs the box of another pole. Nothing is signed where anything of a batch is
wrong.
"""

from __future__ import annotations

import argparse
import csv
import html
import io
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edge.journal import append
from tools.field.provision import NAME, Refused, label_code

DAYS = 800
CRL_DAYS = 30
ACROSS, DOWN = 3, 8
STYLE = """@page{size:A4;margin:8mm}body{font:9pt sans-serif;margin:0}
.sheet{display:grid;grid-template-columns:repeat(3,1fr);grid-auto-rows:34mm;break-after:page}
.label{border:1px dotted #999;padding:2mm;display:flex;gap:2mm;overflow:hidden}
.label svg{width:27mm;height:27mm}b{font-size:12pt}code{font-size:10pt}"""


@dataclass(frozen=True, slots=True)
class RegisterRow:
    """One certificate. state: `issued`, `revoked`."""

    device: str
    tenant: str
    serial: str
    code: str
    signed: str
    until: str
    state: str = "issued"


def read_register(path: Path) -> list[RegisterRow]:
    """[] where there is none yet. Raises Refused for a file that is none."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        try:
            return [RegisterRow(**row) for row in csv.DictReader(file)]
        except TypeError:
            raise Refused(f"{path}: not a register: its first line names other columns") from None


def keep(path: Path, rows: Sequence[RegisterRow]) -> None:
    """Append to the register, durably, before any certificate leaves this machine."""
    columns = [field.name for field in fields(RegisterRow)]
    text = io.StringIO()
    csv.DictWriter(text, columns, lineterminator="\n").writerows(asdict(row) for row in rows)
    append(path, text.getvalue().splitlines(), head=",".join(columns) + "\n")


def in_force(rows: Sequence[RegisterRow]) -> dict[str, RegisterRow]:
    """Serial -> the last that was said of a certificate."""
    return {row.serial: row for row in rows}


class Authority:
    """The bureau's CA on this bench. Raises Refused for files that are none."""

    def __init__(self, certificate: Path, key: Path) -> None:
        try:
            self.certificate = x509.load_pem_x509_certificate(certificate.read_bytes())
            private = serialization.load_pem_private_key(key.read_bytes(), None)
        except (OSError, ValueError, TypeError) as error:
            raise Refused(f"{certificate}, {key}: {error}") from None
        if not isinstance(private, ec.EllipticCurvePrivateKey):
            raise Refused(f"{key}: not a P-256 key as docs/platform.md makes it")
        self._private = private

    def issue(self, request: x509.CertificateSigningRequest, now: datetime) -> x509.Certificate:
        """As docs/platform.md says: for clients, with the identifiers that strict checks ask for
        (RFC 5280, 4.2.1)."""
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._private.public_key())
        own = x509.SubjectKeyIdentifier.from_public_key(request.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(request.subject)
            .issuer_name(self.certificate.subject)
            .public_key(request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=DAYS))
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .add_extension(own, critical=False)
            .add_extension(issuer, critical=False)
            .sign(self._private, hashes.SHA256())
        )

    def revocations(self, rows: Sequence[RegisterRow], now: datetime) -> bytes:
        """The list of what is not valid any more, for `crlfile` of the broker, in PEM."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(now - timedelta(hours=1))
            .next_update(now + timedelta(days=CRL_DAYS))
        )
        for row in in_force(rows).values():
            if row.state == "revoked":
                builder = builder.add_revoked_certificate(
                    x509.RevokedCertificateBuilder()
                    .serial_number(int(row.serial, 16))
                    .revocation_date(now)
                    .build()
                )
        made = builder.sign(self._private, hashes.SHA256())
        return made.public_bytes(serialization.Encoding.PEM)


def sign(
    paths: Sequence[Path], authority: Authority, register: Path, out: Path, now: datetime
) -> list[RegisterRow]:
    """A certificate for each request, or for none. Raises Refused, naming the first wrong one."""
    taken = {(r.tenant, r.device) for r in in_force(read_register(register)).values()
             if r.state == "issued"}  # fmt: skip
    asked = [(path, *_request(path)) for path in paths]
    twice = [who for who, n in Counter((t, d) for _, _, t, d in asked).items() if n > 1]
    for path, _, tenant, device in asked:
        if (tenant, device) in twice:
            raise Refused(f"{path}: two requests of this batch are of {tenant}/{device}")
        if (tenant, device) in taken:
            raise Refused(f"{path}: {tenant}/{device} has a certificate; revoke it first")
    made = [(authority.issue(request, now), tenant, device) for _, request, tenant, device in asked]
    rows = [_row(certificate, tenant, device) for certificate, tenant, device in made]
    keep(register, rows)
    out.mkdir(parents=True, exist_ok=True)
    for certificate, _, device in made:
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        (out / f"{device}.crt").write_bytes(pem)
    return rows


def _request(path: Path) -> tuple[x509.CertificateSigningRequest, str, str]:
    """A request whose signature fits, and whom it is for. Raises Refused."""
    try:
        request = x509.load_pem_x509_csr(path.read_bytes())
    except (OSError, ValueError) as error:
        raise Refused(f"{path}: no request in PEM: {error}") from None
    if not request.is_signature_valid:
        raise Refused(f"{path}: not signed by its own key")
    names = [
        request.subject.get_attributes_for_oid(oid)
        for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)
    ]
    if any(len(found) != 1 or not NAME.fullmatch(str(found[0].value)) for found in names):
        raise Refused(f"{path}: names no device and tenant as edge-provision request does")
    return request, str(names[1][0].value), str(names[0][0].value)


def _row(certificate: x509.Certificate, tenant: str, device: str) -> RegisterRow:
    public = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return RegisterRow(
        device,
        tenant,
        f"{certificate.serial_number:x}",
        label_code(public),
        f"{certificate.not_valid_before_utc:%Y-%m-%d}",
        f"{certificate.not_valid_after_utc:%Y-%m-%d}",
    )


def revoke(device: str, register: Path, tenant: str | None) -> RegisterRow:
    """Mark what is in force of a box. Raises Refused where there is nothing, or several."""
    found = [
        row
        for row in in_force(read_register(register)).values()
        if row.device == device and row.state == "issued" and tenant in (None, row.tenant)
    ]
    if len(found) != 1:
        raise Refused(
            f"{device}: {len(found)} certificates in force in {register}; --tenant says whose"
        )
    row = RegisterRow(**{**asdict(found[0]), "state": "revoked"})
    keep(register, [row])
    return row


def labels(rows: Sequence[RegisterRow]) -> str:
    """A page of labels for what is in force: name, code, and both as a QR code."""
    issued = [row for row in in_force(rows).values() if row.state == "issued"]
    sheets = [issued[at : at + ACROSS * DOWN] for at in range(0, len(issued), ACROSS * DOWN)]
    body = "".join(f'<div class="sheet">{"".join(map(_label, sheet))}</div>' for sheet in sheets)
    return (
        f'<!doctype html><meta charset="utf-8"><title>City Edge</title><style>{STYLE}</style>{body}'
    )


def told(row: RegisterRow) -> str:
    """What the QR code says."""
    return f"CITY-EDGE:{row.tenant}/{row.device}:{row.code}"


def _label(row: RegisterRow) -> str:
    import segno

    picture = segno.make(told(row), error="m", micro=False).svg_inline(scale=3, border=1)
    return (
        f'<div class="label">{picture}<div><b>{html.escape(row.device)}</b><br>'
        f"{html.escape(row.tenant)}<br><code>{row.code}</code><br>"
        "城管边缘设备<br>City Edge</div></div>"
    )


def arguments(words: list[str] | None) -> argparse.Namespace:
    """The options of tools/depot, one set for each of its actions."""
    parser = argparse.ArgumentParser(prog="tools/depot", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    what = parser.add_subparsers(dest="what", required=True)
    for name, told_ in (
        ("sign", "certificates"),
        ("labels", "a page"),
        ("revoke", "the list, PEM"),
    ):
        sub = what.add_parser(name)
        sub.add_argument("--register", type=Path, required=True)
        sub.add_argument("--out", type=Path, required=True, help=told_)
        if name == "labels":
            continue
        sub.add_argument("--ca", type=Path, required=True)
        sub.add_argument("--ca-key", type=Path, required=True)
        if name == "sign":
            sub.add_argument("requests", type=Path, nargs="+")
        else:
            sub.add_argument("device")
            sub.add_argument("--tenant")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> int:
    """0 done; 2 with one line of what is wrong, and nothing signed."""
    args, now = arguments(words), datetime.now(timezone.utc)
    try:
        if args.what == "sign":
            rows = sign(
                args.requests, Authority(args.ca, args.ca_key), args.register, args.out, now
            )
            for row in rows:
                print(f"{row.tenant}/{row.device} {row.code} until {row.until}")
        elif args.what == "labels":
            args.out.write_text(labels(read_register(args.register)), "utf-8")
        else:
            authority = Authority(args.ca, args.ca_key)
            row = revoke(args.device, args.register, args.tenant)
            args.out.write_bytes(authority.revocations(read_register(args.register), now))
            print(f"{row.tenant}/{row.device} {row.serial} revoked")
    except (Refused, OSError) as error:
        print(f"tools/depot: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
