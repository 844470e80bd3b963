# SPDX-License-Identifier: AGPL-3.0-or-later
"""The ends of the chains a second time, outside the database, for the day it is lost.

A number must never be given twice for different records: that would be a forgery by our own hand.
So after a loss counting goes on well above anything that can have been given; the gap shows, as it
should.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Literal

import msgspec

from edge.config import ConfigError
from edge.jsonfile import read_record
from edge.outbox import ChainPosition, Dispatch
from edge.runtime import make_folder, write_atomic
from edge.uplink import seal
from edge.uplink.wire import KINDS, parse

log = logging.getLogger(__name__)

# The newest signed ends, as published: beside the evidence, for whoever verifies offline.
CHAIN = "chain.json"
# The file is at most 100 records or a second of them behind.
JUMP = 10_000


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in the file. `heard`: counters of downward messages, against replay."""

    heads: dict[str, ChainPosition]
    heard: dict[str, int]
    conn: int = 0


class Replacement(msgspec.Struct, frozen=True, kw_only=True):
    """The platform's signed word that this box takes another's place: where its chains end."""

    type: Literal["replacement"]
    tenant: str
    device: str
    heads: dict[str, ChainPosition]


def take_over(path: Path, tenant: str, device: str, ring: seal.KeyRing | None, dispatch: Dispatch
              ) -> list[str]:  # fmt: skip
    """A box that never gave a number goes on where the one before it ended; the chains taken over.

    Raises ConfigError for a statement that is not the platform's, or of another box.
    """
    sealed = [name for name, kind in KINDS.items() if kind.sealed]
    if not path.exists() or any(dispatch.highest_seq(kind) for kind in sealed):
        return []
    try:
        data = parse(path.read_bytes())
        if ring is None:
            raise ConfigError(f"{path}: trust.down is `tls`: nobody's word can be checked")
        ring.verify(data)
        replacement = msgspec.convert(data, Replacement)
    except (ValueError, OSError) as error:
        raise ConfigError(f"{path}: {error}") from None
    if (replacement.tenant, replacement.device) != (tenant, device):
        raise ConfigError(f"{path}: is of {replacement.tenant}/{replacement.device}")
    with dispatch.commit():
        found = [
            k
            for k in sealed
            if replacement.heads.get(k, ChainPosition()).seq > dispatch.head(k).seq
        ]
        for kind in found:
            dispatch.set_head(kind, replacement.heads[kind])
    return found


class HeadsFile:
    """`<state>/uplink/heads.json`, written with each published chain head and at every stop."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def keep(self, dispatch: Dispatch) -> None:
        """Write them beside the outbox, durably: what a salvaged outbox goes on from."""
        kinds = [name for name, kind in KINDS.items() if kind.sealed]
        kept = Kept(
            heads={kind: dispatch.head(kind) for kind in kinds},
            heard=dispatch.issuers(),
            conn=dispatch.counted("conn"),
        )
        make_folder(self._path.parent)
        write_atomic(self._path, msgspec.json.encode(kept))

    def keep_signed(self, payload: bytes) -> None:
        """The ends as they are published, for `edge evidence verify --chain`."""
        write_atomic(self._path.with_name(CHAIN), payload)

    def restore(self, dispatch: Dispatch) -> list[str]:
        """At start: the chains that lost their end and were given a new start above it."""
        kept = read_record(self._path, Kept, Kept(heads={}, heard={}), "ignored")
        jumped = []
        with dispatch.commit():
            for kind, description in KINDS.items():
                if description.sealed and self._jump(
                    dispatch, kind, kept.heads.get(kind, ChainPosition())
                ):
                    jumped.append(kind)
            for issuer, n in kept.heard.items():
                if dispatch.heard(issuer) < n:
                    dispatch.hear(issuer, n)
            behind = kept.conn - dispatch.counted("conn")
            if behind > 0:
                dispatch.count("conn", behind + JUMP)
        return jumped

    def _jump(self, dispatch: Dispatch, kind: str, kept: ChainPosition) -> bool:
        head = dispatch.head(kind)
        known = max(kept.seq, dispatch.highest_seq(kind))
        if head.seq >= known:
            return False
        log.error("chain %s: its end was lost; going on at %d", kind, known + JUMP)
        dispatch.set_head(kind, ChainPosition(known + JUMP, kept.sha256))
        return True
