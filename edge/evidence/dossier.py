# SPDX-License-Identifier: AGPL-3.0-or-later
"""What of a finding goes into its evidence folder: names of pictures, the dwell history. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence

from edge.evidence.album import AlbumPicture
from edge.evidence.store import Draft
from edge.values import Box, Finding


def what_stands(finding: Finding) -> Box:
    """What is to be seen now: the matter that a truck left, or the subject itself."""
    heap = finding.facts.get("heap_box")
    if heap is None:
        return finding.box
    x1, y1, x2, y2 = heap
    return (x1, y1, x2, y2)


def named(pictures: Sequence[AlbumPicture]) -> list[Draft]:
    """overview-1.jpg, overview-2.jpg, ... in the order of time; names are unique per folder."""
    counts: dict[str, int] = {}
    drafts = []
    for picture in sorted(pictures, key=lambda p: p.shot.at.mono):
        role = picture.shot.role
        counts[role] = counts.get(role, 0) + 1
        name = f"{role}-{counts[role]}.jpg"
        drafts.append(Draft(role, name, picture.shot.at, source=picture.path))
    return drafts


def track_json(finding: Finding) -> bytes:
    """The subject's way as a file of the evidence: times as wall seconds, boxes as fractions."""
    subject = finding.subject
    shift = finding.decided.wall - finding.decided.mono
    body = {
        "key": finding.key,
        "began": finding.began.wall,
        "decided": finding.decided.wall,
        "box": list(finding.box),
        "label": subject.label if subject else None,
        "score": round(subject.score, 3) if subject else None,
        "path": [[round(t + shift, 3), round(x, 4), round(y, 4)] for t, x, y in subject.path]
        if subject
        else [],
        "facts": finding.facts,
    }
    return json.dumps(body, ensure_ascii=False, indent=1).encode()
