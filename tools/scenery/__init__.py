# SPDX-License-Identifier: AGPL-3.0-or-later
"""Scenes with exact labels: pure generators of geometry and plumes, and one shell round Blender."""
