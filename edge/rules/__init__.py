# SPDX-License-Identifier: AGPL-3.0-or-later
"""Tracks to findings: the judge, zones and calendar, one file per rule kind. Pure."""
