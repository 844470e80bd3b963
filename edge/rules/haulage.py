# SPDX-License-Identifier: AGPL-3.0-or-later
"""Every muck truck that passes is asked for its permit: two points and one line (两点一线).

The rule only says that a truck was seen well; whether it is a case is decided by who can read its
plate and knows the truck file (edge.pipeline.truck_lookup). Trucks whose plates cannot be read are
not reported.
"""

from __future__ import annotations

from typing import ClassVar

from edge.rules.passage import Passage
from edge.rules.passing import PASSING_SETTINGS, PassingRule
from edge.rules.rule_settings import Settings
from edge.rules.view import SceneView


class Haulage(PassingRule):
    """`dwell_s` is the time a truck must have been seen. See the module."""

    SETTINGS: ClassVar[Settings] = PASSING_SETTINGS
    WITH_FILE: ClassVar[bool] = True

    def proven(self, view: SceneView, truck: Passage) -> bool:
        """Just past its best look: the picture of now is nearly the best that comes."""
        return truck.seen_s >= self.settings.dwell_s and view.mono > truck.best[0]
