"""Data sets, training, evaluation and export of the project's own models; needs .venv-train."""
