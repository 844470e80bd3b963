# SPDX-License-Identifier: AGPL-3.0-or-later
"""The durable hand-over between the daemons that find and the one that delivers.

Producers only insert (:class:`Outbox`), edge-uplinkd alone changes states (:class:`Dispatch`),
edge-janitord alone deletes (:class:`Sweep`). One SQLite file in WAL mode with synchronous=FULL:
the only fast mode that loses no committed row in a power cut (docs/architecture.md, "What the
uplink does not trust"; tools/faults cuts the power).
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
