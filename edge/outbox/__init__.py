# SPDX-License-Identifier: AGPL-3.0-or-later
"""The durable hand-over between the daemons that find and the one that delivers.

Producers only insert (:class:`Outbox`), edge-uplinkd alone changes states (:class:`Dispatch`),
edge-janitord alone deletes (:class:`Sweep`). One SQLite file in WAL mode with synchronous=FULL:
of the modes measured under power cuts, the only fast one that lost no committed row
(../shared/reference/reliability.md, facts 8 to 10).
"""

from edge.outbox.dispatch import ChainPosition, Dispatch, FileRow, OutboxRow, SealedRecord
from edge.outbox.outbox import Outbox, OutboxFull
from edge.outbox.schema import MANIFEST, RECEIPT, Lane, OutboxBroken, State

__all__ = [
    "MANIFEST",
    "RECEIPT",
    "ChainPosition",
    "Dispatch",
    "FileRow",
    "Lane",
    "Outbox",
    "OutboxBroken",
    "OutboxFull",
    "OutboxRow",
    "SealedRecord",
    "State",
]
