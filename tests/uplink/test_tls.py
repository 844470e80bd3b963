# SPDX-License-Identifier: AGPL-3.0-or-later
"""TLS with a certificate of each side: what is accepted, what is not, and renewal."""

from __future__ import annotations

import datetime
import ipaddress
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edge.config import ConfigError
from edge.config.device import Broker
from edge.uplink.credentials import Credentials
from tests.uplink.box import Box, Brisk, Platform
from tools.faultlab.rig import Mosquitto, Rig, eventually

pytestmark = pytest.mark.broker
DAY = datetime.timedelta(days=1)


@dataclass
class Authority:
    """A private CA in a folder; device keys are ECDSA P-256."""

    folder: Path
    name: str
    # Without a key identifier it is such a CA as older tools made.
    complete: bool = True

    def __post_init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)])
        self.subject = subject
        built = self._builder(subject, self.key.public_key(), 30).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        usage = x509.KeyUsage(
            digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False,
            key_encipherment=False, data_encipherment=False, key_agreement=False,
            encipher_only=False, decipher_only=False,
        )  # fmt: skip
        built = built.add_extension(usage, critical=True)
        if self.complete:
            mark = x509.SubjectKeyIdentifier.from_public_key(self.key.public_key())
            built = built.add_extension(mark, critical=False)
        self.cert = built.sign(self.key, hashes.SHA256())
        self.path = self.folder / f"{self.name}.pem"
        self.path.write_bytes(self.cert.public_bytes(serialization.Encoding.PEM))

    def _builder(
        self, subject: x509.Name, public: ec.EllipticCurvePublicKey, days: float
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.timezone.utc)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 40 * DAY)
            .not_valid_after(now + days * DAY)
        )

    def issue(self, name: str, *, host: str = "127.0.0.1", days: float = 30) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        san = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))])
        built = self._builder(subject, key.public_key(), days).add_extension(san, critical=False)
        for extension in (
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
        ):
            built = built.add_extension(extension, critical=False)
        cert = built.sign(self.key, hashes.SHA256())
        paths = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        paths[0].write_bytes(cert.public_bytes(serialization.Encoding.PEM))
        paths[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return paths


class Secure:
    """A broker that asks for certificates, and a device in front of it."""

    def __init__(self, folder: Path, platform: Platform) -> None:
        self.folder, self.platform = folder, platform
        self.authority = Authority(folder, "city")
        self.boxes: list[Box] = []
        self.brokers: list[Mosquitto] = []

    def broker(self, *, host: str = "127.0.0.1", days: float = 30) -> Mosquitto:
        cert, key = self.authority.issue("broker", host=host, days=days)
        extra = f"cafile {self.authority.path}\ncertfile {cert}\nkeyfile {key}\n"
        extra += "require_certificate true\nuse_identity_as_username true\n"
        self.brokers.append(Mosquitto(self.folder, extra=extra))
        return self.brokers[-1]

    def box(self, port: int, *, ca: Path, pair: tuple[Path, Path] | None) -> Box:
        box = Box(self.folder, port, self.platform)
        told = f"tls: on, ca: {ca}"
        if pair:
            told += f", cert: {pair[0]}, key: {pair[1]}"
        box.device.write_text(box.device.read_text().replace("tls: off", told))
        self.boxes.append(box)
        return box.start()

    def close(self) -> None:
        for box in self.boxes:
            box.close()
        for broker in self.brokers:
            broker.stop()


@pytest.fixture
def secure(
    rig: Rig, tmp_path: Path, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Secure]:
    monkeypatch.setattr("edge.uplink.link.Backoff", Brisk)
    monkeypatch.setattr("edge.daemons.uplinkd.STATUS_EVERY_S", 0.1)
    made = Secure(tmp_path, platform)
    yield made
    made.close()


def online(box: Box) -> bool:
    return bool(box.status()["online"])


def test_both_sides_know_each_other(secure: Secure) -> None:
    broker = secure.broker()
    box = secure.box(broker.port, ca=secure.authority.path, pair=secure.authority.issue("box-1"))
    eventually(lambda: online(box))


def never_online(box: Box) -> None:
    eventually(lambda: box.status().get("connects", 0) >= 2)
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        assert not online(box)
        time.sleep(0.05)


def test_a_broker_of_another_authority_is_not_believed(secure: Secure) -> None:
    broker = secure.broker()
    stranger = Authority(secure.folder, "stranger")
    never_online(secure.box(broker.port, ca=stranger.path, pair=secure.authority.issue("box-1")))


def test_an_older_authority_is_taken_only_where_that_is_said(secure: Secure) -> None:
    """Strict on every Python; 3.13 alone is so by itself."""
    secure.authority = Authority(secure.folder, "older", complete=False)
    broker, pair = secure.broker(), secure.authority.issue("box-1")
    box = secure.box(broker.port, ca=secure.authority.path, pair=pair)
    never_online(box)
    box.close()
    box = Box(secure.folder, broker.port, secure.platform)
    told = f"tls: on, older_ca: true, ca: {secure.authority.path}, cert: {pair[0]}, key: {pair[1]}"
    box.device.write_text(box.device.read_text().replace("tls: off", told))
    secure.boxes.append(box)
    box.start()
    eventually(lambda: online(box))


def test_a_broker_under_another_name_is_not_believed(secure: Secure) -> None:
    broker = secure.broker(host="10.9.8.7")
    never_online(
        secure.box(broker.port, ca=secure.authority.path, pair=secure.authority.issue("box-1"))
    )


def test_a_broker_with_an_expired_certificate_is_not_believed(secure: Secure) -> None:
    broker = secure.broker(days=-1)
    never_online(
        secure.box(broker.port, ca=secure.authority.path, pair=secure.authority.issue("box-1"))
    )


def test_a_device_without_certificate_is_not_let_in_and_knows_it(secure: Secure) -> None:
    broker = secure.broker()
    never_online(secure.box(broker.port, ca=secure.authority.path, pair=None))


def test_a_renewed_certificate_takes_over_once_it_was_accepted(secure: Secure) -> None:
    broker = secure.broker()
    cert, key = secure.authority.issue("box-1", days=-1)
    fresh_cert, fresh_key = secure.authority.issue("renewed")
    fresh = fresh_cert.read_bytes()
    fresh_cert.rename(cert.with_name(cert.name + ".next"))
    fresh_key.rename(key.with_name(key.name + ".next"))
    box = secure.box(broker.port, ca=secure.authority.path, pair=(cert, key))
    eventually(lambda: online(box))
    assert cert.read_bytes() == fresh
    assert not cert.with_name(cert.name + ".next").exists()


def test_a_bad_renewal_does_not_lock_the_device_out(secure: Secure) -> None:
    broker = secure.broker()
    cert, key = secure.authority.issue("box-1")
    bad_cert, bad_key = Authority(secure.folder, "stranger").issue("bad")
    bad_cert.rename(cert.with_name(cert.name + ".next"))
    bad_key.rename(key.with_name(key.name + ".next"))
    box = secure.box(broker.port, ca=secure.authority.path, pair=(cert, key))
    eventually(lambda: online(box))
    assert cert.with_name(cert.name + ".next").exists(), "kept for a person to look at"


@pytest.mark.parametrize(
    ("broker", "words"),
    [
        (Broker(ca="none.pem"), "broker.ca"),
        (Broker(cert="box.crt", tls="off"), "give both"),
        (Broker(tls="off", password_file="none"), "broker.password_file"),
    ],
)
def test_files_that_are_not_there_are_said_at_start(
    broker: Broker, words: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=words):
        Credentials(broker, tmp_path)
