# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a field of a message may hold. Every name is bounded here, by type, and what becomes a file
or a key is a plain word: whoever reads a message by its struct need not ask again.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from edge import patterns
from edge.patterns import whole
from edge.values import TEXT_MAX

Sha256 = Annotated[str, msgspec.Meta(pattern=patterns.SHA256)]
_SECOND = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"
Utc = Annotated[str, msgspec.Meta(pattern=whole(rf"{_SECOND}\.\d{{6}}Z"))]
# As people's programs write it: no fraction, milliseconds or microseconds.
UtcSaid = Annotated[str, msgspec.Meta(pattern=whole(rf"{_SECOND}(\.\d{{3}}|\.\d{{6}})?Z"))]
# A whole number that JSON readers keep exactly (RFC 8259 clause 6).
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
Word = Annotated[str, msgspec.Meta(pattern=whole(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}"))]
Name = Annotated[str, msgspec.Meta(pattern=patterns.NAME)]
# What becomes a folder, a file or a key elsewhere: no dot to climb by, no separator, bounded.
ViolationId = Annotated[str, msgspec.Meta(pattern=whole(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"))]
Revision = Annotated[int, msgspec.Meta(ge=1, le=99_999)]
# Begins with the revision that added it, so none can be called as what lies beside it.
EvidenceName = Annotated[
    str, msgspec.Meta(pattern=whole(r"r[1-9][0-9]{0,4}-[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}"))
]
FileName = Annotated[str, msgspec.Meta(pattern=whole(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"))]
# device:boot:number, with the kind's mark before the number.
RecordId = Annotated[
    str, msgspec.Meta(pattern=whole(r"[a-z0-9][a-z0-9_-]{0,31}:[0-9]{1,16}:[a-z]?[0-9]{1,16}"))
]
# Words for people and names that only label: any script, bounded, nothing is made of them.
Label = Annotated[str, msgspec.Meta(max_length=256)]
Text = Annotated[str, msgspec.Meta(max_length=TEXT_MAX)]
Labels = Annotated[tuple[Label, ...], msgspec.Meta(max_length=256)]
Pem = Annotated[str, msgspec.Meta(max_length=400)]
KeyId = Annotated[str, msgspec.Meta(max_length=128)]
Signature = Annotated[str, msgspec.Meta(max_length=88)]
