# SPDX-License-Identifier: AGPL-3.0-or-later
"""Speed and identity quality measured side by side with peers, as ratios."""
