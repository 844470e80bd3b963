# SPDX-License-Identifier: AGPL-3.0-or-later
"""Fake devices and faults: what tests put in place of cameras, sensors and wires."""
