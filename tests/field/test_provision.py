# SPDX-License-Identifier: AGPL-3.0-or-later
"""Identity: the key stays, only the right answer is taken, and renewing is safe."""

import shutil
import subprocess
from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

from edge.config.device import Broker
from edge.uplink.credentials import Credentials
from tools.field import provision
from tools.system import document

NOW = datetime.now(timezone.utc)
PEM = serialization.Encoding.PEM


class Authority:
    """The bureau's CA in a few lines."""

    def __init__(self, folder):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CA")])
        self.folder, self.path = folder, folder / "ca.pem"
        made = self._build(self.name, self.key.public_key(), NOW, 365, ca=True)
        self.path.write_bytes(made)

    def _build(self, subject, public, start, days, *, ca=False):
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(start - timedelta(minutes=1))
            .not_valid_after(start + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        return builder.sign(self.key, hashes.SHA256()).public_bytes(PEM)

    def sign(self, csr, *, start=NOW, days=90):
        asked = x509.load_pem_x509_csr(csr.read_bytes())
        assert asked.is_signature_valid
        path = self.folder / "answer.crt"
        path.write_bytes(self._build(asked.subject, asked.public_key(), start, days))
        return path


@pytest.fixture
def keys(tmp_path):
    return tmp_path / "keys"


@pytest.fixture
def ca(tmp_path):
    return Authority(tmp_path)


def test_the_request_says_who_and_the_key_is_closed(keys):
    csr = provision.request(keys, "box-1", "hue")
    subject = x509.load_pem_x509_csr(csr.read_bytes()).subject.rfc4514_string()
    assert subject == "O=hue,CN=box-1"
    assert (keys / "box-1.key").stat().st_mode & 0o777 == 0o640
    assert b"PRIVATE" not in csr.read_bytes()


def test_asking_again_before_the_answer_keeps_the_key(keys):
    provision.request(keys, "box-1", "hue")
    before = (keys / "box-1.key").read_bytes()
    provision.request(keys, "box-1", "hue")
    assert (keys / "box-1.key").read_bytes() == before


def test_what_is_accepted_is_what_uplinkd_opens(keys, ca, tmp_path):
    public = ed25519.Ed25519PrivateKey.generate().public_key()
    pem = public.public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "platform.pem").write_bytes(pem)
    crt = ca.sign(provision.request(keys, "box-1", "hue"))
    provision.accept(keys, crt, ca=ca.path, platform_key=tmp_path / "platform.pem")
    names = {path.name for path in keys.iterdir()}
    assert names == {"box-1.key", "box-1.crt", "broker-ca.pem", "platform.pub.pem"}
    broker = Broker(ca="broker-ca.pem", cert="box-1.crt", key="box-1.key")
    assert Credentials(broker, keys).context() is not None


def test_a_renewal_lies_beside_the_old_pair(keys, ca):
    provision.accept(keys, ca.sign(provision.request(keys, "box-1", "hue")))
    old = {path.name: path.read_bytes() for path in keys.iterdir()}
    provision.accept(keys, ca.sign(provision.request(keys, "box-1", "hue")))
    assert {name: (keys / name).read_bytes() for name in old} == old
    assert (keys / "box-1.key.next").exists() and (keys / "box-1.crt.next").exists()


@pytest.mark.parametrize(
    ("start", "days", "said"),
    [(NOW - timedelta(days=10), 5, "ended on"), (NOW + timedelta(days=300), 5, "clock right")],
)
def test_dates_that_do_not_fit(keys, ca, start, days, said):
    crt = ca.sign(provision.request(keys, "box-1", "hue"), start=start, days=days)
    with pytest.raises(provision.Refused, match=said):
        provision.accept(keys, crt)
    assert not (keys / "box-1.crt").exists()


def test_a_certificate_of_another_box(keys, ca, tmp_path):
    provision.request(keys, "box-1", "hue")
    crt = ca.sign(provision.request(tmp_path / "other", "box-2", "hue"))
    with pytest.raises(provision.Refused, match="none of the keys"):
        provision.accept(keys, crt)


@pytest.mark.parametrize("device", ["", "a/b", "../x", "a b", "#", "+", "x" * 65])
def test_names_that_would_break_a_topic(keys, device):
    with pytest.raises(provision.Refused, match="letters"):
        provision.request(keys, device, "hue")


def test_an_older_ca_is_taken_and_told(keys, ca, tmp_path, capsys):
    """It has no key identifier and no usage, as older tools made it."""
    crt = ca.sign(provision.request(keys, "box-1", "hue"))
    provision.accept(keys, crt, ca=ca.path)
    said = capsys.readouterr().err
    assert "no subject key identifier" in said and "broker.older_ca" in said


def test_the_documents_commands_make_what_strict_verification_takes(keys, tmp_path, capsys):
    """The commands of docs/platform.md as they stand there, then OpenSSL's own strict check."""
    shutil.copy(provision.request(keys, "box-0042", "hue"), tmp_path / "box-0042.csr")
    blocks = document.blocks("platform.md", "openssl")
    assert len(blocks) == 2
    for block in blocks:
        subprocess.run(["sh", "-ec", block], cwd=tmp_path, check=True, capture_output=True)
    for name, purpose in (("broker", "sslserver"), ("box-0042", "sslclient")):
        words = ["openssl", "verify", "-x509_strict", "-purpose", purpose, "-CAfile"]
        subprocess.run([*words, "broker-ca.pem", f"{name}.crt"], cwd=tmp_path, check=True)
    provision.accept(keys, tmp_path / "box-0042.crt", ca=tmp_path / "broker-ca.pem")
    assert "note:" not in capsys.readouterr().err


def test_wrong_files_are_one_line_and_no_half_work(keys, ca, tmp_path, capsys):
    crt = ca.sign(provision.request(keys, "box-1", "hue"))
    argv = ["--keys", str(keys), "accept", str(crt), "--platform-key", str(ca.path)]
    assert provision.main(argv) == 1
    assert provision.main(["--keys", str(keys), "accept", str(tmp_path / "none.crt")]) == 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2 and all(line.startswith("edge-provision: ") for line in said)
    assert not (keys / "box-1.crt").exists()
