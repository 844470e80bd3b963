# SPDX-License-Identifier: AGPL-3.0-or-later
"""Outbox rows to the platform and back: wire, session, pump, seal, commands."""
