# SPDX-License-Identifier: AGPL-3.0-or-later
"""Findings to files that hold: recipe, album, overlay, gate, store, mask."""
