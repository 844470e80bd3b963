# SPDX-License-Identifier: AGPL-3.0-or-later
"""A pack that comes after the program: signed, laid beside the others, refused where it is not."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from edge.cli import main
from edge.ipc import Spool

TEXT = """pack: calendar
edition: cn-2027
published: 2026-11-20
source: made for this test
state: read
valid_from: 2027-01-01
valid_to: 2027-12-31
holidays: [{name: made, first: 2027-03-03}]
"""


@pytest.fixture
def box(tmp_path):
    key = Ed25519PrivateKey.generate()
    (tmp_path / "release.pem").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "release.pub.pem").write_bytes(public)
    (tmp_path / "device.yaml").write_text(
        "device: box-1\nfolders: {state: state, run: run}\n"
        "updates: {release_key: release.pub.pem}\n"
    )
    (tmp_path / "site.yaml").write_text("name: s\n")
    (tmp_path / "cn-2027.yaml").write_text(TEXT)
    return tmp_path


def edge(box, *words):
    given = ["--site", str(box / "site.yaml"), "--device", str(box / "device.yaml")]
    return main(["pack", *words, *given])


def sign(box, name="cn-2027.yaml"):
    return edge(box, "sign", str(box / name), "--key", str(box / "release.pem"))


def test_signed_installed_named_and_both_daemons_start_again(box, capsys):
    assert edge(box, "check", "--on", "2027-06-01") == 1
    assert sign(box) == 0 and edge(box, "install", str(box / "cn-2027.yaml")) == 0
    for daemon in ("visiond", "sensord"):
        assert [r["kind"] for r in Spool(box / "run", daemon).take()] == ["restart"]
    capsys.readouterr()
    assert edge(box, "day", "2027-03-03", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["kinds"], told["pack"], told["presumed"]) == (["holiday"], "cn-2027", False)
    assert edge(box, "check", "--on", "2027-06-01") == 1  # exams of 2027 are still missing
    assert "calendar" not in capsys.readouterr().out


def test_by_the_hash_that_the_platform_named(box, capsys):
    sign(box)
    sha256 = capsys.readouterr().out.split()[-1]
    incoming = box / "state/packs/incoming"
    incoming.mkdir(parents=True)
    (box / "cn-2027.yaml").rename(incoming / "any.yaml")
    assert edge(box, "install", "--sha256", sha256) == 0
    assert edge(box, "install", "--sha256", "0" * 64) == 2
    assert "lay it there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda t: t.replace("2027-03-03", "2027-03-04"), "not made by the pinned"),
        (lambda t: TEXT, "signature"),
        (lambda t: "{", "line"),
    ],
)
def test_what_nobody_of_ours_signed_is_refused(box, capsys, spoil, says):
    sign(box)
    path = box / "cn-2027.yaml"
    path.write_text(spoil(path.read_text()))
    assert edge(box, "install", str(path)) == 2
    assert says in capsys.readouterr().err
    assert not list((box / "state").glob("packs/*.yaml"))


def test_an_older_one_of_the_same_name_does_not_come_back(box, capsys):
    (box / "old.yaml").write_text(TEXT.replace("2026-11-20", "2026-11-01"))
    assert sign(box) == sign(box, "old.yaml") == 0
    assert edge(box, "install", str(box / "cn-2027.yaml")) == 0
    assert edge(box, "install", str(box / "old.yaml")) == 2
    assert "is here already" in capsys.readouterr().err


def test_one_that_was_changed_on_the_box_is_left_out_and_told(box, capsys):
    sign(box)
    edge(box, "install", str(box / "cn-2027.yaml"))
    (there,) = (box / "state/packs").glob("*.yaml")
    there.write_text(there.read_text().replace("2027-03-03", "2027-03-04"))
    capsys.readouterr()
    assert edge(box, "day", "2027-03-04", "--json") == 0
    assert json.loads(capsys.readouterr().out)["presumed"] is True
    assert edge(box, "list") == 0
    assert "refused" in capsys.readouterr().err
