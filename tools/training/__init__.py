# SPDX-License-Identifier: AGPL-3.0-or-later
"""Data sets, training, evaluation and export of the project's own models; needs .venv-train."""
