"""Findings to files that hold: recipe, store, clip, overlay, mask."""
