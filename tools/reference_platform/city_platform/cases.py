# SPDX-License-Identifier: AGPL-3.0-or-later
"""The lives of cases as the platform knows them: folded from the records alone.

The same fold as on the box (edge.handling.life), so that both come to the same states whatever was
sent twice, late or out of order. A platform in another language follows the table of steps in
docs/platform.md.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from edge.handling.casework import step_from
from edge.handling.life import CaseLife
from edge.handling.store import lives
from edge.uplink import messages as m
from edge.uplink import wire


def lives_of(envelopes: Iterable[bytes]) -> list[CaseLife]:
    """The cases of one device from the envelopes of its `handling` records, in any order.

    Raises edge.uplink.wire.Malformed and msgspec.ValidationError: what is stored was checked.
    """
    told = (msgspec.convert(wire.parse_envelope(e).data, m.HandlingData) for e in envelopes)
    return list(lives(step_from(one) for one in told))
