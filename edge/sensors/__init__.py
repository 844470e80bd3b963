# SPDX-License-Identifier: AGPL-3.0-or-later
"""Serial bytes to samples, levels and findings."""
