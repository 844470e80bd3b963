# SPDX-License-Identifier: AGPL-3.0-or-later
"""What holds for every test: a machine that is busy with something else is no failure."""

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "busy",
    settings.get_profile("ci" if os.environ.get("CI") else "default"),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("busy")
