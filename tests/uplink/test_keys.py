# SPDX-License-Identifier: AGPL-3.0-or-later
"""The device's signing keys: made once, kept private, followed by endorsed successors."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.config import ConfigError
from edge.config.device import Trust
from edge.outbox import ChainPosition, Dispatch
from edge.uplink import seal
from edge.uplink.chain_heads import JUMP, HeadsFile
from edge.uplink.keys import device_keys, platform_ring, rotate


def test_a_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    first = device_keys(Trust(), "box-1", tmp_path / "keys", tmp_path)
    again = device_keys(Trust(), "box-1", tmp_path / "keys", tmp_path)
    assert first.signer.kid == again.signer.kid
    assert first.signer.kid.startswith("box-1/")
    assert (tmp_path / "keys" / "001.pem").stat().st_mode & 0o777 == 0o600


def test_a_successor_is_endorsed_by_its_predecessor(tmp_path: Path) -> None:
    old = device_keys(Trust(), "box-1", tmp_path, tmp_path).signer
    kid = rotate(tmp_path, "box-1")
    keys = device_keys(Trust(), "box-1", tmp_path, tmp_path)
    assert keys.signer.kid == kid != old.kid
    assert [key.kid for key in keys.public] == [old.kid, kid]
    said = keys.public[1].endorsed or {}
    seal.KeyRing({old.kid: old.public}).verify(said)
    assert (said["endorses"], said["pem"]) == (kid, keys.public[1].pem)


def test_a_configured_key_is_used_as_it_is(tmp_path: Path) -> None:
    rotate(tmp_path / "made", "box-1")
    (tmp_path / "made" / "001.pem").rename(tmp_path / "own.pem")
    trust = Trust(signing_key="own.pem", key_id="box-1/2026a")
    assert device_keys(trust, "box-1", tmp_path / "keys", tmp_path).signer.kid == "box-1/2026a"
    assert not (tmp_path / "keys").exists()


@pytest.mark.parametrize(
    ("trust", "said"),
    [
        (Trust(), "platform_key: missing"),
        (Trust(platform_key="none.pem"), "none.pem"),
        (Trust(platform_key="text.pem"), "no PEM public key"),
    ],
)
def test_without_the_platform_s_key_it_does_not_start(
    trust: Trust, said: str, tmp_path: Path
) -> None:
    (tmp_path / "text.pem").write_text("hello")
    with pytest.raises(ConfigError, match=said):
        platform_ring(trust, tmp_path)
    assert platform_ring(Trust(down="tls"), tmp_path) is None


def test_a_number_is_never_given_twice_even_if_the_database_is_lost(tmp_path: Path) -> None:
    heads = HeadsFile(tmp_path / "heads.json")
    first = Dispatch(tmp_path / "one.db")
    with first.commit():
        first.set_head("violation", ChainPosition(41, "a" * 64))
        first.hear("command:desk", 9)
        first.count("conn", 3)
    heads.keep(first)
    assert heads.restore(first) == []
    second = Dispatch(tmp_path / "two.db")
    assert heads.restore(second) == ["violation"]
    assert second.head("violation") == ChainPosition(41 + JUMP, "a" * 64)
    assert second.heard("command:desk") == 9
    assert second.counted("conn") > 3
    first.close()
    second.close()


def test_a_broken_heads_file_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "heads.json").write_bytes(b"\x00" * 40)
    dispatch = Dispatch(tmp_path / "outbox.db")
    assert HeadsFile(tmp_path / "heads.json").restore(dispatch) == []
    dispatch.close()
