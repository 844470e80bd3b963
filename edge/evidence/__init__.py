"""Findings to files that hold: recipe, album, overlay, gate, store, mask."""
