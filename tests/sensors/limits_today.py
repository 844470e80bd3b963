# SPDX-License-Identifier: AGPL-3.0-or-later
"""Limits by the packs of the program on one day, for tests that need some."""

from datetime import date

from edge.config.catalogue import shipped_packs
from edge.sensors.limits import limit_on

PACKS = shipped_packs()
DAY = date(2026, 3, 1)


def limit_for(standard, zone_class, *, frequent=False):
    return limit_on(PACKS, standard, zone_class, DAY, frequent=frequent)
