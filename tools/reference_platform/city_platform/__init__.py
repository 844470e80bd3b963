# SPDX-License-Identifier: AGPL-3.0-or-later
"""The reference platform: receives, checks, stores and acknowledges what boxes publish."""
