"""Outbox rows to the platform and back: wire, session, pump, seal, commands."""
