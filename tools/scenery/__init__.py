"""Scenes with exact labels: pure generators of geometry and plumes, and one shell round Blender."""
