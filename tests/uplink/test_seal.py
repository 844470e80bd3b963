# SPDX-License-Identifier: AGPL-3.0-or-later
"""Canonical bytes, signatures and the chain."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from edge.uplink import seal, wire

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SIGNER = seal.Signer("box-1/a", PRIVATE)
RING = seal.KeyRing({"box-1/a": PRIVATE.public_key()})

numbers = st.one_of(
    st.integers(-(2**53) + 1, 2**53 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, -0.0, 1e21, 1e20, 1e-7, 1e-4, 9.999e-5, 0.1, 2.0**53, 5e-324]),
)
trees = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=20,
)


@given(trees)
def test_the_fast_way_gives_the_bytes_of_the_reference(data: Any) -> None:
    assert seal.canonical(data) == rfc8785.dumps(data)


# RFC 8785, section 3.2.2 and 3.2.3: its own example.
RFC_EXAMPLE = (
    '{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],'
    '"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/",'
    '"literals":[null,true,false]}'
)
RFC_RESULT = (
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
    '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
)


def test_the_example_of_the_standard() -> None:
    assert seal.canonical(json.loads(RFC_EXAMPLE)) == RFC_RESULT.encode()


@pytest.mark.parametrize("bad", [math.nan, math.inf, 2**53, {1: 2}, object(), {"a": b"x"}])
def test_what_has_no_canonical_form_is_refused(bad: Any) -> None:
    with pytest.raises(ValueError, match="canonical"):
        seal.canonical({"v": bad})


def test_a_deep_tree_is_refused_not_a_crash() -> None:
    data: Any = []
    for _ in range(100_000):
        data = [data]
    with pytest.raises(ValueError, match="canonical"):
        seal.canonical(data)


@given(st.dictionaries(st.text(), trees, max_size=5))
def test_what_was_signed_verifies_and_is_canonical(data: dict[str, Any]) -> None:
    payload = SIGNER.sign(wire.plain(data))
    body = json.loads(payload)
    RING.verify(body)
    assert seal.canonical(body) == payload


@given(st.data())
def test_no_changed_byte_verifies(data: st.DataObject) -> None:
    payload = bytearray(SIGNER.sign({"device": "box-1", "n": 12.5, "text": "店外经营"}))
    at = data.draw(st.integers(0, len(payload) - 1))
    payload[at] ^= data.draw(st.integers(1, 255))
    try:
        body = json.loads(payload)
        RING.verify(body)
        assert seal.canonical(body) != bytes(payload)
    except (ValueError, TypeError, AttributeError):
        return


@pytest.mark.parametrize(
    "change",
    [
        {"kid": "box-1/b"},
        {"kid": None},
        {"sig": None},
        {"sig": "AAAA"},
        {"sig": "!"},
        {"sig": 7},
        {"n": 2},
    ],
)
def test_a_wrong_or_missing_signature_is_forged(change: dict[str, Any]) -> None:
    body = {**json.loads(SIGNER.sign({"n": 1})), **change}
    with pytest.raises(seal.Forged):
        RING.verify(body)


def test_key_files_round_trip_and_others_are_refused() -> None:
    pem = seal.private_pem(PRIVATE)
    assert seal.read_private(pem).private_bytes_raw() == PRIVATE.private_bytes_raw()
    other = Ed25519PrivateKey.generate().public_key()
    both = seal.public_pem(PRIVATE.public_key()) + b"\n" + seal.public_pem(other)
    found = [key.public_bytes_raw() for key in seal.read_public(both)]
    assert found == [PRIVATE.public_key().public_bytes_raw(), other.public_bytes_raw()]
    for bad in (b"", b"hello", pem):
        with pytest.raises(ValueError, match=r"PEM|Ed25519"):
            seal.read_public(bad)


def test_the_key_does_not_show_in_a_log() -> None:
    assert "private" not in repr(SIGNER)
