# SPDX-License-Identifier: AGPL-3.0-or-later
"""The daemons: wire the parts, loop, stop. Short."""
