# SPDX-License-Identifier: AGPL-3.0-or-later
"""The fault laboratory: power cuts, broken links, full disks, wrong clocks, and whole fleets."""
