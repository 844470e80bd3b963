# SPDX-License-Identifier: AGPL-3.0-or-later
"""A dead box's place is taken by another: believed once, in the same chains; a lost one is not
heard any more. The real daemon, a real broker, the real receiver."""

import json
import shutil
from contextlib import closing

import pytest

from city_platform.files import Box
from city_platform.registry import BoxRegistry, NoBox
from city_platform.store import Store
from edge.config import ConfigError
from edge.outbox import ChainPosition, Dispatch, Outbox
from edge.uplink import seal
from edge.uplink.chain_heads import take_over
from tests.brokers import rig
from tools.faultlab.rig import eventually

__all__ = ["rig"]
BOX = Box("city", "box-1")


def count(rig):
    with closing(Store(rig.platform)) as store:
        return store.summary()["records"].get("violation", 0)


def told(rig, *words):
    from city_platform import registry
    from city_platform.receiver import platform_signer

    with closing(Store(rig.platform)) as store, store.commit():
        found = registry.BoxRegistry(store.database)
        if words[0] == "replace":
            return found.replace(BOX, platform_signer(rig.platform), 1.8e9, 1e6)
        return found.end(BOX, words[0], "lost", 1.8e9)


@pytest.mark.broker
def test_a_new_box_goes_on_where_the_dead_one_ended(rig):
    broker = rig.broker()
    rig.receiver(broker.port)
    daemon = rig.uplinkd(broker.port)
    for name in ("v-1", "v-2", "v-3"):
        rig.put(rig.outbox(), name, {"r1-close-1.jpg": name.encode()})
    eventually(lambda: count(rig) == 3)
    daemon.stop()
    # The card is gone, with key, outbox and evidence; another box gets the name.
    shutil.rmtree(rig.state)
    statement = told(rig, "replace")
    (rig.platform / "replacement.json").write_bytes(statement)
    assert json.loads(statement)["heads"]["violation"]["seq"] == 3
    rig.uplinkd(broker.port)
    for name in ("v-4", "v-5"):
        rig.put(rig.outbox(), name, {"r1-close-1.jpg": name.encode()})
    eventually(lambda: count(rig) == 5)
    with closing(Store(rig.platform)) as store:
        assert store.sequence_gaps() == [] and store.chain_breaks() == []
        (row,) = BoxRegistry(store.database).list()
    assert len(row["keys"]) == len(row["ended_keys"]) == 1


@pytest.mark.broker
def test_without_the_platforms_word_a_new_key_is_not_believed(rig):
    broker = rig.broker()
    rig.receiver(broker.port)
    daemon = rig.uplinkd(broker.port)
    rig.put(rig.outbox(), "v-1")
    eventually(lambda: count(rig) == 1)
    daemon.stop()
    shutil.rmtree(rig.state)
    rig.uplinkd(broker.port)
    rig.put(rig.outbox(), "v-2")

    def quarantined():
        with closing(Store(rig.platform)) as store:
            return store.summary()["quarantined"]

    eventually(lambda: quarantined() > 0)
    assert count(rig) == 1


@pytest.mark.broker
def test_a_revoked_box_is_not_heard(rig):
    broker = rig.broker()
    rig.receiver(broker.port)
    rig.uplinkd(broker.port)
    rig.put(rig.outbox(), "v-1")
    eventually(lambda: count(rig) == 1)
    told(rig, "revoked")
    rig.put(rig.outbox(), "v-2")

    def why():
        with closing(Store(rig.platform)) as store:
            return store.database.rows("SELECT why FROM quarantine")

    eventually(lambda: any("revoked: lost" in row[0] for row in why()))
    assert count(rig) == 1


def test_the_platforms_word_counts_once_and_a_dead_key_never(tmp_path):
    with closing(Store(tmp_path)) as store:
        found, signer = store.registry, _signer()[0]
        with pytest.raises(NoBox), store.commit():
            found.replace(BOX, signer, 0.0, 1.0)
        with store.commit():
            store.add_key(BOX, "old", "pem")
            found.replace(BOX, signer, 1000.0, 1.0)
            assert not found.believe(BOX, "old", 1001.0)
            assert not found.believe(BOX, "new", 1000.0 + 3601.0), "too late"
            assert found.believe(BOX, "new", 1001.0) and not found.believe(BOX, "third", 1002.0)


def _signer():
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.generate()
    return seal.Signer(seal.fingerprint(private.public_key()), private), seal.ring(
        [private.public_key()]
    )


def statement(signer, **changes):
    said = {"type": "replacement", "tenant": "city", "device": "box-1",
            "heads": {"violation": {"seq": 9, "sha256": "a" * 64}}}  # fmt: skip
    return signer.sign(said | changes)


def test_only_the_platforms_statement_for_this_box_is_taken_and_only_by_a_fresh_one(tmp_path):
    signer, ring = _signer()
    other, _ = _signer()
    path = tmp_path / "replacement.json"
    Outbox(tmp_path / "outbox.db").close()
    dispatch = Dispatch(tmp_path / "outbox.db")
    assert take_over(path, "city", "box-1", ring, dispatch) == []
    for body, who in (
        (statement(other), ring),
        (statement(signer, device="box-2"), ring),
        (b"{}", ring),
        (statement(signer), None),
    ):
        path.write_bytes(body)
        with pytest.raises(ConfigError, match="replacement"):
            take_over(path, "city", "box-1", who, dispatch)
    path.write_bytes(statement(signer))
    assert take_over(path, "city", "box-1", ring, dispatch) == ["violation"]
    assert dispatch.head("violation") == ChainPosition(9, "a" * 64)
    path.write_bytes(statement(signer, heads={"violation": {"seq": 99, "sha256": "b" * 64}}))
    take_over(path, "city", "box-1", ring, dispatch)
    dispatch.close()
