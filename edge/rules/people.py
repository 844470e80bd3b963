# SPDX-License-Identifier: AGPL-3.0-or-later
"""Who stands by: people near a thing who are not just walking past."""

from __future__ import annotations

from edge.geometry import apart
from edge.rules.view import SceneView
from edge.values import Box

PERSON = "person"


def standing_by(view: SceneView, box: Box, reach: float) -> int:
    """People within `reach` frame heights of a box, standing or as good as standing."""
    return sum(
        1
        for person in view.of((PERSON,))
        if apart(person.box, box, view.aspect) <= reach and not view.moving(person)
    )
