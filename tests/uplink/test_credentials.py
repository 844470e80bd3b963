# SPDX-License-Identifier: AGPL-3.0-or-later
"""A renewed certificate takes the old one's place whole, wherever the power goes."""

from __future__ import annotations

import os
import shutil
import ssl
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edge.config.device import Broker
from edge.uplink.credentials import Credentials

BROKER = Broker(host="b", tls="on", ca="ca", cert="c", key="k")


def pair(folder: Path, name: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"box-1 {name}")])
    now = datetime.now(timezone.utc)
    made = x509.CertificateBuilder(who, who, key.public_key(), 7, now, now + timedelta(days=9))
    pem = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    (folder / f"c{name}").write_bytes(pem)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / f"k{name}").write_bytes(private)
    (folder / f"k{name}").chmod(0o600)


@pytest.fixture
def renewed(tmp_path: Path) -> Path:
    """A box that was given a second pair."""
    folder = tmp_path / "keys"
    folder.mkdir()
    pair(folder, "")
    pair(folder, ".next")
    shutil.copy(folder / "c", folder / "ca")
    return folder


def cut_before_step(folder: Path, number: int) -> bool:
    """Whether the power went before the so many-th change of a name."""
    child = os.fork()
    if child == 0:
        left = [number]

        def count(event: str, _: object) -> None:
            if event in ("os.link", "os.remove", "os.rename"):
                left[0] -= 1
                if left[0] == 0:
                    os._exit(9)

        one = Credentials(BROKER, folder)
        one.context()
        sys.addaudithook(count)
        try:
            one.accepted()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def connects(one: Credentials) -> bool:
    try:
        one.context()
    except ssl.SSLError:
        return False
    one.accepted()
    return True


def test_a_box_comes_in_wherever_the_power_went(renewed: Path, tmp_path: Path) -> None:
    cert, number = (renewed / "c.next").read_bytes(), 1
    while True:
        folder = shutil.copytree(renewed, tmp_path / str(number))
        cut = cut_before_step(folder, number)
        one = Credentials(BROKER, folder)
        assert connects(one), f"the power went before step {number}"
        assert connects(one), "and from then on each time"
        assert (folder / "c").read_bytes() == cert
        assert (folder / "k").stat().st_mode & 0o777 == 0o600
        assert not (folder / "k.next").exists() or not (folder / "c.next").exists()
        if not cut:
            break
        number += 1
    assert number > 4


def test_one_that_cannot_take_the_place_is_used_from_where_it_lies(
    renewed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    one = Credentials(BROKER, renewed)
    one.context()
    with monkeypatch.context() as patch:
        patch.setattr(os, "link", full)
        one.accepted()
    assert (renewed / "c.next").exists() and (renewed / "k.next").exists()
    again = Credentials(BROKER, renewed)
    assert connects(again) and not (renewed / "c.next").exists()
