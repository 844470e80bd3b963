# SPDX-License-Identifier: AGPL-3.0-or-later
"""Drone telemetry of every supported kind, as poses. Pure: text and bytes in, values out."""
