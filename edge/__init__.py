# SPDX-License-Identifier: AGPL-3.0-or-later
"""City Edge: suspected street violations, with evidence, from a box on a pole."""

__version__ = "0.1.0"
