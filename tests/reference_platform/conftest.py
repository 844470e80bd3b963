# SPDX-License-Identifier: AGPL-3.0-or-later
"""A real broker with a device and a platform, each in the test's own folder."""

from tests.brokers import rig

__all__ = ["rig"]
